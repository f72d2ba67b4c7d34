"""What the layers of a network hear, as a picture: a map of units and frequencies for each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from earmark.plots.drawing import Drawing
from earmark.plots.filters import mel_spaced_hz
from earmark.plots.filters_drawn import OUTLINED
from earmark.plots.style import GREY, HALF_INCHES, WIDE_INCHES, house_style, new_figure
from earmark.plots.sweep import LayerResponse, short_name

_OCTAVES_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10000)


@house_style()
def draw_responses(layers: Sequence[LayerResponse], about: str, *, name: str, title: str, colour_means: str) -> Drawing:
    """A map for each layer: its units, by the frequency they answer to most, against frequency.

    Args:
        layers: one or more; from the first to the last.
        about: the line under the title.
        name: of the files.
        title: of the figure.
        colour_means: label of the colour bar.
    """
    columns = min(len(layers), 2 if len(layers) <= 2 else 5)
    rows = -(-len(layers) // columns)
    figure = new_figure(
        title,
        about,
        width_inches=HALF_INCHES if columns <= 2 else WIDE_INCHES,
        height_inches=0.85 + (2.0 if columns <= 2 else 1.6) * rows,
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    mesh = None
    for place, axes in enumerate(grid.flat):
        if place >= len(layers):
            axes.set_axis_off()
            continue
        layer = layers[place]
        n = len(layer.units)
        said = short_name(layer.layer)
        numbered = f"{place + 1}  {said}" if any(letter.isalpha() for letter in said) else f"layer {place + 1}"
        axes.set_title(numbered, fontsize=7.5)
        axes.set_yscale("log")
        axes.set_ylim(layer.edges_hz[0], layer.edges_hz[-1])
        axes.yaxis.set_major_locator(
            FixedLocator([hz for hz in _OCTAVES_HZ if layer.edges_hz[0] <= hz <= layer.edges_hz[-1]])
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz:g}" if hz < 1000 else f"{hz / 1000:g}k"))
        axes.yaxis.set_minor_locator(NullLocator())
        if n == 0:
            axes.set_xticks([])
            axes.text(0.5, 0.5, "no unit\nanswers", transform=axes.transAxes, ha="center", va="center", color=GREY)
            continue
        mesh = axes.pcolormesh(
            np.arange(n + 1) + 0.5, layer.edges_hz, layer.response.T, vmin=0, vmax=1, rasterized=True
        )
        axes.set_xlim(0.5, n + 0.5)
        axes.set_xticks([1, n] if n > 1 else [1])
        mel = mel_spaced_hz(n, layer.edges_hz[0], layer.edges_hz[-1])
        axes.plot(np.arange(n) + 1, mel, color="white", linestyle="--", linewidth=1.0, path_effects=OUTLINED)
        if n < layer.n_units:
            axes.set_xlabel(
                f"{layer.n_units - n} of {layer.n_units} answer to none", fontsize=6, color=GREY, labelpad=1
            )
    figure.supylabel("frequency (Hz)", fontsize=8)
    figure.supxlabel("unit, by the frequency it answers to most; dashed: equally spaced on the mel scale", fontsize=7)
    if mesh is not None:
        figure.colorbar(mesh, ax=grid, pad=0.01, aspect=14 * rows, fraction=0.06).set_label(colour_means, fontsize=7)
    return Drawing(name, figure, _table(layers))


def _table(layers: Sequence[LayerResponse]) -> pd.DataFrame:
    """A row for each unit; its answers to the bands, named by their middles, in columns."""
    parts = []
    for place, layer in enumerate(layers, start=1):
        middles = np.sqrt(layer.edges_hz[:-1] * layer.edges_hz[1:])
        head = pd.DataFrame(
            {
                "layer": place,
                "name": layer.layer,
                "rank": np.arange(len(layer.units)) + 1,
                "unit": layer.units,
                "peak_hz": layer.peak_hz,
            }
        )
        answers = pd.DataFrame(layer.response.round(4), columns=[f"at_{hz:.0f}_hz" for hz in middles])
        parts.append(pd.concat([head, answers], axis=1))
    return pd.concat(parts, ignore_index=True)
