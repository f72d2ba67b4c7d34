"""Intervals by drawing whole groups of clips with replacement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.metrics.arrays import checked_runs, group_members
from earmark.metrics.clip_weights import ratio, tag_kernels
from earmark.metrics.table import FloatArray, Kernel, metric_info

CONFIDENCE_LEVEL = 0.95
"""Of intervals, where nothing else is asked for."""

_MAX_WEIGHTS = 200_000
"""How many weights (resamples x clips) are computed at a time: so few that they stay in the cache."""


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals of a metric from a bootstrap over groups.

    Attributes:
        low, high: (n_tags,) ends of each tag's interval, (1,) of a metric of classes; NaN where it is undefined.
        macro_low, macro_high: ends of the interval of the macro mean.
        weighted_low, weighted_high: the same for the mean weighted by positives; NaN for RMSE and metrics of classes.
        level: the share of resamples between the ends, e.g. 0.95.
        n_groups: how many groups were drawn from.
        n_resamples: how many resamples were drawn.
        n_undefined: (n_tags,) in how many resamples a tag had one class only. These are left out of the tag's
            interval; the means of such a resample are over its other tags.
        n_runs: how many runs of one model were drawn from.
    """

    low: FloatArray
    high: FloatArray
    macro_low: float
    macro_high: float
    weighted_low: float
    weighted_high: float
    level: float
    n_groups: int
    n_resamples: int
    n_undefined: npt.NDArray[np.int64]
    n_runs: int = 1


def bootstrap(
    metric: str,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = CONFIDENCE_LEVEL,
) -> Intervals:
    """Percentile intervals by drawing whole groups of clips with replacement (cluster bootstrap).

    Clips by one artist resemble each other, so drawing single clips would make the intervals too narrow. PR-AUC of a
    rare tag tends to be a little higher in resamples than on all clips (a positive drawn twice is ranked beside itself),
    so its interval is high relative to the value.

    Args:
        metric: one of :func:`earmark.metrics.list_metrics`.
        labels: (n_clips, n_tags) as for that metric.
        scores: (n_clips, n_tags) as for that metric; or (n_runs, n_clips, n_tags) of several trainings of one
            model, which are drawn, too: the intervals are those of the mean over runs, see
            :func:`earmark.metrics.paired_bootstrap`.
        groups: (n_clips,) the group of each clip, e.g. its artist. One group per clip: the plain bootstrap.
        seed: the same seed gives the same intervals.
        n_resamples: how often to draw as many groups as there are.
        level: share of the resamples inside the interval, above 0 and below 1.

    Raises:
        ConfigError: no such metric; n_resamples or level out of range.
        DataError: fewer than two groups, or shapes or values that the metric does not allow.
    """
    y, runs = checked_runs(metric, labels, scores)
    check_draws(n_resamples, level)
    member, n_groups = group_members(groups, len(y))
    of_runs = [tag_kernels(metric, y, run) for run in runs]
    n_values = len(of_runs[0])
    shares = run_shares(len(runs), n_resamples, np.random.default_rng([seed, 1]))
    known = np.nan_to_num(y)

    drawn, positives = np.empty((n_resamples, n_values)), np.empty((n_resamples, y.shape[1]))
    for part, weights in resamples(member, n_groups, n_resamples, np.random.default_rng(seed)):
        drawn[part] = mean_of_runs(of_runs, weights, shares[part])
        positives[part] = weights @ known

    low, high = ends_of(drawn, level)
    macro_low, macro_high = ends_of(mean_of_tags(drawn), level)
    info = metric_info(metric)
    by_positives = info.kind == "classification" and not info.of_classes
    heavy = mean_of_tags(drawn, positives) if by_positives else np.full(n_resamples, np.nan)
    weighted_low, weighted_high = ends_of(heavy, level)
    return Intervals(
        low=low,
        high=high,
        macro_low=float(macro_low),
        macro_high=float(macro_high),
        weighted_low=float(weighted_low),
        weighted_high=float(weighted_high),
        level=level,
        n_groups=n_groups,
        n_resamples=n_resamples,
        n_undefined=np.isnan(drawn).sum(axis=0),
        n_runs=len(runs),
    )


def bootstrap_mean(
    values: npt.ArrayLike,
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = CONFIDENCE_LEVEL,
) -> tuple[float, float]:
    """Ends of the percentile interval of a mean over clips, e.g. of :func:`earmark.metrics.per_clip`.

    Args:
        values: (n_clips,), NaN for clips that do not count.
        groups, seed, n_resamples, level: as for :func:`bootstrap`; the same seed draws the same groups.

    Raises:
        ConfigError: n_resamples or level out of range.
        DataError: fewer than two groups.
    """
    x = np.asarray(values, dtype=np.float64)
    check_draws(n_resamples, level)
    member, n_groups = group_members(groups, len(x))
    counts, parts = ~np.isnan(x), np.empty((n_resamples, 2))
    sums = np.stack([np.where(counts, x, 0.0), counts.astype(np.float64)], axis=1)
    for part, weights in resamples(member, n_groups, n_resamples, np.random.default_rng(seed)):
        parts[part] = weights @ sums
    low, high = ends_of(ratio(parts[:, 0], parts[:, 1]), level)
    return float(low), float(high)


def check_draws(n_resamples: int, level: float) -> None:
    """Raises ConfigError where these are out of range."""
    problems = []
    if n_resamples < 1:
        problems.append(f"n_resamples {n_resamples}: must be at least 1")
    if not 0 < level < 1:
        problems.append(f"level {level}: must be above 0 and below 1, e.g. 0.95")
    if problems:
        raise ConfigError(problems)


def resamples(
    member: npt.NDArray[np.intp], n_groups: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[tuple[slice, FloatArray]]:
    """How often each clip is drawn, (some resamples, n_clips) at a time; how many at a time changes no draw."""
    chunk = max(1, _MAX_WEIGHTS // len(member))
    for start in range(0, n_resamples, chunk):
        part = slice(start, min(start + chunk, n_resamples))
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=part.stop - start)
        yield part, np.take(counts.astype(np.float64), member, axis=1)


def run_shares(n_runs: int, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """What each run weighs in each resample, (n_resamples, n_runs); rows sum to 1.

    One fewer is drawn than there are: the mean of n - 1 draws out of n has the spread that a mean of n runs is
    estimated to have (Rao & Wu 1988). Drawing n of few runs would give (n - 1) / n of that variance, at two runs half.
    """
    if n_runs == 1:
        return np.ones((n_resamples, 1))
    counts = rng.multinomial(n_runs - 1, np.full(n_runs, 1 / n_runs), size=n_resamples)
    shares: FloatArray = counts / (n_runs - 1)
    return shares


def mean_of_runs(kernels: list[list[Kernel]], weights: FloatArray, shares: FloatArray) -> FloatArray:
    """(n_resamples, n_tags): each tag's metric, mean over the runs drawn; NaN where one of these has none."""
    total = np.zeros((len(weights), len(kernels[0])))
    for run, share in zip(kernels, shares.T, strict=True):
        values = np.stack([of_tag(weights) for of_tag in run], axis=1)
        total += np.where(share[:, None] > 0, values, 0.0) * share[:, None]
    return total


def mean_of_tags(values: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """(n_resamples,): the mean over the tags that are not NaN; NaN where all are."""
    heavy = np.where(np.isnan(values), 0.0, 1.0 if weights is None else weights)
    total = heavy.sum(axis=1)
    sums = (np.nan_to_num(values) * heavy).sum(axis=1)
    means: FloatArray = np.divide(sums, total, out=np.full(len(values), np.nan), where=total > 0)
    return means


def ends_of(drawn: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Ends of the percentile interval along the first axis; NaN are left out, and come out where there is nothing."""
    tail = (1 - level) / 2
    columns = drawn.reshape(len(drawn), -1)
    known = [column[~np.isnan(column)] for column in columns.T]
    ends = np.array([np.quantile(values, [tail, 1 - tail]) if len(values) else [np.nan] * 2 for values in known])
    low, high = ends.T.reshape(2, *drawn.shape[1:])
    return low, high
