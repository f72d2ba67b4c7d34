"""What each layer of a network responds to: the answers of its units to tones from low to high.

A tone here is a short sweep over a narrow band, so that no stride of a layer always sees the same phase. A unit is a
channel; its answer to a tone is its mean activation over time (and over bands, behind a spectrogram), less the one to
silence. :mod:`earmark.plots.ascent` does the reverse: it finds the sound that a unit answers to most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.metrics.table import FloatArray
from earmark.models.base import TaggingModel
from earmark.models.dieleman2014_layers import LogCompression
from earmark.models.musicnn import NormedConv
from earmark.plots.drawing import Drawing
from earmark.plots.filters import mel_spaced_hz
from earmark.plots.style import GREY, HALF_INCHES, OUTLINED, WIDE_INCHES, house_style, new_figure

OnDone = Callable[[int, int], None]

LOWEST_HZ = 40.0
N_TONES = 96
AMPLITUDE = 0.1
_ACTIVATIONS = (nn.ReLU, LogCompression, NormedConv)
_SAID_BY_ALL = {"layers", "blocks", "front", "branch", "relu", "conv"}
_OCTAVES_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, eq=False)
class LayerResponse:
    """The answers of one layer's units to frequencies.

    Attributes:
        layer: name of the module.
        edges_hz: (n_tones + 1,) ends of the bands, rising.
        units: (n_shown,) channels that answer at all, by the frequency they answer to most.
        peak_hz: (n_shown,) that frequency, the centre of its band.
        response: (n_shown, n_tones) 0..1, the largest of each unit is 1.
        n_units: all channels of the layer.
    """

    layer: str
    edges_hz: FloatArray
    units: npt.NDArray[np.int64]
    peak_hz: FloatArray
    response: FloatArray
    n_units: int


def layer_names(model: TaggingModel) -> list[str]:
    """Layers whose activations can be recorded, in forward order.

    Raises:
        ConfigError: there are none.
    """
    order: list[str] = []

    def seen(name: str, output: Tensor) -> None:
        if output.ndim >= 3 and name not in order:  # (B, C, T) or (B, C, bands, T): not a layer behind all time
            order.append(name)

    with _forward_hooks(model, _candidates(model), seen), torch.no_grad():
        model(torch.zeros(1, model.min_samples))
    if not order:
        raise ConfigError(f"{model.architecture}: it has no layers whose answers can be recorded")
    return order


def short_name(layer: str) -> str:
    """A layer's name without its redundant parts.

    Example:
        >>> short_name("blocks.block1.relu"), short_name("layers.strided_activation"), short_name("layers.0.2")
        ('block1', 'strided', '0.2')
    """
    parts = [part for part in layer.split(".") if part not in _SAID_BY_ALL]
    return ".".join(parts).replace("_activation", "") or layer


def band_edges_hz(sample_rate_hz: int, n_tones: int = N_TONES, lowest_hz: float = LOWEST_HZ) -> FloatArray:
    """Ends of bands equally wide on a logarithmic scale, up to half the rate: (n_tones + 1,) Hz."""
    highest = sample_rate_hz / 2
    if not (n_tones >= 2 and 0 < lowest_hz < highest):
        raise ConfigError(f"{n_tones} tones from {lowest_hz:g} Hz: there must be 2 or more, below {highest:g} Hz")
    return np.geomspace(lowest_hz, highest, n_tones + 1)


def tones(edges_hz: FloatArray, sample_rate_hz: int, n_samples: int, amplitude: float = AMPLITUDE) -> Tensor:
    """A sweep through each band, from its lower to its upper end: (n_tones, n_samples) float32."""
    seconds = np.arange(n_samples) / sample_rate_hz
    low, high = edges_hz[:-1, None], edges_hz[1:, None]
    turns = low * seconds + (high - low) / (2 * n_samples / sample_rate_hz) * seconds**2
    return torch.from_numpy((amplitude * np.sin(2 * np.pi * turns)).astype(np.float32))


@torch.no_grad()
def sweep(
    model: TaggingModel,
    layers: Sequence[str] | None = None,
    *,
    n_tones: int = N_TONES,
    lowest_hz: float = LOWEST_HZ,
    amplitude: float = AMPLITUDE,
    batch_size: int = 8,
    on_done: OnDone | None = None,
) -> list[LayerResponse]:
    """The answers of all units of some layers to tones.

    Args:
        model: in eval mode. Its tones are as long as its window, or, where it takes any length, half a second.
        layers: names from :func:`layer_names`; None for all.
        n_tones, lowest_hz: bands, on a logarithmic scale up to half the sample rate.
        amplitude: of the tones, 1 is full scale.
        batch_size: tones per batch.
        on_done: called with tones done and all tones.

    Raises:
        ConfigError: no layers to record, or numbers out of range.
    """
    wanted = layer_names(model) if layers is None else list(layers)
    edges = band_edges_hz(model.sample_rate_hz, n_tones, lowest_hz)
    n_samples = model.window_samples
    if model.variable_length:
        n_samples = min(n_samples, max(model.min_samples, model.sample_rate_hz // 2))
    waveforms = torch.cat([torch.zeros(1, n_samples), tones(edges, model.sample_rate_hz, n_samples, amplitude)])
    found: dict[str, list[Tensor]] = {name: [] for name in wanted}

    def seen(name: str, output: Tensor) -> None:
        found[name].append(output.flatten(2).mean(dim=2).double())  # (B, C)

    with _forward_hooks(model, wanted, seen):
        for start in range(0, len(waveforms), batch_size):
            model(waveforms[start : start + batch_size])
            if on_done is not None:
                on_done(min(start + batch_size, len(waveforms)) - 1, n_tones)
    return [_responses(name, edges, torch.cat(found[name]).numpy()) for name in wanted]


def ordered(layer: str, edges_hz: FloatArray, answers: FloatArray) -> LayerResponse:
    """Units by the frequency that they answer to most.

    Args:
        layer: its name.
        edges_hz: (n_tones + 1,).
        answers: (n_units, n_tones), 0 or more. A unit with only zeros answers to nothing and is left out.
    """
    active = np.flatnonzero(answers.max(axis=1) > 0)
    peaks = answers[active].argmax(axis=1)
    order = np.argsort(peaks, kind="stable")
    units, response = active[order], answers[active[order]]
    middles = np.sqrt(edges_hz[:-1] * edges_hz[1:])
    return LayerResponse(
        layer, edges_hz, units, middles[peaks[order]], response / response.max(axis=1, keepdims=True), len(answers)
    )


def _responses(layer: str, edges: FloatArray, means: FloatArray) -> LayerResponse:
    """From mean activations (1 + n_tones, n_units), to silence first."""
    above = np.maximum(means[1:] - means[0], 0.0).T
    above[above < 1e-9 * max(1.0, float(np.abs(means).max()))] = 0.0  # rounding is not an answer
    return ordered(layer, edges, above)


def _candidates(model: TaggingModel) -> list[str]:
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _ACTIVATIONS) or name.endswith("strided_activation")
    ]


@contextmanager
def _forward_hooks(model: TaggingModel, names: Sequence[str], seen: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Inside the context, ``seen(name, output)`` is called for the layers' outputs."""
    modules = dict(model.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        raise ConfigError([f"{model.architecture}: no layer {name!r}" for name in unknown])
    hooks = [
        modules[name].register_forward_hook(lambda _module, _inputs, output, name=name: seen(name, output))
        for name in names
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@house_style()
def draw_responses(layers: Sequence[LayerResponse], about: str, *, name: str, title: str, colour_means: str) -> Drawing:
    """One map per layer: its units, by the frequency they answer to most, against frequency.

    Args:
        layers: one or more, in forward order.
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
    """One row per unit; its answers to the bands, named by their centres, in columns."""
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
