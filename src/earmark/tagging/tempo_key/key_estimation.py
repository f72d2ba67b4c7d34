"""The key of a recording from how strongly its pitches sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.musical_key import MusicalKey
from earmark.tagging.tempo_key.pitch_features import LOWEST_MIDI, N_SEMITONES, tuned_pitches, tuning_cents
from earmark.tagging.tempo_key.result import KeyEstimate

# Albrecht and Shanahan, "The use of large corpora to train a new type of key-finding algorithm", Music Perception 2013.
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)


def estimate_key(steps: npt.NDArray[np.float16], cents: npt.NDArray[np.float64]) -> KeyEstimate:
    """The key of what :class:`.pitch_features.PitchFeatures` measured."""
    tuning = tuning_cents(cents)
    tuning_hz = 440 * 2 ** (tuning / 1200)
    pitches = tuned_pitches(steps, tuning)
    if not len(pitches) or not pitches.any():
        return KeyEstimate(None, 0.0, tuning_hz)
    classes = (np.arange(N_SEMITONES) + LOWEST_MIDI) % 12
    chroma = np.bincount(classes, pitches.mean(axis=0), 12)
    scores = np.array(
        [np.corrcoef(np.roll(profile, tonic), chroma)[0, 1] for profile in (_MAJOR, _MINOR) for tonic in range(12)]
    )
    shares = np.exp(10 * (scores - scores.max()))
    best = int(np.argmax(scores))
    key = MusicalKey(best % 12, "major" if best < 12 else "minor")
    return KeyEstimate(key, float(shares[best] / shares.sum()), tuning_hz)
