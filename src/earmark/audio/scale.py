"""Samples far beyond full scale: integers stored as floating point numbers, or damage to a lossy file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import AudioError

MAX_PEAK = 8.0
"""Samples beyond this are not in -1..1. Loud music is clipped at 1, or goes up to 2 or 3 in lossy formats."""

_MOST_DAMAGED_SHARE = 0.1
_INTEGER_BITS = (8, 16, 24, 32)
_NEAR = 0.25  # of full scale: the peak of a recording that is not soft


def scale_error(peak: float) -> str:
    """A message for samples beyond :data:`MAX_PEAK`: the peak and the cure."""
    scales = {bits: 2 ** (bits - 1) for bits in _INTEGER_BITS}
    cures = [
        f"{scale}, the full scale of {n}-bit integers, or by "
        for n, scale in scales.items()
        if _NEAR * scale <= peak <= scale
    ]
    return f"samples up to {peak:.7g}: must be floating point in -1..1; divide by {''.join(cures)}the peak"


class ScaleMeter:
    """Counts the samples of one file that are beyond :data:`MAX_PEAK`.

    Attributes:
        is_lossy: whether the file's codec is lossy: its decoder makes such samples of damaged packets.
        peak: the largest of them; 0 where there are none.
    """

    def __init__(self) -> None:
        self.is_lossy = False
        self.peak = 0.0
        self._seconds = 0.0

    def add(self, samples: npt.NDArray[Any], samples_per_second: int) -> None:
        """The next floating point samples, of any shape. NaN and infinite ones are left to others."""
        peak = float(max(samples.max(), -samples.min())) if samples.size else 0.0
        if MAX_PEAK < peak < np.inf:
            self.peak = max(self.peak, peak)
            self._seconds += float(np.count_nonzero(np.abs(samples) > MAX_PEAK)) / samples_per_second

    def warnings(self, duration_seconds: float) -> list[str]:
        """What a user should know, at the end of the file.

        Raises:
            AudioError: the samples are not in -1..1, and not because of a little damage.
        """
        if self._seconds > (_MOST_DAMAGED_SHARE * duration_seconds if self.is_lossy else 0):
            raise AudioError(scale_error(self.peak))
        return [f"damaged: samples up to {self.peak:.7g} clipped to -1..1"] if self.peak else []
