"""Uploads and responses, as the OpenAPI document describes them; :mod:`earmark.service.tag_query` has the parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from earmark.core.json_records import json_text
from earmark.service.problems import MEDIA_TYPE, TITLES
from earmark.service.uploads import FIELD


class TagAnswer(BaseModel):
    """One tag of a file."""

    tag: str
    score: Annotated[float, Field(ge=0, le=1)]
    kind: Annotated[
        Literal["classification", "regression"],
        Field(description="classification: the score is a probability; regression: a degree."),
    ]
    category: str


class TaggramAnswer(BaseModel):
    """Scores over time."""

    tags: Annotated[list[str], Field(description="All tags of the model: the columns of scores.")]
    window_starts_seconds: Annotated[list[float], Field(description="Start of each window: the rows of scores.")]
    window_seconds: float
    scores: list[list[float]]


class SegmentTagAnswer(BaseModel):
    """One tag of a part of a file."""

    tag: str
    score: Annotated[float, Field(ge=0, le=1)]


class SegmentAnswer(BaseModel):
    """A part of a file, and the tags that hold in it."""

    start_seconds: float
    end_seconds: float
    silent: bool
    tags: Annotated[list[SegmentTagAnswer], Field(description="Highest score first.")]


Share = Annotated[float, Field(ge=0, le=1)]


class TempoAnswer(BaseModel):
    """The tempo of a file."""

    bpm: Annotated[float | None, Field(description="Beats per minute, to 0.1; null: no beat is clear.")]
    confidence: Share


class KeyAnswer(BaseModel):
    """The key of a file, in the notations of musicians and DJ programs; null: no key is clear."""

    key: Annotated[str | None, Field(description='As ID3 has it: "F#m", "Bb".')]
    name: Annotated[str | None, Field(description='"F# minor".')]
    camelot: Annotated[str | None, Field(description='"11A".')]
    open_key: Annotated[str | None, Field(description='"4m".')]
    confidence: Share
    tuning_hz: Annotated[float, Field(description="Frequency of A4.")]


class RecordAnswer(BaseModel):
    """One file, as `earmark tag --format jsonl` prints it."""

    path: Annotated[str | None, Field(description="The file's name as it was sent.")]
    status: Literal["ok", "error"]
    error: Annotated[str | None, Field(description="Why it could not be tagged.")]
    duration_seconds: float | None
    windows: Annotated[int | None, Field(description="Number of windows that were used.")]
    heard_seconds: Annotated[
        float | None, Field(description="Seconds of the audio that are inside a window that was used.")
    ]
    silent_seconds: Annotated[float | None, Field(description="Seconds of those that are silent, and do not count.")]
    model: str
    abstained: Annotated[bool | None, Field(description="No tag reaches the threshold, or all is silent.")]
    tags: Annotated[list[TagAnswer], Field(description="Highest score first.")]
    degrees: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1)]],
        Field(
            description="How much of what never applies or not, such as energy, where the model has such degrees. They "
            "are in no list of tags, and independent of top and threshold; empty for a silent file."
        ),
    ]
    warnings: list[str]
    tempo: Annotated[TempoAnswer, Field(description="If requested, and the file could be tagged.")] = None  # type: ignore[assignment]
    key: Annotated[KeyAnswer, Field(description="If requested, and the file could be tagged.")] = None  # type: ignore[assignment]
    segments: Annotated[
        list[SegmentAnswer],
        Field(description="If requested, and the file could be tagged: its parts in order of time, without gaps."),
    ] = None  # type: ignore[assignment]
    taggram: Annotated[TaggramAnswer, Field(description="If requested, and the file could be tagged.")] = None  # type: ignore[assignment]


class TagsAnswer(BaseModel):
    """One record per file, in the order in which the files were sent."""

    results: list[RecordAnswer]


class ModelAnswer(BaseModel):
    """Summary of a served model."""

    name: str
    default: bool
    n_tags: int
    window_seconds: float
    licence: str
    description: str


class ModelsAnswer(BaseModel):
    """The served models."""

    models: list[ModelAnswer]


class CardAnswer(BaseModel):
    """A model's card: tags, thresholds, training data, measured quality, licence, limits."""

    model_config = ConfigDict(extra="allow")

    format: int
    name: str
    vocabulary: list[dict[str, Any]]


class HealthAnswer(BaseModel):
    """The service is alive."""

    status: Literal["ok"]


class ProblemAnswer(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="urn:earmark:problem:KIND")]
    title: str
    status: int
    detail: str


EXAMPLE_RECORD: dict[str, Any] = {
    "path": "03-rock.mp3",
    "status": "ok",
    "error": None,
    "duration_seconds": 27.623,
    "windows": 3,
    "heard_seconds": 27.623,
    "silent_seconds": 0.203,
    "model": "earmark-2",
    "abstained": False,
    "tags": [
        {"tag": "guitar", "score": 0.9788, "kind": "classification", "category": "instrument"},
        {"tag": "drums", "score": 0.9594, "kind": "classification", "category": "instrument"},
    ],
    "degrees": {
        "instrumentalness": 0.7544,
        "energy": 0.7517,
        "valence": 0.6538,
        "danceability": 0.5132,
        "acousticness": 0.2112,
    },
    "warnings": [],
}


EXAMPLE_PROGRESS: dict[str, Any] = {
    "index": 0,
    "path": "mix.mp3",
    "seconds": 612.5,
    "duration_seconds": 1800.0,
    "windows": 63,
    "finished": False,
    "error": None,
    "done": 0,
    "total": 1,
}
EXAMPLE_EVENTS = (
    f"event: progress\ndata: {json_text(EXAMPLE_PROGRESS)}\n\n"
    f"event: result\ndata: {json_text({'results': [EXAMPLE_RECORD]})}\n\n"
)


def upload_body(max_files: int) -> dict[str, Any]:
    """The body of POST /v1/tag."""
    files = {
        "type": "array",
        "minItems": 1,
        "maxItems": max_files,
        "items": {"type": "string", "format": "binary"},
        "description": "Audio files: MP3, FLAC, WAV, AIFF, Ogg, Opus, M4A, WMA and other formats that FFmpeg decodes.",
    }
    form = {"type": "object", "required": [FIELD], "additionalProperties": False, "properties": {FIELD: files}}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def problem(status: int, *kinds: str, **more: Any) -> dict[str, Any]:
    """A problem response for the document; the example is of the first kind."""
    example = {
        "type": f"urn:earmark:problem:{kinds[0]}",
        "title": TITLES[kinds[0]],
        "status": status,
        "detail": "What was sent, and what is allowed.",
        **more,
    }
    return {
        "description": "; ".join(f"{TITLES[kind]} (`{kind}`)" for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}, "example": example}},
    }


WRONG_KEY = problem(401, "wrong-key")
NOT_FOUND = problem(404, "not-found")
WRONG_VALUES = problem(422, "wrong-values")
TAG_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "At least one file was tagged; files that could not be tagged have status error.",
        "content": {
            "application/json": {"example": {"results": [EXAMPLE_RECORD]}},
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "description": "For `Accept: text/event-stream`: events `progress`, and at the end one `result` with "
                    "the JSON of the other kind of answer, or one `error` with a problem.",
                },
                "example": EXAMPLE_EVENTS,
            },
        },
    },
    400: problem(400, "bad-request"),
    408: problem(408, "upload-too-slow"),
    413: problem(413, "too-large", "too-many-files"),
    415: problem(415, "not-multipart"),
    422: problem(422, "not-tagged", "too-long", "wrong-values", "no-file"),
    503: problem(503, "full", "stopping"),
    504: problem(504, "timed-out"),
    507: problem(507, "no-space"),
}
