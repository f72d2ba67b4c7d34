"""Onset strength in frequency bands, for the tempo, while the audio is decoded."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 512
HOP_SAMPLES = 256
FRAMES_PER_SECOND = SAMPLE_RATE_HZ / HOP_SAMPLES
N_BANDS = 6
BAND_EDGES_HZ = (31, 140, 280, 600, 1_400, 3_300, 8_000)
"""Edges of the bands of the onset strength: a bass drum in the lowest, cymbals in the highest."""

_RANGE = np.float32(np.log(1e4))  # of a band below its loudest, in nepers of energy: 40 dB
_ALL_RANGE = np.float32(np.log(1e6))  # of any band below the loudest of all: 60 dB
_RELEASE = np.float32(np.log(10) * 0.3 * HOP_SAMPLES / SAMPLE_RATE_HZ)  # 3 dB per second


def _sub_band_edges() -> npt.NDArray[np.int64]:
    """Bins of the spectrum at which narrow bands begin: one bin each up to 280 Hz, some four an octave above."""
    return np.unique(np.concatenate([np.arange(1, 10), np.round(np.geomspace(9, 257, 24))]).astype(np.int64))


class OnsetFeatures:
    """Positive change of the log energy from frame to frame, summed over narrow bands into six.

    As Dixon's spectral flux ("Onset detection revisited", DAFx 2006) on a logarithmic filterbank (Böck and Widmer,
    "Maximum filter vibrato suppression for onset detection", DAFx 2013). What is 40 dB below the loudest so far in a narrow
    band, or 60 dB below the loudest of all, counts as silent; the memory of the loudest fades by 3 dB per second. So the
    level of the recording does not matter.

    ``add`` takes blocks of whole hops; the result does not depend on how the audio is cut into them but for rounding.

    Attributes:
        n_frames: frames so far, 62.5 per second.
    """

    def __init__(self) -> None:
        edges = _sub_band_edges()
        bands = np.zeros((WINDOW_SAMPLES // 2 + 1, len(edges) - 1), np.float32)
        for band, (begin, end) in enumerate(pairwise(edges)):
            bands[begin:end, band] = 1 / (end - begin)
        self._sub_bands = bands
        centres_hz = (edges[:-1] + edges[1:] - 1) / 2 * SAMPLE_RATE_HZ / WINDOW_SAMPLES
        which = np.searchsorted(BAND_EDGES_HZ[1:-1], centres_hz)
        self._groups = (which[:, None] == np.arange(N_BANDS)).astype(np.float32)
        self._groups /= self._groups.sum(axis=0)
        self._window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
        self._tail = np.zeros(WINDOW_SAMPLES - HOP_SAMPLES, np.float32)
        self._last: Floats | None = None
        self._loudest = np.full(len(edges) - 1, -np.inf, np.float32)
        self._frames: list[npt.NDArray[np.float16]] = []
        self.n_frames = 0

    def add(self, samples: Floats) -> None:
        """Samples at 16 kHz, ``(n,)``, n a multiple of the hop."""
        joined = np.concatenate([self._tail, samples])
        self._tail = joined[len(samples) :]
        hops = joined.reshape(-1, HOP_SAMPLES)
        frames = np.concatenate([hops[:-1], hops[1:]], axis=1)
        frames *= self._window
        spectrum = np.fft.rfft(frames)
        power = spectrum.real**2
        power += spectrum.imag**2
        level = np.log(power @ self._sub_bands + np.float32(1e-30))
        steps = _RELEASE * np.arange(1, len(level) + 1, dtype=np.float32)[:, None]
        loudest = np.maximum(np.maximum.accumulate(level + steps, axis=0), self._loudest) - steps
        self._loudest = loudest[-1]
        level = np.maximum(level, np.maximum(loudest - _RANGE, loudest.max(axis=1, keepdims=True) - _ALL_RANGE))
        before = level[:1] if self._last is None else self._last
        self._last = level[-1:]
        change = np.maximum(np.diff(level, axis=0, prepend=before), 0) @ self._groups
        self._frames.append(change.astype(np.float16))
        self.n_frames += len(change)

    def onsets(self) -> Floats:
        """Onset strength ``(n_frames, 6)``, in nepers of energy, 0 and more."""
        return np.concatenate(self._frames).astype(np.float32) if self._frames else np.zeros((0, N_BANDS), np.float32)
