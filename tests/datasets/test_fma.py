"""FMA: the tables as published, and the sizes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from tests.helpers.dataset_folders import write_fma


def test_sizes_hold_the_smaller_ones(tmp_path: Path) -> None:
    root = write_fma(tmp_path)
    small, medium, large = (load_dataset("fma", root, size) for size in ("small", "medium", "large"))
    assert [len(dataset.clips) for dataset in (small, medium, large)] == [6, 7, 8]
    assert (small.vocabulary.names, large.vocabulary.names) == (("Hip-Hop", "Rock"), ("Hip-Hop", "Punk", "Rock"))
    assert (small.exclusive, large.exclusive) == (("Hip-Hop", "Rock"), ())
    assert next(clip for clip in large.clips if clip.clip_id == "000200").labels.tolist() == [1, 1, 1]
    clip = next(clip for clip in small.clips if clip.clip_id == "000005")
    assert (clip.split, clip.labels.tolist(), clip.artist) == ("train", [0, 1], "2")
    assert clip.path == root / "fma_large" / "000" / "000005.mp3", "the larger size holds it"
    assert small.shared_between_splits() == ()


@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_size_whose_audio_is_there_is_the_default(tmp_path: Path, size: str) -> None:
    dataset = load_dataset("fma", write_fma(tmp_path, size))
    assert dataset.protocol == size
    dataset.require_files()


def test_tracks_that_were_cut_outside_the_song_are_never_used(tmp_path: Path) -> None:
    dataset = load_dataset("fma", write_fma(tmp_path))
    assert "099134" in dataset.info.exclusions
    assert "099134" not in {clip.clip_id for clip in dataset.clips}


def test_long_cells_leave_the_limit_of_the_csv_module_alone(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    load_dataset("fma", write_fma(tmp_path))
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (",small,Rock,", ",tiny,Rock,", "subset 'tiny'"),
        ("validation,small,Hip-Hop", "later,small,Hip-Hop", "split 'later'"),
        ("small,Hip-Hop,[21],[21],King", "small,,[21],[21],King", "genres"),
        ("track_id", "id", "three rows of header"),
        ("genre_top", "genre", "track.genre_top"),
    ],
)
def test_tables_that_are_not_as_published_are_refused(tmp_path: Path, old: str, new: str, error: str) -> None:
    path = write_fma(tmp_path) / "fma_metadata" / "tracks.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=error):
        load_dataset("fma", tmp_path, "medium")
