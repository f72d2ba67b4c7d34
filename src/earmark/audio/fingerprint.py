"""Fingerprints of audio: whether two files hold the same recording in the same master, whatever they are encoded with.

Two things are kept of each frame. The bits of Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002), tell
performances apart: of 33 bands from 300 to 2000 Hz, whether the difference of each pair of neighbours grows. The noise of a codec
changes few of them, another performance half of them. But equalisers, compressors and a quiet voice on top change few as well; so
the levels of four bands are kept, too. From one encoding to another they differ by a constant gain.

Frames are further apart than in the paper (43 ms instead of 12), since files are aligned frame by frame here, and not looked up in
a database of bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.audio.chunker import stream
from earmark.audio.source import AudioSource
from earmark.core.errors import TruncatedAudioError

FRAME = np.dtype([("bits", "<u4"), ("levels", "u1", (4,))])
"""Of a frame: the bits, and the levels of four bands in half decibels."""

Fingerprint = npt.NDArray[np.void]
"""``(n_frames,)`` of FRAME."""

RATE_HZ = 6_000
HOP_SAMPLES = 256
FRAMES_PER_SECOND = RATE_HZ / HOP_SAMPLES

_FRAME_SAMPLES = 2_048
_BLOCK_SAMPLES = 30 * RATE_HZ
_BIT_EDGES_HZ = np.geomspace(300, 2_000, 34)
_LEVEL_EDGES_HZ = np.array([60, 200, 600, 1_500, 2_800])

_WINDOW_FRAMES = round(3 * FRAMES_PER_SECOND)
_LEAST_FRAMES = round(FRAMES_PER_SECOND)
_AUDIBLE_HALF_DB = 2 * 60  # below the loudest
_LEVEL_COUNTS_DB = 40
_MOST_BIT_ERRORS = 0.25  # this and the next: docs/results/duplicates.md
_MOST_LEVEL_DIFFERENCE_DB = 0.4
_SET_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def fingerprint(source: AudioSource) -> Fingerprint:
    """The fingerprint of a file, read as a stream. Of a truncated or damaged file, of what can be decoded.

    Raises:
        AudioError: the file cannot be read.
    """
    parts: list[Fingerprint] = []
    kept = np.empty(0, np.float32)
    try:
        # Channels are averaged: the tagger's mixer chooses between them by what they lose, which changes with the encoding.
        for block in stream(source, RATE_HZ):
            kept = np.concatenate([kept, block])
            if len(kept) >= _BLOCK_SAMPLES:
                parts.append(_frames(kept))
                kept = kept[len(parts[-1]) * HOP_SAMPLES :]
    except TruncatedAudioError:
        pass
    return np.concatenate([*parts, _frames(kept)])


def agreement(one: Fingerprint, other: Fingerprint, most_offset_seconds: float) -> float:
    """How far two recordings are the same: the share of their windows of 3 s that agree where they fit best.

    A window agrees if at most a quarter of its bits differ, and its levels, without the gain, by at most 0.4 dB (root mean square
    over bands and parts of the window).

    Args:
        one, other: of :func:`fingerprint`.
        most_offset_seconds: how much later one may begin than the other.

    Returns:
        0..1, over the time that both last. Windows that are silent in either do not count; 0 where none counts, as in sounds
        of less than a second.
    """
    offset = _best_offset(one, other, round(most_offset_seconds * FRAMES_PER_SECOND))
    if offset is None:
        return 0.0
    one, other = one[max(0, offset) :], other[max(0, -offset) :]
    n_frames = min(len(one), len(other))
    size = min(_WINDOW_FRAMES, n_frames)
    one, other = (frames[: n_frames // size * size].reshape(-1, size) for frames in (one, other))
    audible = _audible(one) & _audible(other)
    n_audible = audible.sum(axis=1)
    counted = n_audible >= max(_LEAST_FRAMES, size // 2)
    if not counted.any():
        return 0.0
    bit_errors = (_bit_errors(one, other) * audible).sum(axis=1) / (32 * np.maximum(1, n_audible))
    agree = (bit_errors <= _MOST_BIT_ERRORS) & (_level_differences_db(one, other) <= _MOST_LEVEL_DIFFERENCE_DB)
    return float(agree[counted].mean())


def _frames(samples: npt.NDArray[np.float32]) -> Fingerprint:
    """Of all whole frames but the first, which the bits of the second need."""
    if len(samples) < _FRAME_SAMPLES + HOP_SAMPLES:
        return np.empty(0, FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME_SAMPLES)[::HOP_SAMPLES]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(_FRAME_SAMPLES).astype(np.float32), axis=1)) ** 2
    rises = np.diff(np.diff(_band_energies(spectra, _BIT_EDGES_HZ), axis=1), axis=0) > 0
    found = np.empty(len(rises), FRAME)
    found["bits"] = np.packbits(rises, axis=1).view("<u4")[:, 0]
    levels_db = 10 * np.log10(_band_energies(spectra[1:], _LEVEL_EDGES_HZ) + 1e-10)  # 58 for a sine of full scale
    found["levels"] = np.round(2 * (levels_db + 60)).clip(0, 255)
    return found


def _band_energies(spectra: npt.NDArray[np.floating], edges_hz: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """``(n_frames, n_bands)``"""
    edges = np.round(edges_hz * _FRAME_SAMPLES / RATE_HZ).astype(int)
    return np.add.reduceat(spectra[:, : edges[-1]], edges[:-1], axis=1)


def _audible(frames: Fingerprint) -> npt.NDArray[np.bool_]:
    loudest = frames["levels"].max(axis=-1)
    audible: npt.NDArray[np.bool_] = loudest > max(0, int(loudest.max()) - _AUDIBLE_HALF_DB)
    return audible


def _bit_errors(one: Fingerprint, other: Fingerprint) -> npt.NDArray[np.int64]:
    """Of each frame, how many bits differ."""
    differ = one["bits"] ^ other["bits"]
    errors: npt.NDArray[np.int64] = (
        _SET_BITS[differ.view(np.uint8)].reshape(*differ.shape, 4).sum(axis=-1, dtype=np.int64)
    )
    return errors


def _best_offset(one: Fingerprint, other: Fingerprint, most: int) -> int | None:
    """Frames that ``one`` is later than ``other`` where fewest bits differ; None where they do not overlap by a second."""
    bits, other_bits = (np.ascontiguousarray(frames["bits"]) for frames in (one, other))
    best, fewest = None, np.inf
    for offset in sorted(range(-most, most + 1), key=abs):
        here, there = bits[max(0, offset) :], other_bits[max(0, -offset) :]
        n = min(len(here), len(there))
        if n >= _LEAST_FRAMES and (errors := _SET_BITS[(here[:n] ^ there[:n]).view(np.uint8)].mean()) < fewest:
            best, fewest = offset, errors
    return best


def _level_differences_db(one: Fingerprint, other: Fingerprint) -> npt.NDArray[np.floating]:
    """``(n_windows,)`` of ``(n_windows, n_frames)``: the root of the mean square, without the gain between the two.

    Over four bands and three parts of a window. Parts overlap and fade in and out, so that half a frame of offset matters little.
    """
    n_frames = one.shape[1]
    fade = np.hanning(2 * n_frames // 3)
    parts = np.zeros((3, n_frames))
    for part, row in enumerate(parts):
        row[part * n_frames // 6 :][: len(fade)] = fade / fade.sum()
    levels = [10 * np.log10(parts @ 10 ** (frames["levels"] / 20)) for frames in (one, other)]
    counts = np.logical_and(*(db > db.max() - _LEVEL_COUNTS_DB for db in levels))
    difference = levels[0] - levels[1]
    difference -= np.median(difference[counts]) if counts.any() else 0
    squares = (difference**2 * counts).sum(axis=(1, 2)) / np.maximum(1, counts.sum(axis=(1, 2)))
    found: npt.NDArray[np.floating] = np.sqrt(squares)
    return found
