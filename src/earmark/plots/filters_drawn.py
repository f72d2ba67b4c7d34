"""The filters of raw audio as pictures, see :mod:`earmark.plots.filters`."""

from __future__ import annotations

import matplotlib.patheffects as effects
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earmark.plots.drawing import Drawing
from earmark.plots.filters import (
    FilterBank,
    Floats,
    dominant_hz,
    even_choice,
    low_passed,
    mel_spaced_hz,
    spectra,
)
from earmark.plots.style import BLACK, BLUE, GREY, WIDE_INCHES, house_style, new_figure

MOST_FILTERS = 24
MOST_GROUPS = 16
_TRACE = 0.78  # of a place on the page; the label in front has the rest
OUTLINED = (effects.Stroke(linewidth=2.6, foreground="black"), effects.Normal())
"""A line that is seen on dark and on bright ground."""


@house_style()
def draw_spectra(bank: FilterBank, about: str, highest_hz: float | None = None) -> Drawing:
    """Spectra of all filters side by side, by dominant frequency, and where mel bands would lie (Figure 2).

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
    """A page of filters, by dominant frequency (Figure 3); where there are more than 24, every so many."""
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
    """Pooled filters, a row for each group, low-passed (Figure 4).

    Args:
        bank: with groups, that is pool_filters above 1; where there are more than 16, every so many are drawn.
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


def _trace(axes: Axes, samples: Floats, column: int, row: int) -> None:
    """One filter in its place of the page, as high as all others."""
    largest = np.abs(samples).max() or 1.0
    x = column + np.linspace(0, _TRACE, len(samples))
    axes.plot([column, column + _TRACE], [row, row], color="#DDDDDD", linewidth=0.5, zorder=1)
    axes.plot(x, row - 0.42 * samples / largest, color=BLUE, linewidth=0.55, zorder=2)


def _page(figure: Figure, axes: Axes, columns: int, rows: int, bank: FilterBank, of: str = "") -> None:
    """No frame; what the length and height of the traces are stands below."""
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


def _table(bank: FilterBank, weights: Floats, chosen: np.ndarray, dominant: Floats) -> pd.DataFrame:
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
