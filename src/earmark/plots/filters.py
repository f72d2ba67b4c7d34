"""The filters with which a network on raw audio begins: their spectra, shapes and groups.

After Dieleman & Schrauwen 2014, "End-to-end learning for music audio", ICASSP (4.2, Figures 2 and 3; 4.4, Figure 4).
The paper low-passes its groups without saying where; here it is done at twice the frequency that dominates a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import hz_to_mel, mel_to_hz
from earmark.models.base import TaggingModel
from earmark.models.dieleman2014 import FeaturePool

Floats = npt.NDArray[np.float64]

SHORTEST_FILTER = 16
"""Samples below which a filter alone says next to nothing of frequencies."""
_SMOOTH = 4  # order of the low-pass
_FINE_FFT = 4096  # dominant frequencies are told to a few Hz, however short the filters


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Filters that run over samples.

    Attributes:
        filters: (n_filters, n_samples) weights.
        sample_rate_hz: of the waveform that they run over.
        pool_filters: neighbouring filters that are pooled into one; 1 for none.
        pooling: how: "none", "l2" or "max".
    """

    filters: Floats
    sample_rate_hz: int
    pool_filters: int = 1
    pooling: str = "none"


def first_filters(model: TaggingModel) -> FilterBank:
    """The first convolution of a network on raw audio.

    Raises:
        ConfigError: the network hears a spectrogram, or its first filters are shorter than 16 samples.
    """
    who = model.architecture or type(model).__name__
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d)), None)
    if model.frontend is not None or not isinstance(first, nn.Conv1d) or first.in_channels != 1:
        raise ConfigError(
            f"{who}: its first filters run over no samples; `earmark analyze hears` shows what its first layer hears"
        )
    if first.kernel_size[0] < SHORTEST_FILTER:
        raise ConfigError(
            f"{who}: its first filters are {first.kernel_size[0]} samples long, too short to have a frequency of their "
            f"own (at least {SHORTEST_FILTER}); `earmark analyze hears` shows what its layers hear"
        )
    pool = next((layer for layer in model.modules() if isinstance(layer, FeaturePool)), None)
    filters = first.weight.detach().cpu().double().numpy()[:, 0]
    if pool is None:
        return FilterBank(filters, model.sample_rate_hz)
    return FilterBank(filters, model.sample_rate_hz, pool.size, pool.kind)


def spectra(filters: Floats, sample_rate_hz: int) -> tuple[Floats, Floats]:
    """Magnitude spectra, each with 1 as its largest value.

    Args:
        filters: (n_filters, n_samples).
        sample_rate_hz: of the samples.

    Returns:
        Frequencies in Hz (n_bins,), from 0 to half the rate, as dense as the filters' own or, where they are short, 257;
        and magnitudes (n_filters, n_bins), 0..1. A filter of zeros has zeros.
    """
    n_fft = max(512, filters.shape[1])
    magnitudes: Floats = np.abs(np.fft.rfft(filters, n_fft, axis=1)).astype(np.float64)
    frequencies: Floats = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz).astype(np.float64)
    largest = magnitudes.max(axis=1, keepdims=True)
    return frequencies, magnitudes / np.where(largest > 0, largest, 1.0)


def dominant_hz(filters: Floats, sample_rate_hz: int, pool_filters: int = 1) -> Floats:
    """The frequency of the largest magnitude of each filter, or at which a pool of neighbours has the most energy.

    Returns:
        (n_filters / pool_filters,) Hz.
    """
    n_fft = max(_FINE_FFT, filters.shape[1])
    energy = np.abs(np.fft.rfft(filters, n_fft, axis=1)) ** 2
    summed = energy.reshape(-1, pool_filters, energy.shape[1]).sum(axis=1)
    frequencies: Floats = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz).astype(np.float64)
    dominant: Floats = frequencies[summed.argmax(axis=1)]
    return dominant


def mel_spaced_hz(n: int, low_hz: float, high_hz: float) -> Floats:
    """Middles of n bands that lie side by side and are equally wide in mel (HTK's formula), (n,) Hz.

    Example:
        >>> mel_spaced_hz(4, 0.0, 8000.0).round().tolist()
        [259.0, 1101.0, 2682.0, 5649.0]
    """
    ends = hz_to_mel(np.array([low_hz, high_hz], dtype=np.float64), "htk")
    return mel_to_hz(ends[0] + (np.arange(n) + 0.5) / n * (ends[1] - ends[0]), "htk")


def low_passed(filters: Floats, sample_rate_hz: int, cutoff_hz: Floats | float) -> Floats:
    """Filters without what is above a frequency, not shifted in time.

    The gain is that of a Butterworth filter of order 4 run forwards and backwards: a half at the cutoff.

    Args:
        filters: (n_filters, n_samples).
        sample_rate_hz: of the samples.
        cutoff_hz: one for all, or (n_filters,); above 0.

    Returns:
        (n_filters, n_samples).

    Raises:
        ConfigError: a cutoff that is not above 0.
    """
    cutoff = np.broadcast_to(np.asarray(cutoff_hz, np.float64), filters.shape[:1])
    if not (cutoff > 0).all():
        raise ConfigError(f"cutoff {cutoff.min():g} Hz: must be above 0")
    n = filters.shape[1]
    mirrored = np.pad(filters, ((0, 0), (n - 1, n - 1)), mode="reflect") if n > 1 else filters
    frequencies = np.fft.rfftfreq(mirrored.shape[1], 1 / sample_rate_hz)
    gain = 1 / (1 + (frequencies / cutoff[:, None]) ** (2 * _SMOOTH))
    smooth = np.fft.irfft(np.fft.rfft(mirrored, axis=1) * gain, mirrored.shape[1], axis=1)
    return smooth[:, n - 1 : 2 * n - 1] if n > 1 else smooth


def even_choice(n: int, most: int) -> npt.NDArray[np.int64]:
    """Up to ``most`` of n places, from the first to the last, evenly.

    Example:
        >>> even_choice(10, 4).tolist(), even_choice(3, 4).tolist()
        ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
