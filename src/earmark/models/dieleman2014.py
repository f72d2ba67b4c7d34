"""The networks of Dieleman & Schrauwen 2014: one trunk on mel spectrograms or on raw audio.

Source: S. Dieleman, B. Schrauwen, "End-to-end learning for music audio", ICASSP 2014 (4.1 to 4.4, Tables 1 to 3).

Trunk (4.1, Figure 1a): two convolutions over time of 32 filters of length 8, ReLU, each with a max pooling of 4, then
dense layers of 100 (ReLU) and of one unit per tag. On raw audio a strided convolution comes first (4.2, Figure 1b),
optionally with another non-linearity (4.3) or pooling across groups of its filters (4.4, Figure 1c).

Where the paper is silent:

- Window: "about 3 seconds" is 3.0 s, 48,000 samples at 16 kHz.
- Edges: the trunk's convolutions keep the length (zeros, 3 in front and 4 behind) and poolings drop the remainder. If
  they did not, nothing would remain of the 46 frames that windows and strides of 1024 samples give. The strided
  convolution and the spectrogram's frames are entirely inside the window, so both inputs have the same frames.
- Spectrogram: Hann window as long as a frame, Slaney's mel bands over power; ln(1 + 10000 x) is the paper's. With
  frames of 256 samples some of the 128 bands are narrower than a bin and always zero.
- Filters of the strided convolution: not given, 32 here, the number that its replication takes (see bristol.py).
- log(1 + C x) is undefined for x <= -1/C: here log(1 + C max(0, x)). C is 10,000 as for the spectrogram.
- Feature pooling: groups are neighbouring filters. It acts on the linear filters' outputs, as in the works that the
  paper cites for both kinds, and the non-linearity on what it gives: with ReLU, max pooling is the same before and
  after it, and L2 pooling, never negative, stays as it is. Non-linearity "none" makes max pooling a plain maxout.
- L2 pooling is the root of the sum of squares.
- Dropout in the dense layers (tried, without effect): on the inputs of both.
- Initial weights: He uniform, biases 0.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import frontend_config, init_he, window_length
from earmark.models.dieleman2014_layers import (
    COMPRESSION_C,
    FeaturePooling,
    Nonlinearity,
    frames_inside,
    strided_layers,
    trunk_layers,
)
from earmark.models.registry import register_model


class DielemanCNN(TaggingModel):
    """A chain of layers on a log-mel (B, n_mels, T) or, without a front-end, on the waveform as (B, 1, N)."""

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        layers: OrderedDict[str, nn.Module],
        frontend: LogMelConfig | None = None,
        sample_rate_hz: int | None = None,
    ) -> None:
        super().__init__(n_tags=n_tags, window_samples=window_samples, frontend=frontend, sample_rate_hz=sample_rate_hz)
        self.layers = nn.Sequential(layers)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) or (B, N) -> logits (B, n_tags)."""
        logits: Tensor = self.layers(features.unsqueeze(1) if self.frontend is None else features)
        return logits


@register_model
def dieleman2014_spectrogram(
    n_tags: int,
    *,
    frame_samples: int = 256,
    hop_samples: int = 256,
    window_seconds: float = 3.0,
    dropout: float = 0.0,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """The trunk on mel spectrograms (4.2, Figure 1a, Table 1).

    Args:
        n_tags: outputs.
        frame_samples, hop_samples: length and distance of the spectrogram's frames; the paper has 1024/1024,
            1024/512, 512/512, 512/256 and 256/256.
        window_seconds: length of a window.
        dropout: share of the dense layers' inputs dropped in training.
        frontend: other keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the paper's spectrogram.

    Raises:
        ConfigError: values out of range, or a window too short for the poolings.
    """
    paper = LogMelConfig(
        sample_rate_hz=16000,
        n_fft=frame_samples,
        hop_samples=hop_samples,
        n_mels=128,
        compression="log1p",
        compression_c=COMPRESSION_C,
        centred=False,
    )
    config = frontend_config(paper, frontend)
    if (config.n_fft, config.hop_samples) != (frame_samples, hop_samples):
        raise ConfigError(
            f"frontend n_fft {config.n_fft}, hop_samples {config.hop_samples}: they are set by the model's own options "
            f"frame_samples ({frame_samples}) and hop_samples ({hop_samples}); change those"
        )
    window_samples = window_length(window_seconds, config.sample_rate_hz)
    padding = 2 * (frame_samples // 2) if config.centred else 0
    n_frames = frames_inside(window_samples + padding, frame_samples, hop_samples, config.sample_rate_hz)
    layers = trunk_layers(config.n_mels, n_frames, n_tags, dense_dropout=dropout)
    model = DielemanCNN(n_tags=n_tags, window_samples=window_samples, layers=layers, frontend=config)
    init_he(model.layers)
    return model


@register_model
def dieleman2014_raw(
    n_tags: int,
    *,
    filter_samples: int = 256,
    stride_samples: int = 256,
    n_filters: int = 32,
    nonlinearity: Nonlinearity = "relu",
    feature_pooling: FeaturePooling = "none",
    pool_filters: int = 1,
    window_seconds: float = 3.0,
    sample_rate_hz: int = 16000,
    dropout: float = 0.0,
) -> TaggingModel:
    """The trunk on raw audio behind a strided convolution (4.2 to 4.4, Figures 1b and 1c, Tables 1 to 3).

    Its learned filters are ``model.layers.strided.weight``, (n_filters, 1, filter_samples).

    Args:
        n_tags: outputs.
        filter_samples, stride_samples: length and stride of the strided convolution; the paper has 1024/1024,
            1024/512, 512/512, 512/256 and 256/256.
        n_filters: filters of it.
        nonlinearity: after it: "relu", "log_square" = log(1 + C x^2), "log" = log(1 + C max(0, x)), or "none".
        feature_pooling: across its filters: "none", "l2" or "max".
        pool_filters: filters in a pool, 1 for "none"; the paper has 2 and 4.
        window_seconds: length of a window.
        sample_rate_hz: rate of the waveform.
        dropout: share of the dense layers' inputs dropped in training.

    Raises:
        ConfigError: values out of range, or a window too short for the poolings.
    """
    front = strided_layers(
        filter_samples=filter_samples,
        stride_samples=stride_samples,
        n_filters=n_filters,
        nonlinearity=nonlinearity,
        feature_pooling=feature_pooling,
        pool_filters=pool_filters,
    )
    window_samples = window_length(window_seconds, sample_rate_hz)
    n_frames = frames_inside(window_samples, filter_samples, stride_samples, sample_rate_hz)
    trunk = trunk_layers(n_filters // pool_filters, n_frames, n_tags, dense_dropout=dropout)
    model = DielemanCNN(
        n_tags=n_tags,
        window_samples=window_samples,
        layers=OrderedDict([*front.items(), *trunk.items()]),
        sample_rate_hz=sample_rate_hz,
    )
    init_he(model.layers)
    return model
