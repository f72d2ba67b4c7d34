"""Means over tags, and metrics over other sets of (clip, tag) pairs than those of one tag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.metrics.arrays import checked
from earmark.metrics.clip_weights import kernel
from earmark.metrics.table import FloatArray
from earmark.metrics.tags import each_tag


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


def macro(per_tag: npt.ArrayLike) -> Macro:
    """Mean of a metric over the tags where it is defined, with the positions of those where it is not.

    >>> macro([0.5, float("nan"), 0.7])
    Macro(value=0.6, n_tags=2, undefined=(1,))
    """
    values = _one_a_tag("macro", per_tag)
    return _mean(values, np.ones(len(values)))


def weighted(per_tag: npt.ArrayLike, labels: npt.ArrayLike) -> Macro:
    """As :func:`macro`, each tag weighing as much as it has positives (scikit-learn's ``average="weighted"``).

    Args:
        per_tag: (n_tags,) the metric.
        labels: (n_clips, n_tags) of 0, 1 or NaN, from which it was computed.

    Raises:
        DataError: shapes are not as above.

    >>> weighted([0.5, 0.75], [[1, 1], [0, 1], [0, 1], [0, 0]])
    Macro(value=0.6875, n_tags=2, undefined=())
    """
    values = _one_a_tag("weighted", per_tag)
    y = np.asarray(labels, dtype=np.float64)
    if y.ndim != 2 or y.shape[1] != len(values):
        raise DataError(f"weighted: labels must be (n_clips, {len(values)}), got the shape {y.shape}")
    return _mean(values, np.nansum(y, axis=0))


def micro(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """A metric over all (clip, tag) pairs as if they were one tag; NaN where undefined.

    Args:
        metric: one of :func:`earmark.metrics.list_metrics`.
        labels, scores: (n_clips, n_tags) as for that metric.

    Raises:
        ConfigError: no such metric.
        DataError: shapes or values that the metric does not allow.
    """
    y, s = checked(metric, labels, scores)
    return float(each_tag(metric, y.reshape(-1, 1), s.reshape(-1, 1))[0])


def per_clip(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """A metric of each clip over its tags: are the tags that it has ranked above those that it has not?

    Scores of different tags are compared with each other here, as a reader of a clip's first tags does.

    Args:
        metric: one of :func:`earmark.metrics.list_metrics`.
        labels, scores: (n_clips, n_tags) as for that metric.

    Returns:
        (n_clips,); NaN where undefined: for the AUCs, clips with none of the tags or all of them.

    Raises:
        ConfigError: no such metric.
        DataError: shapes or values that the metric does not allow.

    >>> per_clip("roc_auc", [[1, 0, 0], [0, 0, 0]], [[0.5, 0.9, 0.1], [0.5, 0.9, 0.1]])
    array([0.5, nan])
    """
    y, s = checked(metric, labels, scores)
    once = np.ones((1, y.shape[1]))
    return np.array([kernel(metric, labels, scores)(once)[0] for labels, scores in zip(y, s, strict=True)])


def _one_a_tag(name: str, per_tag: npt.ArrayLike) -> FloatArray:
    values = np.asarray(per_tag, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"{name}: must have one value per tag, (n_tags,), got the shape {values.shape}")
    return values


def _mean(values: FloatArray, weights: FloatArray) -> Macro:
    defined = ~np.isnan(values)
    total = weights[defined].sum()
    value = float((values[defined] * weights[defined]).sum() / total) if total > 0 else float("nan")
    return Macro(value, int(defined.sum()), tuple(int(i) for i in np.flatnonzero(~defined)))
