"""The tempo of a recording from its onset strength."""

from __future__ import annotations

import numpy as np

from earmark.tagging.tempo_key.onset_features import FRAMES_PER_SECOND
from earmark.tagging.tempo_key.result import Tempo
from earmark.tagging.tempo_key.tempogram import Floats, bin_bpm, refine_bpm, tempograms

_SHORTEST_SECONDS = 3.0


def estimate_tempo(onsets: Floats) -> Tempo:
    """The tempo of onsets ``(n_frames, 6)``, see :class:`.onset_features.OnsetFeatures`."""
    if len(onsets) < _SHORTEST_SECONDS * FRAMES_PER_SECOND or onsets.max() <= 0:
        return Tempo(None, 0.0)
    grams = tempograms(onsets).mean(axis=0)
    n_bands = len(grams) // 2
    bpm = bin_bpm()
    prior = np.exp(-0.5 * (np.log2(bpm / 115) / 0.6) ** 2)
    score = (grams[:n_bands].sum(axis=0) * np.maximum(grams[n_bands:].sum(axis=0), 0)) * prior
    at = int(np.argmax(score))
    share = float(score[max(0, at - 2) : at + 3].sum() / max(score.sum(), 1e-9))
    return Tempo(refine_bpm(onsets, float(bpm[at])), min(1.0, max(0.0, share)))
