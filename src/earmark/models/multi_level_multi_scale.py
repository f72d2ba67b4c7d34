"""Multi-level, multi-scale features: CNNs on segments of several lengths, whose last layers are pooled over a clip.

Source: Lee & Nam 2017, "Multi-level and multi-scale feature aggregation using pre-trained convolutional neural networks
for music auto-tagging" (IEEE Signal Processing Letters). A comparator: Table 2 of kim2018 quotes .9017 (MTAT) and .8878
(MSD), of an ensemble of three.

As the paper: CNNs for segments of several lengths; the maxima over a segment of the outputs of a CNN's last three layers
(levels), their mean over the segments of a clip, all of them side by side, and dense layers.

Decided here, because the paper trains in three steps and its layer sizes are not in the papers at hand:

- Everything is trained at once, by the loss of the whole, and not the CNNs first.
- Spectrogram: 22,050 Hz, n_fft 1024, hop 512, 128 mel bands of magnitude, ln(1 + 10 x), batch norm of every band.
- Segments of 18, 27, 54, 108 and 216 frames (.4 to 5 s), side by side; what is left over at the end of a window is dropped.
- Each CNN convolves over time alone: filters of length 3, batch norm, ReLU and pooling by 3 or 2, down to one frame: 128
  channels in the first two layers, 256 in the others.
- A dense layer of 512 units with batch norm, ReLU and dropout in front of that of tags.
- Initial weights: Glorot uniform.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, frontend_config, init_glorot, scaled, window_length
from earmark.models.registry import register_model

FRONTEND = LogMelConfig(
    sample_rate_hz=22050,
    n_fft=1024,
    hop_samples=512,
    n_mels=128,
    power=1.0,
    compression="log1p",
    compression_c=10.0,
    standardise="batch_norm",
)
POOLS = {18: (3, 3, 2), 27: (3, 3, 3), 54: (3, 3, 3, 2), 108: (3, 3, 3, 2, 2), 216: (3, 3, 3, 2, 2, 2)}
"""Frames of a segment -> poolings that leave one of them."""
N_LEVELS = 3


class SegmentCNN(nn.Module):
    """Features of segments of one length: (B, n_mels, T) -> (B, channels of the last three layers)."""

    def __init__(self, n_mels: int, frames: int, width: float) -> None:
        super().__init__()
        self.frames = frames
        layers = []
        inputs = n_mels
        for i, pool in enumerate(POOLS[frames]):
            outputs = scaled(128 if i < 2 else 256, width)
            layers.append(
                nn.Sequential(
                    OrderedDict[str, nn.Module](
                        conv=nn.Conv1d(inputs, outputs, 3, padding=1),
                        norm=nn.BatchNorm1d(outputs),
                        relu=nn.ReLU(),
                        pool=nn.MaxPool1d(pool),
                    )
                )
            )
            inputs = outputs
        self.layers = nn.ModuleList(layers)
        self.n_features = sum(
            scaled(128 if i < 2 else 256, width) for i in range(len(layers)) if i >= len(layers) - N_LEVELS
        )

    def forward(self, mel: Tensor) -> Tensor:
        """(B, n_mels, T) -> (B, n_features): maxima over each segment, means over segments."""
        n_segments = mel.shape[2] // self.frames
        x = mel[:, :, : n_segments * self.frames].reshape(-1, mel.shape[1], n_segments, self.frames)
        x = x.transpose(1, 2).flatten(0, 1)  # (B segments, n_mels, frames)
        levels = []
        for layer in self.layers:
            x = layer(x)
            levels.append(x.amax(dim=2))
        features = torch.cat(levels[-N_LEVELS:], dim=1)
        return features.reshape(-1, n_segments, self.n_features).mean(dim=1)


class MultiLevelMultiScale(TaggingModel):
    """See the module docstring.

    Args:
        as options of :func:`multi_level_multi_scale`.
    """

    def __init__(
        self,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig,
        segment_frames: tuple[int, ...],
        width: float,
        dropout: float,
    ) -> None:
        super().__init__(n_tags=n_tags, window_samples=window_samples, frontend=frontend)
        n_frames = frontend.n_frames(window_samples)
        if n_frames < max(segment_frames):
            raise ConfigError(
                f"window of {n_frames} frames: is shorter than a segment of {max(segment_frames)}; choose a longer window "
                "or shorter segments"
            )
        self.scales = nn.ModuleList(SegmentCNN(frontend.n_mels, frames, width) for frames in segment_frames)
        n_features = sum(scale.n_features for scale in self.scales if isinstance(scale, SegmentCNN))
        units = scaled(512, width)
        self.head = nn.Sequential(
            OrderedDict[str, nn.Module](  #             at all five scales and width 1: (B, 3200)
                dense=nn.Linear(n_features, units),  #  (B, 512)
                norm=nn.BatchNorm1d(units),
                relu=nn.ReLU(),
                dropout=dropout_layer(dropout),
                last=nn.Linear(units, n_tags),
            )
        )
        init_glorot(self.scales)
        init_glorot(self.head)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        logits: Tensor = self.head(torch.cat([scale(features) for scale in self.scales], dim=1))
        return logits


@register_model
def multi_level_multi_scale(
    n_tags: int,
    *,
    segment_frames: tuple[int, ...] = (18, 27, 54, 108, 216),
    window_seconds: float = 29.1,
    width: float = 1.0,
    dropout: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """Multi-level and multi-scale features of Lee & Nam 2017, trained at once.

    Args:
        n_tags: outputs.
        segment_frames: lengths of the segments, each 18, 27, 54, 108 or 216 frames.
        window_seconds: length of a window, over whose segments features are averaged.
        width: multiplies the channels and units of all layers.
        dropout: share dropped in front of the last layer in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the spectrogram.

    Raises:
        ConfigError: values out of range, or a window shorter than a segment.
    """
    chosen = tuple(segment_frames)
    if not chosen or len(set(chosen)) < len(chosen) or set(chosen) - set(POOLS):
        raise ConfigError(f"segment_frames {list(chosen)}: must be some of {', '.join(map(str, POOLS))}, each once")
    config = frontend_config(FRONTEND, frontend)
    return MultiLevelMultiScale(
        n_tags, window_length(window_seconds, config.sample_rate_hz), config, chosen, width, dropout
    )
