"""The short-chunk CNN, plain and residual: small 3 x 3 filters, 2 x 2 poolings, and a window of 3.69 s.

Source: Won, Ferraro, Bogdanov, Serra, "Evaluation of CNN-based automatic music tagging models", SMC 2020 (section 2.7),
and, for layer sizes, the code that its authors published. A comparator.

Decisions, all as in the code: HTK mel bands of power that peak at 1, decibels, batch norm on the spectrogram;
16 kHz, n_fft 512, hop 256, 128 bands. The residual variant has convolutions of stride 2 in place of poolings, and
another of stride 2 with batch norm on each skip. Initial weights are PyTorch's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import GlobalMax, conv_block_2d, dense_head, frontend_config, samples_for_frames, scaled
from earmark.models.registry import register_model

PAPER_FRONTEND = LogMelConfig(
    sample_rate_hz=16000, n_fft=512, hop_samples=256, n_mels=128, mel_scale="htk", norm=None, compression="db"
)
"""The spectrogram: 128 x 231 for 59,049 samples."""
CHANNELS = (128, 128, 256, 256, 256, 256, 512)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the first of stride 2, and a skip: (B, inputs, H, W) -> (B, outputs, H / 2, W / 2), up."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.branch(x) + self.skip(x))
        return out


class ShortChunkCNN(TaggingModel):
    """Log-mel, batch norm, seven blocks, the largest value of each channel, two dense layers.

    Args:
        layers: (B, 1, n_mels, T) -> logits (B, n_tags).
    """

    def __init__(
        self, *, n_tags: int, window_samples: int, min_samples: int, frontend: LogMelConfig, layers: nn.Sequential
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            min_samples=min_samples,
            variable_length=True,
        )
        self.layers = layers

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        logits: Tensor = self.layers(features.unsqueeze(1))
        return logits


@register_model
def short_chunk_cnn(
    n_tags: int,
    *,
    residual: bool = False,
    window_samples: int = 59049,
    width: float = 1.0,
    dropout: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """Short-chunk CNN of Won et al. 2020; also takes longer windows, because it ends in a maximum over time.

    Args:
        n_tags: outputs.
        residual: the variant with residual connections ("Short-chunk CNN + Res").
        window_samples: length of a window in training. The plain network takes 128 frames (2.03 s) or more; the
            residual one, which pads, takes anything that gives a spectrogram.
        width: multiplies the channels of all layers.
        dropout: share dropped between the dense layers in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.

    Raises:
        ConfigError: values out of range, or a window too short, or too few bands, for the poolings.
    """
    config = frontend_config(PAPER_FRONTEND, frontend)
    smallest = 1 if residual else 2 ** len(CHANNELS)
    if config.n_mels < smallest:
        raise ConfigError(f"n_mels {config.n_mels}: nothing is left after the poolings; must be at least {smallest}")
    block = ResidualBlock if residual else conv_block_2d
    layers: OrderedDict[str, nn.Module] = OrderedDict(norm=nn.BatchNorm2d(1))
    inputs = 1  #                              59,049 samples, width 1: (B, 1, 128, 231); sizes of the residual in []
    for i, outputs in enumerate((scaled(channels, width) for channels in CHANNELS), start=1):
        layers[f"block{i}"] = block(inputs, outputs)  # 1: (B, 128, 64, 115 [116])   2: (B, 128, 32, 57 [58])
        inputs = outputs  #      3: (B, 256, 16, 28 [29])   4: (B, 256, 8, 14 [15])   5: (B, 256, 4, 7 [8])
    #                            6: (B, 256, 2, 3 [4])      7: (B, 512, 1, 1 [2])
    layers["pool"] = GlobalMax()  #                   (B, 512)
    layers["head"] = dense_head(inputs, n_tags, dropout)
    return ShortChunkCNN(
        n_tags=n_tags,
        window_samples=window_samples,
        min_samples=samples_for_frames(config, smallest),
        frontend=config,
        layers=nn.Sequential(layers),
    )
