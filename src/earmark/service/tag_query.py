"""The query parameters of a request for tags, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from earmark.tagging.options import FINE_STEP_SECONDS, LEAST_STEP_SECONDS, MOST_SPARSE_WINDOWS
from earmark.tagging.segments import MIN_SECONDS


class TagQuery(BaseModel):
    """Query parameters of one request. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[
        str | None, Field(description="Name of a served model, see /v1/models; the first one by default.")
    ] = None
    top: Annotated[int, Field(ge=0, le=100_000, description="Most tags per file, highest first; 0 for all.")] = 0
    threshold: Annotated[
        Literal["auto", "none"] | Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)],
        Field(
            description="Lowest score: auto uses each tag's threshold from the model's card; or a number from 0 to 1."
        ),
    ] = "none"
    taggram: Annotated[bool, Field(description="Also give the scores of every window.")] = False
    damaged: Annotated[
        Literal["error", "tag"],
        Field(description="Truncated or damaged files: an error, or tag what can be decoded and add a warning."),
    ] = "error"
    windows: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_SPARSE_WINDOWS,
            description="Only so many windows of each file, spread over it; all by default.",
        ),
    ] = None
    tempo: Annotated[bool, Field(description="Also estimate the tempo. Not with windows.")] = False
    key: Annotated[bool, Field(description="Also estimate the key. Not with windows.")] = False
    segments: Annotated[bool, Field(description="Also say which tags apply when. Not with windows.")] = False
    min_segment: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description=f"With segments: their least length in seconds, {MIN_SECONDS:g} by default.",
        ),
    ] = None
    smoothing: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="With segments: above 1 for fewer of them, below 1 for more; 1 by default.",
        ),
    ] = None
    step: Annotated[
        float | None,
        Field(
            ge=LEAST_STEP_SECONDS,
            allow_inf_nan=False,
            description=f"Seconds between windows, which then overlap: how fine taggram and segments are, and how long the "
            f"network takes. {FINE_STEP_SECONDS:g} by default with segments, else windows are side by side. Not with windows.",
        ),
    ] = None

    def contradictions(self) -> list[str]:
        """Values that do not go together, one line each, as `earmark tag` refuses them."""
        problems = []
        for name in ("segments", "step", "tempo", "key"):
            if self.windows is not None and getattr(self, name):
                problems.append(f"windows with {name}: this needs all windows of a file")
        for name in ("min_segment", "smoothing"):
            if getattr(self, name) is not None and not self.segments:
                problems.append(f"{name}: only with segments=true")
        return problems

    @property
    def step_seconds(self) -> float | None:
        """As :class:`earmark.Tagger` takes it."""
        return self.step or (FINE_STEP_SECONDS if self.segments else None)


ALLOWED = {
    "top": "a whole number from 0 (all) to 100000",
    "threshold": "auto, none or a number from 0 to 1",
    "taggram": "true or false",
    "damaged": "error or tag",
    "windows": f"a whole number from 1 to {MOST_SPARSE_WINDOWS}",
    "tempo": "true or false",
    "key": "true or false",
    "segments": "true or false",
    "min_segment": "a number of seconds above 0",
    "smoothing": "a number above 0",
    "step": f"a number of seconds, {LEAST_STEP_SECONDS} or more",
}
"""Parameter -> allowed values, as text."""
