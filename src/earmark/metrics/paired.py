"""Differences of two models on the same clips, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.metrics.arrays import checked_runs, group_members
from earmark.metrics.clip_weights import tag_kernels
from earmark.metrics.resampling import (
    CONFIDENCE_LEVEL,
    check_draws,
    ends_of,
    mean_of_runs,
    mean_of_tags,
    resamples,
    run_shares,
)
from earmark.metrics.table import FloatArray, Kernel


@dataclass(frozen=True)
class Differences:
    """A metric of b minus the same metric of a, for each tag and for the macro mean, with percentile intervals.

    Attributes:
        a, b: (n_tags,) the metric of each side, mean over its runs; NaN where undefined.
        difference: (n_tags,) b minus a.
        low, high: (n_tags,) ends of its interval.
        macro_a, macro_b, macro_difference: means over the tags where both sides are defined.
        macro_low, macro_high: ends of the interval of that difference.
        level: the share of resamples between the ends, e.g. 0.95.
        n_groups, n_resamples: how many groups were drawn from, and how often.
        n_runs_a, n_runs_b: how many runs each side has; where more than one, runs were drawn, too.
        n_undefined: (n_tags,) resamples in which the tag is undefined, left out of its interval.
    """

    a: FloatArray
    b: FloatArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    macro_a: float
    macro_b: float
    macro_difference: float
    macro_low: float
    macro_high: float
    level: float
    n_groups: int
    n_resamples: int
    n_runs_a: int
    n_runs_b: int
    n_undefined: npt.NDArray[np.int64]


def paired_bootstrap(
    metric: str,
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = CONFIDENCE_LEVEL,
) -> Differences:
    """The difference of two models on the same clips, with intervals from a bootstrap over groups.

    Both sides see the same clips in every resample, so what makes clips easy or hard cancels out: the interval of a
    difference is mostly narrower than those of the two models let guess.

    Of several runs (trainings of one model that differ in their seed alone) the statistic is the mean over runs of the
    metric. Then each resample draws runs, too, for each side on its own: the interval says what other clips *and* other
    trainings could have given. With a single run it is about these weights, not about how they were trained.

    Args:
        metric: one of :func:`earmark.metrics.list_metrics`.
        labels: (n_clips, n_tags) as for that metric.
        scores_a, scores_b: each (n_clips, n_tags), or (n_runs, n_clips, n_tags); they may differ in n_runs.
        groups: (n_clips,) the group of each clip, e.g. its artist.
        seed: the same seed gives the same intervals.
        n_resamples: how often to draw as many groups as there are.
        level: share of the resamples inside the interval, above 0 and below 1.

    Raises:
        ConfigError: no such metric; n_resamples or level out of range.
        DataError: fewer than two groups, or shapes or values that the metric does not allow.
    """
    y, runs_a = checked_runs(metric, labels, scores_a)
    _, runs_b = checked_runs(metric, labels, scores_b)
    check_draws(n_resamples, level)
    member, n_groups = group_members(groups, len(y))
    sides = [[tag_kernels(metric, y, run) for run in runs] for runs in (runs_a, runs_b)]
    # Streams of their own: what is drawn of one does not depend on how many there are of another.
    shares = [
        run_shares(len(runs), n_resamples, np.random.default_rng([seed, stream]))
        for stream, runs in enumerate((runs_a, runs_b), start=1)
    ]
    a, b = (_observed(side, len(y)) for side in sides)
    both = ~np.isnan(b - a)
    if not both.any():
        raise DataError(f"{metric}: undefined for every tag, there is nothing to compare")

    drawn = np.empty((n_resamples, len(a)))
    for part, weights in resamples(member, n_groups, n_resamples, np.random.default_rng(seed)):
        value_a, value_b = (mean_of_runs(side, weights, share[part]) for side, share in zip(sides, shares, strict=True))
        drawn[part] = value_b - value_a
    low, high = ends_of(drawn, level)
    macro_low, macro_high = ends_of(mean_of_tags(drawn), level)
    return Differences(
        a=a,
        b=b,
        difference=b - a,
        low=low,
        high=high,
        macro_a=float(a[both].mean()),
        macro_b=float(b[both].mean()),
        macro_difference=float((b - a)[both].mean()),
        macro_low=float(macro_low),
        macro_high=float(macro_high),
        level=level,
        n_groups=n_groups,
        n_resamples=n_resamples,
        n_runs_a=len(runs_a),
        n_runs_b=len(runs_b),
        n_undefined=np.isnan(drawn).sum(axis=0),
    )


def _observed(runs: list[list[Kernel]], n_clips: int) -> FloatArray:
    """(n_tags,) on the clips as they are, mean over all runs."""
    even = np.full((1, len(runs)), 1 / len(runs))
    values: FloatArray = mean_of_runs(runs, np.ones((1, n_clips)), even)[0]
    return values
