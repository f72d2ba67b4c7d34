"""Which clips have a tag, where labels may be degrees as well as yes or no."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, DataError

LEAST_DEGREE = 0.5


def binarize_labels(labels: npt.ArrayLike, *, least_degree: float = LEAST_DEGREE) -> npt.NDArray[np.bool_]:
    """Where a tag applies: a label of 1, or, for a regression tag, a degree of at least ``least_degree``.

    Args:
        labels: (n_clips, n_tags) in 0..1; NaN, not labelled, counts as not applying.
        least_degree: above 0, at most 1. It has no effect on classification tags, which are 0 or 1.

    Returns:
        (n_clips, n_tags) of bool.

    Raises:
        ConfigError: least_degree out of range.
        DataError: labels that are not a table.

    >>> binarize_labels([[1, 0.5, np.nan], [0, 0.4, 0.9]])
    array([[ True,  True, False],
           [False, False,  True]])
    """
    if not 0 < least_degree <= 1:
        raise ConfigError(f"least degree {least_degree}: must be above 0 and at most 1")
    table = np.asarray(labels, dtype=np.float64)
    if table.ndim != 2:
        raise DataError(f"labels of shape {table.shape}: must be (n_clips, n_tags)")
    # Labels are kept in single precision, in which 0.6 is a little more than 0.6 is in double.
    holds: npt.NDArray[np.bool_] = np.nan_to_num(table, nan=0.0) >= least_degree - 1e-6
    return holds
