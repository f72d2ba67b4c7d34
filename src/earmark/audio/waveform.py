"""Samples in memory, by the same rules as those of a file."""

from __future__ import annotations

from numbers import Real

import numpy as np
import numpy.typing as npt
import soxr

from earmark.audio.decoder import Samples
from earmark.audio.frames import joined_samples
from earmark.audio.mixer import Mixer, usual_channels
from earmark.audio.scale import MAX_PEAK, scale_error
from earmark.core.errors import AudioError

MOST_RATE_HZ = 2**31 - 1
"""Sample rates beyond this are not read, as by FFmpeg: resampling from them takes for ever."""


def resample(samples: npt.ArrayLike, from_hz: int, to_hz: int, mixer: Mixer | None = None) -> Samples:
    """A waveform in memory as mono float32 at another rate, by the same rules as a file.

    Args:
        samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1.
        from_hz: its sample rate, a whole number of any type.
        to_hz: the rate wanted.
        mixer: mixes the channels, see :class:`earmark.audio.mixer.Mixer`; None for their mean. Three to eight channels
            are those of FLAC files, in their order (:func:`earmark.audio.mixer.usual_channels`).

    Returns:
        ``(n_samples,)`` at the new rate.

    Raises:
        AudioError: integers, samples beyond 8, wrong shape, no samples, NaN or infinite samples, a rate out of range.
    """
    array = np.asarray(samples)
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"samples of type {array.dtype}: must be floating point in -1..1 (int16: divide by 32768)")
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"samples of shape {array.shape}: must be (n_channels, n_samples): transpose them")
    if array.ndim not in (1, 2):
        raise AudioError(f"samples of shape {array.shape}: must be (n_samples,) or (n_channels, n_samples)")
    if not (_is_rate(from_hz) and _is_rate(to_hz)):
        raise AudioError(f"sample rates {from_hz} Hz to {to_hz} Hz: must be whole numbers, 1 to {MOST_RATE_HZ} Hz")
    from_hz = int(from_hz)  # other libraries give 44100.0
    if array.size == 0:
        raise AudioError("holds no audio samples")
    peak = float(max(array.max(), -array.min()))
    if not np.isfinite(peak):
        at = int(np.argmin(np.isfinite(array).reshape(-1, array.shape[-1]).all(axis=0))) / from_hz
        raise AudioError(f"holds NaN or infinite samples, the first at {at:.2f} s")
    if peak > MAX_PEAK:
        raise AudioError(scale_error(peak))
    if array.ndim == 1 or mixer is None:
        mono: Samples = (array if array.ndim == 1 else array.mean(axis=0)).astype(np.float32)
    else:
        size = joined_samples(from_hz)
        frames = (array[:, i : i + size] for i in range(0, array.shape[1], size))
        names = usual_channels(len(array))
        mono = np.concatenate([mixer.mix(frame.astype(np.float32), 1.0, from_hz, names) for frame in frames])
    if from_hz == to_hz:
        return mono
    out: Samples = soxr.resample(mono, from_hz, to_hz, quality="HQ")
    if not len(out):
        raise AudioError(f"holds less audio than one sample at {to_hz} Hz")
    return out


def _is_rate(value: object) -> bool:
    return isinstance(value, Real) and 1 <= float(value) <= MOST_RATE_HZ and float(value).is_integer()
