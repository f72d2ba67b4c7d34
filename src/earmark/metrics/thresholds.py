"""From scores to decisions: the score from which a tag is predicted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, DataError
from earmark.metrics.arrays import checked
from earmark.metrics.table import FloatArray


def decide(scores: npt.ArrayLike, thresholds: npt.ArrayLike) -> FloatArray:
    """1 where ``score >= threshold``, else 0: what :func:`earmark.metrics.f1` and its kin want.

    Args:
        scores: (n_clips, n_tags).
        thresholds: one for all tags, or (n_tags,).

    Raises:
        DataError: shapes do not fit.
        ConfigError: a threshold is NaN or infinite.

    >>> decide([[0.2, 0.2], [0.6, 0.6]], [0.6, 0.1])
    array([[0., 1.],
           [1., 1.]])
    """
    s, limits = np.asarray(scores, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    if s.ndim != 2 or (limits.ndim and limits.shape != s.shape[1:]):
        raise DataError(
            f"decide: scores must be (n_clips, n_tags) and thresholds (n_tags,) or one, got {s.shape}, {limits.shape}"
        )
    if not np.isfinite(limits).all():
        raise ConfigError("decide: thresholds must be finite numbers; leave tags without one out")
    return (s >= limits).astype(np.float64)


def best_f1_thresholds(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """For each tag the threshold with the highest F1, where a tag is predicted if ``score >= threshold``.

    The threshold is half-way between two neighbouring scores, so that a slightly lower score on another
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
    y, s = checked("roc_auc", labels, scores)
    thresholds, best = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    for tag in range(y.shape[1]):
        known = ~np.isnan(y[:, tag])
        truth, score = y[known, tag], s[known, tag]
        if not 0 < truth.sum() < len(truth):
            continue
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        ends = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])  # the last clip of each distinct score
        values = falling[ends]
        f1 = 2 * np.cumsum(truth[order])[ends] / (ends + 1 + truth.sum())
        at = int(np.argmax(f1))
        thresholds[tag] = values[at] if at + 1 == len(values) else (values[at] + values[at + 1]) / 2
        best[tag] = f1[at]
    return thresholds, best
