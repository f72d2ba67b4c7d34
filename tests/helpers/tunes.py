"""Music of known tempo and key from simple waves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
Floats = npt.NDArray[np.float32]

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}


def _add(out: Floats, at_s: float, sound: Floats) -> None:
    begin = round(at_s * RATE_HZ)
    sound = sound[: max(0, len(out) - begin)]
    out[begin : begin + len(sound)] += sound


def clicks(bpm: float, seconds: float) -> Floats:
    """A short click on each beat."""
    out = np.zeros(round(seconds * RATE_HZ), np.float32)
    t = np.arange(480) / RATE_HZ
    click = (0.5 * np.sin(2 * np.pi * 1_500 * t) * np.exp(-t * 200)).astype(np.float32)
    for beat in np.arange(0.1, seconds, 60 / bpm):
        _add(out, beat, click)
    return out


def drum_loop(bpm: float, seconds: float) -> Floats:
    """Bass drum, snare on two and four, and cymbals on eighths."""
    rng = np.random.default_rng(0)
    out = np.zeros(round(seconds * RATE_HZ), np.float32)
    t = np.arange(round(0.15 * RATE_HZ)) / RATE_HZ
    kick = (0.8 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t * 40)))) * np.exp(-t * 18)).astype(np.float32)
    noise = rng.standard_normal(len(t)).astype(np.float32)
    snare = (0.25 * noise * np.exp(-t * 25)).astype(np.float32)
    hat = (0.08 * np.diff(noise, prepend=0) * np.exp(-t * 90)).astype(np.float32)
    for i, at in enumerate(np.arange(0.05, seconds, 30 / bpm)):
        _add(out, at, hat)
        if i % 4 == 0:
            _add(out, at, kick)
        if i % 4 == 2:
            _add(out, at, snare)
    return out


def chord(pitches: tuple[int, ...], seconds: float, cents: float = 0.0) -> Floats:
    """MIDI pitches together, each with six harmonics that fade."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    out = np.zeros(len(t))
    for pitch in pitches:
        hz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
        for harmonic in range(1, 7):
            out += np.sin(2 * np.pi * hz * harmonic * t) * 0.6**harmonic
    envelope = np.minimum(1, t / 0.01) * np.exp(-t * 1.5)
    return (0.12 * out * envelope).astype(np.float32)


def cadences(tonic: int, mode: str, times: int = 4, cents: float = 0.0) -> Floats:
    """I IV V I with a scale above it, some times over; 8 seconds each."""
    third = 4 if mode == "major" else 3
    scale = _SCALES[mode]
    parts = []
    for _ in range(times):
        for root, above in ((0, third), (5, third), (7, 4), (0, third)):
            pitches = (36 + tonic + root, 48 + tonic + root, 48 + tonic + root + above, 48 + tonic + root + 7)
            bar = chord(pitches, 2.0, cents)
            for i in range(4):
                step = (scale.index(root) + (0, 1, 2, 4)[i]) % 7
                note = chord((60 + tonic + scale[step],), 0.5, cents)
                bar[i * len(note) : (i + 1) * len(note)] += note
            parts.append(bar)
    return np.concatenate(parts)
