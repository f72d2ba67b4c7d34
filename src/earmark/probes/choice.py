"""How strongly a head is regularised: chosen on clips that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.probes.features import WindowFeatures
from earmark.probes.head import STRENGTHS, Doubles, Head, fit_heads

_LEAST = 1e-7


@dataclass(frozen=True)
class HeadConfig:
    """What a head is.

    Attributes:
        hidden: units of the layer between; 0 for a linear head.
        softmax: positions of tags of which every labelled clip has one.
        strengths: of the regularisation, to choose from.
        seed: of the weights and of the folds.
    """

    hidden: int = 0
    softmax: tuple[int, ...] = ()
    strengths: tuple[float, ...] = STRENGTHS
    seed: int = 0

    def fit(self, features: WindowFeatures, labels: npt.NDArray[np.floating], strengths: Sequence[float]) -> list[Head]:
        """A head for each strength."""
        return fit_heads(features, labels, strengths, hidden=self.hidden, softmax=self.softmax, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Choice:
    """The result of a choice.

    Attributes:
        strength: the best.
        losses: of every strength, on clips that heads were fitted without.
        places: (n_validated,) these clips.
        scores: (n_validated, n_tags) of them, at the best strength.
    """

    strength: float
    losses: tuple[float, ...]
    places: npt.NDArray[np.int64]
    scores: Doubles


def choose(
    features: WindowFeatures,
    labels: npt.NDArray[np.floating],
    folds: npt.NDArray[np.int64],
    config: HeadConfig,
    on_fold: Callable[[], None] = lambda: None,
) -> Choice:
    """Choose by the cross-entropy of the scores of clips that a head was fitted without.

    Args:
        features: windows of the clips.
        labels: (n_clips, n_tags); NaN where not labelled.
        folds: (n_clips,) the fold of each; clips of a fold are scored by heads that learned from all others. -1 for
            clips that are always learned from.
        config: of the head.
        on_fold: called after each fold.
    """
    places = np.flatnonzero(folds >= 0)
    scores = np.zeros((len(config.strengths), *labels.shape))
    for fold in np.unique(folds[places]):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        held_out = features.of_clips(outside)
        heads = config.fit(features.of_clips(inside), labels[inside], config.strengths)
        for i, head in enumerate(heads):
            scores[i, outside] = held_out.clip_means(head(held_out.values))
        on_fold()
    losses = tuple(cross_entropy(labels[places], of_strength[places], config.softmax) for of_strength in scores)
    best = int(np.argmin(losses))
    return Choice(config.strengths[best], losses, places, scores[best, places])


def cross_entropy(labels: npt.NDArray[np.floating], scores: Doubles, softmax: Sequence[int] = ()) -> float:
    """Cross-entropy of scores (n_clips, n_tags): the mean over labelled clips of each tag, then over tags.

    Tags of a softmax count as one tag together. Tags without a label do not count.

    Example:
        >>> round(cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])), 4)
        0.6931
    """
    p = np.clip(scores, _LEAST, 1 - _LEAST)
    each = -(labels * np.log(p) + (1 - labels) * np.log1p(-p))
    values = [each[:, i] for i in range(labels.shape[1]) if i not in softmax]
    if softmax:
        values.append(-(labels * np.log(p))[:, list(softmax)].sum(axis=1))
    return float(np.mean([np.nanmean(value) for value in values if not np.isnan(value).all()]))
