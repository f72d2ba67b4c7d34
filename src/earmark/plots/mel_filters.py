"""The first filters of networks on spectrograms, on axes of frequency and time.

What a filter's rows stand for depends on the network. Filters that span all bands have a place in frequency; smaller
ones slide over the bands, as pons2017's timbral and every 3 x 3 filter do, and their rows are only neighbours; temporal
ones see one band or the mean of all; those of the harmonic CNN have rows for harmonics and, within each, neighbouring notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig, hz_to_mel, mel_to_hz
from earmark.models.base import TaggingModel
from earmark.models.harmonic import HarmonicCNN
from earmark.plots.filters import Floats

Rows = Literal["bands", "sliding", "time", "harmonics"]


@dataclass(frozen=True, eq=False)
class MelFilters:
    """The filters of one of the first convolutions.

    Attributes:
        layer: its name.
        rows: what rows are: "bands" (all mel bands), "sliding" (neighbouring bands anywhere), "time" (one row: the
            filter runs along time alone) or "harmonics" (so many neighbouring notes for each harmonic).
        weights: (n_filters, n_rows, n_frames), the lowest band first.
        rows_hz: (n_rows,) middles of the bands where rows are "bands", else empty.
        frame_seconds: distance of frames.
        n_harmonics: where rows are "harmonics", else 0.
    """

    layer: str
    rows: Rows
    weights: Floats
    rows_hz: Floats
    frame_seconds: float
    n_harmonics: int = 0

    def centres(self) -> Floats:
        """By which filters are ordered: where most of their weight lies in frequency, as a row; along time for "time".

        Returns:
            (n_filters,): mean row weighted by squared weights, or, of filters along time, their dominant frequency in
            cycles per second, of the filter without its mean.
        """
        if self.rows == "time":
            lines = self.weights[:, 0] - self.weights[:, 0].mean(axis=1, keepdims=True)
            n_fft = max(512, lines.shape[1])
            turns: Floats = np.fft.rfftfreq(n_fft, self.frame_seconds).astype(np.float64)
            paces: Floats = turns[np.abs(np.fft.rfft(lines, n_fft, axis=1)).argmax(axis=1)]
            return paces
        energy = (self.weights**2).sum(axis=2)
        rows: Floats = energy @ np.arange(energy.shape[1]) / np.maximum(energy.sum(axis=1), 1e-30)
        return rows


def band_middles_hz(config: LogMelConfig) -> Floats:
    """Middles of the mel bands, (n_mels,) Hz."""
    assert config.f_max_hz is not None
    ends = hz_to_mel(np.array([config.f_min_hz, config.f_max_hz], dtype=np.float64), config.mel_scale)
    return mel_to_hz(np.linspace(ends[0], ends[1], config.n_mels + 2)[1:-1], config.mel_scale)


def first_mel_filters(model: TaggingModel) -> list[MelFilters]:
    """The filters of all convolutions that see the spectrogram itself, in the order in which they do.

    Raises:
        ConfigError: the network hears raw audio.
    """
    harmonic = isinstance(model, HarmonicCNN)
    if model.frontend is None and not harmonic:
        raise ConfigError(f"{model.architecture}: it hears raw audio, not a spectrogram")
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
    """Places of the filters with the largest weights (root of the sum of squares), by :meth:`MelFilters.centres`."""
    sizes = (filters.weights**2).sum(axis=(1, 2))
    chosen = np.argsort(-sizes, kind="stable")[:most]
    return chosen[np.argsort(filters.centres()[chosen], kind="stable")]


def _convolutions(model: TaggingModel) -> list[tuple[str, nn.Conv1d | nn.Conv2d]]:
    """All convolutions in the order in which sound goes through them."""
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
