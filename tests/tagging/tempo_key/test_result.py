"""Tempo and key as results."""

from __future__ import annotations

import json

import pytest

from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey
from earmark.tagging.tempo_key import KeyEstimate, Tempo


def test_tempo_is_rounded_to_a_tenth() -> None:
    tempo = Tempo(127.9701, 0.93214)
    assert tempo.bpm == 128.0
    assert str(tempo) == "128.0 BPM"
    assert tempo.record() == {"bpm": 128.0, "confidence": 0.9321}


def test_nothing_clear_is_null() -> None:
    assert json.dumps(Tempo(None, 0.0).record()) == '{"bpm": null, "confidence": 0.0}'
    record = KeyEstimate(None, 0.2, 440.0).record()
    assert record == {
        **dict.fromkeys(("key", "name", "camelot", "open_key")),
        "confidence": 0.2,
        "tuning_hz": 440.0,
    }
    assert (str(Tempo(None, 0.0)), str(KeyEstimate(None, 0.0))) == ("no clear beat", "no clear key")


def test_key_record_has_every_notation() -> None:
    assert KeyEstimate(MusicalKey.parse("F#m"), 0.8, 440.23).record() == {
        "key": "F#m",
        "name": "F# minor",
        "camelot": "11A",
        "open_key": "4m",
        "confidence": 0.8,
        "tuning_hz": 440.2,
    }


@pytest.mark.parametrize(("bpm", "confidence"), [(0.0, 0.5), (-120.0, 0.5), (float("nan"), 0.5), (120.0, 1.1)])
def test_values_out_of_range(bpm: float, confidence: float) -> None:
    with pytest.raises(ConfigError, match="is allowed"):
        Tempo(bpm, confidence)
    with pytest.raises(ConfigError, match="0 to 1"):
        KeyEstimate(None, -0.1)
