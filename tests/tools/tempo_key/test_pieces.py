"""Pieces that the networks for tempo and key are trained on."""

from __future__ import annotations

import ctypes.util
import random
from pathlib import Path

import numpy as np
import pytest
from tools.tempo_key.feature_files import FeatureSet, Track, features_of
from tools.tempo_key.harmony import CHORDS, LOOPS, MAJOR_SCALE, MINOR_SCALE, functional, loop
from tools.tempo_key.parts import DRUM_CHANNEL
from tools.tempo_key.patterns import DRUMS
from tools.tempo_key.pieces import make_piece
from tools.tempo_key.render import Synthesizer
from tools.tempo_key.rendered import SPLITS
from tools.tempo_key.title_keys import key_in_title

from earmark.tagging.tempo_key import TempoKeyMeter

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


def test_a_piece_follows_from_its_seed() -> None:
    assert make_piece(7, 20.0) == make_piece(7, 20.0)
    assert make_piece(7, 20.0) != make_piece(8, 20.0)


@pytest.mark.slow
def test_pieces_are_of_many_kinds_and_playable() -> None:
    pieces = [make_piece(seed, 20.0) for seed in range(150)]
    assert {piece.style.split(":")[0] for piece in pieces} == {
        "drums",
        "no drums",
        "classical",
        "counterpoint",
        "techno",
        "rubato",
        "ambient",
    }
    assert {(piece.tonic, piece.mode) for piece in pieces} == {
        (tonic, mode) for tonic in range(12) for mode in ("major", "minor")
    }
    for piece in pieces:
        assert piece.notes
        assert (piece.bpm is None) == (piece.style in ("rubato", "ambient"))
        assert all(
            0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 and note.end_s > note.begin_s for note in piece.notes
        )
        assert all(note.channel in piece.programs or note.channel == DRUM_CHANNEL for note in piece.notes)


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_most_notes_of_chords_are_in_the_key(mode: str) -> None:
    scale = {(4 + step) % 12 for step in (MAJOR_SCALE if mode == "major" else MINOR_SCALE)}
    for chords in (
        loop(random.Random(1), LOOPS[mode][0], 4, mode, 64, 4, 0.5),
        functional(random.Random(1), 4, mode, 256, 4, 8, 0.2, False),
    ):
        notes = [note for chord in chords for note in chord.classes]
        assert np.mean([note in scale for note in notes]) > 0.8
        assert all(set(chord.classes) <= set(chord.scale) for chord in chords)
    assert functional(random.Random(1), 4, mode, 64, 4, 8, 0, False)[0].classes[0] == 4


def test_tables_fit() -> None:
    assert all(name in CHORDS[mode] for mode, loops in LOOPS.items() for one in loops for name in one.split())
    for bar, per_beat, lines, low, high in DRUMS.values():
        assert all(len(steps) == bar * per_beat and set(steps) <= set(".xo") for steps in lines.values())
        assert low < high


def test_splits_share_neither_seeds_nor_fonts() -> None:
    seeds = [range(split.first_seed, split.first_seed + split.n_pieces) for split in SPLITS]
    assert all(not set(a) & set(b) for i, a in enumerate(seeds) for b in seeds[i + 1 :])
    assert all(not set(a.fonts) & set(b.fonts) for i, a in enumerate(SPLITS) for b in SPLITS[i + 1 :])


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Concerto in A Minor for Four Harpsichords", "Am"),
        ("Handel- Suite in Fa Major (Adagio)", "F"),
        ("in f", None),
        ("Born in La Paz", None),
    ],
)
def test_keys_in_titles(title: str, key: str | None) -> None:
    found = key_in_title(title)
    assert (found.id3 if found else None) == key


def test_feature_files(tmp_path: Path) -> None:
    tracks = []
    for seed in range(2):
        meter = TempoKeyMeter(16_000)
        meter.add(np.random.default_rng(seed).normal(0, 0.1, 48_000 * (seed + 1)).astype(np.float32))
        tracks.append(Track(f"track {seed}", features_of(meter), {"bpm": 120.0}))
    path = tmp_path / "features.npz"
    path.write_bytes(FeatureSet(tracks).to_bytes())
    for track, found in zip(tracks, FeatureSet.read(path).tracks, strict=True):
        assert (found.name, found.labels) == (track.name, track.labels)
        np.testing.assert_array_equal(found.features.onsets, track.features.onsets)
        np.testing.assert_array_equal(found.features.steps, track.features.steps)
        np.testing.assert_array_equal(found.features.cents, track.features.cents)


@pytest.mark.skipif(
    not FONT.exists() or ctypes.util.find_library("fluidsynth") is None, reason="needs FluidSynth and a font"
)
def test_rendered_pieces_are_much_the_same_each_time() -> None:
    synthesizer = Synthesizer(FONT)
    first, other, again = (synthesizer.render(make_piece(seed, 3.0), 3.0, seed) for seed in (1, 2, 1))
    assert first.shape == (48_000,)
    assert np.abs(first).max() > 0.01
    assert np.corrcoef(again, first)[0, 1] > 0.99  # the tail of what sounded before is not quite gone
    assert abs(np.corrcoef(other, first)[0, 1]) < 0.5
