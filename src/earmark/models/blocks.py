"""Layers and helpers that several networks share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig

WON_FRONTEND = LogMelConfig(
    sample_rate_hz=16000, n_fft=512, hop_samples=256, n_mels=96, mel_scale="htk", norm=None, compression="db"
)
"""The spectrogram of FCN, CRNN and musicnn in Won et al. 2020, "Evaluation of CNN-based automatic music tagging
models" (SMC): HTK bands of power that peak at 1, in dB, of centred frames."""

Normalisation = Literal["none", "batch", "layer", "group"]


def scaled(channels: int, width: float) -> int:
    """A layer's channels times ``width``, rounded to a multiple of 8 (but not below 8), which suits GPU kernels.

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
    """Samples in a window. Raises ConfigError if there are none."""
    if not 0 < window_seconds <= 3600:
        raise ConfigError(f"window_seconds {window_seconds}: must be above 0 and at most 3600")
    return max(1, round(window_seconds * sample_rate_hz))


def samples_for_frames(config: LogMelConfig, n_frames: int) -> int:
    """Samples of the shortest waveform that gives this many frames.

    Example:
        >>> samples_for_frames(WON_FRONTEND, 188)
        47872
    """
    samples = (n_frames - 1) * config.hop_samples + (0 if config.centred else config.n_fft)
    return max(config.min_samples, samples + config.filter_samples)


def dropout_layer(share: float) -> nn.Module:
    """Dropout, or nothing at all for 0. Raises ConfigError outside 0..1 (1 excluded)."""
    if not 0 <= share < 1:
        raise ConfigError(f"dropout {share}: must be 0 or more and below 1")
    return nn.Dropout(share) if share else nn.Identity()


def init_glorot(module: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers as Keras does by default: Glorot uniform, biases 0.

    Inputs and outputs are counted within a group of channels, so that depthwise convolutions
    also preserve the signal's scale.
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


class GlobalMax(nn.Module):
    """The largest value of each channel over all other axes: (B, C, ...) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).amax(dim=2)


def conv_block_2d(inputs: int, outputs: int, pool: int | tuple[int, int] = 2) -> nn.Sequential:
    """Convolution 3 x 3 "same", batch norm, ReLU, max pooling: (B, inputs, H, W) -> (B, outputs, H // pool, W // pool).

    The convolution has a bias, as in the published networks, though batch norm cancels it.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(pool)
    )


def dense_head(inputs: int, n_tags: int, dropout: float) -> nn.Sequential:
    """Dense layer as wide as its input, batch norm, ReLU, dropout, dense layer: (B, inputs) -> logits (B, n_tags)."""
    return nn.Sequential(
        nn.Linear(inputs, inputs),
        nn.BatchNorm1d(inputs),
        nn.ReLU(),
        dropout_layer(dropout),
        nn.Linear(inputs, n_tags),
    )


def init_he(module: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers He uniform (over a value's inputs), biases 0.

    It preserves the scale through convolution and ReLU (He et al. 2015).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            bound = math.sqrt(6 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def normalisation_layer(kind: Normalisation, channels: int, *, groups: int = 8, eps: float = 1e-5) -> nn.Module:
    """A normalisation of (B, channels, T) or (B, channels), with a gain and an offset for every channel.

    Args:
        kind: "none"; "batch": over batch and time, with running statistics; "layer": over channels and time of each
            example, which is group normalisation with one group (Wu & He 2018); "group": over the channels of a group
            and time of each example.
        channels: must be a multiple of ``groups`` if kind is "group".
        groups: used only by "group".
        eps: added to the variance.

    Raises:
        ConfigError: an unknown kind, or channels that do not divide into the groups.
    """
    if kind not in get_args(Normalisation):
        raise ConfigError(f"normalisation {kind!r}: must be one of {', '.join(get_args(Normalisation))}")
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm1d(channels, eps=eps)
    if kind == "layer":
        groups = 1
    if groups < 1 or channels % groups:
        raise ConfigError(f"normalisation 'group': {channels} channels do not divide into {groups} groups")
    return nn.GroupNorm(groups, channels, eps=eps)


def average_subclips(logits: Tensor) -> Tensor:
    """One prediction for each clip from those of its subclips: the mean of their probabilities, as a logit.

    The sigmoid of the answer is the mean of the sigmoids, so that a loss on logits is the loss on the averaged
    prediction; it is computed with logarithms and stays finite if probabilities would round to 0 or 1.

    Args:
        logits: (n_clips, n_subclips, n_tags). A batch of waveforms (n_clips, n_subclips, N) goes through a model as
            ``model(waveforms.flatten(0, 1)).unflatten(0, waveforms.shape[:2])``.

    Returns:
        (n_clips, n_tags) logits.

    Raises:
        ConfigError: another number of dimensions, or no subclips.

    Example:
        >>> import torch
        >>> probabilities = torch.tensor([[[0.2], [0.6]]])
        >>> average_subclips(probabilities.logit()).sigmoid()
        tensor([[0.4000]])
    """
    if logits.ndim != 3 or logits.shape[1] < 1:
        raise ConfigError(f"logits of shape {tuple(logits.shape)}: must be (clips, subclips, tags), subclips 1 or more")
    averaged: Tensor = F.logsigmoid(logits).logsumexp(dim=1) - F.logsigmoid(-logits).logsumexp(dim=1)
    return averaged
