"""The light networks of the ensemble paper: Model 1 (Table 1) and Model 2 (Table 2), on a mel spectrogram of 128 bands.

Source: "an efficient ensemble of three light CNNs for on-device auto-tagging" (Methods, Tables 1 and 2).

Where the paper is silent:

- Spectrogram: it gives 128 bands and 592 frames for 29.1 s. Here 16 kHz (its rate for Model 3), hop 787, which gives
  592 centred frames, n_fft 1024, Slaney mel bands of power, log10(1 + 10000 x).
- It subtracts the mean and divides by the standard deviation, not saying of what: here of each window
  (``standardise="clip"``). ``frontend={"standardise": "dataset", "mean": ..., "std": ...}`` takes the training set's.
- Initial weights: Keras' defaults, as it uses Keras.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any, Literal

from torch import Tensor, nn

from earmark.errors import ConfigError
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, frontend_config, init_glorot, scaled, window_length
from earmark.models.registry import register_model
from earmark.spectrum import LogMelConfig

PAPER_FRONTEND = LogMelConfig(sample_rate_hz=16000, n_fft=1024, hop_samples=787, n_mels=128, standardise="clip")
"""The spectrogram of Models 1 and 2: 128 x 592 for 29.1 s."""

Separable = Literal["spatial", "depthwise"]


class EnsembleCNN(TaggingModel):
    """A log-mel front-end and a chain of layers whose last convolution spans all that is left.

    Args:
        layers: the chain; gives (B, n_tags, 1) or (B, n_tags, 1, 1).
        add_channel: the chain is two-dimensional and wants (B, 1, n_mels, T).
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

    At 29.1 s and 50 tags it has 2,151,858 weights (the paper reports 13.59 MB).

    Args:
        n_tags: outputs.
        window_seconds: length of a window; the last convolution spans the time left of it (71 frames at 29.1 s).
        width: multiplies the channels of all layers.
        dropout: share dropped in front of the last convolution in training; the paper has none.
        frontend: keys of :class:`earmark.spectrum.LogMelConfig` to change in the paper's spectrogram.

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
        frontend: keys of :class:`earmark.spectrum.LogMelConfig` to change in the paper's spectrogram.

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
    first: nn.Conv2d
    if separable == "spatial":
        first = nn.Conv2d(inputs, outputs, (3, 1), padding=padding)
        second = nn.Conv2d(outputs, outputs, (1, 3), padding=padding)
    else:
        first = nn.Conv2d(inputs, inputs, 3, padding=padding, groups=inputs)
        second = nn.Conv2d(inputs, outputs, 1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
