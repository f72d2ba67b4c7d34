"""EmoMusic: degrees, and the split of Castellon et al."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from earmark.datasets.emomusic import validates
from tests.helpers.dataset_folders import write_emomusic


def test_degrees_are_from_0_to_1(tmp_path: Path) -> None:
    dataset = load_dataset("emomusic", write_emomusic(tmp_path))
    assert [(tag.name, tag.kind) for tag in dataset.vocabulary] == [
        ("arousal", "regression"),
        ("valence", "regression"),
    ]
    first = dataset.clips[0]
    # song 2: 3.1 + .6 and 5 - .4 of 1..9
    np.testing.assert_allclose(first.labels, [(3.7 - 1) / 8, (4.6 - 1) / 8], rtol=1e-6)
    assert (first.clip_id, first.song, first.artist) == ("2", "Song 2", "the new mystikal troubadours")


def test_the_split_is_that_of_the_published_program(tmp_path: Path) -> None:
    """In the published metadata the first song validates, and "Max Lyall" is in the evaluation set."""
    split = {clip.clip_id: clip.split for clip in load_dataset("emomusic", write_emomusic(tmp_path)).clips}
    assert (split["2"], split["3"]) == ("validation", "test")
    assert validates("The New Mystikal Troubadours\t")
    assert split["4"] == ("validation" if validates("bjrk") else "train"), "letters that are not ASCII do not count"


def test_tables_flat_in_the_root_are_read(tmp_path: Path) -> None:
    root = write_emomusic(tmp_path)
    before = load_dataset("emomusic", root).fingerprint
    for path in (root / "annotations").iterdir():
        path.rename(root / path.name)
    (root / "annotations").rmdir()
    assert load_dataset("emomusic", root).fingerprint == before


@pytest.mark.parametrize(
    ("name", "old", "new", "error"),
    [
        ("static_annotations", "2,3.7", "2,9.5", "mean_arousal '9.5' must be 1 to 9"),
        ("static_annotations", "\n3,", "\n99,", "song '3' has no row"),
        ("songs_info", "evaluation", "test", "must be one of development, evaluation"),
        ("songs_info", "Mediaeval 2013 set", "set", "column 'Mediaeval 2013 set' is missing"),
    ],
)
def test_tables_that_are_not_as_published_are_refused(
    tmp_path: Path, name: str, old: str, new: str, error: str
) -> None:
    path = write_emomusic(tmp_path) / "annotations" / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=error):
        load_dataset("emomusic", tmp_path)
