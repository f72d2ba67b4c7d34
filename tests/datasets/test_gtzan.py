"""GTZAN: the published splits, and folders as people have them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from earmark.datasets.gtzan import GENRES, TAGS, split_of_clips
from tests.helpers.dataset_folders import sound, write_gtzan


@pytest.mark.parametrize(
    ("protocol", "counts"),
    [
        ("fault-filtered", {"train": 443, "validation": 197, "test": 290}),
        ("stratified", {"train": 500, "validation": 250, "test": 250}),
    ],
)
def test_the_published_splits(protocol: str, counts: dict[str, int]) -> None:
    clips = split_of_clips(protocol)
    assert Counter(split for _, split, _ in clips) == counts
    assert {genre for genre, _, _ in clips} == set(GENRES)
    assert len({(genre, number) for genre, _, number in clips}) == len(clips)
    assert all(0 <= number < 100 for _, _, number in clips)


def test_clips_that_are_absent_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = load_dataset("gtzan", write_gtzan(tmp_path))
    assert dataset.counts == {"train": 20, "validation": 20, "test": 20}
    assert dataset.notes == ("870 of the 930 clips of fault-filtered are not there.",)
    first = dataset.clips[0]
    assert (first.clip_id, first.split, first.labels.tolist()) == ("blues.00029", "train", [1.0] + [0.0] * 9)
    assert dataset.exclusive == TAGS == dataset.vocabulary.names


@pytest.mark.parametrize("folder", ["", "genres", "genres_original", "Data/genres_original"])
@pytest.mark.parametrize("suffix", [".wav", ".au"])
def test_folders_and_formats_as_people_have_them(tmp_path: Path, folder: str, suffix: str) -> None:
    path = sound(tmp_path / folder / "blues" / f"blues.00000{suffix}")
    sound(tmp_path / folder / "blues" / "another.wav")
    (clip,) = load_dataset("gtzan", tmp_path).clips
    assert (clip.clip_id, clip.path, clip.split) == ("blues.00000", path, "validation")


def test_of_two_formats_of_a_clip_wav_is_taken(tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "rock.00016.au")
    sound(tmp_path / "blues" / "blues.00000.au")
    path = sound(tmp_path / "blues" / "blues.00000.wav")
    clips = load_dataset("gtzan", tmp_path).clips
    assert {clip.path.suffix for clip in clips} == {".wav", ".au"}
    assert clips[0].path == path


def test_folders_without_its_clips_are_refused(tmp_path: Path) -> None:
    sound(tmp_path / "genres" / "blues" / "song.wav")
    with pytest.raises(DataError, match="none of the clips of fault-filtered"):
        load_dataset("gtzan", tmp_path)
