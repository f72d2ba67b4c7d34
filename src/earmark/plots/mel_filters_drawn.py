"""The first filters of networks on spectrograms as a picture, see :mod:`earmark.plots.mel_filters`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from earmark.plots.drawing import Drawing
from earmark.plots.filters import Floats
from earmark.plots.mel_filters import MelFilters, strongest
from earmark.plots.style import DIVERGING, GREY, HALF_INCHES, WIDE_INCHES, house_style, new_figure
from earmark.plots.sweep import short_name

_TALL_TILES = 12
_SMALL_TILES = (4, 12)  # rows and columns of filters with a few bands
_LINES = 24  # filters along time
_FEW_ROWS = 8
_SHOWN_HZ = (100, 200, 500, 1000, 2000, 4000, 8000)


@house_style()
def draw_mel_filters(groups: Sequence[MelFilters], about: str) -> Drawing:
    """A montage for each convolution that sees the spectrogram: its strongest filters, each scaled to its own maximum."""
    columns = 1 if len(groups) <= 2 else 2
    rows = -(-len(groups) // columns)
    heights = [max(_height(group) for group in groups[i * columns : (i + 1) * columns]) for i in range(rows)]
    small = len(groups) == 1 and groups[0].weights.shape[1] <= _FEW_ROWS and groups[0].rows == "sliding"
    figure = new_figure(
        "First-layer filters on the spectrogram",
        about,
        width_inches=HALF_INCHES if small else WIDE_INCHES,
        height_inches=0.75 + sum(heights) + 0.45 * rows,
    )
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    parts = []
    for place, axes in enumerate(grid.flat):
        if place >= len(groups):
            axes.set_axis_off()
            continue
        group = groups[place]
        shown = strongest(group, _most(group))
        (_lines if group.rows == "time" else _montage)(axes, group, shown)
        name = f"{short_name(group.layer)}: " if len(groups) > 1 else ""
        axes.set_title(name + _title(group, len(shown)), loc="left", fontsize=7)
        parts.append(_table(group, shown))
    notes = ("red: positive weight, blue: negative;", "each filter scaled to its own largest weight")
    figure.supxlabel(("\n" if small else " ").join(notes), fontsize=6.5, color=GREY)
    return Drawing("hears-filters", figure, pd.concat(parts, ignore_index=True))


def _height(group: MelFilters) -> float:
    """Inches of a montage."""
    n_rows = group.weights.shape[1]
    if group.rows == "time":
        return 1.3
    return 1.3 if n_rows > _FEW_ROWS else 1.1


def _most(group: MelFilters) -> int:
    if group.rows == "time":
        return _LINES
    return _SMALL_TILES[0] * _SMALL_TILES[1] if group.weights.shape[1] <= _FEW_ROWS else _TALL_TILES


def _title(group: MelFilters, shown: int) -> str:
    n, n_rows, n_frames = group.weights.shape
    milliseconds = 1000 * n_frames * group.frame_seconds
    of = f"{n} filters" if shown == n else f"{shown} strongest of {n}"
    size = {
        "bands": f"all {n_rows} bands × {n_frames} frames",
        "sliding": f"{n_rows} bands × {n_frames} frame{'s' * (n_frames > 1)}",
        "time": f"{n_frames} frames",
        "harmonics": f"{group.n_harmonics} harmonics × {n_rows // max(1, group.n_harmonics)} notes × {n_frames} frames",
    }[group.rows]
    return f"{size} ({milliseconds:.0f} ms), {of}"


def _scaled(tile: Floats) -> Floats:
    return tile / (np.abs(tile).max() or 1.0)


def _montage(axes: Axes, group: MelFilters, shown: np.ndarray) -> None:
    """Filters side by side, low bands below; where they are small, in rows."""
    _, n_rows, n_frames = group.weights.shape
    small = n_rows <= _FEW_ROWS
    across = _SMALL_TILES[1] if small else _TALL_TILES
    down = -(-len(shown) // across)
    gap_x, gap_y = 0.35 * n_frames, 0.35 * n_rows
    for place, index in enumerate(shown):
        row, column = divmod(place, across)
        left, bottom = column * (n_frames + gap_x), (down - 1 - row) * (n_rows + gap_y)
        axes.imshow(
            _scaled(group.weights[index]),
            cmap=DIVERGING,
            vmin=-1,
            vmax=1,
            origin="lower",
            aspect="auto",
            extent=(left, left + n_frames, bottom, bottom + n_rows),
        )
    axes.set_xlim(-0.02 * n_frames, across * (n_frames + gap_x) - gap_x * 0.98)
    axes.set_ylim(-0.02 * n_rows, down * (n_rows + gap_y) - gap_y * 0.98)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=2, pad=1, labelsize=6)
    axes.set_xticks([n_frames / 2], [f"{1000 * n_frames * group.frame_seconds:.0f} ms"])
    if group.rows == "bands":
        at = [hz for hz in _SHOWN_HZ if group.rows_hz[0] <= hz <= group.rows_hz[-1]]
        places = np.interp(at, group.rows_hz, np.arange(n_rows) + 0.5)
        apart = np.diff(places, prepend=-n_rows) > 0.06 * n_rows  # no label on top of another
        at, places = [hz for hz, far in zip(at, apart, strict=True) if far], places[apart]
        axes.set_yticks(places, [f"{hz:g}" if hz < 1000 else f"{hz / 1000:g}k" for hz in at])
        axes.set_ylabel("Hz", fontsize=7)
    elif group.rows == "harmonics":
        notes = n_rows // group.n_harmonics
        axes.set_yticks((np.arange(group.n_harmonics) + 0.5) * notes, [str(i + 1) for i in range(group.n_harmonics)])
        axes.set_ylabel("harmonic", fontsize=7)
    else:
        lowest = (down - 1) * (n_rows + gap_y) if small else 0
        axes.set_yticks([lowest, lowest + n_rows], ["0", str(n_rows)])
        axes.set_ylabel("mel bands", fontsize=7)


def _lines(axes: Axes, group: MelFilters, shown: np.ndarray) -> None:
    """Filters along time, a row each, slow ones below."""
    tile = np.stack([_scaled(group.weights[index, 0]) for index in shown])
    seconds = group.weights.shape[2] * group.frame_seconds
    axes.imshow(
        tile,
        cmap=DIVERGING,
        vmin=-1,
        vmax=1,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0.5, len(shown) + 0.5),
    )
    axes.tick_params(length=2, pad=1, labelsize=6)
    axes.set_xlabel("time (s)", fontsize=7, labelpad=1)
    axes.set_yticks([1, len(shown)] if len(shown) > 1 else [1])
    axes.set_ylabel("filter, slow to fast", fontsize=7)


def _table(group: MelFilters, shown: np.ndarray) -> pd.DataFrame:
    _, n_rows, n_frames = group.weights.shape
    table = pd.DataFrame(
        {
            "layer": group.layer,
            "rows": group.rows,
            "filter": np.repeat(shown, n_rows * n_frames),
            "row": np.tile(np.repeat(np.arange(n_rows), n_frames), len(shown)),
            "time_s": np.tile(np.arange(n_frames) * group.frame_seconds, len(shown) * n_rows),
            "weight": group.weights[shown].ravel(),
        }
    )
    hz = np.repeat(group.rows_hz, n_frames) if len(group.rows_hz) else np.full(n_rows * n_frames, np.nan)
    table.insert(4, "row_hz", np.tile(hz, len(shown)))
    return table
