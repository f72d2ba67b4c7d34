"""The model of a scan: known by its file from the start, loaded when the first file has to be tagged."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from earmark.core.card import ModelCard
from earmark.core.errors import AudioError, ModelError
from earmark.library.index.rows import weights_id
from earmark.tagging.devices import CPU, check_device
from earmark.tagging.file_windows import Measures
from earmark.tagging.progress import OnProgress
from earmark.tagging.runtime import find_model, read_card
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger


class ScanTagger(Protocol):
    """What a scan needs of a model."""

    @property
    def card(self) -> ModelCard:
        """Its card."""

    @property
    def weights_sha256(self) -> str:
        """Identifies the model: results of other weights are stale."""

    @property
    def embedding_dims(self) -> int | None:
        """Length of its embeddings; None where it gives none."""

    @property
    def damaged(self) -> Literal["error", "tag"]:
        """What it does with truncated files."""

    @property
    def measures(self) -> Measures:
        """Whether it estimates tempo and key."""

    def tag_many(
        self,
        paths: Iterable[str | Path],
        *,
        jobs: int | None,
        errors: Literal["return"],
        on_progress: OnProgress | None,
    ) -> Iterator[TagScores | AudioError]:
        """As :meth:`earmark.tagging.tagger.Tagger.tag_many`."""


class LazyTagger:
    """A model by name or file. A scan that finds nothing to tag never loads it.

    Args:
        model, device: as for :func:`earmark.tagging.tagger.load_tagger`.
        damaged, windows, tempo, key: as for :class:`earmark.tagging.tagger.Tagger`.

    Attributes:
        path: the ONNX file.
        card: its card.
        weights_sha256: of the whole ONNX file, with the number of windows where only some are used.
        embedding_dims: as its card says.
        measures: whether it estimates tempo and key.

    Raises:
        ModelError: there is no such model.
        ConfigError: an unknown device, or one for which ONNX Runtime has no provider.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str = CPU,
        damaged: Literal["error", "tag"] = "error",
        windows: int | None = None,
        tempo: bool = False,
        key: bool = False,
    ) -> None:
        check_device(device)
        self.path = find_model(model)
        self.card: ModelCard = read_card(self.path)
        with self.path.open("rb") as file:
            self.weights_sha256: str = weights_id(hashlib.file_digest(file, "sha256").hexdigest(), windows)
        self.device, self.windows, self.measures = device, windows, Measures(tempo, key)
        self.damaged: Literal["error", "tag"] = damaged
        self.embedding_dims: int | None = self.card.embedding_dims

    def tag_many(
        self,
        paths: Iterable[str | Path],
        *,
        jobs: int | None,
        errors: Literal["return"],
        on_progress: OnProgress | None,
    ) -> Iterator[TagScores | AudioError]:
        """As :meth:`earmark.tagging.tagger.Tagger.tag_many`. Raises ModelError where the model cannot be loaded."""
        paths = iter(paths)
        for first in paths:  # the first path shows that there is something to tag
            tagger = Tagger.from_file(
                self.path,
                device=self.device,
                damaged=self.damaged,
                embeddings=self.embedding_dims is not None,
                windows=self.windows,
                tempo=self.measures.tempo,
                key=self.measures.key,
            )
            if tagger.embedding_dims != self.embedding_dims:
                raise ModelError(
                    f"{self.path}: gives embeddings of length {tagger.embedding_dims or 'none'}, but its card says "
                    f"{self.embedding_dims or 'none'}: export both again with `earmark export`"
                )
            paths = itertools.chain([first], paths)
            yield from tagger.tag_many(paths, jobs=jobs, errors=errors, on_progress=on_progress)
