"""FCN-4, the fully convolutional network of Choi et al., as its published PyTorch weights have it.

Sources: Choi, Fazekas & Sandler 2016, "Automatic tagging using deep convolutional neural networks" (ISMIR), section 3
and Table 1; the weights are from Won et al. 2020, "Evaluation of CNN-based automatic music tagging models" (SMC).

Decisions, as in the weights:

- Five layers with 64, 128, 128, 128, 64 channels and batch norm in front of the ReLU; a dense layer behind them. (The
  paper's FCN-4 has four, and a sigmoid of its last convolution.)
- Spectrogram: 16 kHz, n_fft 512, hop 256, 96 HTK bands of power in dB, frames centred, batch norm on top. 29 s give
  1813 frames (paper: 12 kHz, 1366 frames).
- The time that remains after pooling (one value at 29 s, more from 41 s on) is reduced to its maximum.
- Initial weights: Glorot uniform, Keras' default; the paper used Keras.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import (
    WON_FRONTEND,
    conv_block_2d,
    dropout_layer,
    frontend_config,
    init_glorot,
    samples_for_frames,
    scaled,
    window_length,
)
from earmark.models.registry import register_model

POOLS = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
"""Poolings, (bands, frames): 96 bands to 1, 1280 frames to 1."""
CHANNELS = (64, 128, 128, 128, 64)
MIN_BANDS, MIN_FRAMES = 96, 1280


class FCN(TaggingModel):
    """See :func:`fcn4`."""

    def __init__(
        self, *, n_tags: int, window_samples: int, frontend: LogMelConfig, channels: list[int], dropout: float
    ) -> None:
        if frontend.n_mels < MIN_BANDS:
            raise ConfigError(f"n_mels {frontend.n_mels}: fcn4's poolings need at least {MIN_BANDS}")
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            min_samples=samples_for_frames(frontend, MIN_FRAMES),
            variable_length=True,
        )
        self.norm_input = nn.BatchNorm2d(1)  # at 29 s: (B, 1, 96, 1813)
        # at width 1: (B, 64, 48, 453), (B, 128, 24, 113), (B, 128, 12, 28), (B, 128, 4, 5), (B, 64, 1, 1)
        inputs = [1, *channels[:-1]]
        self.layers = nn.Sequential(*map(conv_block_2d, inputs, channels, POOLS))
        self.dropout = dropout_layer(dropout)
        self.last = nn.Linear(channels[-1], n_tags)
        init_glorot(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, 96, T) -> logits (B, n_tags)."""
        x = self.layers(self.norm_input(features.unsqueeze(1))).amax(dim=(2, 3))  # (B, 64)
        logits: Tensor = self.last(self.dropout(x))
        return logits


@register_model
def fcn4(
    n_tags: int,
    *,
    window_seconds: float = 29.0,
    width: float = 1.0,
    dropout: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """FCN-4: 3 x 3 convolutions with poolings that leave one value per channel for a whole clip.

    At 50 tags it has 447,732 weights. It takes any length from 20.5 s on.

    Args:
        n_tags: outputs.
        window_seconds: length of a window.
        width: multiplies the channels of all layers.
        dropout: share dropped in front of the dense layer in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.

    Raises:
        ConfigError: values out of range, or too few bands or frames for the poolings.
    """
    config = frontend_config(WON_FRONTEND, frontend)
    return FCN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        channels=[scaled(size, width) for size in CHANNELS],
        dropout=dropout,
    )
