"""Examples: which ones are drawn, and how they are cut and mixed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from earmark.datasets.labelled_set import Song
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, loudness
from earmark.datasets.labelled_set.songs import shares
from earmark.distillation.labelling_inputs import LabellingInputs
from earmark.distillation.windows import Examples, make_example, plain_recipes, to_float
from earmark.training.audio_store import PackedAudio


def test_recipes_are_functions_of_seed_and_number(inputs: LabellingInputs) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=3)
    again = Examples(inputs.songs, inputs.seconds, seed=3)
    recipes = [examples.recipe(k) for k in range(200)]
    assert [again.recipe(k) for k in (7, 3, 199)] == [recipes[7], recipes[3], recipes[199]]
    assert json.loads(json.dumps(recipes)) == recipes
    assert Examples(inputs.songs, inputs.seconds, seed=4).recipe(0) != recipes[0]
    roles = {song.song_id: song.split for song in inputs.songs}
    assert {roles[part["song"]] for recipe in recipes for part in recipe["parts"]} == {"train"}
    assert 0.15 < np.mean([len(recipe["parts"]) == 2 for recipe in recipes]) < 0.35
    assert 0.2 < np.mean([not recipe["steps"] for recipe in recipes]) < 0.5


@pytest.mark.parametrize("first", [0, 500])
def test_any_stretch_of_numbers_is_a_fair_sample(inputs: LabellingInputs, first: int) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    counts = Counter(examples.recipe(k)["parts"][0]["song"] for k in range(first, first + 200))
    for song, share in shares(inputs.songs):
        assert counts[song.song_id] == pytest.approx(200 * share, abs=2.5)


def test_an_unchanged_example_is_the_songs_own_samples() -> None:
    sound = 0.2 * np.random.default_rng(0).uniform(-1, 1, 40 * RATE_HZ).astype(np.float32)
    recipe = {"parts": [{"song": "a", "start_seconds": 5.0, "semitones": 0.0}], "steps": []}
    made = make_example(recipe, {"a": PackedAudio.pack(sound)})
    assert made.shape == (EXAMPLE_SAMPLES,)
    np.testing.assert_allclose(to_float(made), sound[5 * RATE_HZ :][:EXAMPLE_SAMPLES], atol=5e-5)


def test_a_short_song_is_repeated_without_gaps() -> None:
    sound = np.sin(2 * np.pi * 440 * np.arange(7 * RATE_HZ) / RATE_HZ).astype(np.float32) * 0.5
    recipe = {"parts": [{"song": "a", "start_seconds": 3.0, "semitones": 0.0}], "steps": []}
    made = to_float(make_example(recipe, {"a": PackedAudio.pack(sound)}))
    levels = [loudness(block) for block in made[: 29 * RATE_HZ].reshape(29, -1)]
    assert min(levels) > 0.34
    np.testing.assert_array_equal(made[: EXAMPLE_SAMPLES // 2], made[7 * RATE_HZ :][: EXAMPLE_SAMPLES // 2])


@pytest.mark.parametrize("semitones", [-2.0, 0.5, 2.0])
def test_speed_moves_the_pitch(semitones: float) -> None:
    sound = np.sin(2 * np.pi * 1000 * np.arange(40 * RATE_HZ) / RATE_HZ).astype(np.float32) * 0.5
    recipe = {"parts": [{"song": "a", "start_seconds": 0.0, "semitones": semitones}], "steps": []}
    made = to_float(make_example(recipe, {"a": PackedAudio.pack(sound)}))
    assert made.shape == (EXAMPLE_SAMPLES,)
    peak_hz = np.abs(np.fft.rfft(made)).argmax() * RATE_HZ / EXAMPLE_SAMPLES
    assert peak_hz == pytest.approx(1000 * 2 ** (semitones / 12), abs=0.1)
    assert loudness(made[-RATE_HZ:]) > 0.34  # up to the end


def test_a_mix_balances_loudness_and_does_not_clip() -> None:
    time = np.arange(30 * RATE_HZ) / RATE_HZ
    loud, soft = 0.9 * np.sin(2 * np.pi * 300 * time), 0.01 * np.sin(2 * np.pi * 2000 * time)
    waveforms = {"a": PackedAudio.pack(loud.astype(np.float32)), "b": PackedAudio.pack(soft.astype(np.float32))}
    part = {"start_seconds": 0.0, "semitones": 0.0}
    recipe = {"parts": [{"song": "a", **part}, {"song": "b", **part, "level_db": -6.0}], "steps": []}
    made = to_float(make_example(recipe, waveforms))
    spectrum = np.abs(np.fft.rfft(made[: 20 * RATE_HZ]))
    assert 20 * np.log10(spectrum[2000 * 20] / spectrum[300 * 20]) == pytest.approx(-6.0, abs=0.05)
    assert np.abs(made).max() == pytest.approx(1.0, abs=1e-3)
    assert np.mean(np.abs(made) > 0.999) < 0.02  # each turn touches it, none stays there


def test_unchanged_sets_cover_whole_songs() -> None:
    songs = [Song(name, Path(name), "emotify", "test", 0.0) for name in ("short", "long")]
    recipes = plain_recipes(songs, {"short": 12.0, "long": 60.0})
    assert [(recipe["parts"][0]["song"], recipe["parts"][0]["start_seconds"]) for recipe in recipes] == [
        ("short", 0.0),
        ("long", 0.0),
        ("long", 30.9),
    ]
