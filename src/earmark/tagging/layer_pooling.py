"""The values of a layer as vectors of frames, windows and files."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError

Floats = npt.NDArray[np.float32]

Pool = Literal["mean", "mean+std", "max", "none"]
"""What is left of the time axis: one vector for a file, or all of it."""

Unit = Literal["window", "frame"]
"""What has a vector: a window of the model, or a frame of its layer."""

Within = Literal["mean", "mean+std", "max"]
"""What is left of the frames of a window."""


def channels_last(values: Floats, time_axis: int | None, *, frames: bool = False) -> Floats:
    """A layer's values ``(n, ...)`` as ``(n, n_frames, n_channels)``; see :class:`Embedder`.

    Args:
        values: of n windows.
        time_axis: see :class:`Embedder`.
        frames: refuse values without a time axis, of which there is one frame otherwise.

    Raises:
        ConfigError: no such axis.

    Example:
        >>> channels_last(np.ones((2, 64, 8, 100), np.float32), None).shape  # (batch, channels, frequency, time)
        (2, 100, 64)
    """
    if values.ndim < 2:
        raise ConfigError(f"a layer with values of shape {values.shape}: has no value for each window")
    if time_axis is None and values.ndim == 2:
        if frames:
            raise ConfigError(
                "unit 'frame': this layer has one vector per window; choose another layer, or unit window"
            )
        return values[:, None]
    time = values.ndim - 1 if time_axis is None else time_axis
    if not 1 <= time < values.ndim or values.ndim < 3:
        raise ConfigError(f"time_axis {time}: the layer's values have the shape (batch, {str(values.shape[1:])[1:]}")
    channels = 1 if time != 1 else values.ndim - 1
    rest = tuple(axis for axis in range(1, values.ndim) if axis not in (time, channels))
    means = values.mean(axis=rest) if rest else values
    return np.ascontiguousarray(means if time < channels else np.swapaxes(means, 1, 2))


def pool_frames(values: Floats, within: Within) -> Floats:
    """Frames ``(n, n_frames, n_channels)`` of windows as one vector each, ``(n, 1, n_dims)``."""
    if within == "max":
        return np.asarray(values.max(axis=1, keepdims=True))
    mean: Floats = values.mean(axis=1, keepdims=True)
    return mean if within == "mean" else np.concatenate([mean, values.std(axis=1, keepdims=True)], axis=2)


def pooled(values: Floats, pool: Pool, weights: npt.NDArray[np.floating[Any]] | None = None) -> Floats:
    """Rows ``(n, n_channels)`` as one vector.

    Args:
        values: of windows or frames.
        pool: not "none".
        weights: ``(n,)``, 0 or more: what each row counts for; None, or all 0, for all alike. For "max", rows of 0 are
            left out.

    Example:
        >>> pooled(np.array([[0.0, 2.0], [4.0, 2.0]], np.float32), "mean+std").tolist()
        [2.0, 2.0, 2.0, 0.0]
    """
    if weights is not None and not weights.any():
        weights = None
    rows = values.astype(np.float64)
    if pool == "max":
        return np.asarray((rows if weights is None else rows[weights > 0]).max(axis=0), np.float32)
    mean = np.average(rows, axis=0, weights=weights)
    if pool == "mean":
        return np.asarray(mean, np.float32)
    deviation = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))
    return np.concatenate([mean, deviation]).astype(np.float32)
