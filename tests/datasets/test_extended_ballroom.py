"""Extended Ballroom: the list, and a split that keeps songs and artists together."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from earmark.datasets.extended_ballroom import LIST_NAME
from tests.helpers.dataset_folders import write_extended_ballroom


def test_songs_and_artists_stay_together(tmp_path: Path) -> None:
    dataset = load_dataset("extended_ballroom", write_extended_ballroom(tmp_path))
    assert dataset.shared_between_splits("artist") == ()
    assert dataset.shared_between_splits("song") == ()
    by_id = {clip.clip_id: clip for clip in dataset.clips}
    assert by_id["100600"].song == by_id["100601"].song == "100600"
    assert by_id["100600"].artist == by_id["101600"].artist == "Musica & Poesia"
    assert by_id["100600"].split == by_id["101600"].split
    assert dataset.vocabulary.names[by_id["101603"].labels.argmax()] == "chacha"
    assert by_id["101603"].path == tmp_path / "Chacha" / "101603.mp3"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("Tango", "Polka", "dance 'Polka' is not one of"),
        ('artist="Waltz 3"', 'artist=" "', "has no artist"),
        ('id="100603"', "", "has no id"),
        ("</ballroom>", "", "not XML"),
    ],
)
def test_lists_that_are_not_as_published_are_refused(tmp_path: Path, old: str, new: str, error: str) -> None:
    path = write_extended_ballroom(tmp_path) / LIST_NAME
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=error):
        load_dataset("extended_ballroom", tmp_path)
