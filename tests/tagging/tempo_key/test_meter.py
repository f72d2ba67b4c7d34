"""Tempo and key of audio that is known to the note."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soxr

from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey
from earmark.tagging.tempo_key import KeyEstimate, Tempo, TempoKeyMeter
from earmark.tagging.tempo_key.key_estimation import estimate_key
from earmark.tagging.tempo_key.tempo_estimation import estimate_tempo
from tests.helpers.tunes import RATE_HZ, Floats, cadences, clicks, drum_loop


def measured(samples: Floats, sample_rate_hz: int = RATE_HZ, block: int | None = None) -> tuple[Tempo, KeyEstimate]:
    meter = TempoKeyMeter(sample_rate_hz)
    for begin in range(0, len(samples), block or len(samples) or 1):
        meter.add(samples[begin : begin + (block or len(samples))])
    tempo, key = meter.finish()
    assert tempo is not None
    assert key is not None
    return tempo, key


def assert_close(found: tuple[Tempo, KeyEstimate], expected: tuple[Tempo, KeyEstimate], tolerance: float) -> None:
    assert found[0].bpm == pytest.approx(expected[0].bpm, abs=0.1)
    assert found[1].key == expected[1].key
    assert found[0].confidence == pytest.approx(expected[0].confidence, abs=tolerance)
    assert found[1].confidence == pytest.approx(expected[1].confidence, abs=tolerance)
    assert found[1].tuning_hz == pytest.approx(expected[1].tuning_hz, abs=0.5)


MUSIC = drum_loop(117.0, 32.0) + cadences(9, "minor")


@pytest.mark.parametrize("bpm", [84.0, 96.5, 110.0, 120.0, 128.3, 140.0, 151.7])
def test_drum_loops(bpm: float) -> None:
    tempo, _ = measured(drum_loop(bpm, 40.0))
    assert tempo.bpm == pytest.approx(bpm, rel=0.005)


@pytest.mark.parametrize("bpm", [60.0, 75.0, 93.3, 104.0, 125.0, 150.0, 182.0])
def test_clicks_at_the_tempo_or_its_double_or_half(bpm: float) -> None:
    tempo, _ = measured(clicks(bpm, 40.0))
    assert tempo.bpm is not None
    assert min(abs(tempo.bpm / bpm / factor - 1) for factor in (0.5, 1, 2)) < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_cadences_in_all_keys(tonic: int, mode: str) -> None:
    _, key = measured(cadences(tonic, mode, times=2))
    assert key.key is not None
    assert (key.key.tonic, key.key.mode) == (tonic, mode)
    assert key.confidence > 0.5
    assert key.tuning_hz == pytest.approx(440, abs=1.3)


@pytest.mark.slow
@pytest.mark.parametrize("cents", [-30.0, -12.0, 30.0, 45.0])
def test_tuning_within_five_cents_and_the_key_beside_it(cents: float) -> None:
    _, key = measured(cadences(2, "major", cents=cents))
    assert key.key == MusicalKey(2, "major")
    assert 1200 * np.log2(key.tuning_hz / 440) == pytest.approx(cents, abs=5)


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE_HZ, 0.3, 1.0, 60.0])
def test_silence_has_neither(seconds: float) -> None:
    tempo, key = measured(np.zeros(round(seconds * RATE_HZ), np.float32))
    assert (tempo, key.key, key.confidence) == (Tempo(None, 0.0), None, 0.0)


def test_one_second_of_music_has_no_tempo() -> None:
    tempo, _ = measured(MUSIC[:RATE_HZ])
    assert tempo == Tempo(None, 0.0)


def test_noise_has_no_clear_beat() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 60 * RATE_HZ).astype(np.float32)
    tempo, key = measured(noise)
    assert tempo.bpm is None
    assert key.confidence < 0.5


def test_a_held_chord_has_no_clear_beat() -> None:
    t = np.arange(40 * RATE_HZ) / RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * hz * t) for hz in (220.0, 277.2, 329.6))
    assert measured(np.float32(chord))[0].bpm is None


@pytest.mark.parametrize("block", [333, 4_097, 100_003])
def test_blocks_do_not_matter(block: int) -> None:
    assert measured(MUSIC, block=block) == measured(MUSIC)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_other_sample_rates(rate_hz: int) -> None:
    tempo, key = measured(soxr.resample(MUSIC, RATE_HZ, rate_hz), rate_hz, block=rate_hz)
    assert tempo.bpm == pytest.approx(117.0, rel=0.005)
    assert key.key == MusicalKey(9, "minor")


@pytest.mark.parametrize("gain_db", [-40.0, -6.0, 12.0])
def test_level_does_not_matter(gain_db: float) -> None:
    assert_close(measured(MUSIC * np.float32(10 ** (gain_db / 20))), measured(MUSIC), 0.01)


def test_polarity_and_offset_do_not_matter() -> None:
    assert_close(measured(-MUSIC), measured(MUSIC), 1e-4)
    assert_close(measured(MUSIC + np.float32(0.05)), measured(MUSIC), 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_faster_music_has_a_higher_tempo(factor: float) -> None:
    tempo, _ = measured(drum_loop(117.0 * factor, 32.0) + cadences(9, "minor"))
    assert tempo.bpm == pytest.approx(117.0 * factor, rel=0.005)


@pytest.mark.parametrize("semitones", [-3, 1, 4])
def test_music_played_at_another_speed_moves_the_key(semitones: int) -> None:
    faster = soxr.resample(MUSIC, RATE_HZ * 2 ** (semitones / 12), RATE_HZ)
    tempo, key = measured(faster)
    assert key.key == MusicalKey(9, "minor").transposed(semitones)
    assert key.tuning_hz == pytest.approx(440, abs=1.3)
    assert tempo.bpm == pytest.approx(117.0 * 2 ** (semitones / 12), rel=0.005)


def test_only_what_is_asked_for() -> None:
    both = measured(MUSIC)
    for tempo, key in ((True, False), (False, True), (False, False)):
        meter = TempoKeyMeter(RATE_HZ, tempo=tempo, key=key)
        meter.add(MUSIC)
        assert meter.finish() == (both[0] if tempo else None, both[1] if key else None)


@pytest.mark.slow
def test_memory_is_less_than_a_megabyte_per_ten_minutes() -> None:
    meter = TempoKeyMeter(RATE_HZ)
    for _ in range(20):
        meter.add(MUSIC[: 30 * RATE_HZ])
    assert meter.onset_features is not None
    assert meter.pitch_features is not None
    n_bytes = sum(frames.nbytes for frames in meter.onset_features._frames)
    assert n_bytes + meter.pitch_features.steps().nbytes < 1_000_000


def test_hours_of_music_cost_no_more_memory_than_minutes() -> None:
    meter = TempoKeyMeter(RATE_HZ)
    meter.add(MUSIC)
    tempo, key = meter.finish()
    assert meter.onset_features is not None
    assert meter.pitch_features is not None
    onsets = np.tile(meter.onset_features.onsets(), (200, 1))
    steps = np.tile(meter.pitch_features.steps(), (200, 1))
    tracemalloc.start()
    long_tempo, long_key = estimate_tempo(onsets), estimate_key(steps, meter.pitch_features.cents)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < onsets.nbytes + 40e6
    assert tempo is not None
    assert key is not None
    assert long_tempo.bpm == pytest.approx(tempo.bpm, abs=0.1)
    assert long_key.key == key.key


@pytest.mark.parametrize("rate_hz", [0, -1])
def test_a_rate_that_cannot_be(rate_hz: int) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        TempoKeyMeter(rate_hz)
