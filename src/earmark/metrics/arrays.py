"""Checks of the arrays that all metrics take, in one place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.metrics.table import FloatArray, metric_info


def checked(metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64 (n_clips, n_tags).

    Raises:
        ConfigError: no such metric.
        DataError: shapes or values that the metric does not allow.
    """
    info = metric_info(metric)
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
    if info.kind == "regression":
        for name, values in (("labels", known), ("scores", s)):
            if values.size and not (values.min() >= 0 and values.max() <= 1):
                raise DataError(f"{metric}: {name} must be in 0..1, found {values.min():g} to {values.max():g}")
        return y, s
    if (odd := known[(known != 0) & (known != 1)]).size:
        raise DataError(f"{metric}: labels must be 0, 1 or NaN, found {odd[0]:g}; for degrees in 0..1 use rmse")
    if info.of_classes:
        there = ~np.isnan(y)
        whole = there.all(axis=1)
        if y.shape[1] < 2 or (there.any(axis=1) != whole).any() or (y[whole].sum(axis=1) != 1).any():
            raise DataError(
                f"{metric}: every labelled clip must have exactly one of two or more classes, a single 1 in its row of "
                "labels; clips that are not labelled have NaN in all of it"
            )
    if info.decisions and (odd := s[(s != 0) & (s != 1)]).size:
        raise DataError(
            f"{metric}: needs decisions, 0 or 1, found {odd[0]:g}; make them with decide(scores, thresholds)"
        )
    return y, s


def checked_runs(
    metric: str, labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """As :func:`checked` for scores (n_clips, n_tags) of one run, or (n_runs, n_clips, n_tags) of several."""
    runs = np.asarray(scores, dtype=np.float64)
    if runs.ndim != 3:
        y, s = checked(metric, labels, runs)
        return y, (s,)
    if not len(runs):
        raise DataError(f"{metric}: needs the scores of at least one run, got the shape {runs.shape}")
    y, _ = checked(metric, labels, runs[0])
    return y, tuple(checked(metric, y, run)[1] for run in runs)


def group_members(groups: npt.ArrayLike, n_clips: int) -> tuple[npt.NDArray[np.intp], int]:
    """The number (0, 1, ...) of each clip's group (n_clips,), and how many groups there are.

    Raises:
        DataError: not one per clip, or fewer than two groups.
    """
    names = np.asarray(groups)
    if names.shape != (n_clips,):
        raise DataError(f"groups: must be one per clip, got {len(names)} for {n_clips} clips")
    _, member = np.unique(names, return_inverse=True)
    n_groups = int(member.max()) + 1
    if n_groups < 2:
        raise DataError("groups: a bootstrap needs at least two groups, all clips are in one")
    return member, n_groups
