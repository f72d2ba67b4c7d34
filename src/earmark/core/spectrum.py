"""Log-mel spectrograms in NumPy.

:class:`LogMelConfig` describes one kind of spectrogram, :func:`mel_filterbank` and :func:`hann_window`
give its constants, and :func:`log_mel` computes it with an FFT. The network's own front-end,
:class:`earmark.models.frontend.LogMel`, is built from the same three, and tested to equal :func:`log_mel`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.core.errors import ConfigError

MelScale = Literal["htk", "slaney", "kaldi"]
MelNorm = Literal["slaney"]
Compression = Literal["log1p", "log10p", "log", "db", "none"]
PadMode = Literal["reflect", "constant"]
Standardise = Literal["clip", "dataset", "batch_norm"]

DB_FLOOR = 1e-10
"""Smallest input of the "db" compression: -100 dB."""
CLIP_EPSILON = 1e-5
"""Added to the standard deviation of a clip, so that silence becomes zeros and not NaN."""

_LATER_FIELDS: dict[str, Any] = {"periodic_window": True, "pre_emphasis": 0.0}
"""Fields that were added after version 1 of the cards, and their defaults: cards without them mean these."""


@dataclass(frozen=True)
class LogMelConfig:
    """One kind of log-mel spectrogram, from the waveform to the standardised values.

    Attributes:
        sample_rate_hz: rate of the waveform.
        n_fft: samples in a frame, even. The spectrum has n_fft // 2 + 1 bins.
        hop_samples: distance of frame starts.
        n_mels: number of mel bands.
        window_samples: length of the Hann window, even, centred in the frame; None means n_fft.
        f_min_hz: lower end of the lowest band.
        f_max_hz: upper end of the highest band; None means half the sample rate.
        mel_scale: "slaney" (linear below 1 kHz, librosa's), "htk" (2595 log10(1 + f / 700), torchaudio's), or "kaldi"
            (1127 ln(1 + f / 700), and the sides of a band are straight over mel, not over Hz).
        norm: "slaney" (each band has unit area over frequency in Hz) or None (each band peaks at 1).
        power: 1.0 for magnitudes, 2.0 for power, taken before the mel bands.
        compression: "log1p" = ln(1 + c x), "log10p" = log10(1 + c x), "log" = ln(c + x), "db" = 10 log10(max(x, 1e-10)),
            or "none".
        compression_c: the c above.
        centred: frame t is centred on sample t * hop_samples of the waveform, which is padded by n_fft // 2 at both
            ends; without it frame t begins at that sample and nothing is padded.
        pad_mode: "reflect" or "constant" (zeros); read only when centred.
        standardise: None; "clip" (each waveform's spectrogram to zero mean and unit variance over bands and time);
            "dataset" (x - mean) / std with the two numbers below; "batch_norm" learns mean, spread, scale and shift of
            every band while the network trains.
        mean, std: of the training data's spectrograms, for "dataset".
        periodic_window: the Hann window is w[n] = w[N - n] (N = window_samples); otherwise w[n] = w[N - 1 - n], as in the
            design of filters.
        pre_emphasis: c of the filter y[n] = x[n + 1] - c x[n], which comes first and makes the waveform one sample
            shorter; 0 is no filter.

    Raises:
        ConfigError: with every value that is out of range.
    """

    sample_rate_hz: int
    n_fft: int
    hop_samples: int
    n_mels: int
    window_samples: int | None = None
    f_min_hz: float = 0.0
    f_max_hz: float | None = None
    mel_scale: MelScale = "slaney"
    norm: MelNorm | None = "slaney"
    power: float = 2.0
    compression: Compression = "log10p"
    compression_c: float = 10000.0
    centred: bool = True
    pad_mode: PadMode = "reflect"
    standardise: Standardise | None = None
    mean: float = 0.0
    std: float = 1.0
    periodic_window: bool = True
    pre_emphasis: float = 0.0

    def __post_init__(self) -> None:
        if self.window_samples is None:
            object.__setattr__(self, "window_samples", self.n_fft)
        if self.f_max_hz is None:
            object.__setattr__(self, "f_max_hz", self.sample_rate_hz / 2)
        assert self.window_samples is not None
        assert self.f_max_hz is not None
        problems = [
            f"{name} {getattr(self, name)}: must be at least 1"
            for name in ("sample_rate_hz", "hop_samples", "n_mels")
            if getattr(self, name) < 1
        ]
        if self.n_fft < 4 or self.n_fft % 2:
            problems.append(f"n_fft {self.n_fft}: must be even and at least 4")
        if not 2 <= self.window_samples <= self.n_fft or self.window_samples % 2:
            problems.append(f"window_samples {self.window_samples}: must be even, and 2 to n_fft ({self.n_fft})")
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate_hz / 2:
            problems.append(
                f"f_min_hz {self.f_min_hz}, f_max_hz {self.f_max_hz}: must be 0 <= f_min_hz < f_max_hz <= "
                f"half the sample rate ({self.sample_rate_hz / 2})"
            )
        choices: dict[str, tuple[Any, ...]] = {
            "mel_scale": get_args(MelScale),
            "norm": (*get_args(MelNorm), None),
            "power": (1.0, 2.0),
            "compression": get_args(Compression),
            "pad_mode": get_args(PadMode),
            "standardise": (*get_args(Standardise), None),
            "periodic_window": (True, False),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                problems.append(f"{name} {getattr(self, name)!r}: must be one of {', '.join(map(str, allowed))}")
        problems += [
            f"{name} {getattr(self, name)}: must be a positive number"
            for name in ("compression_c", "std")
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0)
        ]
        if not math.isfinite(self.mean):
            problems.append(f"mean {self.mean}: must be a number")
        if not 0 <= self.pre_emphasis <= 1:
            problems.append(f"pre_emphasis {self.pre_emphasis}: must be 0 to 1")
        if self.mel_scale == "kaldi" and self.norm is not None:
            problems.append(f"norm {self.norm!r}: must be None with mel_scale 'kaldi'")
        if self.standardise != "dataset" and (self.mean, self.std) != (0.0, 1.0):
            problems.append(f"mean {self.mean}, std {self.std}: are used only with standardise 'dataset'")
        if problems:
            raise ConfigError(problems)

    @property
    def n_bins(self) -> int:
        """Bins of the spectrum."""
        return self.n_fft // 2 + 1

    @property
    def filter_samples(self) -> int:
        """Samples by which pre-emphasis makes the waveform shorter: 1 or 0."""
        return 1 if self.pre_emphasis else 0

    @property
    def min_samples(self) -> int:
        """Length in samples of the shortest waveform that can be framed."""
        samples = self.n_fft
        if self.centred:
            samples = self.n_fft // 2 + 1 if self.pad_mode == "reflect" else 1
        return samples + self.filter_samples

    def n_frames(self, n_samples: int) -> int:
        """Frames that a waveform of n_samples gives. Raises ConfigError where it is too short."""
        if n_samples < self.min_samples:
            raise ConfigError(
                f"a waveform of {n_samples} samples: this spectrogram needs at least {self.min_samples} "
                f"(n_fft {self.n_fft}); pad the waveform with zeros"
            )
        n_samples -= self.filter_samples
        return 1 + (n_samples if self.centred else n_samples - self.n_fft) // self.hop_samples

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON knows them. Those in :data:`_LATER_FIELDS` only where they have not their defaults."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if key not in _LATER_FIELDS or value != _LATER_FIELDS[key]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LogMelConfig:
        """Read :meth:`to_dict`'s answer back. Raises ConfigError for unknown and missing keys."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        problems = [
            f"front-end: unknown key {key!r}; keys are {', '.join(fields)}" for key in values if key not in fields
        ]
        problems += [
            f"front-end: key {name!r} is missing"
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and name not in values
        ]
        if problems:
            raise ConfigError(problems)
        return cls(**values)


def hann_window(config: LogMelConfig) -> NDArray[np.float64]:
    """The Hann window, (n_fft,) float64 in 0..1, with zeros on both sides where it is shorter than n_fft.

    It is symmetric: w[n] == w[n_fft - n] where it is periodic, otherwise w[n] == w[n_fft - 1 - n].
    """
    assert config.window_samples is not None
    period = config.window_samples if config.periodic_window else config.window_samples - 1
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.window_samples) / period)
    left = (config.n_fft - config.window_samples) // 2
    return np.pad(window, (left, config.n_fft - config.window_samples - left))


def hz_to_mel(hz: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """Frequencies in mel: HTK's formula, Kaldi's, or that of Slaney's Auditory Toolbox (linear, above 1 kHz logarithmic)."""
    if scale == "kaldi":
        return 1127.0 * np.log1p(hz / 700.0)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    return np.where(hz < 1000.0, hz * 3 / 200, 15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / np.log(6.4))


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """The inverse of :func:`hz_to_mel`."""
    if scale == "kaldi":
        return 700.0 * np.expm1(mel / 1127.0)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel < 15.0, mel * 200 / 3, 1000.0 * np.exp(np.log(6.4) * (np.maximum(mel, 15.0) - 15.0) / 27.0))


def mel_filterbank(config: LogMelConfig) -> NDArray[np.float64]:
    """Triangular mel bands, (n_mels, n_fft // 2 + 1) float64, none negative.

    Band m rises from edge m to edge m + 1 and falls to edge m + 2, the edges being equally spaced in mel from
    f_min_hz to f_max_hz. Its sides are straight over Hz, with mel_scale "kaldi" over mel. A band that is narrower than
    the distance of bins can be all zeros.
    """
    ends = hz_to_mel(np.array([config.f_min_hz, config.f_max_hz], dtype=np.float64), config.mel_scale)
    edges = np.linspace(ends[0], ends[1], config.n_mels + 2)
    bins = np.arange(config.n_bins) * config.sample_rate_hz / config.n_fft
    if config.mel_scale == "kaldi":
        bins = hz_to_mel(bins, "kaldi")
    else:
        edges = mel_to_hz(edges, config.mel_scale)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    sides = np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))
    bands: NDArray[np.float64] = np.maximum(0.0, sides)
    return bands * 2.0 / (high - low) if config.norm == "slaney" else bands


def log_mel(waveform: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.float32]:
    """Log-mel spectrograms of waveforms.

    Args:
        waveform: (B, n_samples) float32, mono, full scale -1..1.
        config: the kind of spectrogram.

    Returns:
        (B, n_mels, n_frames) float32.

    Raises:
        ConfigError: the waveform is not two-dimensional, or too short, or the spectrogram needs trained weights.
    """
    if config.standardise == "batch_norm":
        raise ConfigError("standardise 'batch_norm': has trained weights, which only the network has")
    if waveform.ndim != 2:
        raise ConfigError(f"waveform of shape {waveform.shape}: must be (batch, samples)")
    config.n_frames(waveform.shape[1])
    if config.pre_emphasis:
        waveform = waveform[:, 1:] - np.float32(config.pre_emphasis) * waveform[:, :-1]
    if config.centred:
        half = config.n_fft // 2
        waveform = np.pad(waveform, ((0, 0), (half, half)), mode=config.pad_mode)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, config.n_fft, axis=1)[:, :: config.hop_samples]
    spectrum = np.fft.rfft(frames * hann_window(config).astype(np.float32), axis=-1)
    energy = spectrum.real**2 + spectrum.imag**2  # (B, T, n_bins)
    if config.power == 1.0:
        energy = np.sqrt(energy)
    mel = np.swapaxes(energy.astype(np.float32) @ mel_filterbank(config).astype(np.float32).T, 1, 2)  # (B, n_mels, T)
    if config.compression == "log1p":
        mel = np.log1p(config.compression_c * mel)
    elif config.compression == "log10p":
        mel = np.log10(1.0 + config.compression_c * mel)
    elif config.compression == "log":
        mel = np.log(config.compression_c + mel)
    elif config.compression == "db":
        mel = 10.0 * np.log10(np.maximum(mel, DB_FLOOR))
    if config.standardise == "clip":
        mean, std = mel.mean(axis=(1, 2), keepdims=True), mel.std(axis=(1, 2), keepdims=True)
        mel = (mel - mean) / (std + CLIP_EPSILON)
    elif config.standardise == "dataset":
        mel = (mel - config.mean) / config.std
    return np.ascontiguousarray(mel, dtype=np.float32)
