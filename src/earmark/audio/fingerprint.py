"""Fingerprints of audio: whether two files hold the same recording, whatever they are encoded with.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): the energy of 33 bands from 300 to
2000 Hz, and of each pair of neighbouring bands and frames one bit, whether their difference grows. Loudness and equalisers
hardly change the bits; another performance changes half of them. Frames are further apart than in the paper (43 ms instead of 12),
since files are aligned frame by frame here, and not looked up in a database of bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.audio.chunker import stream
from earmark.audio.source import AudioSource
from earmark.core.card import Conditioning
from earmark.core.errors import TruncatedAudioError

Fingerprint = npt.NDArray[np.uint32]
"""``(n_frames,)``: 32 bits per frame; 0 for silence."""

RATE_HZ = 6_000
HOP_SAMPLES = 256
FRAMES_PER_SECOND = RATE_HZ / HOP_SAMPLES

_FRAME_SAMPLES = 2_048
_EDGES_HZ = np.geomspace(300, 2_000, 34)
_SILENCE = 1e-6  # of the energy of the loudest frame: -60 dB
_WINDOW_FRAMES = round(3 * FRAMES_PER_SECOND)
_LEAST_FRAMES = round(FRAMES_PER_SECOND)
_MOST_BIT_ERRORS = 0.35
"""Share of bits that differ, above which two windows of 3 s are not the same (section 4.1 of the paper)."""


def fingerprint(source: AudioSource) -> Fingerprint:
    """The fingerprint of a file, read as a stream. Of a truncated or damaged file, of what can be decoded.

    Raises:
        AudioError: the file cannot be read.
    """
    energies = [np.empty((0, len(_EDGES_HZ) - 1), np.float32)]
    kept = np.empty(0, np.float32)
    try:
        for block in stream(source, RATE_HZ, Conditioning()):
            kept = np.concatenate([kept, block])
            if len(kept) >= _FRAME_SAMPLES:
                energies.append(_band_energies(kept))
                kept = kept[len(energies[-1]) * HOP_SAMPLES :]
    except TruncatedAudioError:
        pass
    return _bits(np.concatenate(energies))


def agreement(one: Fingerprint, other: Fingerprint, most_offset_seconds: float) -> float:
    """How far two recordings are the same: the share of their windows of 3 s that agree where they fit best.

    Args:
        one, other: of :func:`fingerprint`.
        most_offset_seconds: how much later one may begin than the other.

    Returns:
        0..1, over the time that both last. Windows that are silent in either do not count; 0 where none counts, as in sounds
        of less than a second.
    """
    if min(len(one), len(other)) < _LEAST_FRAMES:
        return 0.0
    offset = _best_offset(one, other, round(most_offset_seconds * FRAMES_PER_SECOND))
    one, other = one[max(0, offset) :], other[max(0, -offset) :]
    n_frames = min(len(one), len(other))
    size = min(_WINDOW_FRAMES, n_frames)
    one, other = (bits[: n_frames // size * size].reshape(-1, size) for bits in (one, other))
    audible = (one != 0) & (other != 0)
    errors = np.unpackbits((one ^ other).view(np.uint8), axis=1).reshape(*one.shape, 32).sum(axis=2)
    n_audible = audible.sum(axis=1)
    counted = n_audible >= max(_LEAST_FRAMES, size // 2)
    if not counted.any():
        return 0.0
    shares = (errors * audible).sum(axis=1)[counted] / (32 * n_audible[counted])
    return float((shares <= _MOST_BIT_ERRORS).mean())


def _band_energies(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``(n_frames, 33)``: energies of the whole frames in a block."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME_SAMPLES)[::HOP_SAMPLES]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(_FRAME_SAMPLES).astype(np.float32), axis=1)) ** 2
    edges = np.round(_EDGES_HZ * _FRAME_SAMPLES / RATE_HZ).astype(int)
    return np.add.reduceat(spectra[:, : edges[-1]], edges[:-1], axis=1).astype(np.float32)


def _bits(energies: npt.NDArray[np.float32]) -> Fingerprint:
    if len(energies) < 2:
        return np.empty(0, np.uint32)
    rises = np.diff(np.diff(energies, axis=1), axis=0) > 0
    bits: Fingerprint = np.packbits(rises, axis=1).view(np.uint32)[:, 0]
    loudness = energies[1:].sum(axis=1)
    bits[loudness <= _SILENCE * loudness.max()] = 0
    return bits


def _best_offset(one: Fingerprint, other: Fingerprint, most: int) -> int:
    """Frames that ``one`` is later than ``other`` where most bits agree, by cross-correlation."""
    n = 1 << (len(one) + len(other)).bit_length()
    spectrum = np.zeros(n // 2 + 1, np.complex64)
    for bit in range(32):
        a, b = (np.where(bits == 0, 0, (bits >> bit & 1) * 2.0 - 1).astype(np.float32) for bits in (one, other))
        spectrum += np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n))
    correlation = np.fft.irfft(spectrum, n)
    offsets = np.arange(-most, most + 1)
    return int(offsets[np.argmax(correlation[offsets])])
