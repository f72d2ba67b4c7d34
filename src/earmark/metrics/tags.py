"""Metrics with one value per tag."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from earmark.metrics.arrays import checked
from earmark.metrics.clip_weights import all_tags, ranking_kernel, sum_kernel
from earmark.metrics.table import FloatArray, register_metric


@register_metric(
    "ROC-AUC",
    description="of two clips, one with a tag and one without, how often the right one scores higher",
    chance=0.5,
    kernel=partial(ranking_kernel, "roc_auc"),
)
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


@register_metric(
    "PR-AUC",
    description="mean precision over the ranks of the right clips",
    chance="positives",
    kernel=partial(ranking_kernel, "pr_auc"),
)
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


@register_metric(
    "RMSE",
    description="root of the mean squared error of degrees; lower is better",
    kind="regression",
    higher_is_better=False,
    chance="train_mean",
    kernel=partial(sum_kernel, "rmse"),
)
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


@register_metric(
    "precision",
    decisions=True,
    kernel=partial(sum_kernel, "precision"),
)
def precision(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> FloatArray:
    """Of the clips predicted to have a tag, the share that have it. As :func:`f1`; NaN also where none is predicted.

    >>> precision([[1, 1], [0, 0], [0, 1]], [[1, 0], [1, 0], [0, 0]])
    array([0.5, nan])
    """
    return each_tag("precision", labels, decisions)


@register_metric(
    "recall",
    decisions=True,
    kernel=partial(sum_kernel, "recall"),
)
def recall(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> FloatArray:
    """Of the clips that have a tag, the share that are said to. As :func:`f1`.

    >>> recall([[1, 0], [1, 0], [0, 0]], [[1, 0], [0, 1], [0, 0]])
    array([0.5, nan])
    """
    return each_tag("recall", labels, decisions)


@register_metric(
    "F1",
    description="harmonic mean of precision and recall, at the thresholds in use",
    decisions=True,
    kernel=partial(sum_kernel, "f1"),
)
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


def each_tag(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """A metric by its name: (n_tags,). Raises as the metrics do, and ConfigError where there is none of that name."""
    y, s = checked(metric, labels, scores)
    values: FloatArray = all_tags(metric, y, s, np.ones((1, len(y))))[0]
    return values
