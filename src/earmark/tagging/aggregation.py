"""How the scores of a file's windows become the scores of the file. Nothing else aggregates windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError


def aggregate(window_scores: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Scores of a file from those of its windows: their mean.

    All five papers average (e.g. kim2018, section 3.1; pons2017, section 3).

    Args:
        window_scores: ``(n_windows, n_tags)``, at least one window.

    Returns:
        ``(n_tags,)`` float32.

    Raises:
        ConfigError: another shape, or no window.

    Example:
        >>> aggregate(np.array([[0.0, 1.0], [0.5, 1.0]])).tolist()
        [0.25, 1.0]
    """
    if window_scores.ndim != 2 or not len(window_scores):
        raise ConfigError(f"window scores of shape {window_scores.shape}: must be (n_windows >= 1, n_tags)")
    mean: npt.NDArray[np.float32] = window_scores.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
