"""The layers of Dieleman & Schrauwen 2014: strided convolution and trunk. What they follow is in :mod:`earmark.models.dieleman2014`."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal, get_args

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models.blocks import Normalisation, dropout_layer, normalisation_layer

Nonlinearity = Literal["relu", "log_square", "log", "none"]
FeaturePooling = Literal["none", "l2", "max"]

COMPRESSION_C = 10_000.0
"""The C of log(1 + C x), of spectrograms (4.2) and of non-linearities (4.3)."""
MIN_FRAMES = 16
"""Frames that the trunk needs: two poolings of 4."""
HIDDEN_UNITS = 100
TRUNK_FILTERS = 32


class LogCompression(nn.Module):
    """log(1 + C x^2), or log(1 + C max(0, x)), natural, of any shape (4.3)."""

    def __init__(self, *, square: bool, compression_c: float = COMPRESSION_C) -> None:
        super().__init__()
        self.square = square
        self.compression_c = compression_c

    def forward(self, values: Tensor) -> Tensor:
        """Any shape -> the same, 0 or more."""
        return (1.0 + self.compression_c * (values.square() if self.square else values.relu())).log()


class FeaturePool(nn.Module):
    """Pools neighbouring filters: (B, F, T) -> (B, F / size, T), by the root of the sum of squares or the maximum (4.4).

    Filters ``size * i`` to ``size * i + size - 1`` are group i.
    """

    def __init__(self, kind: Literal["l2", "max"], size: int) -> None:
        super().__init__()
        self.kind = kind
        self.size = size

    def forward(self, activations: Tensor) -> Tensor:
        """(B, F, T) -> (B, F / size, T). The L2 norm is at least 1e-6, where the root has a finite slope."""
        batch, filters, time = activations.shape
        groups = activations.reshape(batch, filters // self.size, self.size, time)
        if self.kind == "max":
            return groups.amax(dim=2)
        return groups.square().sum(dim=2).clamp(min=1e-12).sqrt()


def strided_layers(
    *,
    filter_samples: int,
    stride_samples: int,
    n_filters: int,
    nonlinearity: Nonlinearity = "relu",
    feature_pooling: FeaturePooling = "none",
    pool_filters: int = 1,
    normalisation: Normalisation = "none",
    n_groups: int = 8,
) -> OrderedDict[str, nn.Module]:
    """The layers before the trunk on raw audio: (B, 1, N) -> (B, n_filters / pool_filters, T).

    T = 1 + (N - filter_samples) // stride_samples.

    Raises:
        ConfigError: with every value that is out of range.
    """
    problems = [
        f"{name} {value}: must be at least 1"
        for name, value in {"filter_samples": filter_samples, "n_filters": n_filters}.items()
        if value < 1
    ]
    if not 1 <= stride_samples <= filter_samples:
        problems.append(
            f"stride_samples {stride_samples}: must be at least 1 and at most filter_samples ({filter_samples}), "
            "or samples would be skipped"
        )
    if nonlinearity not in get_args(Nonlinearity):
        problems.append(f"nonlinearity {nonlinearity!r}: must be one of {', '.join(get_args(Nonlinearity))}")
    if feature_pooling not in get_args(FeaturePooling):
        problems.append(f"feature_pooling {feature_pooling!r}: must be one of {', '.join(get_args(FeaturePooling))}")
    elif feature_pooling == "none" and pool_filters != 1:
        problems.append(f"pool_filters {pool_filters}: must be 1 with feature_pooling 'none'; choose 'l2' or 'max'")
    elif feature_pooling != "none" and (pool_filters < 2 or n_filters % pool_filters):
        problems.append(
            f"pool_filters {pool_filters}: with feature_pooling {feature_pooling!r} it must be at least 2 and divide "
            f"n_filters ({n_filters}); the paper has 2 and 4"
        )
    if problems:
        raise ConfigError(problems)
    pool = nn.Identity() if feature_pooling == "none" else FeaturePool(feature_pooling, pool_filters)
    activation: dict[str, nn.Module] = {
        "relu": nn.ReLU(),
        "log_square": LogCompression(square=True),
        "log": LogCompression(square=False),
        "none": nn.Identity(),
    }
    return OrderedDict(  #                                       256/256, 3 s: (B, 1, 48000)
        strided=nn.Conv1d(1, n_filters, filter_samples, stride_samples),  # (B, 32, 187)
        strided_norm=normalisation_layer(normalisation, n_filters, groups=n_groups),
        feature_pool=pool,  #                                               (B, 32, 187); pools of 4: (B, 8, 187)
        strided_activation=activation[nonlinearity],
    )


def trunk_layers(
    channels: int,
    n_frames: int,
    n_tags: int,
    *,
    dense_dropout: float = 0.0,
    conv_dropout: float = 0.0,
    normalisation: Normalisation = "none",
    n_groups: int = 8,
) -> OrderedDict[str, nn.Module]:
    """The trunk: (B, channels, n_frames) -> logits (B, n_tags).

    Args:
        channels: of the input: mel bands or filters.
        n_frames: of the input, at least 16.
        n_tags: outputs.
        dense_dropout: share of the dense layers' inputs dropped in training.
        conv_dropout: share of the convolutions' inputs dropped in training.
        normalisation: before the activation of every layer but the last.
        n_groups: of "group"; in the dense layer the largest divisor of its units up to that: for 8 groups, 5 of 20 units.

    Raises:
        ConfigError: an unknown normalisation, or channels that do not divide into the groups.
    """
    dense_groups = max((groups for groups in range(1, n_groups + 1) if HIDDEN_UNITS % groups == 0), default=1)
    left = n_frames // 4 // 4
    return OrderedDict(  #                                             256/256, 3 s: (B, channels, 187)
        drop1=dropout_layer(conv_dropout),
        pad1=nn.ZeroPad1d((3, 4)),  #                                  (B, channels, 194)
        conv1=nn.Conv1d(channels, TRUNK_FILTERS, 8),  #                (B, 32, 187)
        norm1=normalisation_layer(normalisation, TRUNK_FILTERS, groups=n_groups),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool1d(4),  #                                      (B, 32, 46)
        drop2=dropout_layer(conv_dropout),
        pad2=nn.ZeroPad1d((3, 4)),  #                                  (B, 32, 53)
        conv2=nn.Conv1d(TRUNK_FILTERS, TRUNK_FILTERS, 8),  #           (B, 32, 46)
        norm2=normalisation_layer(normalisation, TRUNK_FILTERS, groups=n_groups),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool1d(4),  #                                      (B, 32, 11)
        flat=nn.Flatten(),  #                                          (B, 352)
        drop3=dropout_layer(dense_dropout),
        dense1=nn.Linear(TRUNK_FILTERS * left, HIDDEN_UNITS),  #       (B, 100)
        norm3=normalisation_layer(normalisation, HIDDEN_UNITS, groups=dense_groups),
        relu3=nn.ReLU(),
        drop4=dropout_layer(dense_dropout),
        dense2=nn.Linear(HIDDEN_UNITS, n_tags),  #                     (B, n_tags)
    )


def frames_inside(window_samples: int, frame_samples: int, stride_samples: int, sample_rate_hz: int) -> int:
    """Frames entirely inside a window. Raises ConfigError if they are too few for the trunk."""
    n_frames = 1 + (window_samples - frame_samples) // stride_samples
    if n_frames < MIN_FRAMES:
        shortest = (frame_samples + (MIN_FRAMES - 1) * stride_samples) / sample_rate_hz
        raise ConfigError(
            f"window of {window_samples / sample_rate_hz:.3f} s: it has {max(0, n_frames)} frames of {frame_samples} "
            f"samples every {stride_samples}, and two poolings of 4 need {MIN_FRAMES}; window_seconds must be at least "
            f"{math.ceil(shortest * 1000) / 1000:.3f}"
        )
    return n_frames
