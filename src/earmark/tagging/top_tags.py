"""The highest scores of a file, and which tags reach their thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from earmark.tagging.tag_scores import TagScores

Threshold = Literal["auto", "none"] | float


@dataclass(frozen=True)
class TagScore:
    """One tag of a file, as :meth:`TagScores.top` gives it.

    Attributes:
        tag: its name.
        score: 0..1: a probability, or a degree for regression tags.
        kind: "classification" or "regression".
        category: one of :data:`earmark.core.vocabulary.CATEGORIES`, e.g. "genre".

    Examples:
        >>> import earmark
        >>> earmark.TagScore("rock", 0.91, "classification", "genre")
        TagScore(tag='rock', score=0.91, kind='classification', category='genre')
    """

    tag: str
    score: float
    kind: str
    category: str


def top_tags(scores: TagScores, n: int, threshold: Threshold) -> list[TagScore]:
    """See :meth:`earmark.TagScores.top`."""
    if n < 0:
        raise ConfigError(f"n {n}: must be 0 (all) or more")
    applies = (scores.scores >= _minimum(scores, threshold)) & ~scores.is_degree & (not scores.silent)
    if threshold == "auto":
        applies = scores.rules.keep(applies, scores.scores, scores.tags) & ~scores.is_degree
    kept = [int(i) for i in np.argsort(-scores.scores, kind="stable") if applies[i]]
    tags = scores.vocabulary.tags
    best = kept[:n] if n else kept
    return [TagScore(tags[i].name, float(scores.scores[i]), tags[i].kind, tags[i].category) for i in best]


def top_per_category(scores: TagScores, threshold: Threshold, per_category: int) -> list[TagScore]:
    """See :meth:`earmark.TagScores.top_per_category`."""
    if per_category < 1:
        raise ConfigError(f"per_category {per_category}: must be at least 1")
    kept = scores.top(0, threshold)
    return [tag for name in CATEGORIES for tag in [one for one in kept if one.category == name][:per_category]]


def _minimum(scores: TagScores, threshold: Threshold) -> npt.NDArray[np.float64]:
    if threshold == "none":
        return np.full(len(scores.tags), -np.inf)
    if threshold == "auto":
        return np.array([scores.thresholds.get(name, -np.inf) for name in scores.tags])
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigError(f"threshold {threshold!r}: must be auto, none or a number from 0 to 1")
    return np.full(len(scores.tags), float(threshold))
