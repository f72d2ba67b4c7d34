"""EfficientAT's MN: MobileNetV3-Large on log-mels, for AudioSet.

Source: Schmid, Koutini, Widmer, "Efficient large-scale audio tagging via transformer-to-CNN knowledge distillation",
ICASSP 2023, and, for layer sizes and the spectrogram, the code that its authors published (fschmid56/EfficientAT). The
network is that of Howard et al. 2019, "Searching for MobileNetV3" (table 1), with one input channel.

Decisions, all as in the code: 32 kHz, pre-emphasis, 128 Kaldi mel bands up to 15 kHz, natural logarithm, fixed offset and
scale; squeeze-and-excitation over channels, with a sigmoid; channels are rounded to multiples of 8. mn04 has width .4, mn10
has width 1. Initial weights are He uniform: with those of the code a fresh network answers alike to everything (its
authors begin from ImageNet's).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, frontend_config, init_he, window_length
from earmark.models.registry import register_model

PAPER_FRONTEND = LogMelConfig(
    sample_rate_hz=32000,
    n_fft=1024,
    window_samples=800,
    hop_samples=320,
    n_mels=128,
    f_max_hz=15000.0,
    mel_scale="kaldi",
    norm=None,
    compression="log",
    compression_c=1e-5,
    standardise="dataset",
    mean=-4.5,
    std=5.0,
    periodic_window=False,
    pre_emphasis=0.97,
)
"""The spectrogram: 128 x 1000 for 10 s."""
STEM_CHANNELS = 16
BLOCKS: tuple[tuple[int, int, int, bool, bool, int], ...] = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
"""Kernel, expanded channels, channels, squeeze-and-excitation, hard swish (or ReLU), stride: MobileNetV3-Large."""
HIDDEN = 1280


def make_divisible(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and the next one where that is less than 90 % of ``channels``.

    Example:
        >>> make_divisible(16 * 0.4), make_divisible(240 * 0.4), make_divisible(18.9)
        (8, 96, 24)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def conv_norm(
    inputs: int, outputs: int, kernel: int, activation: type[nn.Module], *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution "same" without bias, batch norm, activation: (B, inputs, H, W) -> (B, outputs, H / stride, W / stride), up."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
        activation(),
    )


class SqueezeExcitation(nn.Module):
    """Channels scaled by a function of their means, with a bottleneck of a quarter: (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = make_divisible(channels // 4)
        self.fc1 = nn.Linear(channels, narrow)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(narrow, channels)

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.fc2(self.relu(self.fc1(x.mean(dim=(2, 3))))).sigmoid()
        return x * scale[:, :, None, None]


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, weigh channels, narrow; a skip where shapes allow it."""

    def __init__(
        self, inputs: int, expanded: int, outputs: int, *, kernel: int, stride: int, excite: bool, hard_swish: bool
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(conv_norm(inputs, expanded, 1, activation))
        layers.append(conv_norm(expanded, expanded, kernel, activation, stride=stride, groups=expanded))
        if excite:
            layers.append(SqueezeExcitation(expanded))
        layers.append(conv_norm(expanded, outputs, 1, nn.Identity))
        self.block = nn.Sequential(*layers)
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return out + x if self.skips else out


class EfficientATMN(TaggingModel):
    """Log-mel, stem, fifteen inverted residual blocks, the mean of each channel, two dense layers.

    Args:
        layers: (B, 1, n_mels, T) -> (B, channels, n_mels / 32, T / 32), up.
        channels: of the above.
        hidden: width of the first dense layer, which is the embedding.
        dropout: share dropped between the dense layers in training.
        level_dbfs: as for :class:`TaggingModel`.
    """

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig,
        layers: nn.Sequential,
        channels: int,
        hidden: int,
        dropout: float,
        level_dbfs: float | None = None,
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            min_samples=1,
            variable_length=True,
            level_dbfs=level_dbfs,
        )
        self.layers = layers
        self.hidden = nn.Linear(channels, hidden)
        self.activation = nn.Hardswish()
        self.dropout = dropout_layer(dropout)
        self.last = nn.Linear(hidden, n_tags)
        init_he(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        means = self.layers(features.unsqueeze(1)).mean(dim=(2, 3))  # (B, channels)
        logits: Tensor = self.last(self.dropout(self.activation(self.hidden(means))))
        return logits


@register_model
def efficientat_mn(
    n_tags: int,
    *,
    window_seconds: float = 10.0,
    width: float = 1.0,
    dropout: float = 0.2,
    frontend: dict[str, Any] | None = None,
    level_dbfs: float | None = None,
) -> TaggingModel:
    """MN of EfficientAT (Schmid et al. 2023): mn04 with width .4, mn10 with width 1. Takes windows of any length.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training.
        width: multiplies the channels of all layers ("width_mult").
        dropout: share dropped between the dense layers in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.
        level_dbfs: level (RMS, dBFS) to which every window is brought first; None takes windows as they are.

    Raises:
        ConfigError: values out of range.
    """
    if not 0 < width <= 16:
        raise ConfigError(f"width {width}: must be above 0 and at most 16")
    config = frontend_config(PAPER_FRONTEND, frontend)
    inputs = make_divisible(STEM_CHANNELS * width)
    layers: list[nn.Module] = [conv_norm(1, inputs, 3, nn.Hardswish, stride=2)]  # 10 s, width 1: (B, 16, 64, 500)
    for kernel, expanded, channels, excite, hard_swish, stride in BLOCKS:
        outputs = make_divisible(channels * width)
        block = InvertedResidual(
            inputs,
            make_divisible(expanded * width),
            outputs,
            kernel=kernel,
            stride=stride,
            excite=excite,
            hard_swish=hard_swish,
        )
        layers.append(block)
        inputs = outputs
    layers.append(conv_norm(inputs, 6 * inputs, 1, nn.Hardswish))  # (B, 960, 4, 32)
    return EfficientATMN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        layers=nn.Sequential(*layers),
        channels=6 * inputs,
        hidden=make_divisible(HIDDEN * width),
        dropout=dropout,
        level_dbfs=level_dbfs,
    )
