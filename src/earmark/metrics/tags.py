"""Metrics with one value a tag."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.metrics.arrays import FloatArray, MetricName, checked
from earmark.metrics.weighted import all_tags


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
    return each_tag("roc_auc", labels, scores)


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
    return each_tag("pr_auc", labels, scores)


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
    return each_tag("rmse", labels, scores)


def f1(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> FloatArray:
    """Harmonic mean of precision and recall of each tag.

    Args:
        labels: (n_clips, n_tags) of 0, 1 or NaN.
        decisions: (n_clips, n_tags) of 0 or 1, see :func:`earmark.metrics.decide`.

    Returns:
        (n_tags,) in 0..1: 0 where no decision hits, NaN where no clip has the tag.

    Raises:
        DataError: shapes or values are not as above.

    >>> f1([[1], [1], [0]], [[1], [0], [1]])
    array([0.5])
    """
    return each_tag("f1", labels, decisions)


def precision(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> FloatArray:
    """Of the clips said to have a tag, the share that have it. As :func:`f1`; NaN also where none is said to.

    >>> precision([[1, 1], [0, 0], [0, 1]], [[1, 0], [1, 0], [0, 0]])
    array([0.5, nan])
    """
    return each_tag("precision", labels, decisions)


def recall(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> FloatArray:
    """Of the clips that have a tag, the share that are said to. As :func:`f1`.

    >>> recall([[1, 0], [1, 0], [0, 0]], [[1, 0], [0, 1], [0, 0]])
    array([0.5, nan])
    """
    return each_tag("recall", labels, decisions)


def each_tag(metric: MetricName, labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """A metric by its name: (n_tags,). Raises as the metrics do, and ConfigError where there is none of that name."""
    y, s = checked(metric, labels, scores)
    values: FloatArray = all_tags(metric, y, s, np.ones((1, len(y))))[0]
    return values
