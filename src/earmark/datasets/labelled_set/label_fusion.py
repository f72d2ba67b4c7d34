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
_CHUNK = 2048
"""Examples that are fused at a time; it bounds the memory."""
_UNKNOWN_CORRELATION = 0.5
"""Of two teachers that never labelled the same example."""


def union_logits(means: npt.NDArray[np.floating[Any]], vocabularies: Sequence[str], union: TagUnion) -> Doubles:
    """Every teacher's logits for the tags of the union.

    People use one of several tags with the same meaning, so the probability that any of them is given counts:
    1 - product of (1 - p).

    Args:
        means: (n, n_teachers, n) probabilities; a teacher with fewer tags than another leaves the last ones unused.
        vocabularies: of each teacher.
        union: the tags.

    Returns:
        (n, n_teachers, n_tags) logits; NaN where a teacher does not know a tag or did not label the example.
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

    A teacher need not have labelled every example: where its logit is NaN, the others share its weight. Where no teacher
    answers, the fused label is NaN.

    Attributes:
        level, spread: (n_teachers, n_tags) mean and standard deviation of the logits; NaN where a teacher does not know
            a tag.
        weights: (n_teachers, n_tags), 0 or more: how much a teacher counts for a tag; each tag's add up to 1, or to 0
            where no teacher knows it.
        covariance: (n_tags, n_teachers, n_teachers) of the teachers on the common scale: they agree only in part, so
            their mean varies less than one of them does, and is stretched accordingly.
    """

    level: Doubles
    spread: Doubles
    weights: Doubles
    covariance: Doubles

    @classmethod
    def fit(cls, logits: Doubles, weights: npt.ArrayLike | None = None) -> LabelFusion:
        """Fit on the logits (n, n_teachers, n_tags) of :func:`union_logits`.

        Args:
            logits: of a set that is like what is to be fused; NaN where a teacher did not label.
            weights: (n_teachers,) or (n_teachers, n_tags), 0 or more; None for all alike.

        Raises:
            ConfigError: fewer than two examples, or a tag for which no teacher that knows it counts.
        """
        if len(logits) < 2:
            raise ConfigError(f"{len(logits)} examples: a scale needs at least 2")
        labelled = ~np.isnan(logits)
        known: npt.NDArray[np.bool_] = np.any(labelled, axis=0)
        given = np.ones(known.shape) if weights is None else np.asarray(weights, dtype=np.float64)
        given = np.broadcast_to(given[:, None] if given.ndim == 1 else given, known.shape) * known
        total = given.sum(axis=0)
        without = ~(total > 0) & known.any(axis=0)
        if (given < 0).any() or without.any():
            raise ConfigError(
                "weights of teachers: must be 0 or more, and above 0 for each tag; not so for "
                f"{np.flatnonzero(without).tolist()}"
            )
        n_teachers, n_tags = known.shape
        level, spread = np.full(known.shape, np.nan), np.full(known.shape, np.nan)
        covariance = np.full((n_tags, n_teachers, n_teachers), _UNKNOWN_CORRELATION)
        for tag in range(n_tags):  # one at a time: all of a large set would take gigabytes
            there = labelled[:, :, tag].astype(np.float64)
            n_both = there.T @ there
            n_labelled = np.where(known[:, tag], there.sum(axis=0), np.nan)
            level[:, tag] = np.where(there, logits[:, :, tag], 0.0).sum(axis=0) / n_labelled
            centred = np.where(there, logits[:, :, tag] - level[:, tag], 0.0)
            spread[:, tag] = np.sqrt(np.square(centred).sum(axis=0) / n_labelled).clip(_LEAST_DEVIATION)
            scaled = np.where(there, centred / spread[:, tag], 0.0)
            np.divide(scaled.T @ scaled, n_both, out=covariance[tag], where=n_both > 0)
        return cls(level, spread, given / np.where(total > 0, total, 1.0), covariance)

    def common_scale(self, logits: Doubles) -> Doubles:
        """The mean of the teachers on the common scale, (n, n_tags).

        0 is the mean of a tag, 1 a standard deviation above; NaN where no teacher answers.
        """
        chunks = [self._common_scale(logits[k : k + _CHUNK]) for k in range(0, max(1, len(logits)), _CHUNK)]
        return np.concatenate(chunks)

    def _common_scale(self, logits: Doubles) -> Doubles:
        answered = ~np.isnan(logits) & (self.weights > 0)
        scaled = np.where(answered, (logits - self.level) / self.spread, 0.0)
        out = np.empty((len(logits), logits.shape[2]))
        # Examples differ in who labelled them by whole shards, so there are few patterns.
        bits = np.packbits(answered.reshape(len(logits), -1), axis=1)
        _, first, pattern = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        for k, example in enumerate(first):
            rows: Any = pattern.reshape(-1) == k if len(first) > 1 else slice(None)
            share = self.weights * answered[example]
            total = share.sum(axis=0)
            share = share / np.where(total > 0, total, 1.0)
            # Teachers that contradict each other count as independent ones: with few examples that is chance.
            variance = np.einsum("tk,kts,sk->k", share, self.covariance, share)
            deviation = np.sqrt(np.maximum(variance, np.square(share).sum(axis=0)))
            mean = np.einsum("ntk,tk->nk", scaled[rows], share)
            out[rows] = np.where(total > 0, mean / deviation.clip(_LEAST_DEVIATION), np.nan)
        return out

    def soft_labels(self, logits: Doubles) -> npt.NDArray[np.float32]:
        """Soft labels in 0..1, (n, n_tags) float32; NaN where no teacher answers."""
        level = np.nansum(self.level * self.weights, axis=0)
        spread = np.nansum(self.spread * self.weights, axis=0)
        logit = level + spread * self.common_scale(logits)
        labels: npt.NDArray[np.float32] = (1 / (1 + np.exp(-logit))).astype(np.float32)
        return labels
