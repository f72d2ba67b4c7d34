"""What is read from an index: a model, and a file with its results."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.audio_formats import has_video_suffix
from earmark.core.card import ModelCard
from earmark.core.vocabulary import Vocabulary
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

Floats = npt.NDArray[np.float32]

NO_AUDIO = "holds no audio ("
"""The beginning of the reason of a :class:`earmark.core.errors.NoAudioError`, as the index has it."""

_WINDOWS = "+windows"


def is_silent_video(path: Path, reason: str, named: bool = False) -> bool:
    """Whether a file that was found in a folder is a video without sound, by the reason for which it was not tagged."""
    return not named and reason.startswith(NO_AUDIO) and has_video_suffix(path)


def weights_id(weights_sha256: str, windows: int | None) -> str:
    """Identifies a model's results; those of another number of windows are kept apart."""
    return weights_sha256 if windows is None else f"{weights_sha256}{_WINDOWS}{windows}"


@dataclass(frozen=True)
class ModelRow:
    """A model that results in the index came from.

    Attributes:
        model_id: its number in this index.
        name, version: of its card.
        weights_sha256: of its ONNX file; with the number of windows where it used only some of each file, see
            :func:`weights_id`.
        card_json: its card, as :meth:`earmark.core.card.ModelCard.to_json` writes it.
        embedding_dims: length of its embeddings, None where it gives none.
    """

    model_id: int
    name: str
    version: str
    weights_sha256: str
    card_json: str = field(repr=False)
    embedding_dims: int | None

    @cached_property
    def card(self) -> ModelCard:
        """The model's card."""
        return ModelCard.from_json(self.card_json, where=f"card of {self.name} in the index")

    @property
    def windows(self) -> int | None:
        """How many windows of each file were used; None for all."""
        number = self.weights_sha256.partition(_WINDOWS)[2]
        return int(number) if number.isdecimal() else None

    @property
    def vocabulary(self) -> Vocabulary:
        """Tags in the order of the scores."""
        return self.card.vocabulary


@dataclass(frozen=True, eq=False)
class Track:
    """One file of the library.

    Attributes:
        path: absolute.
        content_key: key of its audio; None where it could not be read.
        duration_seconds: None where it was never tagged.
        scores: ``(n_tags,)`` float32, 0..1, of :attr:`model`; None where it has none.
        embedding: ``(embedding_dims,)`` float32, or None.
        model: what the scores came from.
        status: "ok", "error", or "missing": it was there in an earlier scan.
        error: why it could not be tagged.
        warnings: of the tagger, one line each.
        title, artist, album, genre: the file's own metadata; several genres are joined with "; ".
        tempo, key: as a scan estimated them; None where none did.
    """

    path: Path
    content_key: str | None
    duration_seconds: float | None
    scores: Floats | None
    embedding: Floats | None
    model: ModelRow | None
    status: str
    error: str | None
    warnings: tuple[str, ...] = ()
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genre: str | None = None
    tempo: Tempo | None = None
    key: KeyEstimate | None = None
