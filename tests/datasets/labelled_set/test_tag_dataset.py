"""A labelled set as tags that hold or not, with artists and sources of its own in each split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import label_matrix, load_dataset
from earmark.datasets.labelled_set import Song, labelled_tags
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, FORMAT, SET_FILE, TRAIN_SET
from earmark.datasets.labelled_set.tag_dataset import group_split, tag_labels
from tests.helpers.labelled_sets import MADE, made_outputs, write_tables

N_EXAMPLES, N_GROUPS = 60, 20


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three teachers; example 0 is silent, every fifth is mixed of two songs."""
    songs = [Song(f"song {i}", Path("none.wav"), f"artist {i % N_GROUPS}", "train", 30.0) for i in range(N_EXAMPLES)]
    folder = write_tables(tmp_path_factory.mktemp("sets"), songs)
    shard = folder / TRAIN_SET / "00000"
    shard.mkdir(parents=True)
    audio = np.lib.format.open_memmap(shard / "audio.npy", "w+", np.int16, (N_EXAMPLES, EXAMPLE_SAMPLES))
    audio[1:, ::1000] = 9000
    outputs, _ = made_outputs(N_EXAMPLES)
    np.save(shard / "means.npy", outputs.astype(np.float16))
    np.save(shard / "windows.npy", np.empty((N_EXAMPLES, 0, 0, 50), np.float16))
    recipes = [
        {"parts": [{"song": f"song {k}"} for k in ((i, (i + 1) % N_EXAMPLES) if i % 5 == 0 else (i,))]}
        for i in range(N_EXAMPLES)
    ]
    (shard / "recipes.jsonl").write_text("".join(json.dumps(recipe) + "\n" for recipe in recipes))
    teachers = [{"name": f"t{i}", "vocabulary": name, "starts": [0], "sha256": "0" * 64} for i, name in enumerate(MADE)]
    document = {"format": FORMAT, "teachers": teachers, "teachers_by_window": []}
    (folder / TRAIN_SET / SET_FILE).write_text(json.dumps(document))
    return folder


def test_no_artist_is_in_two_splits_and_mixtures_of_splits_are_left_out(root: Path) -> None:
    dataset = load_dataset("labelled_tags", root)
    assert dataset.protocol == "groups-apart"
    assert set(dataset.counts) == {"train", "validation", "test"}
    places = {int(clip.clip_id.split("/")[1]): clip for clip in dataset.clips}
    for place, clip in places.items():
        assert clip.artist == f"artist {place % N_GROUPS}"
        assert clip.split == group_split(clip.artist)
        assert clip.stored is not None
        assert clip.stored.row == place
    mixed = {i for i in range(0, N_EXAMPLES, 5) if len({group_split(f"artist {k % N_GROUPS}") for k in (i, i + 1)}) > 1}
    assert mixed
    assert set(range(1, N_EXAMPLES)) - set(places) == mixed - {0}
    assert 0 not in places, "silent"


def test_tags_hold_as_often_as_labels_add_up_to(root: Path) -> None:
    whole, few = labelled_tags(root), labelled_tags(root, n_tags=3)
    labels = label_matrix(whole.clips)
    assert set(np.unique(labels)) == {0, 1}
    assert len(whole.vocabulary) == 50
    assert all(tag.kind == "classification" for tag in whole.vocabulary)
    assert "rock" in few.vocabulary.names, "the tag that teachers give most"
    assert len(few.vocabulary) == 3
    places = [whole.vocabulary.index(name) for name in few.vocabulary.names]
    np.testing.assert_array_equal(label_matrix(few.clips), labels[:, places])


def test_labels_of_one_tag() -> None:
    soft = np.array([[0.2, np.nan], [0.9, np.nan], [np.nan, np.nan], [0.8, np.nan]], np.float32)
    np.testing.assert_array_equal(tag_labels(soft)[:, 0], [0, 1, np.nan, 1])
    assert np.isnan(tag_labels(soft)[:, 1]).all()


def test_shares_of_splits_are_as_described() -> None:
    splits = [group_split(f"group {i}") for i in range(5000)]
    for split, share in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        assert splits.count(split) / len(splits) == pytest.approx(share, abs=0.02)


def test_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n_tags 0: must be 1 or more"):
        labelled_tags(root, n_tags=0)
    write_tables(tmp_path, [Song("song 0", Path("none.wav"), "a", "train", 30.0)])
    (tmp_path / TRAIN_SET).symlink_to(root / TRAIN_SET)
    with pytest.raises(DataError, match="does not list 59 of its songs, such as 'song 1'"):
        labelled_tags(tmp_path)
