"""Small parts that several networks share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from earmark.errors import ConfigError
from earmark.spectrum import LogMelConfig


def scaled(channels: int, width: float) -> int:
    """A layer's channels times ``width``, rounded to a multiple of 8 (but not below 8), which kernels like.

    Example:
        >>> scaled(256, 1.0), scaled(384, 0.5), scaled(256, 0.01)
        (256, 192, 8)
    """
    if not 0 < width <= 16:
        raise ConfigError(f"width {width}: must be above 0 and at most 16")
    return channels if width == 1.0 else max(8, round(channels * width / 8) * 8)


def frontend_config(paper: LogMelConfig, changes: Mapping[str, Any] | None) -> LogMelConfig:
    """The front-end of a paper with some keys changed. Raises ConfigError for unknown keys and bad values.

    ``window_samples`` and ``f_max_hz``, where not given, follow a changed ``n_fft`` and ``sample_rate_hz`` if the
    paper's are the widest there are.
    """
    changes = dict(changes or {})
    values = paper.to_dict()
    if paper.window_samples == paper.n_fft:
        values["window_samples"] = None
    if paper.f_max_hz == paper.sample_rate_hz / 2:
        values["f_max_hz"] = None
    return LogMelConfig.from_dict({**values, **changes})


def window_length(window_seconds: float, sample_rate_hz: int) -> int:
    """Samples in a window. Raises ConfigError where there are none."""
    if not 0 < window_seconds <= 3600:
        raise ConfigError(f"window_seconds {window_seconds}: must be above 0 and at most 3600")
    return max(1, round(window_seconds * sample_rate_hz))


def dropout_layer(share: float) -> nn.Module:
    """Dropout, or nothing at all for 0. Raises ConfigError outside 0..1 (1 excluded)."""
    if not 0 <= share < 1:
        raise ConfigError(f"dropout {share}: must be 0 or more and below 1")
    return nn.Dropout(share) if share else nn.Identity()


def init_glorot(module: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers as Keras does by default: Glorot uniform, biases 0.

    A value's inputs and outputs are counted within its group of channels, so that convolutions of single channels,
    too, keep the size of what goes through.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            groups = 1 if isinstance(layer, nn.Linear) else layer.groups
            span = layer.weight[0, 0].numel()
            inputs, outputs = layer.weight.shape[1] * span, layer.weight.shape[0] // groups * span
            bound = math.sqrt(6 / (inputs + outputs))
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
