"""The replication of Dieleman & Schrauwen 2014 on raw audio at 12 kHz, with input and layer normalisation.

Source: R. Banthia, A. Long, S. Saraff, "Digging deeper into automatic music tagging", University of Bristol (IV, V,
VIII-A, Figure 2, Tables I and II). Its SampleCNN (VIII-B) is ``samplecnn_basic`` of kim2018.py with
``normalisation="group"``, ``multi=False``, ``sample_rate_hz=12000``, ``n_samples=34950`` and ``n_blocks=8``.

A window is one of its subclips: a clip of 29.125 s is cut into ten of 34,950 samples. The network predicts a
subclip; training runs the ten of a clip as rows of a batch and computes the loss on what
:func:`earmark.models.blocks.average_subclips` makes of their logits. Tagging averages windows in any case.

The network is that of dieleman2014.py, and so are the decisions taken there on edges, pooling and non-linearity.
Where this paper is also silent:

- Input normalisation: of each subclip by its own mean and deviation, or minimum and range, so that the network needs only
  a waveform. A deviation or range below 1e-5 counts as 1e-5: silence becomes zeros.
- Layer normalisation is over channels and time of a subclip, with a gain and an offset for every channel.
- Group normalisation of the dense layer: its 100 units do not divide into 8 groups; they are in 5, the most up to 8 (2, 4
  and 16 groups, which the paper tried, too: 2, 4 and 10).
- Dropout: on the inputs of every layer but the strided convolution.
- Initial weights: PyTorch's own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, get_args

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models.base import TaggingModel
from earmark.models.blocks import Normalisation, window_length
from earmark.models.dieleman2014 import DielemanCNN
from earmark.models.dieleman2014_layers import (
    FeaturePooling,
    Nonlinearity,
    frames_inside,
    strided_layers,
    trunk_layers,
)
from earmark.models.registry import register_model

InputKind = Literal["none", "standardise", "min-max"]

SMALLEST_SPREAD = 1e-5
"""Deviation or range below which a waveform counts as constant; full scale is 1."""


class InputNormalisation(nn.Module):
    """Waveforms (..., N) -> the same shape, each normalised by itself (V).

    Args:
        kind: "none"; "standardise": less the mean, over the (population) standard deviation; "min-max": less the
            minimum, over the range, which gives 0 to 1.
    """

    def __init__(self, kind: InputKind) -> None:
        super().__init__()
        if kind not in get_args(InputKind):
            raise ConfigError(f"input_normalisation {kind!r}: must be one of {', '.join(get_args(InputKind))}")
        self.kind = kind

    def forward(self, waveform: Tensor) -> Tensor:
        """(..., N) -> (..., N). A constant waveform becomes 0, but for rounding of its mean."""
        if self.kind == "none":
            return waveform
        if self.kind == "min-max":
            lowest = waveform.amin(dim=-1, keepdim=True)
            spread = waveform.amax(dim=-1, keepdim=True) - lowest
            return (waveform - lowest) / spread.clamp(min=SMALLEST_SPREAD)
        centred = waveform - waveform.mean(dim=-1, keepdim=True)
        spread = centred.square().mean(dim=-1, keepdim=True).sqrt()
        return centred / spread.clamp(min=SMALLEST_SPREAD)


@register_model
def bristol_raw(
    n_tags: int,
    *,
    filter_samples: int = 256,
    stride_samples: int = 256,
    n_filters: int = 32,
    input_normalisation: InputKind = "min-max",
    normalisation: Normalisation = "group",
    n_groups: int = 8,
    dropout: float = 0.2,
    nonlinearity: Nonlinearity = "relu",
    feature_pooling: FeaturePooling = "none",
    pool_filters: int = 1,
    window_seconds: float = 2.9125,
    sample_rate_hz: int = 12000,
) -> TaggingModel:
    """The upgraded network of the paper (VIII-A); ``normalisation="none", dropout=0`` gives its basic one (IV).

    Args:
        n_tags: outputs.
        filter_samples, stride_samples: length and stride of the strided convolution; Table I has 1024/1024,
            1024/512, 512/512, 512/256, 256/256, 256/128 and 128/128.
        n_filters: filters of the strided convolution; a multiple of ``n_groups`` for "group".
        input_normalisation: "none", "standardise" or "min-max", of each subclip by itself.
        normalisation: "none", "batch", "layer" or "group", after every convolution and dense layer but the last, before the
            activation.
        n_groups: of "group"; the paper tried 2, 4, 8 and 16 (VIII-A).
        dropout: share dropped in training.
        nonlinearity, feature_pooling, pool_filters: of the strided convolution, as in ``dieleman2014_raw``.
        window_seconds: length of a subclip; 34,950 samples.
        sample_rate_hz: rate of the waveform.

    Raises:
        ConfigError: values out of range, or a window too short for the poolings.
    """
    entrance = OrderedDict[str, nn.Module](input=InputNormalisation(input_normalisation))  # (B, 1, 34950)
    front = strided_layers(  # (B, 32, 136) at 256/256
        filter_samples=filter_samples,
        stride_samples=stride_samples,
        n_filters=n_filters,
        nonlinearity=nonlinearity,
        feature_pooling=feature_pooling,
        pool_filters=pool_filters,
        normalisation=normalisation,
        n_groups=n_groups,
    )
    window_samples = window_length(window_seconds, sample_rate_hz)
    n_frames = frames_inside(window_samples, filter_samples, stride_samples, sample_rate_hz)
    trunk = trunk_layers(  # 136 -> 34 -> 8 frames of 32, 256 values, 100 units, n_tags
        n_filters // pool_filters,
        n_frames,
        n_tags,
        dense_dropout=dropout,
        conv_dropout=dropout,
        normalisation=normalisation,
        n_groups=n_groups,
    )
    return DielemanCNN(
        n_tags=n_tags,
        window_samples=window_samples,
        layers=OrderedDict([*entrance.items(), *front.items(), *trunk.items()]),
        sample_rate_hz=sample_rate_hz,
    )
