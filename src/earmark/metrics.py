"""Metrics of tagging as pure functions of arrays; NumPy alone.

Conventions
    labels  (n_clips, n_tags), real numbers in 0..1; NaN where a clip is not labelled for a tag. Such entries are
            left out of that tag's metric. ROC-AUC, PR-AUC and F1 want 0 or 1.
    scores  (n_clips, n_tags), finite real numbers; higher means more. RMSE wants them in 0..1.
    groups  (n_clips,), anything that can be compared: clips of one group (artist, song) are drawn together.

Metrics
    roc_auc, pr_auc, rmse           one value a tag, NaN where it is undefined
    macro                           the mean over the tags where it is defined, with a list of the others
    micro                           one value over all (clip, tag) pairs
    bootstrap                       95 % intervals, for each tag and for the macro mean, by resampling groups
    best_f1_thresholds              the score from which a tag is best said to hold

A tag whose labels are all 0 or all 1 has no ROC-AUC and no PR-AUC: its value is NaN, and :func:`macro` lists it.
It is never counted as 0 and never dropped unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import ConfigError, DataError

FloatArray = npt.NDArray[np.float64]
MetricName = Literal["roc_auc", "pr_auc", "rmse"]

_MAX_WEIGHTS = 4_000_000
"""How many weights (resamples x clips) are held at a time; bounds the memory of a bootstrap to about 200 MB."""


@dataclass(frozen=True)
class Macro:
    """A mean over tags, and what it is a mean of.

    Attributes:
        value: mean over the tags where the metric is defined; NaN where there is none.
        n_tags: how many tags that are.
        undefined: positions of the tags that are left out because the metric is undefined there.
    """

    value: float
    n_tags: int
    undefined: tuple[int, ...]


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals of a metric from a bootstrap over groups.

    Attributes:
        low, high: (n_tags,) ends of each tag's interval; NaN where the metric is undefined.
        macro_low, macro_high: ends of the interval of the macro mean.
        level: the share of resamples between the ends, e.g. 0.95.
        n_groups: how many groups were drawn from.
        n_resamples: how many resamples were drawn.
        n_undefined: (n_tags,) in how many resamples a tag had one class only. These are left out of the tag's
            interval; the macro mean of such a resample is over its other tags.
    """

    low: FloatArray
    high: FloatArray
    macro_low: float
    macro_high: float
    level: float
    n_groups: int
    n_resamples: int
    n_undefined: npt.NDArray[np.int64]


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """Area under the ROC curve of each tag.

    The share of pairs (clip with the tag, clip without) in which the first has the higher score; ties count half
    (Mann & Whitney 1947).

    Args:
        labels: (n_clips, n_tags) of 0, 1 or NaN.
        scores: (n_clips, n_tags), finite.

    Returns:
        (n_tags,) in 0..1; NaN where all labels are alike.

    Raises:
        DataError: shapes or values are not as above.

    >>> roc_auc([[1], [0], [0]], [[0.8], [0.8], [0.1]])
    array([0.75])
    """
    return _each_tag("roc_auc", labels, scores)


def pr_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """Average precision of each tag: the precision at each distinct score, weighted by the recall won there.

    No interpolation; the same definition as scikit-learn's ``average_precision_score``.

    Args:
        labels: (n_clips, n_tags) of 0, 1 or NaN.
        scores: (n_clips, n_tags), finite.

    Returns:
        (n_tags,) in 0..1; NaN where all labels are alike.

    Raises:
        DataError: shapes or values are not as above.

    >>> pr_auc([[1], [0], [1]], [[0.9], [0.5], [0.4]]).round(4)
    array([0.8333])
    """
    return _each_tag("pr_auc", labels, scores)


def rmse(labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """Square root of the mean squared error of each tag (pons2017, section 3: sqrt(MSE)).

    Args:
        labels: (n_clips, n_tags) in 0..1, or NaN.
        scores: (n_clips, n_tags) in 0..1.

    Returns:
        (n_tags,) in 0..1; NaN where no clip is labelled.

    Raises:
        DataError: shapes or values are not as above.

    >>> rmse([[0.5], [0.1]], [[0.5], [0.3]]).round(4)
    array([0.1414])
    """
    return _each_tag("rmse", labels, scores)


def macro(per_tag: npt.ArrayLike) -> Macro:
    """Mean of a metric over the tags where it is defined, with the positions of those where it is not.

    >>> macro([0.5, float("nan"), 0.7])
    Macro(value=0.6, n_tags=2, undefined=(1,))
    """
    values = np.asarray(per_tag, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"macro: wants one value a tag, (n_tags,), got the shape {values.shape}")
    defined = ~np.isnan(values)
    value = float(values[defined].mean()) if defined.any() else float("nan")
    return Macro(value, int(defined.sum()), tuple(int(i) for i in np.flatnonzero(~defined)))


def micro(metric: MetricName, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """A metric over all (clip, tag) pairs as if they were one tag; NaN where undefined.

    Args:
        metric: "roc_auc", "pr_auc" or "rmse".
        labels, scores: (n_clips, n_tags) as for that metric.

    Raises:
        ConfigError: no such metric.
        DataError: shapes or values are not as that metric wants.
    """
    y, s = _checked(metric, labels, scores)
    return float(_each_tag(metric, y.reshape(-1, 1), s.reshape(-1, 1))[0])


def bootstrap(
    metric: MetricName,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals by drawing whole groups of clips with replacement (cluster bootstrap).

    Clips by one artist resemble each other, so drawing single clips would make the intervals too narrow.

    Args:
        metric: "roc_auc", "pr_auc" or "rmse".
        labels, scores: (n_clips, n_tags) as for that metric.
        groups: (n_clips,) the group of each clip, e.g. its artist. One group a clip: the plain bootstrap.
        seed: the same seed gives the same intervals.
        n_resamples: how often to draw as many groups as there are.
        level: share of the resamples inside the interval, above 0 and below 1.

    Raises:
        ConfigError: no such metric; n_resamples or level out of range.
        DataError: fewer than two groups, or shapes or values not as that metric wants.
    """
    y, s = _checked(metric, labels, scores)
    problems = []
    if n_resamples < 1:
        problems.append(f"n_resamples {n_resamples}: must be at least 1")
    if not 0 < level < 1:
        problems.append(f"level {level}: must be above 0 and below 1, e.g. 0.95")
    if problems:
        raise ConfigError(problems)
    if len(groups) != len(y):
        raise DataError(f"groups: one a clip is wanted, got {len(groups)} for {len(y)} clips")
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = int(member.max()) + 1
    if n_groups < 2:
        raise DataError("groups: a bootstrap needs at least two groups, all clips are in one")

    rng = np.random.default_rng(seed)
    chunk = max(1, _MAX_WEIGHTS // len(y))
    parts = []
    for start in range(0, n_resamples, chunk):
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=min(chunk, n_resamples - start))
        parts.append(_weighted(metric, y, s, counts[:, member].astype(np.float64)))
    drawn = np.concatenate(parts)  # (n_resamples, n_tags)

    tail = (1 - level) / 2
    low, high = (np.array([_quantile(drawn[:, tag], q) for tag in range(y.shape[1])]) for q in (tail, 1 - tail))
    n_defined = (~np.isnan(drawn)).sum(axis=1)
    means = np.nansum(drawn, axis=1)[n_defined > 0] / n_defined[n_defined > 0]
    return Intervals(
        low=low,
        high=high,
        macro_low=_quantile(means, tail),
        macro_high=_quantile(means, 1 - tail),
        level=level,
        n_groups=n_groups,
        n_resamples=n_resamples,
        n_undefined=np.isnan(drawn).sum(axis=0),
    )


def best_f1_thresholds(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """For each tag the threshold with the highest F1, where a tag is said to hold from ``score >= threshold``.

    The threshold lies half-way between two neighbouring scores, so that a slightly lower score on another
    clip is not lost. Of several equally good ones the highest is taken.

    Args:
        labels: (n_clips, n_tags) of 0, 1 or NaN.
        scores: (n_clips, n_tags) finite.

    Returns:
        thresholds (n_tags,) and the F1 reached there (n_tags,); both NaN where all labels are alike.

    >>> thresholds, f1 = best_f1_thresholds([[1], [1], [0]], [[0.9], [0.6], [0.2]])
    >>> thresholds, f1
    (array([0.4]), array([1.]))
    """
    y, s = _checked("f1", labels, scores)
    thresholds, best = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    for tag in range(y.shape[1]):
        known = ~np.isnan(y[:, tag])
        truth, score = y[known, tag], s[known, tag]
        if not 0 < truth.sum() < len(truth):
            continue
        values = np.unique(score)[::-1]  # falling
        said = score[None, :] >= values[:, None]
        hits = (said & (truth == 1)).sum(axis=1)
        f1 = 2 * hits / (said.sum(axis=1) + truth.sum())
        at = int(np.argmax(f1))
        thresholds[tag] = values[at] if at + 1 == len(values) else (values[at] + values[at + 1]) / 2
        best[tag] = f1[at]
    return thresholds, best


def _each_tag(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    y, s = _checked(metric, labels, scores)
    return _weighted(metric, y, s, np.ones((1, len(y)))).ravel()


def _checked(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64 (n_clips, n_tags), or an error that says what is wrong with them."""
    if metric not in (*_KERNELS, "f1"):
        raise ConfigError(f"no metric {metric!r}; metrics are: {', '.join(_KERNELS)}")
    y, s = (np.asarray(values, dtype=np.float64) for values in (labels, scores))
    if y.ndim != 2 or y.shape != s.shape:
        raise DataError(
            f"{metric}: labels and scores must both be (n_clips, n_tags), got {y.shape} and {s.shape}; "
            "for a single tag pass labels[:, None] and scores[:, None]"
        )
    if y.size == 0:
        raise DataError(f"{metric}: needs at least one clip and one tag, got the shape {y.shape}")
    if not np.isfinite(s).all():
        raise DataError(f"{metric}: scores must be finite, {int((~np.isfinite(s)).sum())} are NaN or infinite")
    known = y[~np.isnan(y)]
    if metric == "rmse":
        for name, values in (("labels", known), ("scores", s)):
            if values.size and not (values.min() >= 0 and values.max() <= 1):
                raise DataError(f"rmse: {name} must be in 0..1, found {values.min():g} to {values.max():g}")
    elif not np.isin(known, (0, 1)).all():
        odd = known[~np.isin(known, (0, 1))][0]
        raise DataError(f"{metric}: labels must be 0, 1 or NaN, found {odd:g}; for degrees in 0..1 use rmse")
    return y, s


def _weighted(metric: str, y: FloatArray, s: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_resamples, n_tags): the metric with each clip counted as often as weights (n_resamples, n_clips) say."""
    result = np.empty((len(weights), y.shape[1]))
    for tag in range(y.shape[1]):
        known = ~np.isnan(y[:, tag])
        result[:, tag] = _KERNELS[metric](y[known, tag], s[known, tag], weights[:, known])
    return result


def _steps(y: FloatArray, s: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weight of positives and of negatives at each distinct score, falling; each (n_resamples, n_distinct)."""
    order = np.argsort(-s, kind="stable")
    falling = s[order]
    starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
    w, positive = weights[:, order], y[order] == 1
    return np.add.reduceat(w * positive, starts, axis=1), np.add.reduceat(w * ~positive, starts, axis=1)


def _roc_auc(y: FloatArray, s: FloatArray, weights: FloatArray) -> FloatArray:
    if not len(y):
        return np.full(len(weights), np.nan)
    positives, negatives = _steps(y, s, weights)
    n_positive, n_negative = positives.sum(axis=1), negatives.sum(axis=1)
    below = n_negative[:, None] - np.cumsum(negatives, axis=1)
    won = (positives * (below + negatives / 2)).sum(axis=1)
    return _ratio(won, n_positive * n_negative)


def _pr_auc(y: FloatArray, s: FloatArray, weights: FloatArray) -> FloatArray:
    if not len(y):
        return np.full(len(weights), np.nan)
    positives, negatives = _steps(y, s, weights)
    n_positive, n_negative = positives.sum(axis=1), negatives.sum(axis=1)
    hits = np.cumsum(positives, axis=1)
    said = hits + np.cumsum(negatives, axis=1)
    precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
    area = _ratio((positives * precision).sum(axis=1), n_positive)
    area[n_negative == 0] = np.nan
    return area


def _rmse(y: FloatArray, s: FloatArray, weights: FloatArray) -> FloatArray:
    return np.sqrt(_ratio(weights @ (y - s) ** 2, weights.sum(axis=1)))


_KERNELS: dict[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "roc_auc": _roc_auc,
    "pr_auc": _pr_auc,
    "rmse": _rmse,
}


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _quantile(values: FloatArray, q: float) -> float:
    """Quantile of the values that are not NaN; NaN where all are."""
    known = values[~np.isnan(values)]
    return float(np.quantile(known, q)) if len(known) else float("nan")
