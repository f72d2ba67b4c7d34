"""The front-ends and the back-end of Pons et al. 2017. What they follow is in :mod:`earmark.models.pons2017`."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models.blocks import dropout_layer, scaled

NORM_EPSILON = 1e-3
TIMBRAL = ((7, 0.9, 1), (3, 0.9, 2), (1, 0.9, 4), (7, 0.4, 1), (3, 0.4, 2), (1, 0.4, 4))
"""Filters over time and frequency: frames, share of the bands, filters as multiples of k."""
TEMPORAL = ((165, 1), (128, 2), (64, 4), (32, 8))
"""Filters over time alone: frames, filters as multiples of k."""


class FrontEnd(Protocol):
    """The part before a back-end: (B, ...) -> feature maps (B, channels, T)."""

    channels: int

    def __call__(self, x: Tensor) -> Tensor: ...


class WaveformFrontEnd(nn.Module):
    """Seven short convolutions over samples, as in SampleCNN: waveform (B, N) -> (B, 256, T), T about N / 2187.

    Args:
        width: multiplies the channels of all layers.
    """

    CHANNELS = (64, 64, 64, 128, 128, 128, 256)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = 1  #                                        at 15 s and width 1: (B, 1, 240000)
        for i, outputs in enumerate(scaled(channels, width) for channels in self.CHANNELS):
            layers[f"conv{i}"] = nn.Conv1d(inputs, outputs, 3, stride=1 if i else 3)
            layers[f"relu{i}"] = nn.ReLU()
            layers[f"norm{i}"] = nn.BatchNorm1d(outputs, eps=NORM_EPSILON)  # 0: (B, 64, 80000)
            if i:
                layers[f"pool{i}"] = nn.MaxPool1d(3)  # 1: (B, 64, 26666)   2: (B, 64, 8888)   3: (B, 128, 2962)
            inputs = outputs  #                         4: (B, 128, 986)    5: (B, 128, 328)   6: (B, 256, 108)
        self.layers = nn.Sequential(layers)
        self.channels = inputs
        _init_he(self)

    def forward(self, waveform: Tensor) -> Tensor:
        maps: Tensor = self.layers(waveform.unsqueeze(1))
        return maps

    @classmethod
    def min_samples(cls, frames: int) -> int:
        """Samples of the shortest waveform that gives this many frames."""
        for _ in cls.CHANNELS[1:]:
            frames = 3 * frames + 2
        return 3 * frames


class SpectrogramFrontEnd(nn.Module):
    """One layer of many filter shapes: log-mel (B, n_mels, T) -> (B, 29 k, T).

    Timbral filters span most or some of the bands; the strongest answer over all heights is kept. Temporal filters see
    the mean over the bands.

    Args:
        n_mels: bands of the log-mel, at least 3.
        k: filters of the rarest shape, at least 1.
    """

    def __init__(self, n_mels: int = 90, k: int = 16) -> None:
        super().__init__()
        if n_mels < 3:
            raise ConfigError(f"n_mels {n_mels}: must be at least 3, or filters of 0.4 of the bands would span none")
        if k < 1:
            raise ConfigError(f"k {k}: must be at least 1")
        self.timbral = nn.ModuleList(  #  each (B, 1, 90, 938) -> (B, filters, 10 or 55, 938)
            nn.Sequential(
                nn.Conv2d(1, multiple * k, (int(share * n_mels), frames), padding=(0, frames // 2)),
                nn.ReLU(),
                nn.BatchNorm2d(multiple * k, eps=NORM_EPSILON),
            )
            for frames, share, multiple in TIMBRAL
        )
        self.temporal = nn.ModuleList(  # each (B, 1, 938) -> (B, filters, 938)
            nn.Sequential(
                nn.ConstantPad1d(((frames - 1) // 2, frames // 2), 0.0),  # even lengths: one more behind
                nn.Conv1d(1, multiple * k, frames),
                nn.ReLU(),
                nn.BatchNorm1d(multiple * k, eps=NORM_EPSILON),
            )
            for frames, multiple in TEMPORAL
        )
        self.channels = k * sum(shape[-1] for shape in (*TIMBRAL, *TEMPORAL))  # 29 k = 464
        _init_he(self)

    def forward(self, mel: Tensor) -> Tensor:
        image, envelope = mel.unsqueeze(1), mel.mean(dim=1, keepdim=True)
        timbral = [filters(image).amax(dim=2) for filters in self.timbral]
        temporal = [filters(envelope) for filters in self.temporal]
        return torch.cat([*timbral, *temporal], dim=1)


class SharedNorm(nn.Module):
    """Batch norm with one mean, variance, gamma and beta for all channels: (B, C, T) -> (B, C, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.unsqueeze(1))
        return normed.squeeze(1)


class BackEnd(nn.Module):
    """The part that both models share: feature maps (B, channels, T) of any T from MIN_FRAMES on -> logits (B, n_tags).

    Args:
        channels: of the feature maps.
        n_tags: outputs.
        dropout: share dropped in front of each dense layer in training.
        width: multiplies the channels and units of the hidden layers.
        published_batchnorm: one gamma and beta for all channels in the two residual layers, as in the authors' code.
    """

    MIN_FRAMES = 8

    def __init__(
        self, channels: int, n_tags: int, *, dropout: float = 0.5, width: float = 1.0, published_batchnorm: bool = False
    ) -> None:
        super().__init__()
        c, units = scaled(512, width), scaled(500, width)

        def norm() -> nn.Module:
            return SharedNorm() if published_batchnorm else nn.BatchNorm1d(c, eps=NORM_EPSILON)

        #                          shapes with the spectrogram of 15 s (with its waveform: T = 102, then 51)
        self.first = nn.Sequential(nn.Conv1d(channels, c, 7), nn.ReLU(), nn.BatchNorm1d(c, eps=NORM_EPSILON))  # T 932
        self.second = nn.Sequential(nn.Conv1d(c, c, 7, padding=3), nn.ReLU(), norm())  # (B, 512, 932), then + first
        self.pool = nn.MaxPool1d(2)  #                                                   (B, 512, 466)
        self.third = nn.Sequential(nn.Conv1d(c, c, 7, padding=3), nn.ReLU(), norm())  #  (B, 512, 466), then + pool
        self.dense = nn.Sequential(  # (B, 1024): largest values, then means over time
            dropout_layer(dropout),
            nn.Linear(2 * c, units),  #                                                  (B, 500)
            nn.ReLU(),
            nn.BatchNorm1d(units, eps=NORM_EPSILON),
            dropout_layer(dropout),
            nn.Linear(units, n_tags),
        )
        _init_he(self)

    def forward(self, maps: Tensor) -> Tensor:
        first = self.first(maps)
        pooled = self.pool(first + self.second(first))
        last = pooled + self.third(pooled)
        logits: Tensor = self.dense(torch.cat([last.amax(dim=2), last.mean(dim=2)], dim=1))
        return logits


def _init_he(module: nn.Module) -> None:
    """Weights normal with variance 2 / inputs, cut at two standard deviations and widened to make up; biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            std = math.sqrt(1.3 * 2 / layer.weight[0].numel())
            nn.init.trunc_normal_(layer.weight, 0.0, std, -2 * std, 2 * std)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
