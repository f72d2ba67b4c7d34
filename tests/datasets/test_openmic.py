"""OpenMIC-2018: partial labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import DataError
from earmark.datasets import label_matrix, load_dataset
from earmark.datasets.openmic import INSTRUMENTS, LABELS_NAME, validates
from tests.helpers.dataset_folders import write_openmic


def test_labels_are_partial(tmp_path: Path) -> None:
    dataset = load_dataset("openmic", write_openmic(tmp_path))
    labels = label_matrix(dataset.clips)
    assert ((~np.isnan(labels)).sum(axis=1) == 2).all()
    first = dataset.clips[0]
    assert (first.clip_id, first.artist, first.song) == ("000040_3840", "30", "40")
    # relevance .17 of the accordion, 1 of the banjo
    assert first.labels[:2].tolist() == [0, 1]
    assert np.isnan(first.labels[2:]).all()
    assert first.path == tmp_path / "audio" / "000" / "000040_3840.ogg"
    assert dataset.vocabulary.names[9] == "mallet percussion"
    assert dataset.exclusive == ()


def test_validation_is_taken_from_the_training_part_by_artist(tmp_path: Path) -> None:
    dataset = load_dataset("openmic", write_openmic(tmp_path))
    assert sum(dataset.counts.values()) == 20
    assert dataset.counts["test"] == 6
    for clip in dataset.clips:
        assert clip.artist is not None
        assert clip.split == "test" or (clip.split == "validation") == validates(clip.artist)
    drawn = sum(validates(str(artist)) for artist in range(4000)) / 4000
    assert 0.11 < drawn < 0.14


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("accordion,0.17105", "accordion,x", "relevance 'x' must be 0 to 1"),
        ("accordion,0.17105", "kazoo,0.17105", "instrument 'kazoo'"),
        ("000041_3840", "000099_3840", "000041_3840 has no row"),
    ],
)
def test_tables_that_are_not_as_published_are_refused(tmp_path: Path, old: str, new: str, error: str) -> None:
    path = write_openmic(tmp_path) / LABELS_NAME
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=error):
        load_dataset("openmic", tmp_path)


def test_the_order_of_the_authors() -> None:
    assert list(INSTRUMENTS) == sorted(INSTRUMENTS)
    assert len(INSTRUMENTS) == 20
