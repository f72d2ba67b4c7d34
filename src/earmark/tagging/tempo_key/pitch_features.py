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

_STEP_SAMPLES = FRAMES_PER_STEP * HOP_SAMPLES
_N_BINS = N_SEMITONES * BINS_PER_SEMITONE
_FAINTEST = np.float32(1e-5)  # of the power of the loudest partial in the frame
_LOWEST_TUNED = np.float32(16)  # semitones above the lowest, 104 Hz: below, peaks are too wide for cents
_N_CENTS = 100
_SEMITONE_SHAPE = np.array([0.3, 0.9, 1, 0.9, 0.3], np.float32)
# In semitones above the lower edge of the lowest pitch.
_PITCH_OF_BIN_1 = np.float32(12 * np.log2(SAMPLE_RATE_HZ / WINDOW_SAMPLES / 440) + 69 - LOWEST_MIDI + 0.5)


class PitchFeatures:
    """Partials of the spectrum, found as peaks and laid on a scale of pitch.

    The frequency of a peak is refined by a parabola through the logarithms of three bins (Smith and Serra, "PARSHL",
    1987), and its square root of magnitude goes to one of five bins a semitone, as in the harmonic pitch class profile
    (Gómez, "Tonal description of polyphonic audio for music content processing", 2006). Each frame is divided by the sum
    of its peaks, so the level does not matter.

    ``add`` takes blocks at 4 kHz; whole steps of two seconds are used, the rest waits.

    Attributes:
        cents: ``(100,)``, magnitude of the partials by their deviation from the scale of A4 = 440 Hz, from -50 cents.
    """

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
        hz_per_bin = SAMPLE_RATE_HZ / WINDOW_SAMPLES
        lowest_hz = 440 * 2 ** ((LOWEST_MIDI - 0.5 - 69) / 12)
        highest_hz = 440 * 2 ** ((LOWEST_MIDI + N_SEMITONES - 0.5 - 69) / 12)
        self._first, self._end = int(lowest_hz / hz_per_bin), int(highest_hz / hz_per_bin) + 2
        self._rest = np.zeros(HOP_SAMPLES, np.float32)
        self._steps: list[npt.NDArray[np.float16]] = []
        self.cents = np.zeros(_N_CENTS)

    def add(self, samples: Floats) -> None:
        """Samples at 4 kHz, ``(n,)``, any number."""
        joined = np.concatenate([self._rest, samples])
        n_whole = max(0, len(joined) - HOP_SAMPLES) // _STEP_SAMPLES * _STEP_SAMPLES
        self._rest = joined[n_whole:]
        for begin in range(0, n_whole, _STEP_SAMPLES):
            self._add_step(joined[begin : begin + _STEP_SAMPLES + HOP_SAMPLES])

    def finish(self) -> None:
        """The audio has ended: half a second and more of what waits is a step, too."""
        n_frames = len(self._rest) // HOP_SAMPLES - 1
        if n_frames > 0:
            self._add_step(self._rest[: (n_frames + 1) * HOP_SAMPLES])

    def _add_step(self, samples: Floats) -> None:
        hops = samples.reshape(-1, HOP_SAMPLES)
        frames = np.concatenate([hops[:-1], hops[1:]], axis=1)
        frames *= self._window
        spectrum = np.fft.rfft(frames)[:, self._first - 1 : self._end + 1]
        power = spectrum.real**2
        power += spectrum.imag**2
        inner = power[:, 1:-1]
        loudest = power.max(axis=1)
        is_peak = (inner > power[:, :-2]) & (inner >= power[:, 2:])
        is_peak &= inner > (loudest * _FAINTEST + np.float32(1e-20))[:, None]
        frame, bin_ = np.nonzero(is_peak)
        size = power[frame, bin_ + 1]
        left, middle, right = (np.log(power[frame, bin_ + i] + np.float32(1e-30)) for i in range(3))
        shift = (left - right) / np.minimum(2 * (left - 2 * middle + right), np.float32(-1e-6))
        pitch = 12 * np.log2((bin_ + self._first + shift).astype(np.float32)) + _PITCH_OF_BIN_1
        where = np.floor(pitch * BINS_PER_SEMITONE).astype(np.int64)
        is_in = (where >= 0) & (where < _N_BINS)
        frame, size, pitch, where = frame[is_in], size[is_in], pitch[is_in], where[is_in]
        flat = np.bincount(frame * _N_BINS + where, np.sqrt(np.sqrt(size)), len(frames) * _N_BINS)
        found = flat.reshape(len(frames), _N_BINS).astype(np.float64)
        found /= np.maximum(found.sum(axis=1, keepdims=True), 1e-20)
        self._steps.append(found.mean(axis=0).astype(np.float16))
        magnitude = np.sqrt(size / np.maximum(loudest, np.float32(1e-20))[frame])
        magnitude[pitch < _LOWEST_TUNED] = 0
        self.cents += np.bincount((pitch * 100).astype(np.int64) % _N_CENTS, magnitude, _N_CENTS)

    def steps(self) -> npt.NDArray[np.float16]:
        """How strongly each fifth of a semitone sounds, ``(n_steps, 330)``, of two seconds each; they add up to 1."""
        return np.array(self._steps, np.float16).reshape(-1, _N_BINS)


def tuning_cents(cents: npt.NDArray[np.float64]) -> float:
    """Deviation of most partials from A4 = 440 Hz, -50 to 50; 0 where there are none.

    Args:
        cents: :attr:`PitchFeatures.cents`. Its highest point is taken after smoothing, so the fifth and seventh
            harmonics, which are flat, do not pull it.
    """
    if not cents.any():
        return 0.0
    offsets = (np.arange(_N_CENTS) + _N_CENTS // 2) % _N_CENTS - _N_CENTS // 2
    kernel = np.exp(-0.5 * (offsets / 6) ** 2)
    smooth = np.fft.irfft(np.fft.rfft(cents) * np.fft.rfft(kernel), _N_CENTS)
    at = int(np.argmax(smooth))
    left, middle, right = smooth[at - 1], smooth[at], smooth[(at + 1) % _N_CENTS]
    shift = 0.5 * (left - right) / min(left - 2 * middle + right, -1e-12)
    return float((at + 0.5 + shift) % _N_CENTS - _N_CENTS // 2)


def tuned_pitches(steps: npt.NDArray[np.float16], tuning: float) -> Floats:
    """How strongly each semitone sounds, tuning removed.

    Args:
        steps: :meth:`PitchFeatures.steps`.
        tuning: deviation from A4 = 440 Hz in cents.

    Returns:
        ``(n_steps, 66)``, from E1.
    """
    shift = tuning / 100 * BINS_PER_SEMITONE
    whole = int(np.floor(shift))
    part = np.float32(shift - whole)
    padded = np.pad(steps.astype(np.float32), ((0, 0), (BINS_PER_SEMITONE, BINS_PER_SEMITONE)))
    begin = BINS_PER_SEMITONE + whole
    tuned = (1 - part) * padded[:, begin : begin + _N_BINS] + part * padded[:, begin + 1 : begin + 1 + _N_BINS]
    pitches: Floats = tuned.reshape(len(steps), N_SEMITONES, BINS_PER_SEMITONE) @ _SEMITONE_SHAPE
    return pitches
