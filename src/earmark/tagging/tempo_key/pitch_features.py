"""How strongly each pitch sounds, and the tuning, for the key, while the audio is decoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 4_000
WINDOW_SAMPLES = 4096
HOP_SAMPLES = 2048
FRAMES_PER_STEP = 4
"""Frames of half a second that are added up, so that memory stays small."""

LOWEST_MIDI = 28
N_SEMITONES = 66
"""Pitches from E1 (41 Hz) to A6 (1760 Hz)."""

BINS_PER_SEMITONE = 5
STEP_SECONDS = FRAMES_PER_STEP * HOP_SAMPLES / SAMPLE_RATE_HZ

_FAINTEST = np.float32(10 ** (-50 / 20))  # of the loudest partial in the frame
_TUNING_HZ = (100.0, 1_700.0)
_N_CENTS = 100


class PitchFeatures:
    """Partials of the spectrum, found as peaks and laid on a scale of pitch.

    The frequency of a peak is refined by a parabola through the logarithms of three bins (Smith and Serra, "PARSHL",
    1987), and its square root of magnitude goes to one of five bins a semitone, as in the harmonic pitch class profile
    (Gómez, "Tonal description of polyphonic audio for music content processing", 2006). Each frame is divided by the sum
    of its peaks, so the level does not matter.

    ``add`` takes blocks at 4 kHz; whole hops are used, the rest waits.
    """

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
        hz_per_bin = SAMPLE_RATE_HZ / WINDOW_SAMPLES
        lowest_hz = 440 * 2 ** ((LOWEST_MIDI - 0.5 - 69) / 12)
        highest_hz = 440 * 2 ** ((LOWEST_MIDI + N_SEMITONES - 0.5 - 69) / 12)
        self._first, self._end = int(lowest_hz / hz_per_bin), int(highest_hz / hz_per_bin) + 2
        self._rest = np.zeros(WINDOW_SAMPLES // 2, np.float32)
        self._frames: list[Floats] = []
        self._steps: list[npt.NDArray[np.float16]] = []
        self._cents = np.zeros(_N_CENTS)

    def add(self, samples: Floats) -> None:
        """Samples at 4 kHz, ``(n,)``, any number."""
        joined = np.concatenate([self._rest, samples])
        n_frames = max(0, (len(joined) - WINDOW_SAMPLES) // HOP_SAMPLES + 1)
        self._rest = joined[n_frames * HOP_SAMPLES :]
        if n_frames:
            self._analyse(np.lib.stride_tricks.sliding_window_view(joined, WINDOW_SAMPLES)[::HOP_SAMPLES])

    def _analyse(self, frames: Floats) -> None:
        spectrum = np.fft.rfft(frames * self._window)[:, self._first - 1 : self._end + 1]
        power = spectrum.real**2
        power += spectrum.imag**2
        inner = power[:, 1:-1]
        is_peak = (inner > power[:, :-2]) & (inner >= power[:, 2:])
        is_peak &= inner > np.maximum(power.max(axis=1, keepdims=True) * _FAINTEST**2, np.float32(1e-20))
        frame, bin_ = np.nonzero(is_peak)
        size = power[frame, bin_ + 1]
        left, middle, right = (np.log(power[frame, bin_ + i] + np.float32(1e-30)) for i in range(3))
        shift = (left - right) / np.minimum(2 * (left - 2 * middle + right), np.float32(-1e-6))
        hz = (bin_ + self._first + shift) * np.float32(SAMPLE_RATE_HZ / WINDOW_SAMPLES)
        pitch = 12 * np.log2(hz / np.float32(440)) + np.float32(69 - LOWEST_MIDI + 0.5)
        weight = np.sqrt(np.sqrt(size))
        n_bins = N_SEMITONES * BINS_PER_SEMITONE
        where = np.floor(pitch * BINS_PER_SEMITONE).astype(np.int64)
        is_in = (where >= 0) & (where < n_bins)
        flat = np.bincount(frame[is_in] * n_bins + where[is_in], weight[is_in], len(frames) * n_bins).astype(np.float64)
        found = flat.reshape(len(frames), n_bins)
        found /= np.maximum(found.sum(axis=1, keepdims=True), 1e-20)
        is_tuned = (hz > _TUNING_HZ[0]) & (hz < _TUNING_HZ[1])
        magnitude = np.sqrt(size) / np.maximum(np.sqrt(power.max(axis=1))[frame], np.float32(1e-20))
        cents = np.floor((pitch % 1) * _N_CENTS).astype(np.int64) % _N_CENTS
        self._cents += np.bincount(cents[is_tuned], magnitude[is_tuned], _N_CENTS)
        for row in found.astype(np.float32):
            self._frames.append(row)
            if len(self._frames) == FRAMES_PER_STEP:
                self._end_step()

    def _end_step(self) -> None:
        self._steps.append(np.mean(self._frames, axis=0).astype(np.float16))
        self._frames = []

    def tuning_cents(self) -> float:
        """Deviation of most partials from A4 = 440 Hz, -50 to 50; 0 where there are none.

        The highest point of the histogram of deviations, smoothed; so the fifth and seventh harmonics, which are flat, do
        not pull it.
        """
        if not self._cents.any():
            return 0.0
        offsets = (np.arange(_N_CENTS) + _N_CENTS // 2) % _N_CENTS - _N_CENTS // 2
        kernel = np.exp(-0.5 * (offsets / 6) ** 2)
        smooth = np.fft.irfft(np.fft.rfft(self._cents) * np.fft.rfft(kernel), _N_CENTS)
        at = int(np.argmax(smooth))
        left, middle, right = smooth[at - 1], smooth[at], smooth[(at + 1) % _N_CENTS]
        shift = 0.5 * (left - right) / min(left - 2 * middle + right, -1e-12)
        return float((at + 0.5 + shift - 50 + 50) % 100 - 50)

    def pitches(self) -> Floats:
        """How strongly each semitone sounds, tuning removed: ``(n_steps, 66)``, of two seconds each, from E1."""
        steps = [*self._steps, *([np.mean(self._frames, axis=0).astype(np.float16)] if self._frames else [])]
        if not steps:
            return np.zeros((0, N_SEMITONES), np.float32)
        fine = np.array(steps, np.float32)
        shift = self.tuning_cents() / 100 * BINS_PER_SEMITONE
        whole = int(np.floor(shift))
        part = np.float32(shift - whole)
        padded = np.pad(fine, ((0, 0), (BINS_PER_SEMITONE, BINS_PER_SEMITONE)))
        begin = BINS_PER_SEMITONE + whole
        n_bins = fine.shape[1]
        tuned = (1 - part) * padded[:, begin : begin + n_bins] + part * padded[:, begin + 1 : begin + 1 + n_bins]
        shape = np.array([0.3, 0.9, 1, 0.9, 0.3], np.float32)
        pitches: Floats = tuned.reshape(len(fine), N_SEMITONES, BINS_PER_SEMITONE) @ shape
        return pitches
