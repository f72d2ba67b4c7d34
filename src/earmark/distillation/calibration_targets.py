"""The reference to which a student's scores are calibrated: does a tag hold, by the averaged teachers?

Teachers give probabilities, most of them small. By the reference a tag holds for the clips with the highest average: for
as large a share of the music as the average itself says. Where the mean for "reggae" is .03, the three highest of a
hundred clips have it. Scores are calibrated to this reference on clips that were not trained on.

People who tag leave out much that holds, and teachers have learned that from them. ``share_factors`` say by category for
how many times as much of the music a tag holds; they are chosen where people have said of every clip whether it holds.

Most tags hold in few of these clips. So one map is fitted for all tags together, and each tag's own map is shrunk towards
it, the less data there is for the tag the more (an empirical Bayes fit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import Platt, calibrated, logit
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.evaluation.platt import fit_platt
from earmark.metrics.calibration import expected_calibration_error

FREEDOMS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of a tag's offset around that of all, among which cross-validation chooses; half of it for slopes."""
N_FOLDS = 5
LEAST_PRECISION = 0.6
"""Least precision at a tag's threshold."""
THRESHOLDS = tuple(np.round(np.arange(0.5, 0.91, 0.05), 2).tolist())
LARGEST_SHARE = 0.6
"""Of the music, for which a tag holds because of a factor."""
_LEAST_PREDICTED = 5


def reference_limits(labels: npt.NDArray[np.floating], factors: Sequence[float] | None = None) -> Doubles:
    """(n_tags,) soft labels from which a tag holds.

    Args:
        labels: (n, n_tags) soft labels of much music, NaN where not labelled.
        factors: (n_tags,) for how many times as many clips as the mean says a tag holds; at most for
            :data:`LARGEST_SHARE` of them, or for as many as the mean says. None for 1.

    Returns:
        NaN for tags without labels.

    >>> reference_limits(np.array([[0.1], [0.2], [0.3], [0.4]]), [2.0]).round(2).tolist()
    [0.25]
    """
    out = []
    for column, factor in zip(labels.astype(np.float64).T, factors or [1.0] * labels.shape[1], strict=True):
        known = column[~np.isnan(column)]
        share = max(known.mean(), min(LARGEST_SHARE, factor * known.mean())) if len(known) else np.nan
        out.append(np.quantile(known, 1 - share) if len(known) else np.nan)
    return np.array(out)


@dataclass(frozen=True, eq=False)
class FittedMaps:
    """Calibration maps, and how good they are on clips that they were not fitted on.

    Attributes:
        maps: one for each tag.
        usual: the map of all tags together, on logits minus those of the limits.
        freedom: the standard deviation that cross-validation chose.
        losses: freedom -> mean log loss in cross-validation; None: before calibration.
        scores: (n, n_tags) calibrated scores of each clip, by maps fitted without its group.
    """

    maps: tuple[Platt, ...]
    usual: Platt
    freedom: float
    losses: dict[float | None, float]
    scores: Doubles


def fit_maps(holds: Doubles, scores: Doubles, limits: Doubles, groups: Sequence[str], seed: int = 0) -> FittedMaps:
    """Fit a map for each tag.

    Args:
        holds: (n, n_tags) the reference: 0, 1, or NaN where it is not known.
        scores: (n, n_tags) of the network, 0..1.
        limits: (n_tags,) of the reference, on the scale of the teachers' probabilities.
        groups: of each clip; a group is in one fold.
        seed: of the folds.
    """
    holds = np.asarray(holds, np.float64)
    names = list(dict.fromkeys(groups))
    rng = np.random.default_rng(seed)
    folds = dict(zip(rng.permutation(names).tolist(), np.arange(len(names)) % N_FOLDS, strict=True))
    fold = np.array([folds[group] for group in groups])
    crossed: dict[float, Doubles] = {}
    losses: dict[float | None, float] = {None: log_loss(holds, scores)}
    for freedom in FREEDOMS:
        out = np.empty_like(scores)
        for k in range(N_FOLDS):
            maps, _ = _maps(holds[fold != k], scores[fold != k], limits, freedom)
            out[fold == k] = _apply(maps, scores[fold == k])
        crossed[freedom], losses[freedom] = out, log_loss(holds, out)
    best = min(FREEDOMS, key=lambda freedom: losses[freedom])
    maps, usual = _maps(holds, scores, limits, best)
    return FittedMaps(maps, usual, best, losses, crossed[best])


def _maps(holds: Doubles, scores: Doubles, limits: Doubles, freedom: float) -> tuple[tuple[Platt, ...], Platt]:
    anchored = 1 / (1 + np.exp(-(logit(scores) - logit(limits))))
    usual = fit_platt(holds.ravel(), anchored.ravel())
    maps = []
    for tag, limit in enumerate(limits):
        own = usual
        if freedom and not np.isnan(holds[:, tag]).all():
            own = fit_platt(holds[:, tag], anchored[:, tag], usual=usual, deviations=(freedom / 2, freedom))
        maps.append(own.after(Platt(1.0, -float(logit(limit)))))
    return tuple(maps), usual


def _apply(maps: Sequence[Platt], scores: Doubles) -> Doubles:
    names = tuple(str(i) for i in range(len(maps)))
    return calibrated(scores, names, dict(zip(names, maps, strict=True))).astype(np.float64)


def log_loss(holds: Doubles, scores: Doubles) -> float:
    """Mean cross-entropy over clips and tags, where the reference is known, in nats."""
    p = scores.clip(1e-7, 1 - 1e-7)
    return -float(np.nanmean(holds * np.log(p) + (1 - holds) * np.log1p(-p)))


def choose_thresholds(holds: Doubles, scores: Doubles) -> Doubles:
    """(n_tags,) the lowest of :data:`THRESHOLDS` with a precision of at least :data:`LEAST_PRECISION`.

    Scores are those of clips by maps that were fitted without them. A tag predicted for fewer than five clips keeps the
    lowest threshold: there is no evidence against its calibration.
    """
    out = []
    holds = np.asarray(holds, np.float64)
    for column, scored in zip(holds.T, scores.T, strict=True):
        known = ~np.isnan(column)
        positive, score = column[known], scored[known]
        chosen = THRESHOLDS[0]
        for limit in THRESHOLDS:
            predicted = score >= limit
            chosen = limit
            if predicted.sum() < _LEAST_PREDICTED or positive[predicted].mean() >= LEAST_PRECISION:
                break
        out.append(chosen)
    return np.array(out)


@dataclass(frozen=True)
class Bin:
    """Scores in one interval.

    Attributes:
        low, high: its ends.
        n: clip-tag pairs in it.
        mean_score: of these.
        share: of these that hold.
    """

    low: float
    high: float
    n: int
    mean_score: float
    share: float


def reliability(holds: Doubles, scores: Doubles, n_bins: int = 10) -> list[Bin]:
    """Mean score and share of positives over all tags, in bins of equal width; empty bins are left out.

    Where the reference is NaN nothing is known.
    """
    holds = np.asarray(holds, np.float64)
    known = ~np.isnan(holds)
    holds, scores = holds[known], scores[known]
    place = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    bins = []
    for k in range(n_bins):
        inside = place == k
        if inside.any():
            bins.append(
                Bin(
                    k / n_bins,
                    (k + 1) / n_bins,
                    int(inside.sum()),
                    float(scores[inside].mean()),
                    float(holds[inside].mean()),
                )
            )
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of score and share over pairs (expected calibration error)."""
    return expected_calibration_error(
        [found.mean_score for found in bins], [found.share for found in bins], [found.n for found in bins]
    )
