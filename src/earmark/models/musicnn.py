"""musicnn and its VGG: small networks on three seconds of log-mel, whose trained weights are public.

Sources: Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (ISMIR late-breaking
demo 2019; its Figure 1 and the projects' own layer lists), the successor of Pons et al. 2018, "End-to-end learning for
music audio tagging at scale" (pons2017 here), section 3. The variant is that of Won et al. 2020, "Evaluation of
CNN-based automatic music tagging models" (SMC), section 3.2. Sizes are those of the published weights.

Decisions:

- Spectrogram: 16 kHz, n_fft 512, hop 256, 96 Slaney mel bands of power, log10(1 + 10000 x). The original program cuts
  its patches of 187 frames out of the spectrogram of a whole song, so that a frame at a patch's border sees the sound
  on its other side. Therefore frames here are not centred, nothing is mirrored at a window's ends, and a window of
  187 frames is 186 * 256 + 512 = 48,128 samples; windows 187 * 256 = 47,872 samples apart give patches side by side.
- Batch norm keeps TensorFlow's epsilon (1e-3) and momentum (its 0.99 is PyTorch's 0.01) where the weights are from
  there, PyTorch's own in the variant.
- Initial weights: Glorot uniform, TensorFlow's default.
- TensorFlow's "same" padding of an even length k is (k - 1) // 2 in front and the rest behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import WON_FRONTEND, dropout_layer, frontend_config, init_glorot, scaled, window_length
from earmark.models.registry import register_model

Variant = Literal["pons2019", "won2020"]

PONS_FRONTEND = LogMelConfig(sample_rate_hz=16000, n_fft=512, hop_samples=256, n_mels=96, centred=False)
"""The spectrogram of musicnn and its VGG: 96 x 187 for 48,128 samples."""


@dataclass(frozen=True)
class _Form:
    """In what the two published forms of musicnn differ.

    Attributes:
        frontend: the spectrogram.
        window_seconds: three seconds, more or less.
        timbral_shares: heights of the timbral filters as shares of the bands, in the order of the concatenation.
        temporal_lengths: lengths of the temporal filters in frames.
        bands_apart: temporal filters run over every band by itself and the loudest band counts, instead of over the
            mean of all bands.
        norm_first: batch norm comes before the ReLU, not after it.
        pooled_norm: batch norm and dropout on the pooled values, too.
        epsilon, momentum: of batch norm.
    """

    frontend: LogMelConfig
    window_seconds: float
    timbral_shares: tuple[float, ...]
    temporal_lengths: tuple[int, ...]
    bands_apart: bool
    norm_first: bool
    pooled_norm: bool
    epsilon: float
    momentum: float


FORMS: dict[str, _Form] = {
    "pons2019": _Form(PONS_FRONTEND, 3.008, (0.4, 0.7), (128, 64, 32), True, False, True, 1e-3, 0.01),
    "won2020": _Form(WON_FRONTEND, 3.0, (0.7, 0.4), (129, 65, 33), False, True, False, 1e-5, 0.1),
}


class NormedConv(nn.Module):
    """A convolution, "same" over time and "valid" over bands, with ReLU and batch norm in the form's order.

    (B, inputs, bands, T) -> (B, outputs, bands - height + 1, T), or without bands for kernels of one number.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, ...], form: _Form) -> None:
        super().__init__()
        self.pad = ((kernel[-1] - 1) // 2, kernel[-1] // 2)
        self.norm_first = form.norm_first
        self.norm: nn.Module
        if len(kernel) == 2:
            self.conv: nn.Module = nn.Conv2d(inputs, outputs, (kernel[0], kernel[1]))
            self.norm = nn.BatchNorm2d(outputs, form.epsilon, form.momentum)
        else:
            self.conv = nn.Conv1d(inputs, outputs, kernel[0])
            self.norm = nn.BatchNorm1d(outputs, form.epsilon, form.momentum)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, self.pad))
        return self.norm(x).relu() if self.norm_first else self.norm(x.relu())  # type: ignore[no-any-return]


class Musicnn(TaggingModel):
    """Arguments as in :func:`musicnn`, resolved. Shapes below are at width 1 and 96 bands."""

    def __init__(
        self,
        form: _Form,
        *,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig,
        timbral: int,
        temporal: int,
        residual: int,
        dense: int,
        head_units: int,
        dropout: float,
    ) -> None:
        super().__init__(
            n_tags=n_tags, window_samples=window_samples, frontend=frontend, min_samples=1, variable_length=True
        )
        self.bands_apart, self.norm_first = form.bands_apart, form.norm_first
        self.norm_input = nn.BatchNorm2d(1, form.epsilon, form.momentum)
        heights = [int(share * frontend.n_mels) for share in form.timbral_shares]
        if min(heights) < 1:
            raise ConfigError(f"n_mels {frontend.n_mels}: musicnn needs at least 3")
        self.timbral = nn.ModuleList(NormedConv(1, timbral, (height, 7), form) for height in heights)
        self.temporal = nn.ModuleList(
            NormedConv(1, temporal, (1, length) if form.bands_apart else (length,), form)
            for length in form.temporal_lengths
        )
        front = timbral * len(self.timbral) + temporal * len(self.temporal)  # 2 * 204 + 3 * 51 = 561
        self.residual1 = NormedConv(front, residual, (7,), form)
        self.residual2 = NormedConv(residual, residual, (7,), form)
        self.residual3 = NormedConv(residual, residual, (7,), form)
        pooled = 2 * (front + 3 * residual)  # 1506
        self.norm_pooled: nn.Module = nn.Identity()
        if form.pooled_norm:
            self.norm_pooled = nn.Sequential(
                nn.BatchNorm1d(pooled, form.epsilon, form.momentum), dropout_layer(dropout)
            )
        self.dense = nn.Linear(pooled, dense)
        self.norm_dense = nn.BatchNorm1d(dense, form.epsilon, form.momentum)
        self.dropout = dropout_layer(dropout)
        self.head: nn.Module = nn.Identity()
        if head_units:
            self.head = nn.Sequential(nn.Linear(dense, head_units), nn.ReLU())
        self.last = nn.Linear(head_units or dense, n_tags)
        init_glorot(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, 96, T) -> logits (B, n_tags)."""
        bands = self.norm_input(features.unsqueeze(1))  # (B, 1, 96, T)
        parts = [layer(bands).amax(dim=2) for layer in self.timbral]  # 2 x (B, 204, T)
        if self.bands_apart:
            parts += [layer(bands).amax(dim=2) for layer in self.temporal]  # 3 x (B, 51, T)
        else:
            parts += [layer(bands.mean(dim=2)) for layer in self.temporal]  # 3 x (B, 51, T)
        front = torch.cat(parts, dim=1)  # (B, 561, T)
        first = self.residual1(front)  # (B, 64, T)
        second = self.residual2(first) + first
        third = self.residual3(second) + second
        x = torch.cat([front, first, second, third], dim=1)  # (B, 753, T)
        x = torch.cat([x.amax(dim=2), x.mean(dim=2)], dim=1)  # (B, 1506)
        x = self.dense(self.norm_pooled(x))  # (B, 200)
        x = self.norm_dense(x).relu() if self.norm_first else self.norm_dense(x.relu())
        logits: Tensor = self.last(self.head(self.dropout(x)))
        return logits


@register_model
def musicnn(
    n_tags: int,
    *,
    variant: Variant = "pons2019",
    window_seconds: float | None = None,
    width: float = 1.0,
    residual_channels: int = 64,
    dense_units: int = 200,
    head_units: int = 0,
    dropout: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """musicnn: filters shaped for timbre and for rhythm, three residual layers, everything pooled over time.

    At 50 tags it has 787,159 weights. It takes windows of any length; its published weights know three seconds.

    Args:
        n_tags: outputs.
        variant: "pons2019", the original: temporal filters of 128, 64, 32 frames run over every band by itself, batch
            norm behind each ReLU and on the pooled values. "won2020", the PyTorch program of Won et al.: temporal
            filters of 129, 65, 33 run over the mean of the bands, batch norm in front of each ReLU, none on the pooled
            values, and a spectrogram in dB.
        window_seconds: None for the variant's own: 3.008 (48,128 samples, 187 frames) or 3.0 (48,000, 188 frames).
        width: multiplies the channels of all convolutions and the dense layer.
        residual_channels, dense_units: 64 and 200; the authors' larger model has 512 and 500.
        head_units: units of another dense layer with ReLU in front of the last one; 0 for none. Essentia's classifiers,
            which continue from musicnn's weights, have 100 (Alonso-Jimenez et al. 2020, "TensorFlow audio models in
            Essentia").
        dropout: share dropped in front of the dense layers in training.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the variant's spectrogram.

    Raises:
        ConfigError: values out of range.
    """
    if variant not in FORMS:
        raise ConfigError(f"variant {variant!r}: must be {' or '.join(FORMS)}")
    if residual_channels < 1 or dense_units < 1:
        raise ConfigError(f"residual_channels {residual_channels}, dense_units {dense_units}: must be at least 1")
    if head_units < 0:
        raise ConfigError(f"head_units {head_units}: must be 0, for none, or more")
    form = FORMS[variant]
    config = frontend_config(form.frontend, frontend)
    seconds = form.window_seconds if window_seconds is None else window_seconds
    return Musicnn(
        form,
        n_tags=n_tags,
        window_samples=window_length(seconds, config.sample_rate_hz),
        frontend=config,
        timbral=scaled(204, width),
        temporal=scaled(51, width),
        residual=scaled(residual_channels, width),
        dense=scaled(dense_units, width),
        head_units=head_units,
        dropout=dropout,
    )


class MusicnnVgg(TaggingModel):
    """See :func:`musicnn_vgg`. Five convolutions, each 3 x 3 "same" - ReLU - batch norm - max pool."""

    POOLS = (((1, 4), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))
    """Size and stride of the poolings, (bands, frames). The first takes every second band as it is."""

    def __init__(
        self, *, n_tags: int, window_samples: int, frontend: LogMelConfig, channels: int, dropout: tuple[float, float]
    ) -> None:
        super().__init__(n_tags=n_tags, window_samples=window_samples, frontend=frontend)
        self.norm_input = nn.BatchNorm2d(1, 1e-3, 0.01)
        #                               at 96 bands, 187 frames and width 1: (B, 1, 96, 187)
        # after the poolings: (B, 128, 48, 92), (.., 24, 46), (.., 12, 23), (.., 6, 11), (.., 1, 2)
        layers: list[nn.Module] = []
        bands, frames = frontend.n_mels, frontend.n_frames(window_samples)
        for i, (size, stride) in enumerate(self.POOLS):
            layers.append(
                nn.Sequential(
                    nn.Conv2d(channels if i else 1, channels, 3, padding=1),
                    nn.ReLU(),
                    nn.BatchNorm2d(channels, 1e-3, 0.01),
                    nn.MaxPool2d(size, stride),
                    dropout_layer(dropout[0] if i < 4 else dropout[1]),
                )
            )
            bands, frames = (bands - size[0]) // stride[0] + 1, (frames - size[1]) // stride[1] + 1
            if bands < 1 or frames < 1:
                raise ConfigError(
                    f"a spectrogram of {frontend.n_mels} bands and {frontend.n_frames(window_samples)} frames: nothing "
                    "is left after the poolings; musicnn_vgg needs at least 63 bands and 66 frames"
                )
        self.layers = nn.ModuleList(layers)
        self.last = nn.Linear(channels * bands * frames, n_tags)
        init_glorot(self)

    def network(self, features: Tensor) -> Tensor:
        """(B, 96, 187) -> logits (B, n_tags)."""
        x = self.norm_input(features.unsqueeze(1))
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.last(x.flatten(1))  # (B, 256): channel by channel, two frames each
        return logits


@register_model
def musicnn_vgg(
    n_tags: int,
    *,
    window_seconds: float = 3.008,
    width: float = 1.0,
    dropout: float = 0.25,
    dropout_last: float = 0.5,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """The VGG that musicnn is compared with: five layers of 128 small filters (after Choi et al. 2016).

    At 50 tags it has 605,748 weights.

    Args:
        n_tags: outputs.
        window_seconds: 3.008 s are 48,128 samples, 187 frames. No other length fits a built network.
        width: multiplies the channels of all layers.
        dropout: share dropped behind each of the first four layers in training.
        dropout_last: the same in front of the dense layer.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in musicnn's spectrogram.

    Raises:
        ConfigError: values out of range, or too few bands or frames for the poolings.
    """
    config = frontend_config(PONS_FRONTEND, frontend)
    return MusicnnVgg(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        frontend=config,
        channels=scaled(128, width),
        dropout=(dropout, dropout_last),
    )
