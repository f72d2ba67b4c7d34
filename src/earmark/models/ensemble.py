"""The light networks of the ensemble paper: Models 1 and 2 on a mel spectrogram (Tables 1, 2), Model 3 on raw audio.

Source: "an efficient ensemble of three light CNNs for on-device auto-tagging" (Methods, Tables 1 to 3); see also :mod:`earmark.models.ensemble_combiner`.

Where the paper is silent:

- Spectrogram: it gives 128 bands and 592 frames for 29.1 s. Here 16 kHz (its rate for Model 3), hop 787, which gives
  592 centred frames, n_fft 1024, Slaney mel bands of power, log10(1 + 10000 x).
- It subtracts the mean and divides by the standard deviation, not saying of what: here of each window
  (``standardise="clip"``). ``frontend={"standardise": "dataset", "mean": ..., "std": ...}`` takes the training set's, which
  a training computes where they are not given. The same holds for Model 3's samples, which have options of these names.
- Model 3: its text gives 465,000 samples, its Table 3 465,600, which is 29.1 s at 16 kHz and used here.
- Initial weights: Keras' defaults, as it uses Keras.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any, Literal

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import CLIP_EPSILON, LogMelConfig, Standardise
from earmark.models.base import TaggingModel
from earmark.models.blocks import GlobalMax, dropout_layer, frontend_config, init_glorot, scaled, window_length
from earmark.models.registry import register_model

PAPER_FRONTEND = LogMelConfig(sample_rate_hz=16000, n_fft=1024, hop_samples=787, n_mels=128, standardise="clip")
"""The spectrogram of Models 1 and 2: 128 x 592 for 29.1 s."""

Separable = Literal["spatial", "depthwise"]


class EnsembleCNN(TaggingModel):
    """A log-mel front-end and a chain of layers whose last convolution spans all remaining frames.

    Args:
        layers: the chain; gives (B, n_tags, 1) or (B, n_tags, 1, 1).
        add_channel: the chain is two-dimensional and takes (B, 1, n_mels, T).
    """

    def __init__(
        self, *, n_tags: int, window_samples: int, frontend: LogMelConfig, layers: nn.Sequential, add_channel: bool
    ) -> None:
        super().__init__(n_tags=n_tags, window_samples=window_samples, frontend=frontend)
        self.layers = layers
        self.add_channel = add_channel
        init_glorot(self.layers)

    def network(self, features: Tensor) -> Tensor:
        """(B, n_mels, T) -> logits (B, n_tags)."""
        logits: Tensor = self.layers(features.unsqueeze(1) if self.add_channel else features)
        return logits.flatten(1)


def _time_left(config: LogMelConfig, window_samples: int, left: Callable[[int], int]) -> int:
    """Frames that the last convolution must span; ``left`` maps frames of the spectrogram to frames at the end."""
    frames = left(config.n_frames(window_samples))
    if frames < 1:
        need = next(n for n in count(1) if left(n) >= 1)
        extra = 0 if config.centred else config.n_fft
        seconds = ((need - 1) * config.hop_samples + extra) / config.sample_rate_hz
        raise ConfigError(
            f"window of {window_samples / config.sample_rate_hz:.2f} s: nothing is left of it after the poolings; "
            f"window_seconds must be at least {seconds:.2f}"
        )
    return frames


@register_model
def ensemble_model1(
    n_tags: int,
    *,
    window_seconds: float = 29.1,
    width: float = 1.0,
    dropout: float = 0.0,
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """Model 1 of the ensemble paper (Table 1): convolutions over time, the first spanning all mel bands.

    At 29.1 s and 50 tags it has 2,151,858 weights: 8.61 MB in 32 bits, where the paper reports 13.59 MB. That is no matter of units,
    as its other sizes are those of its tables. Without the third pooling there would be 3,515,058: 13.41 MiB, or 14.06 MB.

    Args:
        n_tags: outputs.
        window_seconds: length of a window; the last convolution spans the time left of it (71 frames at 29.1 s).
        width: multiplies the channels of all layers.
        dropout: share dropped in front of the last convolution in training; the paper has none.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the paper's spectrogram.

    Raises:
        ConfigError: values out of range, or a window too short for the poolings.
    """
    config = frontend_config(PAPER_FRONTEND, frontend)
    window_samples = window_length(window_seconds, config.sample_rate_hz)
    a, b = scaled(256, width), scaled(384, width)
    left = _time_left(config, window_samples, lambda frames: (((frames - 3) // 2 - 3) // 2 - 3) // 2)
    layers = nn.Sequential(
        OrderedDict(  #                                            at 29.1 s and width 1: (B, 128, 592)
            conv1=nn.Conv1d(config.n_mels, a, 4),  # (B, 256, 589): a 128 x 4 kernel over the whole spectrogram
            relu1=nn.ReLU(),
            pool1=nn.MaxPool1d(2),  #                (B, 256, 294)
            conv2=nn.Conv1d(a, a, 4),  #             (B, 256, 291)
            relu2=nn.ReLU(),
            norm2=nn.BatchNorm1d(a),
            pool2=nn.MaxPool1d(2),  #                (B, 256, 145)
            conv3=nn.Conv1d(a, b, 4),  #             (B, 384, 142)
            relu3=nn.ReLU(),
            pool3=nn.MaxPool1d(2),  #                (B, 384, 71)
            norm3=nn.BatchNorm1d(b),
            dropout=dropout_layer(dropout),
            last=nn.Conv1d(b, n_tags, left),  #      (B, n_tags, 1)
        )
    )
    return EnsembleCNN(n_tags=n_tags, window_samples=window_samples, frontend=config, layers=layers, add_channel=False)


@register_model
def ensemble_model2(
    n_tags: int,
    *,
    window_seconds: float = 29.1,
    width: float = 1.0,
    dropout: float = 0.0,
    separable: Separable = "spatial",
    frontend: dict[str, Any] | None = None,
) -> TaggingModel:
    """Model 2 of the ensemble paper (Table 2): small separable convolutions over frequency and time.

    At 29.1 s and 50 tags it has 2,124,466 weights (the paper reports 8.14 MB).

    Args:
        n_tags: outputs.
        window_seconds: length of a window; the last convolution spans what is left (1 x 8 at 29.1 s).
        width: multiplies the channels of all layers.
        dropout: share dropped in front of the last convolution in training; the paper has none.
        separable: "spatial": pairs of a 3 x 1 and a 1 x 3 convolution, as in Table 2. "depthwise": as the paper's
            text has it (Howard et al. 2017): in place of each pair a 3 x 3 convolution of every channel by itself,
            then a 1 x 1 convolution across channels, a ReLU after each. Shapes stay the same.
        frontend: keys of :class:`earmark.core.spectrum.LogMelConfig` to change in the paper's spectrogram.

    Raises:
        ConfigError: values out of range, or a window too short, or too few bands, for the poolings.
    """
    if separable not in ("spatial", "depthwise"):
        raise ConfigError(f"separable {separable!r}: must be spatial or depthwise")
    config = frontend_config(PAPER_FRONTEND, frontend)
    window_samples = window_length(window_seconds, config.sample_rate_hz)
    a, b, c = scaled(128, width), scaled(256, width), scaled(512, width)

    def left(size: int) -> int:
        return (size // 4 // 4 // 2 - 2) // 2

    height, time = left(config.n_mels), _time_left(config, window_samples, left)
    if height < 1:
        raise ConfigError(
            f"n_mels {config.n_mels}: nothing is left of the bands after the poolings; must be at least 128"
        )
    layers = nn.Sequential(
        OrderedDict(  #                                            at 29.1 s and width 1: (B, 1, 128, 592)
            pair1=_pair(1, a, "same", separable),  #   (B, 128, 128, 592)
            pool1=nn.MaxPool2d(4),  #                  (B, 128, 32, 148)
            pair2=_pair(a, b, "same", separable),  #   (B, 256, 32, 148)
            pool2=nn.MaxPool2d(4),  #                  (B, 256, 8, 37)
            pair3=_pair(b, b, "same", separable),  #   (B, 256, 8, 37)
            pool3=nn.MaxPool2d(2),  #                  (B, 256, 4, 18)
            pair4=_pair(b, c, "valid", separable),  #  (B, 512, 2, 16)
            pool4=nn.MaxPool2d(2),  #                  (B, 512, 1, 8)
            dropout=dropout_layer(dropout),
            last=nn.Conv2d(c, n_tags, (height, time)),  # (B, n_tags, 1, 1)
        )
    )
    return EnsembleCNN(n_tags=n_tags, window_samples=window_samples, frontend=config, layers=layers, add_channel=True)


def _pair(inputs: int, outputs: int, padding: Literal["same", "valid"], separable: Separable) -> nn.Sequential:
    """(B, inputs, H, W) -> (B, outputs, H, W), or two less in H and in W where padding is "valid"."""
    if separable == "spatial":
        first = nn.Conv2d(inputs, outputs, (3, 1), padding=padding)
        second = nn.Conv2d(outputs, outputs, (1, 3), padding=padding)
    else:
        first = nn.Conv2d(inputs, inputs, 3, padding=padding, groups=inputs)
        second = nn.Conv2d(inputs, outputs, 1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class EnsembleRawCNN(TaggingModel):
    """A chain of layers on standardised samples, of variable length.

    Args:
        layers: (B, 1, N) -> logits (B, n_tags).
        standardise, mean, std: as :class:`earmark.core.spectrum.LogMelConfig` has them, of samples.
    """

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        min_samples: int,
        sample_rate_hz: int,
        layers: nn.Sequential,
        standardise: Standardise | None,
        mean: float,
        std: float,
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            sample_rate_hz=sample_rate_hz,
            min_samples=min_samples,
            variable_length=True,
        )
        self.layers = layers
        self.standardise, self.mean, self.std = standardise, mean, std
        init_glorot(self.layers)

    def network(self, features: Tensor) -> Tensor:
        """Waveform (B, N) -> logits (B, n_tags)."""
        if self.standardise == "clip":
            centred = features - features.mean(dim=1, keepdim=True)
            features = centred / (centred.square().mean(dim=1, keepdim=True).sqrt() + CLIP_EPSILON)
        elif self.standardise == "dataset":
            features = (features - self.mean) / self.std
        logits: Tensor = self.layers(features.unsqueeze(1))
        return logits


@register_model
def ensemble_model3(
    n_tags: int,
    *,
    window_seconds: float = 29.1,
    width: float = 1.0,
    dropout: float = 0.2,
    standardise: Standardise | None = "clip",
    mean: float = 0.0,
    std: float = 1.0,
) -> TaggingModel:
    """Model 3 of the ensemble paper (Table 3): convolutions over raw samples at 16 kHz; any length from 0.1 s on.

    At 50 tags it has 783,282 weights (the paper reports 3.09 MB).

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training.
        width: multiplies the channels and units of all layers.
        dropout: share dropped behind the second and third pooling in training.
        standardise: "clip": each waveform to zero mean and unit variance; "dataset": (x - mean) / std with the two
            numbers below; None: samples as they are.
        mean, std: of the training data's samples, for "dataset".

    Raises:
        ConfigError: values out of range, or a window too short for the poolings.
    """
    if standardise not in ("clip", "dataset", None):
        raise ConfigError(f"standardise {standardise!r}: must be clip, dataset or None")
    if standardise != "dataset" and (mean, std) != (0.0, 1.0):
        raise ConfigError(f"mean {mean}, std {std}: are used only with standardise 'dataset'")
    if not std > 0:
        raise ConfigError(f"std {std}: must be a positive number")
    a, b, c, units = (scaled(channels, width) for channels in (64, 128, 256, 1024))
    layers = nn.Sequential(
        OrderedDict(  #                                        at 29.1 s and width 1: (B, 1, 465600)
            conv1=nn.Conv1d(1, a, 5),  #       (B, 64, 465596)
            relu1=nn.ReLU(),
            pool1=nn.MaxPool1d(16),  #         (B, 64, 29099)
            pair2=_raw_pair(a, b),  #          (B, 128, 29095)
            pool2=nn.MaxPool1d(4),  #          (B, 128, 7273)
            norm2=nn.BatchNorm1d(b),
            dropout2=dropout_layer(dropout),
            pair3=_raw_pair(b, b),  #          (B, 128, 7269)
            pool3=nn.MaxPool1d(4),  #          (B, 128, 1817)
            norm3=nn.BatchNorm1d(b),
            dropout3=dropout_layer(dropout),
            pair4=_raw_pair(b, c),  #          (B, 256, 1813)
            pool4=GlobalMax(),  #              (B, 256)
            dense=nn.Linear(c, units),  #      (B, 1024)
            relu5=nn.ReLU(),
            last=nn.Linear(units, n_tags),
        )
    )
    return EnsembleRawCNN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, PAPER_FRONTEND.sample_rate_hz),
        min_samples=(((1 + 4) * 4 + 4) * 4 + 4) * 16 + 4,  # 1,604: one frame is left in front of the global pooling
        sample_rate_hz=PAPER_FRONTEND.sample_rate_hz,
        layers=layers,
        standardise=standardise,
        mean=mean,
        std=std,
    )


def _raw_pair(inputs: int, outputs: int) -> nn.Sequential:
    """(B, inputs, T) -> (B, outputs, T - 4)."""
    return nn.Sequential(nn.Conv1d(inputs, outputs, 3), nn.ReLU(), nn.Conv1d(outputs, outputs, 3), nn.ReLU())
