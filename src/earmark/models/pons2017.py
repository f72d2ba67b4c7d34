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

from typing import Any

from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.base import TaggingModel
from earmark.models.blocks import frontend_config, samples_for_frames, window_length
from earmark.models.pons2017_layers import BackEnd, FrontEnd, SpectrogramFrontEnd, WaveformFrontEnd
from earmark.models.registry import register_model

SAMPLE_RATE_HZ = 16000
PAPER_FRONTEND = LogMelConfig(
    sample_rate_hz=SAMPLE_RATE_HZ, n_fft=512, hop_samples=256, n_mels=90, power=1.0, standardise="clip"
)
"""The spectrogram: 90 x 938 for 15 s."""


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
