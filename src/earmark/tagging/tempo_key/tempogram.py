"""Which tempi are in an onset strength: tempograms, and a tempo to a tenth of a beat per minute."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from earmark.tagging.tempo_key.onset_features import FRAMES_PER_SECOND

Floats = npt.NDArray[np.float32]

WINDOW_FRAMES = 750
"""12 seconds."""
HOP_FRAMES = 375
MOST_WINDOWS = 64
WINDOWS_PER_SEGMENT = 4
"""Tempograms of so many windows, 30 seconds, are averaged."""
LOWEST_BPM = 20.0
BINS_PER_OCTAVE = 30
N_BINS = 161
"""Tempi from 20 to 806 BPM, a factor of 1.023 apart."""

_FFT_SIZE = 1536
_REFINE_FRAMES = 1875  # 30 seconds
_REFINE_FFT_SIZE = 16_384
_REFINE_STEP = 5e-4
_REFINE_REACH = 0.03
_MULTIPLES = (1, 2, 3, 4, 6, 8)


def bin_bpm() -> npt.NDArray[np.float64]:
    """Beats per minute of each bin of a tempogram, ``(161,)``."""
    return LOWEST_BPM * 2.0 ** (np.arange(N_BINS) / BINS_PER_OCTAVE)


@cache
def _fourier_basis() -> tuple[Floats, Floats]:
    """Tapered cosines and sines of each tempo, ``(750, 161)`` each."""
    seconds = np.arange(WINDOW_FRAMES) / FRAMES_PER_SECOND
    phases = 2 * np.pi * seconds[:, None] * bin_bpm() / 60
    taper = np.hanning(WINDOW_FRAMES + 2)[1:-1, None]
    taper /= taper.sum()
    return (np.cos(phases) * taper).astype(np.float32), (np.sin(phases) * taper).astype(np.float32)


def windows_of(onsets: Floats) -> Floats:
    """Windows of 12 seconds, overlapping by half or, at most 64, spread evenly: ``(n_windows, 750, n_bands)``.

    Short audio is padded with zeros.
    """
    if len(onsets) < WINDOW_FRAMES:
        onsets = np.pad(onsets, ((0, WINDOW_FRAMES - len(onsets)), (0, 0)))
    last = len(onsets) - WINDOW_FRAMES
    starts = np.round(np.linspace(0, last, min(MOST_WINDOWS, last // HOP_FRAMES + 1))).astype(np.int64)
    return np.stack([onsets[begin : begin + WINDOW_FRAMES] for begin in starts])


def tempograms(onsets: Floats) -> Floats:
    """How strong each tempo is in each window and band, by Fourier transform and by autocorrelation.

    The former is strong at multiples of the tempo, the latter at fractions of it (Peeters, "Template-based estimation of
    time-varying tempo", EURASIP 2007; Grosche and Müller, "Cyclic tempogram", ICASSP 2010).

    Args:
        onsets: ``(n_frames, n_bands)``, 62.5 frames per second.

    Returns:
        ``(n_segments, 2 * n_bands, 161)``, means over four windows each: Fourier magnitudes of each band, then
        autocorrelations; of onsets divided by their standard deviation.
    """
    windows = windows_of(onsets)
    windows = windows - windows.mean(axis=1, keepdims=True)
    windows /= windows.std(axis=1, keepdims=True) + np.float32(1e-3)
    bands_first = np.ascontiguousarray(windows.transpose(0, 2, 1))
    cosines, sines = _fourier_basis()
    fourier = np.hypot(bands_first @ cosines, bands_first @ sines)
    spectrum = np.fft.rfft(bands_first, _FFT_SIZE)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _FFT_SIZE)[..., :WINDOW_FRAMES]
    correlation /= np.arange(WINDOW_FRAMES, 0, -1)
    lags = FRAMES_PER_SECOND * 60 / bin_bpm()
    whole = np.floor(lags).astype(np.int64)
    part = lags - whole
    at_lags = (1 - part) * correlation[..., whole] + part * correlation[..., whole + 1]
    grams = np.concatenate([2 * fourier, at_lags], axis=1).astype(np.float32)
    n_segments = max(1, round(len(grams) / WINDOWS_PER_SEGMENT))
    return np.stack([part.mean(axis=0) for part in np.array_split(grams, n_segments)])


def refine_bpm(onsets: Floats, bpm: float) -> float:
    """A tempo near ``bpm`` (3 % at most) at which the whole recording is most periodic, with its multiples.

    Powers of Fourier transforms are added up over windows of half a minute, so a tempo that wanders does not matter.
    """
    signal = onsets.sum(axis=1)
    size = min(len(signal), _REFINE_FRAMES)
    last = len(signal) - size
    starts = np.round(np.linspace(0, last, min(MOST_WINDOWS, last // max(size // 2, 1) + 1))).astype(np.int64)
    windows = np.stack([signal[begin : begin + size] for begin in starts])
    windows = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(size + 2)[1:-1].astype(np.float32)
    power = np.zeros(_REFINE_FFT_SIZE // 2 + 1)
    for window in windows:
        power += np.abs(np.fft.rfft(window, _REFINE_FFT_SIZE)) ** 2
    factors = np.exp(np.arange(-_REFINE_REACH, _REFINE_REACH + _REFINE_STEP / 2, _REFINE_STEP))
    score = np.zeros(len(factors))
    for multiple in _MULTIPLES:
        bins = bpm * factors * multiple / 60 / FRAMES_PER_SECOND * _REFINE_FFT_SIZE
        if bins[-1] < _REFINE_FFT_SIZE // 2:
            score += np.interp(bins, np.arange(len(power)), power)
    at = int(np.argmax(score))
    if not 0 < at < len(score) - 1:
        return bpm
    left, middle, right = score[at - 1 : at + 2]
    shift = 0.5 * (left - right) / min(left - 2 * middle + right, -1e-12)
    return float(bpm * factors[at] * np.exp(shift * _REFINE_STEP))
