"""The key of a recording from how strongly its pitches sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.musical_key import MusicalKey
from earmark.tagging.tempo_key.networks import key_probabilities
from earmark.tagging.tempo_key.pitch_features import Floats, tuned_pitches, tuning_cents
from earmark.tagging.tempo_key.result import KeyEstimate

_LEAST = 0.15
"""A key that is less likely is not clear."""

_MOST_STEPS = 300
"""Ten minutes; of longer recordings, steps are averaged, so that memory stays small."""


def estimate_key(steps: npt.NDArray[np.float16], cents: npt.NDArray[np.float64]) -> KeyEstimate:
    """The key of a recording, by the network; the confidence is the probability that it gives.

    Args:
        steps: :meth:`.pitch_features.PitchFeatures.steps`.
        cents: :attr:`.pitch_features.PitchFeatures.cents`.
    """
    tuning = tuning_cents(cents)
    tuning_hz = 440 * 2 ** (tuning / 1200)
    pitches = tuned_pitches(steps, tuning)
    if not pitches.any():
        return KeyEstimate(None, 0.0, tuning_hz)
    probabilities = key_probabilities(_at_most(pitches, _MOST_STEPS))
    best = int(np.argmax(probabilities))
    confidence = float(probabilities[best])
    key = MusicalKey(best % 12, "major" if best < 12 else "minor") if confidence >= _LEAST else None
    return KeyEstimate(key, confidence, tuning_hz)


def _at_most(pitches: Floats, n_steps: int) -> Floats:
    if len(pitches) <= n_steps:
        return pitches
    starts = np.round(np.linspace(0, len(pitches), n_steps, endpoint=False)).astype(np.int64)
    lengths = np.diff(starts, append=len(pitches)).astype(np.float32)
    means: Floats = (np.add.reduceat(pitches, starts) / lengths[:, None]).astype(np.float32)
    return means
