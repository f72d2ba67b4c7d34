"""Small networks for a default model, with few multiplications. Our own, not from a paper.

Both take the bands of :data:`earmark.models.blocks.WON_FRONTEND`, as log10(1 + 10000 x) (Pons et al. 2019), which unlike
decibels does not amplify near-silence, with batch norm on every band; and windows of any length: the last
pooling over time takes maxima and means.

- :func:`compact_1d`: time-frequency filters only in the first layer (as in Pons et al. 2017, but small and
  anywhere in frequency), then residual convolutions over time, which are dense matrix products and fast on any processor.
- :func:`compact_2d`: inverted residual blocks of depthwise convolutions (Sandler et al. 2018, "MobileNetV2"), with
  squeeze-and-excitation (Hu et al. 2018), over both axes.

Initial weights: He uniform.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import (
    WON_FRONTEND,
    dropout_layer,
    frontend_config,
    init_he,
    samples_for_frames,
    scaled,
    window_length,
)
from earmark.models.registry import register_model

COMPACT_1D_CHANNELS = (176, 176, 208, 256)
"""Of the residual blocks; the time axis is halved in front of each but the first."""
COMPACT_2D_BLOCKS = ((16, 1, 1, 1), (24, 3, 2, 2), (40, 4, 2, 3), (80, 4, 2, 3), (128, 4, 1, 2))
"""Channels, expansion, stride of the first, number: of the inverted residual blocks, as MobileNetV2 gives them."""


class MaxAndMean(nn.Module):
    """Largest value and mean of each channel: (B, C, ...) -> (B, 2 C)."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)
        return torch.cat([x.amax(dim=2), x.mean(dim=2)], dim=1)


class ResidualOverTime(nn.Module):
    """Two convolutions of length 3 and a skip, with optional pooling by 2 in front: (B, a, T) -> (B, b, T or T / 2)."""

    def __init__(self, inputs: int, outputs: int, pool: bool) -> None:
        super().__init__()
        self.pool = nn.MaxPool1d(2) if pool else nn.Identity()
        self.branch = nn.Sequential(
            nn.Conv1d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs:
            self.skip = nn.Sequential(nn.Conv1d(inputs, outputs, 1, bias=False), nn.BatchNorm1d(outputs))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        out: Tensor = self.relu(self.branch(x) + self.skip(x))
        return out


class SqueezeExcitation(nn.Module):
    """Channels scaled by a function of their means, with a bottleneck of a quarter: (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(8, channels // 4)
        self.gate = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x.mean(dim=(2, 3)))
        return x * gate[:, :, None, None]


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, squeeze; a skip where shapes allow: (B, a, H, W) -> (B, b, H/s, W/s), up."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, excite: bool) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        layers += [
            nn.Conv2d(wide, wide, 3, stride=stride, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        if excite:
            layers.append(SqueezeExcitation(wide))
        layers += [nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.branch = nn.Sequential(*layers)
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return out + x if self.skips else out


class CompactCNN(TaggingModel):
    """Log-mel, a chain of layers over (B, 1, n_mels, T), maxima and means over the remaining axes, two dense layers.

    Args:
        layers: (B, 1, n_mels, T) -> (B, n_channels, ...).
        n_channels: of the above.
        hidden: width of the first dense layer, which is the embedding.
        dropout: share dropped in front of each dense layer in training.
        level_dbfs: as for :class:`TaggingModel`.
    """

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig,
        min_frames: int,
        layers: nn.Module,
        n_channels: int,
        hidden: int,
        dropout: float,
        level_dbfs: float | None,
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            min_samples=samples_for_frames(frontend, min_frames),
            variable_length=True,
            level_dbfs=level_dbfs,
        )
        self.layers = layers
        self.pool = MaxAndMean()
        self.head = nn.Sequential(
            dropout_layer(dropout),
            nn.Linear(2 * n_channels, hidden),
            nn.ReLU(),
            dropout_layer(dropout),
            nn.Linear(hidden, n_tags),
        )
        init_he(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        logits: Tensor = self.head(self.pool(self.layers(features.unsqueeze(1))))
        return logits


DEFAULTS: dict[str, Any] = {"standardise": "batch_norm", "compression": "log10p", "compression_c": 10000.0}


@register_model
def compact_1d(
    n_tags: int,
    *,
    window_seconds: float = 9.7,
    width: float = 1.0,
    hidden: int = 256,
    dropout: float = 0.2,
    frontend: dict[str, Any] | None = None,
    level_dbfs: float | None = None,
) -> TaggingModel:
    """Small filters of time and frequency, then residual convolutions over time.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training; 0.4 s or more.
        width: multiplies the channels of all layers.
        hidden: width of the dense layer in front of the last, which is the embedding.
        dropout: share dropped in front of the dense layers in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.
        level_dbfs: level (RMS, dBFS) to which every window is brought first; None takes windows as they are.

    Raises:
        ConfigError: values out of range, or fewer than 16 bands.
    """
    config = frontend_config(WON_FRONTEND, {**DEFAULTS, **(frontend or {})})
    rows = (config.n_mels + 1) // 2 // 2
    if rows < 4:
        raise ConfigError(f"n_mels {config.n_mels}: must be at least 16")
    stem, channels = scaled(16, width), [scaled(n, width) for n in COMPACT_1D_CHANNELS]
    layers: OrderedDict[str, nn.Module] = OrderedDict(  # 9.7 s, width 1: (B, 1, 96, 607)
        stem=nn.Sequential(
            nn.Conv2d(1, stem, (7, 5), stride=2, padding=(3, 2), bias=False),  # (B, 16, 48, 304)
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),  # (B, 16, 24, 304)
            nn.Flatten(1, 2),  # (B, 384, 304)
        ),
        narrow=nn.Sequential(
            nn.Conv1d(stem * rows, channels[0], 1, bias=False), nn.BatchNorm1d(channels[0]), nn.ReLU()
        ),
    )
    inputs = channels[0]
    for i, outputs in enumerate(channels, start=1):  # (B, 176, 304), (B, 176, 152), (B, 208, 76), (B, 256, 38)
        layers[f"block{i}"] = ResidualOverTime(inputs, outputs, pool=i > 1)
        inputs = outputs
    return CompactCNN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        min_frames=2 ** len(channels),
        layers=nn.Sequential(layers),
        n_channels=inputs,
        hidden=hidden,
        dropout=dropout,
        level_dbfs=level_dbfs,
    )


@register_model
def compact_2d(
    n_tags: int,
    *,
    window_seconds: float = 9.7,
    width: float = 1.0,
    hidden: int = 256,
    dropout: float = 0.2,
    excite: bool = True,
    frontend: dict[str, Any] | None = None,
    level_dbfs: float | None = None,
) -> TaggingModel:
    """Inverted residual blocks of depthwise convolutions over frequency and time.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training; a spectrogram of one frame is enough.
        width: multiplies the channels of all layers.
        hidden: width of the dense layer in front of the last, which is the embedding.
        dropout: share dropped in front of the dense layers in training.
        excite: squeeze-and-excitation in the blocks of 40 channels and more.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.
        level_dbfs: level (RMS, dBFS) to which every window is brought first; None takes windows as they are.

    Raises:
        ConfigError: values out of range.
    """
    config = frontend_config(WON_FRONTEND, {**DEFAULTS, **(frontend or {})})
    inputs = scaled(16, width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(  # 9.7 s, width 1: (B, 1, 96, 607)
        stem=nn.Sequential(
            nn.Conv2d(1, inputs, 3, stride=2, padding=1, bias=False),  # (B, 16, 48, 304)
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
        )
    )
    for i, (channels, expansion, stride, number) in enumerate(COMPACT_2D_BLOCKS, start=1):
        outputs = scaled(channels, width)
        blocks = []  # 1: (B, 16, 48, 304)  2: (B, 24, 24, 152)  3: (B, 40, 12, 76)  4: (B, 80, 6, 38)  5: (B, 128, 6, 38)
        for k in range(number):
            blocks.append(InvertedResidual(inputs, outputs, expansion, 1 if k else stride, excite and channels >= 40))
            inputs = outputs
        layers[f"stage{i}"] = nn.Sequential(*blocks)
    wide = 2 * inputs
    layers["last"] = nn.Sequential(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU())
    return CompactCNN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        min_frames=1,
        layers=nn.Sequential(layers),
        n_channels=wide,
        hidden=hidden,
        dropout=dropout,
        level_dbfs=level_dbfs,
    )
