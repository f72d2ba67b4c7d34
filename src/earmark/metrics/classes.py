"""Metrics of classes that exclude each other: every clip has exactly one of them, or is not labelled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.metrics.clip_weights import ratio
from earmark.metrics.table import FloatArray, Kernel, register_metric
from earmark.metrics.tags import each_tag


def accuracy_kernel(labels: FloatArray, scores: FloatArray) -> Kernel:
    """Accuracy of labels and scores (n_clips, n_classes)."""
    known: npt.NDArray[np.bool_] = np.asarray(~np.isnan(labels).any(axis=1))
    hits = known & (np.where(known[:, None], labels, 0.0).argmax(axis=1) == scores.argmax(axis=1))
    parts = np.stack([hits, known], axis=1).astype(np.float64)
    return lambda weights: ratio(*np.moveaxis(weights @ parts, 1, 0))


@register_metric(
    "accuracy",
    description="of classes that exclude each other, how often the right one scores highest",
    chance="train_mean",
    of_classes=True,
    kernel=accuracy_kernel,
)
def accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """The share of clips whose highest class is theirs; of equal scores the first class counts.

    Args:
        labels: (n_clips, n_classes) with a single 1 in each row and 0 elsewhere, or NaN for clips that are not labelled.
        scores: (n_clips, n_classes), finite.

    Returns:
        (1,) in 0..1; NaN where no clip is labelled.

    Raises:
        DataError: shapes or values are not as above.

    >>> accuracy([[1, 0, 0], [0, 0, 1]], [[0.4, 0.3, 0.3], [0.5, 0.2, 0.3]])
    array([0.5])
    """
    return each_tag("accuracy", labels, scores)


def decide_class(scores: npt.ArrayLike) -> FloatArray:
    """Decisions for classes that exclude each other: 1 for the class that scores highest, 0 for the others.

    They give :func:`earmark.metrics.f1` and its kin of each class; :func:`earmark.metrics.decide` is for single tags.

    Args:
        scores: (n_clips, n_classes).

    Raises:
        DataError: another shape.

    >>> decide_class([[0.2, 0.7, 0.1], [0.4, 0.4, 0.2]])
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 2 or s.shape[1] < 2:
        raise DataError(f"decide_class: scores must be (n_clips, 2 or more classes), got {s.shape}")
    decisions: FloatArray = np.eye(s.shape[1])[s.argmax(axis=1)]
    return decisions
