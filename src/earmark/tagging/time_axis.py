"""Times in a file, and in its sound: without the silences that were left out before windows were cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]


def seconds_without(left_out: npt.NDArray[np.number[Any]], seconds: npt.ArrayLike) -> Seconds:
    """Times in the file -> times in its sound; those within a silence are its joint.

    Args:
        left_out: ``(n, 2)``, begin and end of each silence in the file, rising.
        seconds: any shape.

    Example:
        >>> seconds_without(np.array([[2.0, 5.0]]), [1.0, 2.0, 3.0, 5.0, 6.0]).tolist()
        [1.0, 2.0, 2.0, 2.0, 3.0]
    """
    times = np.asarray(seconds, np.float64)
    silent = np.clip(times[..., None], left_out[:, 0], left_out[:, 1]) - left_out[:, 0]
    without: Seconds = times - silent.sum(axis=-1)
    return without


def seconds_with(left_out: npt.NDArray[np.number[Any]], seconds: npt.ArrayLike, *, ends: bool = False) -> Seconds:
    """Times in the sound -> times in the file.

    Args:
        left_out: as for :func:`seconds_without`.
        seconds: any shape.
        ends: something ends at these times: on a joint, in front of the silence; else behind it.

    Example:
        >>> silences = np.array([[2.0, 5.0]])
        >>> seconds_with(silences, [1.0, 2.0, 3.0]).tolist(), seconds_with(silences, [2.0, 3.0], ends=True).tolist()
        ([1.0, 5.0, 6.0], [2.0, 6.0])
    """
    times = np.asarray(seconds, np.float64)
    lengths = left_out[:, 1] - left_out[:, 0]
    joints = left_out[:, 1] - np.cumsum(lengths)
    before = np.append(0.0, np.cumsum(lengths))
    found: Seconds = times + before[np.searchsorted(joints - 1e-6, times - (2e-6 if ends else 0.0), "right")]
    return found
