"""The harmonic CNN: band filters at a note and its harmonics, stacked as channels, with a learned bandwidth.

Source: Won, Chun, Nieto, Serra, "Data-driven harmonic filters for audio representation learning", ICASSP 2020
(sections 2 and 3), and, for layer sizes, the code of Won et al., "Evaluation of CNN-based automatic music tagging
models", SMC 2020. A comparator.

Decisions, all as in the code: 16 kHz, n_fft 512, hop 256, power spectrum; notes from C1 up to the highest whose last
harmonic is below half the sample rate (E6 at 16 kHz and six harmonics), two filters to a semitone: 128. Each filter is
a triangle over frequency with its peak, 1, at the note's harmonic f and a base of (0.1079 f + 24.7) / Q Hz; one Q for
all is learned from 1 on. Its base is kept at or below ten times that, so that Q cannot reach 0. Decibels, batch norm
by harmonic. Initial weights are PyTorch's.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import DB_FLOOR, LogMelConfig, hann_window
from earmark.models.base import TaggingModel
from earmark.models.blocks import GlobalMax, conv_block_2d, dense_head, samples_for_frames, scaled, window_length
from earmark.models.frontend import LogMel
from earmark.models.registry import register_model

LOWEST_MIDI = 24
"""C1, 32.7 Hz."""
BANDWIDTH_SLOPE, BANDWIDTH_HZ = 0.1079, 24.7
"""Equivalent rectangular bandwidth of hearing: slope f + constant."""
MIN_Q = 0.1


def note_frequencies_hz(sample_rate_hz: int, n_harmonics: int, filters_per_semitone: int) -> np.ndarray:
    """First harmonics of the filters in Hz, (n_bands,) float64: from C1 to below the highest note that has them all.

    Raises:
        ConfigError: no note has them all.

    Example:
        >>> note_frequencies_hz(16000, 6, 2)[[0, 90, 127]].round(1).tolist()
        [32.7, 440.0, 1281.0]
    """
    for name, value in (("n_harmonics", n_harmonics), ("filters_per_semitone", filters_per_semitone)):
        if value < 1:
            raise ConfigError(f"{name} {value}: must be at least 1")
    highest = math.floor(69 + 12 * math.log2(sample_rate_hz / (2 * n_harmonics) / 440))
    if highest <= LOWEST_MIDI:
        raise ConfigError(f"n_harmonics {n_harmonics}: too many for {sample_rate_hz} Hz: not even C1 has them all")
    steps = np.arange((highest - LOWEST_MIDI) * filters_per_semitone) / filters_per_semitone
    return np.asarray(440.0 * 2.0 ** ((LOWEST_MIDI + steps - 69) / 12))


class HarmonicSpectrum(nn.Module):
    """Waveform (B, N) float32, full scale -1..1 -> (B, n_harmonics, n_bands, T) in dB, at least -100.

    Args:
        config: frames, window and rate; its mel bands are not used.
        n_harmonics: harmonics of each note, the note itself counted.
        filters_per_semitone: notes to a semitone.
        learn_bandwidth: train Q; without it Q stays 1.
    """

    cosine: Tensor
    sine: Tensor
    peaks_hz: Tensor
    bins_hz: Tensor
    q: Tensor

    def __init__(
        self, config: LogMelConfig, *, n_harmonics: int, filters_per_semitone: int, learn_bandwidth: bool
    ) -> None:
        super().__init__()
        notes = note_frequencies_hz(config.sample_rate_hz, n_harmonics, filters_per_semitone)
        self.n_harmonics, self.n_bands = n_harmonics, len(notes)
        self.framing = LogMel(config)
        half = config.n_fft // 2
        turns = np.outer(np.arange(1, half + 1), np.arange(config.n_bins)) % config.n_fft  # exact in integers
        window = hann_window(config)[1 : half + 1, None]
        constants = {
            "cosine": window * np.cos(2 * np.pi * turns / config.n_fft),  # (half, n_bins); x[0] has window 0
            "sine": (window * np.sin(2 * np.pi * turns / config.n_fft))[:-1],  # (half - 1, n_bins)
            "peaks_hz": np.outer(np.arange(1, n_harmonics + 1), notes).ravel(),  # (n_harmonics * n_bands,)
            "bins_hz": np.linspace(0, config.sample_rate_hz / 2, config.n_bins)[:, None],  # (n_bins, 1)
        }
        for name, values in constants.items():
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)
        if learn_bandwidth:
            self.q = nn.Parameter(torch.ones(1))
        else:
            self.register_buffer("q", torch.ones(1), persistent=False)

    def filters(self) -> Tensor:
        """The triangles: (n_bins, n_harmonics * n_bands), 0..1, all bands of the first harmonic first."""
        base_hz = (BANDWIDTH_SLOPE * self.peaks_hz + BANDWIDTH_HZ) / self.q.clamp(min=MIN_Q)
        return (1 - (self.bins_hz - self.peaks_hz).abs() * 2 / base_hz).clamp(min=0)

    def forward(self, waveform: Tensor) -> Tensor:
        if torch.is_autocast_enabled(waveform.device.type):  # half precision cannot hold power spectra
            with torch.autocast(waveform.device.type, enabled=False):
                return self.forward(waveform.float())
        frames, half = self.framing.frames(waveform), self.framing.config.n_fft // 2  # (B, T, n_fft)
        ahead, behind = frames[..., 1:half], frames[..., half + 1 :].flip(-1)  # folded, as in LogMel
        even = torch.cat([ahead + behind, frames[..., half : half + 1]], dim=-1)
        power = (even @ self.cosine).square() + ((ahead - behind) @ self.sine).square()  # (B, T, n_bins)
        bands = (power @ self.filters()).transpose(1, 2)  # (B, n_harmonics * n_bands, T)
        decibels = 10.0 * torch.log10(bands.clamp(min=DB_FLOOR))
        return decibels.reshape(-1, self.n_harmonics, self.n_bands, decibels.shape[2])


class PooledResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, a skip around them, max pooling: (B, C, H, W) -> (B, C, H // pool, W // pool)."""

    def __init__(self, channels: int, pool: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )
        self.end = nn.Sequential(nn.ReLU(), nn.MaxPool2d(pool))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.end(x + self.branch(x))
        return out


class HarmonicCNN(TaggingModel):
    """Harmonic spectrum, then convolutions over notes and time."""

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        min_samples: int,
        spectrum: HarmonicSpectrum,
        layers: nn.Sequential,
    ) -> None:
        super().__init__(
            n_tags=n_tags,
            window_samples=window_samples,
            sample_rate_hz=spectrum.framing.config.sample_rate_hz,
            min_samples=min_samples,
            variable_length=True,
        )
        self.spectrum = spectrum
        self.layers = layers

    def network(self, features: Tensor) -> Tensor:
        """Waveform (B, N) -> logits (B, n_tags)."""
        logits: Tensor = self.layers(self.spectrum(features))
        return logits


@register_model
def harmonic_cnn(
    n_tags: int,
    *,
    window_seconds: float = 5.0,
    width: float = 1.0,
    dropout: float = 0.5,
    n_harmonics: int = 6,
    filters_per_semitone: int = 2,
    learn_bandwidth: bool = True,
    sample_rate_hz: int = 16000,
    n_fft: int = 512,
    hop_samples: int = 256,
) -> TaggingModel:
    """Harmonic CNN of Won et al. 2020; windows of 5 s, and any length from 288 frames (4.59 s) on.

    Args:
        n_tags: outputs.
        window_seconds: length of a window in training.
        width: multiplies the channels of all layers.
        dropout: share dropped between the dense layers in training.
        n_harmonics: harmonics of each note, the note itself counted: channels of the first convolution.
        filters_per_semitone: filters per semitone; they must give at least 128 notes.
        learn_bandwidth: train the filters' Q; without it Q stays 1.
        sample_rate_hz: of the waveform.
        n_fft: samples in a frame.
        hop_samples: distance of frame starts.

    Raises:
        ConfigError: values out of range, or a window too short, or too few notes, for the poolings.
    """
    config = LogMelConfig(sample_rate_hz=sample_rate_hz, n_fft=n_fft, hop_samples=hop_samples, n_mels=1)
    spectrum = HarmonicSpectrum(
        config, n_harmonics=n_harmonics, filters_per_semitone=filters_per_semitone, learn_bandwidth=learn_bandwidth
    )
    if spectrum.n_bands < 128:
        raise ConfigError(
            f"filters_per_semitone {filters_per_semitone}: with n_harmonics {n_harmonics} at {sample_rate_hz} Hz that "
            f"makes {spectrum.n_bands} notes, and nothing is left after the poolings; must be at least 128"
        )
    a, b = scaled(128, width), scaled(256, width)
    layers = nn.Sequential(
        OrderedDict(  #                                         at 5 s and width 1: (B, 6, 128, 313)
            norm=nn.BatchNorm2d(n_harmonics),
            block1=conv_block_2d(n_harmonics, a),  #        (B, 128, 64, 156)
            block2=PooledResidualBlock(a),  #               (B, 128, 32, 78)
            block3=PooledResidualBlock(a),  #               (B, 128, 16, 39)
            block4=PooledResidualBlock(a),  #               (B, 128, 8, 19)
            block5=conv_block_2d(a, b),  #                  (B, 256, 4, 9)
            block6=PooledResidualBlock(b, (2, 3)),  #       (B, 256, 2, 3)
            block7=PooledResidualBlock(b, (2, 3)),  #       (B, 256, 1, 1)
            pool=GlobalMax(),  #                            (B, 256)
            head=dense_head(b, n_tags, dropout),
        )
    )
    return HarmonicCNN(
        n_tags=n_tags,
        window_samples=window_length(window_seconds, sample_rate_hz),
        min_samples=samples_for_frames(config, 2**5 * 3**2),
        spectrum=spectrum,
        layers=layers,
    )
