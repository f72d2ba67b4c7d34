"""End-to-end learning at scale: one back-end behind a front-end for waveforms or one for spectrograms.

Source: Pons, Nieto, Prockup, Schmidt, Ehmann, Serra, "End-to-end learning for music audio tagging at scale",
ML4Audio workshop at NIPS 2017 (Experimental setup, Figure 2); layer sizes from the code that its authors published.

Where the paper is silent or its code differs:

- Spectrogram: the paper gives 90 mel bands, magnitudes, a logarithm, zero mean and unit variance. Here 16 kHz (its
  rate for waveforms), n_fft 512 and hop 256 (those of the authors' later musicnn), Slaney mel bands,
  log10(1 + 10000 x), and each window standardised by itself.
  ``frontend={"standardise": "dataset", "mean": ..., "std": ...}`` takes the training set's values.
- Batch norm follows the ReLU, as in the code, with its epsilon of 0.001.
- In the code the second and third batch norm of the back-end act on a transposed map, so that each has one gamma and
  one beta for all channels. Here each channel is normalised separately; ``published_batchnorm=True`` follows the code.
- Initial weights: the code's, normal with a variance of 2 / inputs, without the tails.
- Shortest input: 8 frames for the back-end, which leave one after its pooling. That is 1.23 s of
  waveform, or 0.11 s of spectrogram.

All weights, running statistics counted, with 139 outputs and ``published_batchnorm=True``: 5,969,795 with the
spectrogram, 5,425,363 with the waveform. These are the authors' numbers.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, frontend_config, samples_for_frames, scaled, window_length
from earmark.models.registry import register_model

SAMPLE_RATE_HZ = 16000
PAPER_FRONTEND = LogMelConfig(
    sample_rate_hz=SAMPLE_RATE_HZ, n_fft=512, hop_samples=256, n_mels=90, power=1.0, standardise="clip"
)
"""The spectrogram: 90 x 938 for 15 s."""
NORM_EPSILON = 1e-3
TIMBRAL = ((7, 0.9, 1), (3, 0.9, 2), (1, 0.9, 4), (7, 0.4, 1), (3, 0.4, 2), (1, 0.4, 4))
"""Filters over time and frequency: frames, share of the bands, filters as multiples of k."""
TEMPORAL = ((165, 1), (128, 2), (64, 4), (32, 8))
"""Filters over time alone: frames, filters as multiples of k."""


class FrontEnd(Protocol):
    """The part before a back-end: (B, ...) -> feature maps (B, channels, T)."""

    channels: int

    def __call__(self, x: Tensor) -> Tensor: ...


class WaveformFrontEnd(nn.Module):
    """Seven short convolutions over samples, as in SampleCNN: waveform (B, N) -> (B, 256, T), T about N / 2187.

    Args:
        width: multiplies the channels of all layers.
    """

    CHANNELS = (64, 64, 64, 128, 128, 128, 256)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = 1  #                                        at 15 s and width 1: (B, 1, 240000)
        for i, outputs in enumerate(scaled(channels, width) for channels in self.CHANNELS):
            layers[f"conv{i}"] = nn.Conv1d(inputs, outputs, 3, stride=1 if i else 3)
            layers[f"relu{i}"] = nn.ReLU()
            layers[f"norm{i}"] = nn.BatchNorm1d(outputs, eps=NORM_EPSILON)  # 0: (B, 64, 80000)
            if i:
                layers[f"pool{i}"] = nn.MaxPool1d(3)  # 1: (B, 64, 26666)   2: (B, 64, 8888)   3: (B, 128, 2962)
            inputs = outputs  #                         4: (B, 128, 986)    5: (B, 128, 328)   6: (B, 256, 108)
        self.layers = nn.Sequential(layers)
        self.channels = inputs
        _init_he(self)

    def forward(self, waveform: Tensor) -> Tensor:
        maps: Tensor = self.layers(waveform.unsqueeze(1))
        return maps

    @classmethod
    def min_samples(cls, frames: int) -> int:
        """Samples of the shortest waveform that gives this many frames."""
        for _ in cls.CHANNELS[1:]:
            frames = 3 * frames + 2
        return 3 * frames


class SpectrogramFrontEnd(nn.Module):
    """One layer of many filter shapes: log-mel (B, n_mels, T) -> (B, 29 k, T).

    Timbral filters span most or some of the bands; the strongest answer over all heights is kept. Temporal filters see
    the mean over the bands.

    Args:
        n_mels: bands of the log-mel, at least 3.
        k: filters of the rarest shape, at least 1.
    """

    def __init__(self, n_mels: int = 90, k: int = 16) -> None:
        super().__init__()
        if n_mels < 3:
            raise ConfigError(f"n_mels {n_mels}: must be at least 3, or filters of 0.4 of the bands would span none")
        if k < 1:
            raise ConfigError(f"k {k}: must be at least 1")
        self.timbral = nn.ModuleList(  #  each (B, 1, 90, 938) -> (B, filters, 10 or 55, 938)
            nn.Sequential(
                nn.Conv2d(1, multiple * k, (int(share * n_mels), frames), padding=(0, frames // 2)),
                nn.ReLU(),
                nn.BatchNorm2d(multiple * k, eps=NORM_EPSILON),
            )
            for frames, share, multiple in TIMBRAL
        )
        self.temporal = nn.ModuleList(  # each (B, 1, 938) -> (B, filters, 938)
            nn.Sequential(
                nn.ConstantPad1d(((frames - 1) // 2, frames // 2), 0.0),  # even lengths: one more behind
                nn.Conv1d(1, multiple * k, frames),
                nn.ReLU(),
                nn.BatchNorm1d(multiple * k, eps=NORM_EPSILON),
            )
            for frames, multiple in TEMPORAL
        )
        self.channels = k * sum(shape[-1] for shape in (*TIMBRAL, *TEMPORAL))  # 29 k = 464
        _init_he(self)

    def forward(self, mel: Tensor) -> Tensor:
        image, envelope = mel.unsqueeze(1), mel.mean(dim=1, keepdim=True)
        timbral = [filters(image).amax(dim=2) for filters in self.timbral]
        temporal = [filters(envelope) for filters in self.temporal]
        return torch.cat([*timbral, *temporal], dim=1)


class SharedNorm(nn.Module):
    """Batch norm with one mean, variance, gamma and beta for all channels: (B, C, T) -> (B, C, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.unsqueeze(1))
        return normed.squeeze(1)


class BackEnd(nn.Module):
    """The part that both models share: feature maps (B, channels, T) of any T from MIN_FRAMES on -> logits (B, n_tags).

    Args:
        channels: of the feature maps.
        n_tags: outputs.
        dropout: share dropped in front of each dense layer in training.
        width: multiplies the channels and units of the hidden layers.
        published_batchnorm: one gamma and beta for all channels in the two residual layers, as in the authors' code.
    """

    MIN_FRAMES = 8

    def __init__(
        self, channels: int, n_tags: int, *, dropout: float = 0.5, width: float = 1.0, published_batchnorm: bool = False
    ) -> None:
        super().__init__()
        c, units = scaled(512, width), scaled(500, width)

        def norm() -> nn.Module:
            return SharedNorm() if published_batchnorm else nn.BatchNorm1d(c, eps=NORM_EPSILON)

        #                          shapes with the spectrogram of 15 s (with its waveform: T = 102, then 51)
        self.first = nn.Sequential(nn.Conv1d(channels, c, 7), nn.ReLU(), nn.BatchNorm1d(c, eps=NORM_EPSILON))  # T 932
        self.second = nn.Sequential(nn.Conv1d(c, c, 7, padding=3), nn.ReLU(), norm())  # (B, 512, 932), then + first
        self.pool = nn.MaxPool1d(2)  #                                                   (B, 512, 466)
        self.third = nn.Sequential(nn.Conv1d(c, c, 7, padding=3), nn.ReLU(), norm())  #  (B, 512, 466), then + pool
        self.dense = nn.Sequential(  # (B, 1024): largest values, then means over time
            dropout_layer(dropout),
            nn.Linear(2 * c, units),  #                                                  (B, 500)
            nn.ReLU(),
            nn.BatchNorm1d(units, eps=NORM_EPSILON),
            dropout_layer(dropout),
            nn.Linear(units, n_tags),
        )
        _init_he(self)

    def forward(self, maps: Tensor) -> Tensor:
        first = self.first(maps)
        pooled = self.pool(first + self.second(first))
        last = pooled + self.third(pooled)
        logits: Tensor = self.dense(torch.cat([last.amax(dim=2), last.mean(dim=2)], dim=1))
        return logits


class Pons2017(TaggingModel):
    """A front-end and a back-end behind it; either can be exchanged.

    Args:
        n_tags: outputs.
        window_samples: length of the windows it is trained on.
        min_samples: length of the shortest waveform that gives the back-end what it needs.
        frontend: the log-mel in front of ``front``, or None where that takes the waveform.
        front: (B, N) or (B, n_mels, T) -> (B, channels, T).
        back: (B, channels, T) -> logits.
    """

    front: FrontEnd

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        min_samples: int,
        frontend: LogMelConfig | None,
        front: FrontEnd,
        back: nn.Module,
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            frontend=frontend,
            sample_rate_hz=SAMPLE_RATE_HZ if frontend is None else None,
            min_samples=min_samples,
            variable_length=True,
        )
        self.front = front
        self.back = back

    def network(self, features: Tensor) -> Tensor:
        """(B, N), or (B, n_mels, T) behind a log-mel -> logits (B, n_tags)."""
        logits: Tensor = self.back(self.front(features))
        return logits


@register_model
def pons2017_waveform(
    n_tags: int,
    *,
    window_seconds: float = 15.0,
    width: float = 1.0,
    dropout: float = 0.5,
    published_batchnorm: bool = False,
) -> TaggingModel:
    """The waveform model of Pons et al. 2017: 16 kHz, patches of 15 s, any length from 1.23 s on.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training; longer songs are best given as the mean over windows (paper,
            Additional settings).
        width: multiplies the channels of all layers.
        dropout: share dropped in front of each dense layer in training.
        published_batchnorm: the back-end's residual layers as in the authors' code.

    Raises:
        ConfigError: values out of range.
    """
    front = WaveformFrontEnd(width)
    return Pons2017(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, SAMPLE_RATE_HZ),
        min_samples=WaveformFrontEnd.min_samples(BackEnd.MIN_FRAMES),  # 19,680
        frontend=None,
        front=front,
        back=BackEnd(front.channels, n_tags, dropout=dropout, width=width, published_batchnorm=published_batchnorm),
    )


@register_model
def pons2017_spectrogram(
    n_tags: int,
    *,
    window_seconds: float = 15.0,
    n_mels: int = 90,
    k: int = 16,
    width: float = 1.0,
    dropout: float = 0.5,
    published_batchnorm: bool = False,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """The spectrogram model of Pons et al. 2017: log-mel of 90 bands, patches of 15 s, any length of 8 frames or more.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training; longer songs are best given as the mean over windows (paper,
            Additional settings).
        n_mels: bands; the timbral filters span 0.9 and 0.4 of them.
        k: filters of the rarest shape; there are 29 k in all.
        width: multiplies the channels of the back-end.
        dropout: share dropped in front of each dense layer in training.
        published_batchnorm: the back-end's residual layers as in the authors' code.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the log-mel, other than n_mels.

    Raises:
        ConfigError: values out of range.
    """
    changes = {"n_mels": n_mels, **(frontend or {})}
    if changes["n_mels"] != n_mels:
        raise ConfigError(f"frontend's n_mels {changes['n_mels']}: the option n_mels says {n_mels}; set that one alone")
    config = frontend_config(PAPER_FRONTEND, changes)
    front = SpectrogramFrontEnd(config.n_mels, k)
    return Pons2017(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, config.sample_rate_hz),
        min_samples=samples_for_frames(config, BackEnd.MIN_FRAMES),
        frontend=config,
        front=front,
        back=BackEnd(front.channels, n_tags, dropout=dropout, width=width, published_batchnorm=published_batchnorm),
    )


def _init_he(module: nn.Module) -> None:
    """Weights normal with variance 2 / inputs, cut at two standard deviations and widened to make up; biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            std = math.sqrt(1.3 * 2 / layer.weight[0].numel())
            nn.init.trunc_normal_(layer.weight, 0.0, std, -2 * std, 2 * std)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
