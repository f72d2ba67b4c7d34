"""The first filters of networks on spectrograms, on axes of frequency and time.

What a filter's rows represent depends on the network. Filters that span all bands have a fixed place in frequency; smaller
ones slide over the bands, as pons2017's timbral and every 3 x 3 filter do, and their rows are only neighbours; temporal
ones see one band or the mean of all; those of the harmonic CNN have rows for harmonics and, within each, neighbouring notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig, hz_to_mel, mel_to_hz
from earmark.metrics.table import FloatArray
from earmark.models.base import TaggingModel
from earmark.models.harmonic import HarmonicCNN
from earmark.plots.drawing import Drawing
from earmark.plots.style import DIVERGING, GREY, HALF_INCHES, WIDE_INCHES, house_style, new_figure
from earmark.plots.sweep import short_name

Rows = Literal["bands", "sliding", "time", "harmonics"]
_TALL_TILES = 12
_SMALL_TILES = (4, 12)  # rows and columns of filters with a few bands
_LINES = 24  # filters along time
_SMALL_BANK_ROWS = 8
_SHOWN_HZ = (100, 200, 500, 1000, 2000, 4000, 8000)


@dataclass(frozen=True, eq=False)
class MelFilters:
    """The filters of one of the first convolutions.

    Attributes:
        layer: its name.
        rows: what rows are: "bands" (all mel bands), "sliding" (neighbouring bands anywhere), "time" (one row: the
            filter runs along time only) or "harmonics" (so many neighbouring notes for each harmonic).
        weights: (n_filters, n_rows, n_frames), the lowest band first.
        rows_hz: (n_rows,) centres of the bands where rows are "bands", else empty.
        frame_seconds: distance between frames.
        n_harmonics: where rows are "harmonics", else 0.
    """

    layer: str
    rows: Rows
    weights: FloatArray
    rows_hz: FloatArray
    frame_seconds: float
    n_harmonics: int = 0

    def centres(self) -> FloatArray:
        """The order of the filters: where most of their weight is in frequency, as a row; along time for "time".

        Returns:
            (n_filters,): mean row weighted by squared weights, or, of filters along time, their dominant frequency in
            cycles per second, of the filter without its mean.
        """
        if self.rows == "time":
            lines = self.weights[:, 0] - self.weights[:, 0].mean(axis=1, keepdims=True)
            n_fft = max(512, lines.shape[1])
            turns: FloatArray = np.fft.rfftfreq(n_fft, self.frame_seconds).astype(np.float64)
            paces: FloatArray = turns[np.abs(np.fft.rfft(lines, n_fft, axis=1)).argmax(axis=1)]
            return paces
        energy = (self.weights**2).sum(axis=2)
        rows: FloatArray = energy @ np.arange(energy.shape[1]) / np.maximum(energy.sum(axis=1), 1e-30)
        return rows


def band_middles_hz(config: LogMelConfig) -> FloatArray:
    """Centres of the mel bands, (n_mels,) Hz."""
    assert config.f_max_hz is not None
    ends = hz_to_mel(np.array([config.f_min_hz, config.f_max_hz], dtype=np.float64), config.mel_scale)
    return mel_to_hz(np.linspace(ends[0], ends[1], config.n_mels + 2)[1:-1], config.mel_scale)


def first_mel_filters(model: TaggingModel) -> list[MelFilters]:
    """The filters of all convolutions that see the spectrogram itself, in forward order.

    Raises:
        ConfigError: the network's input is raw audio.
    """
    harmonic = isinstance(model, HarmonicCNN)
    if model.frontend is None and not harmonic:
        raise ConfigError(f"{model.architecture}: its input is raw audio, not a spectrogram")
    config = model.spectrum.framing.config if isinstance(model, HarmonicCNN) else model.frontend.config  # type: ignore[union-attr]
    assert isinstance(config, LogMelConfig)
    frame_seconds = config.hop_samples / config.sample_rate_hz
    found = []
    for place, (name, layer) in enumerate(_convolutions(model)):
        weights = layer.weight.detach().cpu().double().numpy()  # (F, inputs, frames) or (F, inputs, rows, frames)
        if harmonic and place == 0:
            n_harmonics = weights.shape[1]
            rows = weights.reshape(len(weights), -1, weights.shape[-1])
            found.append(MelFilters(name, "harmonics", rows, np.empty(0), frame_seconds, n_harmonics))
        elif isinstance(layer, nn.Conv1d) and layer.in_channels == config.n_mels and place == 0:
            found.append(MelFilters(name, "bands", weights, band_middles_hz(config), frame_seconds))
        elif layer.in_channels == 1 and (isinstance(layer, nn.Conv1d) or (weights.shape[2] == 1 < weights.shape[3])):
            along = weights if isinstance(layer, nn.Conv1d) else weights[:, 0]
            found.append(MelFilters(name, "time", along, np.empty(0), frame_seconds))
        elif layer.in_channels == 1:
            found.append(MelFilters(name, "sliding", weights[:, 0], np.empty(0), frame_seconds))
    if not found:
        raise ConfigError(f"{model.architecture}: no convolution of it sees the spectrogram itself")
    return found


def strongest(filters: MelFilters, most: int) -> npt.NDArray[np.int64]:
    """Indices of the filters with the largest weights (root of the sum of squares), by :meth:`MelFilters.centres`."""
    sizes = (filters.weights**2).sum(axis=(1, 2))
    chosen = np.argsort(-sizes, kind="stable")[:most]
    return chosen[np.argsort(filters.centres()[chosen], kind="stable")]


def _convolutions(model: TaggingModel) -> list[tuple[str, nn.Conv1d | nn.Conv2d]]:
    """All convolutions in forward order."""
    order: list[tuple[str, nn.Conv1d | nn.Conv2d]] = []
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):

            def seen(layer: nn.Module, _inputs: tuple[Tensor, ...], name: str = name) -> None:
                assert isinstance(layer, nn.Conv1d | nn.Conv2d)
                order.append((name, layer))

            hooks.append(module.register_forward_pre_hook(seen))
    try:
        with torch.no_grad():
            model(torch.zeros(1, model.min_samples))
    finally:
        for hook in hooks:
            hook.remove()
    return order


@house_style()
def draw_mel_filters(groups: Sequence[MelFilters], about: str) -> Drawing:
    """A montage for each convolution that sees the spectrogram: its strongest filters, each scaled to its own maximum."""
    columns = 1 if len(groups) <= 2 else 2
    rows = -(-len(groups) // columns)
    heights = [max(_height(group) for group in groups[i * columns : (i + 1) * columns]) for i in range(rows)]
    small = len(groups) == 1 and groups[0].weights.shape[1] <= _SMALL_BANK_ROWS and groups[0].rows == "sliding"
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
    return Drawing("layer-filters", figure, pd.concat(parts, ignore_index=True))


def _height(group: MelFilters) -> float:
    """Inches of a montage."""
    n_rows = group.weights.shape[1]
    if group.rows == "time":
        return 1.3
    return 1.3 if n_rows > _SMALL_BANK_ROWS else 1.1


def _most(group: MelFilters) -> int:
    if group.rows == "time":
        return _LINES
    return _SMALL_TILES[0] * _SMALL_TILES[1] if group.weights.shape[1] <= _SMALL_BANK_ROWS else _TALL_TILES


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


def _scaled(tile: FloatArray) -> FloatArray:
    return tile / (np.abs(tile).max() or 1.0)


def _montage(axes: Axes, group: MelFilters, shown: np.ndarray) -> None:
    """Filters side by side, low bands at the bottom; small ones in several rows."""
    _, n_rows, n_frames = group.weights.shape
    small = n_rows <= _SMALL_BANK_ROWS
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
    """Filters along time, one row each, slow ones at the bottom."""
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
