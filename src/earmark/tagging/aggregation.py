"""How the scores of a file's windows become the scores of the file. Nothing else aggregates windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError


def aggregate(
    window_scores: npt.NDArray[np.floating[Any]], weights: npt.NDArray[np.floating[Any]] | None = None
) -> npt.NDArray[np.float32]:
    """Scores of a file from those of its windows: their mean.

    All five papers average (e.g. kim2018, section 3.1; pons2017, section 3).

    Args:
        window_scores: ``(n_windows, n_tags)``, at least one window.
        weights: ``(n_windows,)``, 0 or more: what each counts for, see
            :meth:`earmark.audio.silence.SilenceMeter.weights`; None, or all 0, for all alike.

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
    if weights is not None and not weights.any():
        weights = None
    mean: npt.NDArray[np.float64] = np.average(window_scores.astype(np.float64), axis=0, weights=weights)
    return mean.astype(np.float32)
