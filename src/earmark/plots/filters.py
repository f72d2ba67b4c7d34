"""The first filters of a network on raw audio: their spectra, shapes and groups.

After Dieleman & Schrauwen 2014, "End-to-end learning for music audio", ICASSP (4.2, Figures 2 and 3; 4.4, Figure 4).
The paper low-passes its groups without saying where; here the cutoff is twice the dominant frequency of a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import hz_to_mel, mel_to_hz
from earmark.metrics.table import FloatArray
from earmark.models.base import TaggingModel
from earmark.models.dieleman2014_layers import FeaturePool
from earmark.plots.axes import even_choice
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, BLUE, GREY, OUTLINED, WIDE_INCHES, house_style, new_figure

SHORTEST_FILTER = 16
"""Samples below which a filter alone says next to nothing of frequencies."""
_SMOOTH = 4  # order of the low-pass
_FINE_FFT = 4096  # dominant frequencies to a few Hz, however short the filters
MOST_FILTERS = 24
MOST_GROUPS = 16
_TRACE = 0.78  # of a cell of the page; the label before it has the rest


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Filters that run over samples.

    Attributes:
        filters: (n_filters, n_samples) weights.
        sample_rate_hz: of the waveform that they run over.
        pool_filters: neighbouring filters that are pooled into one; 1 for none.
        pooling: how: "none", "l2" or "max".
    """

    filters: FloatArray
    sample_rate_hz: int
    pool_filters: int = 1
    pooling: str = "none"


def first_filters(model: TaggingModel) -> FilterBank:
    """The first convolution of a network on raw audio.

    Raises:
        ConfigError: the network's input is a spectrogram, or its first filters are shorter than 16 samples.
    """
    who = model.architecture or type(model).__name__
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d)), None)
    if model.frontend is not None or not isinstance(first, nn.Conv1d) or first.in_channels != 1:
        raise ConfigError(
            f"{who}: its first filters do not run over samples; `earmark analyze layer-responses` shows what its first layer responds to"
        )
    if first.kernel_size[0] < SHORTEST_FILTER:
        raise ConfigError(
            f"{who}: its first filters are {first.kernel_size[0]} samples long, too short to have a frequency of their "
            f"own (at least {SHORTEST_FILTER}); `earmark analyze layer-responses` shows what its layers respond to"
        )
    pool = next((layer for layer in model.modules() if isinstance(layer, FeaturePool)), None)
    filters = first.weight.detach().cpu().double().numpy()[:, 0]
    if pool is None:
        return FilterBank(filters, model.sample_rate_hz)
    return FilterBank(filters, model.sample_rate_hz, pool.size, pool.kind)


def spectra(filters: FloatArray, sample_rate_hz: int) -> tuple[FloatArray, FloatArray]:
    """Magnitude spectra, each with 1 as its largest value.

    Args:
        filters: (n_filters, n_samples).
        sample_rate_hz: of the samples.

    Returns:
        Frequencies in Hz (n_bins,), from 0 to half the rate, as dense as the filters' own, or 257 where they are short;
        and magnitudes (n_filters, n_bins), 0..1. A filter of zeros has zeros.
    """
    n_fft = max(512, filters.shape[1])
    magnitudes: FloatArray = np.abs(np.fft.rfft(filters, n_fft, axis=1)).astype(np.float64)
    frequencies: FloatArray = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz).astype(np.float64)
    largest = magnitudes.max(axis=1, keepdims=True)
    return frequencies, magnitudes / np.where(largest > 0, largest, 1.0)


def dominant_hz(filters: FloatArray, sample_rate_hz: int, pool_filters: int = 1) -> FloatArray:
    """The frequency of the largest magnitude of each filter, or at which a pool of neighbours has the most energy.

    Returns:
        (n_filters / pool_filters,) Hz.
    """
    n_fft = max(_FINE_FFT, filters.shape[1])
    energy = np.abs(np.fft.rfft(filters, n_fft, axis=1)) ** 2
    summed = energy.reshape(-1, pool_filters, energy.shape[1]).sum(axis=1)
    frequencies: FloatArray = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz).astype(np.float64)
    dominant: FloatArray = frequencies[summed.argmax(axis=1)]
    return dominant


def mel_spaced_hz(n: int, low_hz: float, high_hz: float) -> FloatArray:
    """Centres of n adjacent bands, equally wide in mel (HTK's formula), (n,) Hz.

    Example:
        >>> mel_spaced_hz(4, 0.0, 8000.0).round().tolist()
        [259.0, 1101.0, 2682.0, 5649.0]
    """
    ends = hz_to_mel(np.array([low_hz, high_hz], dtype=np.float64), "htk")
    return mel_to_hz(ends[0] + (np.arange(n) + 0.5) / n * (ends[1] - ends[0]), "htk")


def low_passed(filters: FloatArray, sample_rate_hz: int, cutoff_hz: FloatArray | float) -> FloatArray:
    """Filters without the part above a frequency, not shifted in time.

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


@house_style()
def draw_spectra(bank: FilterBank, about: str, highest_hz: float | None = None) -> Drawing:
    """Spectra of all filters side by side, by dominant frequency, and where mel bands would be (Figure 2).

    Args:
        bank: the filters.
        about: the line under the title.
        highest_hz: upper end of the picture; None for half the sample rate.
    """
    frequencies, magnitudes = spectra(bank.filters, bank.sample_rate_hz)
    dominant = dominant_hz(bank.filters, bank.sample_rate_hz)
    order = np.argsort(dominant, kind="stable")
    figure = new_figure("Spectra of the first layer's filters", about, height_inches=2.9)
    axes = figure.add_subplot()
    edges = np.append(frequencies - frequencies[1] / 2, frequencies[-1] + frequencies[1] / 2) / 1000
    mesh = axes.pcolormesh(np.arange(len(order) + 1) + 0.5, edges, magnitudes[order].T, vmin=0, vmax=1, rasterized=True)
    mel = mel_spaced_hz(len(order), 0, bank.sample_rate_hz / 2) / 1000
    axes.plot(np.arange(len(order)) + 1, mel, color="white", linestyle="--", path_effects=OUTLINED)
    top = min(frequencies[-1], highest_hz or np.inf) / 1000
    axes.set_ylim(0, top)
    axes.annotate(
        "mel scale",
        (float(np.interp(0.55 * top, mel, np.arange(len(order)) + 1)), 0.55 * top),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        color="white",
        path_effects=OUTLINED,
    )
    axes.set_xlabel("filter, by dominant frequency")
    axes.set_ylabel("frequency (kHz)")
    figure.colorbar(mesh, ax=axes, label="magnitude (largest of filter = 1)", pad=0.02)
    ranks, bins = np.repeat(np.arange(len(order)) + 1, len(frequencies)), np.tile(frequencies, len(order))
    table = pd.DataFrame(
        {
            "rank": ranks,
            "filter": np.repeat(order, len(frequencies)),
            "dominant_hz": np.repeat(dominant[order], len(frequencies)),
            "mel_scale_hz": np.repeat(mel * 1000, len(frequencies)),
            "frequency_hz": bins,
            "magnitude": magnitudes[order].ravel(),
        }
    )
    return Drawing("filter-spectra", figure, table)


@house_style()
def draw_waveforms(bank: FilterBank, about: str) -> Drawing:
    """A page of filters, by dominant frequency (Figure 3); of more than 24, evenly spaced ones."""
    dominant = dominant_hz(bank.filters, bank.sample_rate_hz)
    order = np.argsort(dominant, kind="stable")
    order = order[even_choice(len(order), MOST_FILTERS)]
    columns = 4
    rows = -(-len(order) // columns)
    figure = new_figure(
        f"First-layer filters, by dominant frequency{_of(len(order), len(bank.filters))}",
        about,
        width_inches=WIDE_INCHES,
        height_inches=0.75 + 0.42 * rows,
    )
    axes = figure.add_subplot()
    for place, index in enumerate(order):
        row, column = divmod(place, columns)
        _trace(axes, bank.filters[index], column, row)
        axes.text(column - 0.015, row, _hertz(dominant[index]), ha="right", va="center", fontsize=6.5, color=BLACK)
    _page(figure, axes, columns, rows, bank)
    return Drawing("filter-waveforms", figure, _table(bank, bank.filters, order, dominant[order]))


@house_style()
def draw_groups(bank: FilterBank, about: str, cutoff_hz: float | None = None) -> Drawing:
    """Pooled filters, one row per group, low-passed (Figure 4).

    Args:
        bank: with groups, that is pool_filters above 1; of more than 16, evenly spaced ones are drawn.
        about: the line under the title.
        cutoff_hz: of the low-pass; None for twice the dominant frequency of each group, but not below 100 Hz.
    """
    size = bank.pool_filters
    dominant = dominant_hz(bank.filters, bank.sample_rate_hz, size)
    cutoff = np.maximum(2 * dominant, 100.0) if cutoff_hz is None else np.full(len(dominant), cutoff_hz)
    smooth = low_passed(bank.filters, bank.sample_rate_hz, np.repeat(cutoff, size))
    groups = np.argsort(dominant, kind="stable")
    groups = groups[even_choice(len(groups), MOST_GROUPS)]
    at = "twice their dominant frequency" if cutoff_hz is None else f"{cutoff_hz:g} Hz"
    kind = {"l2": "L2", "max": "max"}.get(bank.pooling, bank.pooling)
    figure = new_figure(
        f"Groups of {size} filters under {kind} pooling, low-passed at {at}{_of(len(groups), len(dominant))}",
        about,
        width_inches=WIDE_INCHES,
        height_inches=0.8 + 0.42 * len(groups),
    )
    axes = figure.add_subplot()
    for row, group in enumerate(groups):
        axes.text(-0.015, row, _hertz(dominant[group]), ha="right", va="center", fontsize=6.5)
        for column in range(size):
            _trace(axes, smooth[group * size + column], column, row)
    _page(figure, axes, size, len(groups), bank, of=" of the group")
    members = (groups[:, None] * size + np.arange(size)).ravel()
    table = _table(bank, smooth, members, np.repeat(dominant[groups], size))
    table.insert(0, "group", np.repeat(np.repeat(groups, size), bank.filters.shape[1]))
    table["low_pass_hz"] = np.repeat(np.repeat(cutoff[groups], size), bank.filters.shape[1])
    return Drawing("filter-groups", figure, table)


def _trace(axes: Axes, samples: FloatArray, column: int, row: int) -> None:
    """One filter in its cell of the page, as high as all others."""
    largest = np.abs(samples).max() or 1.0
    x = column + np.linspace(0, _TRACE, len(samples))
    axes.plot([column, column + _TRACE], [row, row], color="#DDDDDD", linewidth=0.5, zorder=1)
    axes.plot(x, row - 0.42 * samples / largest, color=BLUE, linewidth=0.55, zorder=2)


def _page(figure: Figure, axes: Axes, columns: int, rows: int, bank: FilterBank, of: str = "") -> None:
    """No frame; the length and scale of the traces are given below."""
    axes.set_xlim(_TRACE - 1 + 0.04, columns - 1 + _TRACE + 0.02)
    axes.set_ylim(rows - 0.45, -0.55)
    axes.axis("off")
    n = bank.filters.shape[1]
    figure.supxlabel(
        f"each trace: {n} samples = {1000 * n / bank.sample_rate_hz:g} ms, scaled to its own largest weight; "
        f"in front the dominant frequency{of}",
        fontsize=7,
        color=GREY,
    )


def _table(bank: FilterBank, weights: FloatArray, chosen: np.ndarray, dominant: FloatArray) -> pd.DataFrame:
    n = weights.shape[1]
    return pd.DataFrame(
        {
            "filter": np.repeat(chosen, n),
            "dominant_hz": np.repeat(dominant, n),
            "time_ms": np.tile(1000 * np.arange(n) / bank.sample_rate_hz, len(chosen)),
            "weight": weights[chosen].ravel(),
        }
    )


def _of(drawn: int, there: int) -> str:
    return "" if drawn == there else f" ({drawn} of {there})"


def _hertz(value: float) -> str:
    return f"{value:.0f} Hz" if value < 1000 else f"{value / 1000:.1f} kHz"
