"""The timbre CNN: a single layer of filters of twelve shapes, tall ones for timbre, each pooled over all of frequency.

Source: Pons, Slizovskaia, Gong, Gomez & Serra 2017, "Timbre analysis of music audio signals with convolutional neural
networks" (EUSIPCO), in the form of the authors' own later program for music tagging (the baseline "timbre" of
musicnn-training). A comparator: Table 2 of kim2018 quotes .8930 for it.

Decisions, as in the program:

- Spectrogram of musicnn: 16 kHz, n_fft 512, hop 256, 96 Slaney mel bands of power, log10(1 + 10000 x), not centred; 187
  frames, with one batch norm for all of it.
- Filters of .8, .6 and .2 of the bands, 1, 3, 5 and 7 frames long, zero-padded in time alone; ReLU, batch norm, and the
  maximum over frequency. Behind them a convolution over 8 frames, pooling 4, and dense layers of 100 units and of tags.
- Batch norm has TensorFlow's epsilon (1e-3) and momentum (its 0.99 is PyTorch's 0.01).
- Initial weights: He normal, in place of its variance scaling.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, frontend_config, scaled, window_length
from earmark.models.musicnn import PONS_FRONTEND
from earmark.models.registry import register_model

SHAPES = (
    *((0.8, frames, n) for frames, n in ((7, 3), (5, 3), (3, 6), (1, 10))),
    *((0.6, frames, n) for frames, n in ((7, 5), (5, 5), (3, 10), (1, 15))),
    *((0.2, frames, n) for frames, n in ((7, 5), (5, 5), (3, 10), (1, 15))),
)
"""Share of the bands, frames, and number of filters."""


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class TimbreFilters(nn.Module):
    """(B, 1, n_mels, T) -> (B, filters of all shapes, T)."""

    def __init__(self, n_mels: int, width: float) -> None:
        super().__init__()
        self.shapes = nn.ModuleList(
            nn.Sequential(
                OrderedDict[str, nn.Module](
                    pad=nn.ZeroPad2d((frames // 2, frames // 2, 0, 0)),
                    conv=nn.Conv2d(1, scaled(n, width), (int(share * n_mels), frames)),
                    relu=nn.ReLU(),
                    norm=_batch_norm(scaled(n, width)),
                )
            )
            for share, frames, n in SHAPES
        )
        self.n_filters = sum(scaled(n, width) for _, _, n in SHAPES)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 1, n_mels, T) -> (B, n_filters, T)."""
        return torch.cat([shape(mel).amax(dim=2) for shape in self.shapes], dim=1)


class TimbreCNN(TaggingModel):
    """See the module docstring.

    Args:
        as options of :func:`timbre_cnn`.
    """

    def __init__(self, n_tags: int, window_samples: int, frontend: LogMelConfig, width: float, dropout: float) -> None:
        super().__init__(n_tags=n_tags, window_samples=window_samples, frontend=frontend)
        n_frames = frontend.n_frames(window_samples)
        left = (n_frames - 7) // 4
        if left < 1:
            raise ConfigError(f"window of {n_frames} frames: nothing is left after the pooling; must be at least 11")
        if frontend.n_mels < 5:
            raise ConfigError(
                f"n_mels {frontend.n_mels}: the smallest filters span a fifth of them; must be at least 5"
            )
        back, units = scaled(32, width), scaled(100, width)
        self.norm = _batch_norm(1)
        self.filters = TimbreFilters(frontend.n_mels, width)
        self.layers = nn.Sequential(
            OrderedDict[str, nn.Module](  #                          at 187 frames and width 1: (B, 92, 187)
                conv=nn.Conv1d(self.filters.n_filters, back, 8),  # (B, 32, 180)
                relu1=nn.ReLU(),
                pool=nn.MaxPool1d(4),  #                            (B, 32, 45)
                flat=nn.Flatten(),  #                               (B, 1440)
                dense=nn.Linear(back * left, units),  #             (B, 100)
                relu2=nn.ReLU(),
                dropout=dropout_layer(dropout),
                last=nn.Linear(units, n_tags),
            )
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        logits: Tensor = self.layers(self.filters(self.norm(features.unsqueeze(1))))
        return logits


@register_model
def timbre_cnn(
    n_tags: int,
    *,
    window_seconds: float = 3.008,
    width: float = 1.0,
    dropout: float = 0.0,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """Timbre CNN of Pons et al. 2017: filters of twelve shapes, pooled over frequency.

    At 50 tags it has 185,856 weights, as the authors' program has.

    Args:
        n_tags: outputs.
        window_seconds: length of a window; 3.008 s are 187 frames. No other length fits a built network.
        width: multiplies the filters of all shapes, and the other layers.
        dropout: share dropped in front of the last layer in training; the program has none.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in musicnn's spectrogram.

    Raises:
        ConfigError: values out of range, or too few bands or frames for the filters.
    """
    config = frontend_config(PONS_FRONTEND, frontend)
    return TimbreCNN(n_tags, window_length(window_seconds, config.sample_rate_hz), config, width, dropout)
