"""What a file's scores are: all tags, the highest, the record. :mod:`earmark.tagging.tagger` makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.tag_constraints import TagRules
from earmark.core.vocabulary import CATEGORIES, Vocabulary

Scores = npt.NDArray[np.float32]
Threshold = Literal["auto", "none"] | float


@dataclass(frozen=True)
class TagScore:
    """One tag of a file. ``score`` is 0..1: a probability, or a degree for regression tags."""

    tag: str
    score: float
    kind: str
    category: str


@dataclass(frozen=True, eq=False)
class TagScores:
    """What a model heard in one file or waveform.

    Attributes:
        path: the file; None for a waveform from memory.
        model: name of the model.
        vocabulary: tags in the order of ``scores``.
        scores: ``(n_tags,)`` float32, 0..1: the mean over windows, calibrated where the model's card says how.
        taggram: ``(n_windows, n_tags)`` float32, 0..1: the score of every window that was heard. Calibration maps these
            too, each for itself, so that the mean of a calibrated tag's column is not exactly its score.
        window_starts_seconds: ``(n_windows,)`` where each window begins.
        window_seconds: length of a window; the last one may reach beyond the end.
        duration_seconds: length of the audio.
        thresholds: tag name -> score from which it holds, where the model's card gives one.
        warnings: what a reader should know, e.g. that the file is silent; one line each.
        rules: which tags cannot hold together, of the model's card.
        sparse: only some windows were heard, spread over the file.
        embedding: ``(n_dims,)`` float32: what the network knew of the file before it decided on tags, as a mean over
            windows; files that sound alike have embeddings of nearly the same direction. None where the tagger was
            not asked for embeddings, or the model gives none.
    """

    path: Path | None
    model: str
    vocabulary: Vocabulary
    scores: Scores
    taggram: Scores
    window_starts_seconds: npt.NDArray[np.float64]
    window_seconds: float
    duration_seconds: float
    thresholds: dict[str, float]
    warnings: tuple[str, ...] = ()
    rules: TagRules = field(default_factory=TagRules)
    sparse: bool = False
    embedding: npt.NDArray[np.float32] | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of all tags, in the order of ``scores``."""
        return self.vocabulary.names

    @property
    def heard_seconds(self) -> float:
        """How much of the audio lies in some window that was heard."""
        if not self.sparse:
            return self.duration_seconds
        ends = self.window_starts_seconds + self.window_seconds
        return float((ends - np.maximum(self.window_starts_seconds, np.append(0.0, ends[:-1]))).sum())

    def __getitem__(self, tag: str) -> float:
        """Score of one tag by name. Raises ConfigError, with near names, for a tag that the model lacks."""
        return float(self.scores[self.vocabulary.index(tag)])

    def top(self, n: int = 5, threshold: Threshold = "none") -> list[TagScore]:
        """The highest scores, highest first.

        Args:
            n: how many at most; 0 for all.
            threshold: "none" keeps all; a number keeps scores of at least that; "auto" keeps what
                reaches the card's threshold for the tag, and tags for which the card has none, without any
                that contradict each other by the card's rules. Nothing is left where nothing holds.

        Raises:
            ConfigError: n below 0, or a threshold that is neither of these.
        """
        if n < 0:
            raise ConfigError(f"n {n}: must be 0 (all) or more")
        holding = self.scores >= self._least(threshold)
        if threshold == "auto":
            holding = self.rules.keep(holding, self.scores, self.tags)
        kept = [int(i) for i in np.argsort(-self.scores, kind="stable") if holding[i]]
        tags = self.vocabulary.tags
        best = kept[:n] if n else kept
        return [TagScore(tags[i].name, float(self.scores[i]), tags[i].kind, tags[i].category) for i in best]

    def top_per_category(self, threshold: Threshold = "auto", per_category: int = 2) -> list[TagScore]:
        """What a line has room for: of each category the highest few, categories in the order in which they are shown.

        Args:
            threshold: as for :meth:`top`.
            per_category: tags of one category at most.

        Raises:
            ConfigError: per_category below 1, or a wrong threshold.
        """
        if per_category < 1:
            raise ConfigError(f"per_category {per_category}: must be at least 1")
        kept = self.top(0, threshold)
        return [tag for name in CATEGORIES for tag in [one for one in kept if one.category == name][:per_category]]

    def _least(self, threshold: Threshold) -> npt.NDArray[np.float64]:
        if threshold == "none":
            return np.full(len(self.tags), -np.inf)
        if threshold == "auto":
            return np.array([self.thresholds.get(name, -np.inf) for name in self.tags])
        if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise ConfigError(f"threshold {threshold!r}: must be auto, none or a number from 0 to 1")
        return np.full(len(self.tags), float(threshold))

    def to_record(self, n: int = 0, threshold: Threshold = "none") -> dict[str, Any]:
        """The object that ``earmark tag --format jsonl`` prints: plain values, scores to 4 places.

        ``abstained`` is true where no tag reaches the threshold; ``tags`` is empty then.
        """
        kept = self.top(n, threshold)
        return {
            "path": None if self.path is None else str(self.path),
            "status": "ok",
            "error": None,
            "duration_seconds": round(self.duration_seconds, 3),
            "windows": len(self.taggram),
            "heard_seconds": round(self.heard_seconds, 3),
            "model": self.model,
            "abstained": not kept,
            "tags": [{"tag": t.tag, "score": round(t.score, 4), "kind": t.kind, "category": t.category} for t in kept],
            "warnings": list(self.warnings),
        }
