"""CRNN, the convolutional recurrent network of Choi et al., as its published PyTorch weights have it.

Sources: Choi, Fazekas, Sandler & Cho 2017, "Convolutional recurrent neural networks for music classification" (ICASSP),
section 2 and Figure 1; the weights are from Won et al. 2020, "Evaluation of CNN-based automatic music tagging models"
(SMC).

Decisions, as in the weights:

- Four layers with 64, 128, 128, 128 channels, batch norm and ReLU, poolings 2x2, 3x3, 4x4, 4x4; two GRU layers of 32
  units, of which the last step is used; a dense layer. (The paper has ELU and sizes that follow a budget of weights.)
- Spectrogram: 16 kHz, n_fft 512, hop 256, 96 HTK bands of power in dB, frames centred, batch norm on top. 29 s give
  1813 frames and 18 steps (paper: 12 kHz, 1366 frames, 15 steps).
- Initial weights: Glorot uniform for convolutions and dense layer, PyTorch's own for the GRU.
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

POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))
"""Poolings, (bands, frames): 96 bands to 1, 96 frames to one step."""
CHANNELS = (64, 128, 128, 128)
POOLED = 96


class CRNN(TaggingModel):
    """See :func:`crnn`."""

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig,
        channels: list[int],
        units: int,
        dropout: float,
    ) -> None:
        if not POOLED <= frontend.n_mels < 2 * POOLED:
            raise ConfigError(f"n_mels {frontend.n_mels}: crnn's poolings need {POOLED} to {2 * POOLED - 1}")
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            min_samples=samples_for_frames(frontend, POOLED),
            variable_length=True,
        )
        self.norm_input = nn.BatchNorm2d(1)  # at 29 s: (B, 1, 96, 1813)
        # at width 1: (B, 64, 48, 906), (B, 128, 16, 302), (B, 128, 4, 75), (B, 128, 1, 18)
        inputs = [1, *channels[:-1]]
        self.layers = nn.Sequential(*map(conv_block_2d, inputs, channels, POOLS))
        self.recurrent = nn.GRU(channels[-1], units, num_layers=2, batch_first=True)
        self.dropout = dropout_layer(dropout)
        self.last = nn.Linear(units, n_tags)
        init_glorot(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, 96, T) -> logits (B, n_tags)."""
        x = self.layers(self.norm_input(features.unsqueeze(1)))  # (B, 128, 1, 18)
        x, _ = self.recurrent(x.squeeze(2).transpose(1, 2))  # (B, 18, 32)
        logits: Tensor = self.last(self.dropout(x[:, -1]))
        return logits


@register_model
def crnn(
    n_tags: int,
    *,
    window_seconds: float = 29.0,
    width: float = 1.0,
    units: int = 32,
    dropout: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """CRNN: convolutions describe each 1.5 s, a recurrent network summarises the clip.

    At 50 tags it has 394,100 weights. It takes any length of at least 1.52 s.

    Args:
        n_tags: outputs.
        window_seconds: length of a window.
        width: multiplies the channels of the convolutions.
        units: of each GRU layer.
        dropout: share dropped in front of the dense layer in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.

    Raises:
        ConfigError: values out of range, or too few or many bands, or too few frames, for the poolings.
    """
    if units < 1:
        raise ConfigError(f"units {units}: must be at least 1")
    config = frontend_config(WON_FRONTEND, frontend)
    return CRNN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        channels=[scaled(size, width) for size in CHANNELS],
        units=units,
        dropout=dropout,
    )
