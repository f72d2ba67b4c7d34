"""Tables of labels for a probe: a tag in each row, or a manifest without a split; and choosing among tags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.datasets.base import label_matrix
from earmark.datasets.folds import group_folds
from earmark.datasets.tag_table import classes_of, load_tag_table, with_tags


def table(folder: Path, text: str) -> Path:
    for name in "abc":
        (folder / f"{name}.mp3").touch()
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_one_tag_each_excludes_the_others(tmp_path: Path) -> None:
    found = load_tag_table(table(tmp_path, "path,tag,artist\na.mp3,rock,x\nb.mp3,jazz,y\nc.mp3,rock,y\n"))
    assert found.vocabulary.names == ("jazz", "rock")
    assert found.exclusive == ("jazz", "rock")
    assert label_matrix(found.clips).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert [(clip.split, clip.artist) for clip in found.clips] == [("train", "x"), ("train", "y"), ("train", "y")]


def test_several_rows_of_a_file_are_several_tags(tmp_path: Path) -> None:
    found = load_tag_table(table(tmp_path, "path,tag,split\na.mp3,rock,train\na.mp3,loud,train\nb.mp3,jazz,test\n"))
    assert found.exclusive == ()
    assert label_matrix(found.clips).tolist() == [[0, 1, 1], [1, 0, 0]]
    assert [clip.split for clip in found.clips] == ["train", "test"]


def test_a_manifest_needs_no_split(tmp_path: Path) -> None:
    found = load_tag_table(table(tmp_path, "path,tags,calm\na.mp3,rock;loud,.5\nb.mp3,,1\n"))
    assert [tag.kind for tag in found.vocabulary] == ["classification", "classification", "regression"]
    assert found.counts == {"train": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,tag\na.mp3,\n,rock\n", "line 2: no tag\n  line 3: no path"),
        ("path,tag,artist\na.mp3,rock,x\na.mp3,loud,y\n", "artist of a.mp3 differ from those of line 2"),
        ("path,tag,tags\na.mp3,rock,x\n", "columns tag and tags"),
        ("file,tag\na.mp3,rock\n", "column 'path' is missing"),
        ("path,tag\nnone.mp3,rock\n", "no file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_tag_table(table(tmp_path, text))


@pytest.mark.parametrize(
    "cell",
    [
        '"rock, fast"',
        '"fast,rock"',
        "rock;fast",
        "rock;",
        "rock|fast",
        "rock\tfast",
        "rock、fast",
        "\"['rock', 'fast']\"",
        '"[""rock"", ""fast""]"',
        "{'rock'}",
        '"r&b/soul [genre]; fast"',
    ],
)
def test_a_list_of_tags_is_not_one_tag(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"line 2: tag .*a row of its own"):
        load_tag_table(table(tmp_path, f"path,tag\na.mp3,{cell}\nb.mp3,rock\nc.mp3,jazz\n"))


def test_lists_in_json_lines_are_not_one_tag(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"path": "a.mp3", "tag": ["rock", "fast"]}\n{"path": "b.mp3", "tag": "rock"}\n')
    with pytest.raises(DataError, match=r"tag .*a row of its own"):
        load_tag_table(path)


def test_names_with_signs_in_them_are_one_tag(tmp_path: Path) -> None:
    text = "path,tag\na.mp3,\"Stage, Screen\"\nb.mp3,r&b/soul [genre]\nc.mp3,drum 'n' bass\n"
    assert load_tag_table(table(tmp_path, text)).vocabulary.names == ("Stage, Screen", "drum 'n' bass", "r&b/soul")


def test_tags_are_chosen_by_name_and_category(tmp_path: Path) -> None:
    text = "path,rock [genre],jazz [genre],loud,calm [regression mood]\na.mp3,1,0,1,.5\nb.mp3,0,1,,\nc.mp3,1,0,0,.2\n"
    dataset = load_tag_table(table(tmp_path, text))
    genres = with_tags(dataset, ["genre"])
    assert genres.vocabulary.names == ("rock", "jazz")
    assert classes_of(genres) == ("rock", "jazz")
    others = with_tags(dataset, ["calm", "loud"])
    assert others.vocabulary.names == ("loud", "calm")
    assert [clip.path.name for clip in others.clips] == ["a.mp3", "c.mp3"]  # the other is not labelled
    assert classes_of(others) == classes_of(dataset) == ()
    assert np.array_equal(label_matrix(with_tags(dataset, []).clips), label_matrix(dataset.clips), equal_nan=True)
    with pytest.raises(ConfigError, match="'polka': neither a tag") as caught:
        with_tags(dataset, ["polka", "waltz"])
    assert len(caught.value.problems) == 2


@pytest.mark.shared
def test_emotifys_genres_exclude_each_other(shared_dir: Path) -> None:
    dataset = load_dataset("emotify", shared_dir / "data" / "emotify")
    assert classes_of(with_tags(dataset, ["genre"])) == ("classical", "rock", "electronic", "pop")
    assert classes_of(with_tags(dataset, ["mood"])) == ()


def test_folds_keep_groups_together_and_are_of_one_size() -> None:
    groups = [f"{i // 4}" for i in range(100)]
    folds = group_folds(groups, 5)
    assert np.bincount(folds).tolist() == [20] * 5
    assert len({(group, fold) for group, fold in zip(groups, folds, strict=True)}) == 25
    assert not np.array_equal(folds, group_folds(groups, 5, seed=1))
    assert set(group_folds(["a", "b"], 5)) == {0, 1}
    with pytest.raises(ConfigError, match="two groups"):
        group_folds(["a", "a"], 5)
