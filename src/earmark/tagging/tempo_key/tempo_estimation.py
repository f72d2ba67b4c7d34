"""The tempo of a recording from its onset strength."""

from __future__ import annotations

import numpy as np

from earmark.tagging.tempo_key.networks import tempo_probabilities
from earmark.tagging.tempo_key.onset_features import FRAMES_PER_SECOND
from earmark.tagging.tempo_key.result import Tempo
from earmark.tagging.tempo_key.tempogram import Floats, bin_bpm, refine_bpm, tempograms

FIRST_BIN = 30
"""Of a tempogram, at which the network's tempi begin: 40 to 248 BPM."""

_SHORTEST_SECONDS = 3.0
_NO_BEAT = 0.7
"""By validation: of 290 titles and rendered pieces with a tempo, 4 are then reported to have none; of 26 without, 20."""

_STEADY = 0.25
"""Nepers: sounds whose onset strength varies less in all bands are held. In music it varies by 0.38 and more."""

_NEAR = np.ones(5, np.float32)  # bins within 4.6 % count as the same tempo


def estimate_tempo(onsets: Floats) -> Tempo:
    """The tempo of a recording, by the network, then to a tenth by what is periodic in all of it.

    Args:
        onsets: :meth:`.onset_features.OnsetFeatures.onsets`, ``(n_frames, 6)``.

    Returns:
        The tempo, or no clear beat; without confidence if the audio is silent, held or too short. The confidence is
        the probability that the network gives to tempi within 4 %, or to no clear beat.
    """
    if len(onsets) < _SHORTEST_SECONDS * FRAMES_PER_SECOND or onsets.std(axis=0).max() < _STEADY:
        return Tempo(None, 0.0)
    *shares, no_beat = tempo_probabilities(tempograms(onsets))
    if no_beat > _NO_BEAT:
        return Tempo(None, float(no_beat))
    near = np.convolve(shares, _NEAR, "same")
    at = int(np.argmax(near))
    inner = shares[max(0, at - 2) : at + 3]
    best = max(0, at - 2) + int(np.argmax(inner))
    bpm = refine_bpm(onsets, float(bin_bpm()[FIRST_BIN + best]))
    return Tempo(bpm, min(1.0, float(near[at])))
