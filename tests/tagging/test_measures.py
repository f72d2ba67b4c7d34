"""Tempo and key beside the tags: from every kind of audio, through every way of tagging, into records and tables."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.audio import load
from earmark.core.errors import AudioError, ConfigError
from earmark.tagging.options import option_problems
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger
from tests.helpers import sounds

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A-minor chords on a beat of 120 BPM."""
    time = np.arange(20 * RATE_HZ) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 261.63, 329.63))
    click = np.exp(-((time % 0.5) * 60)) * np.random.default_rng(0).normal(size=len(time))
    audio = 0.1 * chord + 0.3 * click
    return sounds.write(tmp_path_factory.mktemp("song") / "song.flac", audio[None], RATE_HZ)


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return earmark.load_tagger(tempo=True, key=True)


@pytest.fixture(scope="module")
def scores(tagger: Tagger, song: Path) -> TagScores:
    return tagger.tag(song)


def test_a_plain_beat_and_chord_are_found(scores: TagScores) -> None:
    assert scores.tempo is not None
    assert scores.key is not None
    assert scores.tempo.bpm in (pytest.approx(120, abs=1), pytest.approx(60, abs=1))
    assert scores.key.key is not None
    assert scores.key.key in earmark.MusicalKey.parse("Am").neighbours()


@pytest.mark.slow
def test_every_way_of_tagging_gives_the_same(tagger: Tagger, song: Path, scores: TagScores) -> None:
    content = song.read_bytes()
    ways = [
        tagger.tag(content),
        tagger.tag(io.BytesIO(content)),
        *tagger.tag_many([song, song], jobs=2),
        pickle.loads(pickle.dumps(tagger)).tag(song),
        earmark.load_tagger(tempo=True, key=True, step_seconds=5).tag(song),
        earmark.load_tagger(tempo=True, key=True, embeddings=True).tag(song),
    ]
    assert {(way.tempo, way.key) for way in ways} == {(scores.tempo, scores.key)}
    waveform = tagger.tag_waveform(load(song, RATE_HZ), RATE_HZ)
    assert (waveform.tempo, waveform.key) == (scores.tempo, scores.key)


@pytest.mark.slow
def test_only_what_was_asked_for_is_there(song: Path, scores: TagScores) -> None:
    assert (found := earmark.load_tagger(tempo=True).tag(song)).key is None
    assert found.tempo == scores.tempo
    assert (found := earmark.load_tagger(key=True).tag(song)).tempo is None
    assert found.key == scores.key
    neither = earmark.load_tagger().tag(song)
    assert (neither.tempo, neither.key) == (None, None)
    assert not {"tempo", "key"} & neither.to_record().keys()
    np.testing.assert_array_equal(neither.scores, scores.scores)  # nothing else changes


def test_silence_has_neither(tagger: Tagger) -> None:
    silent = tagger.tag_waveform(np.zeros(5 * RATE_HZ), RATE_HZ)
    assert silent.tempo is not None
    assert silent.key is not None
    assert (silent.tempo.bpm, silent.key.key) == (None, None)
    assert silent.to_record()["tempo"]["bpm"] is silent.to_record()["key"]["camelot"] is None
    assert "no clear beat, no clear key" in repr(silent)


@pytest.mark.parametrize("name", ["tempo", "key"])
def test_sparse_windows_are_too_little(name: str) -> None:
    with pytest.raises(ConfigError, match=f"windows 4 with {name}: leave one of them out"):
        earmark.load_tagger(windows=4, **{name: True})  # type: ignore[arg-type]
    assert option_problems({"windows": 4, "tempo": False, "key": False}) == []


def test_people_and_programs_read_them(scores: TagScores) -> None:
    assert scores.tempo is not None
    assert scores.key is not None
    assert f", {scores.tempo}, {scores.key}, model" in repr(scores)
    assert f", {scores.tempo}, {scores.key}, model" in scores._repr_html_()
    record = scores.to_record()
    assert list(record)[-2:] == ["tempo", "key"]
    assert record["key"] == scores.key.record()


def test_tables_have_them_where_they_were_asked_for(scores: TagScores) -> None:
    pytest.importorskip("pandas")
    failed = AudioError("no such file", "missing.mp3")
    table = earmark.to_frame([scores, failed, replace(scores, key=None)])
    columns = ["bpm", "tempo_confidence", "key", "camelot", "key_confidence", "tuning_hz"]
    assert list(table.columns[5:11]) == columns
    assert scores.tempo is not None
    assert table["bpm"][0] == scores.tempo.bpm
    assert table.loc[1, columns].isna().all()
    assert table.loc[2, columns[2:]].isna().all()
    assert "bpm" not in earmark.to_frame([replace(scores, tempo=None, key=None)]).columns


@pytest.mark.slow
def test_damaged_files_are_measured_as_far_as_they_go(song: Path, tmp_path: Path) -> None:
    cut = sounds.shorten(
        sounds.write(tmp_path / "a.mp3", load(song, RATE_HZ)[None], RATE_HZ), 0.7, tmp_path / "cut.mp3"
    )
    with pytest.raises(AudioError):
        earmark.load_tagger(tempo=True).tag(cut)
    assert earmark.load_tagger(tempo=True, damaged="tag").tag(cut).tempo is not None
