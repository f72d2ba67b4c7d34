"""Checking a dataset: every kind of bad file in one small MagnaTagATune, and what a split is like."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.core.vocabulary import Vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.base import Clip, Dataset, DatasetInfo
from earmark.datasets.check import CheckReport, check_dataset
from earmark.datasets.leaks import find_leaks, leak_warnings
from tests.helpers.mtat import CLIPS, write_audio, write_tables
from tests.helpers.sounds import shorten, write

INFO = DatasetInfo("tiny", "Tiny", "", "", "", "", ())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_tables(tmp_path_factory.mktemp("mtat"))
    write_audio(root / "mp3")
    return root


@pytest.fixture
def bad(good: Path, tmp_path: Path) -> Path:
    """1 is missing, 2 empty, 3 cut short, 4 text, 5 silent, 6 and 8 the same file, 7 a folder; 9 and 10 are good."""
    root = tmp_path / "mtat"
    shutil.copytree(good, root)
    audio = root / "mp3"
    paths = {str(i): audio / clip.path for i, clip in enumerate(CLIPS, start=1)}
    paths["1"].unlink()
    paths["2"].write_bytes(b"")
    shorten(paths["3"], 0.7, paths["3"])
    paths["4"].write_text("not music\n" * 100)
    write(paths["5"], np.zeros(16_000, np.float32), 16_000)
    shutil.copy(paths["6"], paths["8"])
    paths["7"].unlink()
    paths["7"].mkdir()
    return root


def check(root: Path, **options: object) -> CheckReport:
    return check_dataset(load_dataset("magnatagatune", root), **options)  # type: ignore[arg-type]


def test_a_good_dataset(good: Path) -> None:
    done: list[tuple[int, int]] = []
    report = check(good, min_seconds=0.9, jobs=2, on_done=lambda n, total: done.append((n, total)))
    assert report.ok
    assert done == [(n, 10) for n in range(1, 11)]
    assert report.duration_seconds == pytest.approx(10, abs=1)
    assert report.clips == {"train": 5, "validation": 2, "test": 3}
    assert len(report.exclusions) == 3, "empty files that are known are no faults"


def test_every_bad_file_is_named_and_none_stops_the_check(bad: Path) -> None:
    report = check(bad)
    assert not report.ok
    assert list(report.missing) == ["1"]
    assert report.missing["1"].endswith(CLIPS[0].path)
    assert set(report.unreadable) == {"2", "3", "4", "7"}
    assert report.unreadable["2"] == "the file is empty (0 bytes)"
    assert "cut" in report.unreadable["3"] or "ends" in report.unreadable["3"]
    assert "not audio" in report.unreadable["4"]
    assert "folder" in report.unreadable["7"]
    assert report.silent == ("5",)
    assert report.duplicated == (("6", "8"),)
    assert not report.too_short


def test_without_decoding_less_is_found(bad: Path) -> None:
    report = check(bad, decode=False)
    assert not report.decoded
    assert list(report.missing) == ["1"]
    assert set(report.unreadable) == {"2", "7"}
    assert report.duplicated == (("6", "8"),)
    assert (report.silent, report.duration_seconds) == ((), None)


def test_channels_that_cancel_are_not_silent(good: Path, tmp_path: Path) -> None:
    root = tmp_path / "mtat"
    shutil.copytree(good, root)
    left = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    write(root / "mp3" / CLIPS[2].path, np.stack([left, -left]), 16_000)
    assert check(root).ok


def test_too_short_is_what_is_asked_for(good: Path, tmp_path: Path) -> None:
    root = tmp_path / "mtat"
    shutil.copytree(good, root)
    write(root / "mp3" / CLIPS[2].path, np.full(4_000, 0.1, np.float32), 16_000)
    report = check(root, min_seconds=0.9)
    assert list(report.too_short) == ["3"]
    assert report.too_short["3"] == pytest.approx(0.25, abs=0.15)
    assert not report.ok
    assert check(root).ok


def test_the_same_audio_in_another_file_is_found_by_decoding(good: Path, tmp_path: Path) -> None:
    root = tmp_path / "mtat"
    shutil.copytree(good, root)
    original, copy = root / "mp3" / CLIPS[0].path, root / "mp3" / CLIPS[8].path
    other_tag = b"ID3\x04\x00\x00\x00\x00\x00\x7f" + bytes(127)
    copy.write_bytes(other_tag + original.read_bytes())
    assert check(root).duplicated == (("1", "9"),)
    assert check(root, decode=False).duplicated == ()


def test_tags_are_counted_by_split(good: Path) -> None:
    report = check(good, decode=False)
    assert report.positives["guitar"] == {"train": 2, "validation": 1, "test": 0}
    assert report.positives["slow"] == {"train": 3, "validation": 0, "test": 2}
    assert report.untagged == ("4", "7", "10")
    assert report.no_positives == {
        "train": ("no voice",),
        "validation": ("slow", "flute", "no voice"),
        "test": ("guitar", "no voice"),
    }
    assert [(leak.by, leak.owners, leak.n_clips, leak.known) for leak in report.leaks] == [
        ("artist", ("Ann", "Cy"), 5, {"validation": 1, "test": 1})
    ]
    assert any("2 artists have clips in more than one split" in warning for warning in report.warnings)
    assert any("as published" in note for note in report.notes)


def test_the_report_as_json(bad: Path) -> None:
    report = check(bad)
    read = json.loads(json.dumps(report.to_dict()))
    assert read["ok"] is False
    assert read["duplicated"] == [["6", "8"]]
    assert read["missing"] == report.missing
    assert read["leaks"][0]["owners"] == ["Ann", "Cy"]
    assert replace(report, missing={}).to_dict()["missing"] == {}


def tiny(*clips: tuple[str, str | None, str | None]) -> Dataset:
    rows = [
        Clip(str(i), Path("x"), split, np.ones(1, np.float32), artist, song)
        for i, (split, artist, song) in enumerate(clips)
    ]
    return Dataset("tiny", "p", Vocabulary.of(["a"]), tuple(rows), INFO)


def test_songs_of_one_title_by_two_artists_are_two_songs() -> None:
    assert find_leaks(tiny(("train", "Ann", "Prelude"), ("test", "Bo", "Prelude"))) == ()
    song, artist = find_leaks(tiny(("train", "Ann", "Prelude"), ("test", "Ann", "Prelude"), ("test", "Bo", "Fugue")))
    assert (song.by, song.owners, song.n_clips, song.known) == ("song", ("Prelude",), 2, {"test": 1})
    assert (artist.by, artist.owners) == ("artist", ("Ann",))


def test_what_is_shared_by_validation_and_test_alone_is_reported_too() -> None:
    dataset = tiny(("train", "Ann", None), ("validation", "Bo", None), ("test", "Bo", None))
    assert leak_warnings(dataset) == ("1 artist has clips in more than one split (2 clips): the scores flatter.",)


def test_unknown_artists_may_be_on_both_sides() -> None:
    assert "Artists are not known for all clips" in leak_warnings(tiny(("train", None, None), ("test", "Bo", None)))[0]
    assert leak_warnings(tiny(("train", "Ann", None), ("test", "Bo", None))) == ()
