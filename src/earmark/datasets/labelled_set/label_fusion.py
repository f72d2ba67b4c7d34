"""Soft labels for a student, fused from the probabilities of its teachers.

Teachers differ much in level: one gives "rock" to every second song, another to every tenth. So each is first put on a
common scale, tag by tag: the logit of its probability, minus the mean, divided by the standard deviation, both over a
set. The mean of the teachers is then brought back to the mean of their levels and spreads. The probabilities stay on
disk, so all this can be changed without labelling again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set.tag_union import TagUnion

Doubles = npt.NDArray[np.float64]

LEAST, MOST = 1e-5, 1 - 5e-4
"""What float16 can distinguish from 0 and from 1."""
_LEAST_DEVIATION = 1e-3


def union_logits(means: npt.NDArray[np.floating[Any]], vocabularies: Sequence[str], union: TagUnion) -> Doubles:
    """Every teacher's logits for the tags of the union.

    People use one of several tags with the same meaning, so the probability that any of them is given counts:
    1 - product of (1 - p).

    Args:
        means: (n, n_teachers, n) probabilities; a teacher with fewer tags than another leaves the last ones unused.
        vocabularies: of each teacher.
        union: the tags.

    Returns:
        (n, n_teachers, n_tags) logits; NaN where a teacher does not know a tag.
    """
    if means.ndim != 3 or means.shape[1] != len(vocabularies):
        raise ConfigError(f"probabilities of shape {means.shape}: must be (n, {len(vocabularies)} teachers, n_tags)")
    out = np.full((len(means), len(vocabularies), len(union.tags)), np.nan)
    for teacher, vocabulary in enumerate(vocabularies):
        probabilities = means[:, teacher].astype(np.float64)
        for tag, sources in enumerate(union.sources_of(vocabulary)):
            if sources:
                p = (1 - np.prod(1 - probabilities[:, list(sources)], axis=1)).clip(LEAST, MOST)
                out[:, teacher, tag] = np.log(p / (1 - p))
    return out


@dataclass(frozen=True, eq=False)
class LabelFusion:
    """The common scale of all teachers, fitted on a set.

    Attributes:
        level, spread: (n_teachers, n_tags) mean and standard deviation of the logits; NaN where a teacher does not know
            a tag.
        weights: (n_teachers, n_tags), 0 or more: how much a teacher counts for a tag; each tag's add up to 1.
        stretch: (n_tags,) factor of the mean of the teachers: they agree only in part, so their mean varies less than
            one of them does.
    """

    level: Doubles
    spread: Doubles
    weights: Doubles
    stretch: Doubles

    @classmethod
    def fit(cls, logits: Doubles, weights: npt.ArrayLike | None = None) -> LabelFusion:
        """Fit on the logits (n, n_teachers, n_tags) of :func:`union_logits`.

        Args:
            logits: of a set that is like what is to be fused.
            weights: (n_teachers,) or (n_teachers, n_tags), 0 or more; None for all alike.

        Raises:
            ConfigError: fewer than two examples, or a tag for which no teacher counts.
        """
        if len(logits) < 2:
            raise ConfigError(f"{len(logits)} examples: a scale needs at least 2")
        known = ~np.isnan(logits[0])
        given = np.ones(known.shape) if weights is None else np.asarray(weights, dtype=np.float64)
        given = np.broadcast_to(given[:, None] if given.ndim == 1 else given, known.shape) * known
        total = given.sum(axis=0)
        if (given < 0).any() or not (total > 0).all():
            without = np.flatnonzero(~(total > 0)).tolist()
            raise ConfigError(f"weights of teachers: must be 0 or more, and above 0 for each tag; not so for {without}")
        level, spread = logits.mean(axis=0), logits.std(axis=0).clip(_LEAST_DEVIATION)
        unscaled = cls(level, spread, given / total, np.ones(known.shape[1]))
        return cls(
            level, spread, unscaled.weights, 1 / unscaled.common_scale(logits).std(axis=0).clip(_LEAST_DEVIATION)
        )

    def common_scale(self, logits: Doubles) -> Doubles:
        """The mean of the teachers on the common scale, (n, n_tags): 0 is the mean of a tag, 1 a standard deviation above."""
        scaled = np.where(np.isnan(logits), 0.0, (logits - self.level) / self.spread)
        common: Doubles = np.einsum("ntk,tk->nk", scaled, self.weights) * self.stretch
        return common

    def soft_labels(self, logits: Doubles) -> npt.NDArray[np.float32]:
        """Soft labels in 0..1, (n, n_tags) float32."""
        level = np.nansum(self.level * self.weights, axis=0)
        spread = np.nansum(self.spread * self.weights, axis=0)
        logit = level + spread * self.common_scale(logits)
        labels: npt.NDArray[np.float32] = (1 / (1 + np.exp(-logit))).astype(np.float32)
        return labels
