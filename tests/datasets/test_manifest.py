"""Manifests in all four formats; kinds given and inferred; every problem with its line, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets import Clip, Dataset, list_datasets, load_dataset
from earmark.datasets.manifest import INFO, load_manifest
from earmark.datasets.registry import dataset_info, register_dataset
from earmark.datasets.table import read_table

ROWS: list[dict[str, Any]] = [
    {"path": "a.wav", "split": "train", "tags": ["rock", "loud [mood]"], "calm [mood]": 0.25, "live": 1},
    {"path": "b.wav", "split": "validation", "tags": [], "calm [mood]": 0.5, "live": 0},
    {"path": "ü c.wav", "split": "test", "tags": ["jazz [genre]", "rock"], "calm [mood]": None, "live": 0},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for row in ROWS:
        (tmp_path / row["path"]).touch()
    return tmp_path


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"mine{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    elif suffix == ".parquet":
        pd.DataFrame(ROWS).to_parquet(path)
    else:
        flat = [{**row, "tags": " ; ".join(row["tags"])} for row in ROWS]
        frame = pd.DataFrame(flat)
        frame.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False, encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_all_formats_read_the_same(folder: Path, suffix: str) -> None:
    dataset = load_manifest(write(folder, suffix))
    assert dataset.name == "mine"
    assert [(t.name, t.kind, t.category) for t in dataset.vocabulary] == [
        ("jazz", "classification", "genre"),
        ("loud", "classification", "mood"),
        ("rock", "classification", "other"),
        ("calm", "regression", "mood"),
        ("live", "classification", "other"),
    ]
    labels = np.stack([clip.labels for clip in dataset.clips])
    expected = [[0, 1, 1, 0.25, 1], [0, 0, 0, 0.5, 0], [1, 0, 1, np.nan, 0]]
    assert np.array_equal(labels, np.array(expected, np.float32), equal_nan=True)
    assert [clip.path for clip in dataset.clips] == [folder / row["path"] for row in ROWS]
    assert dataset.counts == {"train": 1, "validation": 1, "test": 1}
    assert dataset.fingerprint == load_manifest(write(folder, ".csv")).fingerprint


def test_ids_artists_and_columns_for_people(folder: Path) -> None:
    path = folder / "m.csv"
    path.write_text(
        "id,path,split,artist,song,title,#note,live\n"
        "x1,a.wav,train,Ann,S,Title,0.7?,true\n"
        "x2,b.wav,test,Ann,,Other,,False\n"
    )
    dataset = load_manifest(path)
    assert [(c.clip_id, c.artist, c.song) for c in dataset.clips] == [("x1", "Ann", "S"), ("x2", "Ann", None)]
    assert dataset.vocabulary.names == ("live",)
    assert [float(c.labels[0]) for c in dataset.clips] == [1.0, 0.0]
    assert dataset.shared_between_splits("artist") == ("Ann",)
    assert dataset.shared_between_splits("song") == ()


def test_kinds_inferred_given_in_the_name_and_given_by_argument(folder: Path) -> None:
    path = folder / "m.csv"
    path.write_text("path,split,a,b,c [regression],d\na.wav,train,0,0.5,0,1\nb.wav,test,1,1,1,0\n")
    kinds = {tag.name: tag.kind for tag in load_manifest(path).vocabulary}
    assert kinds == {"a": "classification", "b": "regression", "c": "regression", "d": "classification"}
    assert load_manifest(path, kinds={"d": "regression"}).vocabulary.tags[3].kind == "regression"
    with pytest.raises(DataError, match="'b': a classification tag must be 0 or 1, is not in line 2"):
        load_manifest(path, kinds={"b": "classification"})
    with pytest.raises(DataError, match="given as classification, its name says regression"):
        load_manifest(path, kinds={"c": "classification"})
    with pytest.raises(ConfigError) as caught:
        load_manifest(path, kinds={"z": "regression", "a": "binary"})  # type: ignore[dict-item]
    assert len(caught.value.problems) == 2


def test_all_problems_at_once_each_with_its_line(folder: Path) -> None:
    path = folder / "bad.csv"
    path.write_text(
        "path,split,tags,mood,empty\n"
        "a.wav,train,rock,0.5,\n"
        "a.wav,valid,rock [rok],1.5,\n"
        '"no\nsuch.wav",test,,loud,\n'
        ",train,jazz [regression],0,\n"
    )
    with pytest.raises(DataError) as caught:
        load_manifest(path)
    lines = str(caught.value).splitlines()
    text = str(caught.value)
    for said in (
        "line 3: tag 'rock [rok]': 'rok' in the brackets is neither kind nor category",
        "line 3: column 'mood': '1.5' is no number in 0..1; a column that is no tag is named #mood",
        "line 3: path",
        "line 3: id 'a.wav' is there already, in line 2",
        "line 3: split 'valid' must be one of train, validation, test",
        "line 4: column 'mood': 'loud' is no number",
        "line 4: no file",
        "line 6: no path",
        "line 6: tag 'jazz [regression]': a regression tag needs a column of its own",
        "column 'empty': no clip is labelled for this tag",
    ):
        assert any(said in line for line in lines), f"{said!r} not in\n{text}"


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ("rock, fast", "',' between its tags: write ; there \\(rock;fast\\); a name that has a comma"),
        ("rock [genre],fast", "write ; there \\(rock \\[genre\\];fast\\)"),
        ("rock|fast", r"'\|' between its tags: write ; there \(rock;fast\)"),
        ("rock | slow;loud", r"'\|' between"),
        ("rock\tfast", r"'\\t' between"),
        ("rock\nfast\n", r"'\\n' between"),
        ("rock\\\\fast", "between its tags"),
        ("rock、fast", "'、' between"),
        ("['rock', 'fast']", "a list as a program prints it: write rock;fast"),
        ('["rock"]', "a list as a program prints it"),
        ("[]", "a list as a program prints it"),
        ("['rock' 'fast']", "a list as a program prints it"),
        ("('rock', 'fast')", "a list as a program prints it"),
        ("{'rock'; 'fast'}", "a list as a program prints it"),
        ("frozenset({'rock'})", "a list as a program prints it"),
        ("live;calm, loud", "looks like several with a comma between them, of which 'calm' is a tag elsewhere"),
    ],
)
def test_lists_of_another_form_are_refused(folder: Path, tags: str, says: str) -> None:
    rows = [
        {"path": "a.wav", "split": "train", "tags": tags},
        {"path": "b.wav", "split": "validation", "tags": "calm"},
        {"path": "ü c.wav", "split": "test", "tags": ""},
    ]
    pd.DataFrame(rows).to_csv(folder / "mine.csv", index=False)
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name in ("mine.csv", "mine.jsonl"):
        with pytest.raises(DataError, match=rf"line \d+: .*{says}"):
            load_manifest(folder / name)


def test_names_with_signs_in_them_are_names(folder: Path) -> None:
    names = [
        "r&b/soul",
        "Singer / Songwriter",
        "Folk, World, & Country",
        "rock'n'roll",
        "(live)",
        "a-b+c",
        "80's [decade]",
    ]
    rows = [
        {"path": "a.wav", "split": "train", "tags": ";".join(names)},
        {"path": "b.wav", "split": "validation", "tags": "Folk, World, & Country;"},
        {"path": "ü c.wav", "split": "test", "tags": "loud [classification, mood]"},
    ]
    pd.DataFrame(rows).to_csv(folder / "mine.csv", index=False)
    found = {tag.name for tag in load_manifest(folder / "mine.csv").vocabulary}
    assert found == {"r&b/soul", "Singer / Songwriter", *names[2:6], "80's", "loud"}
    rows = [{**row, "tags": ["Jazz, Fusion", "|"]} for row in rows]
    pd.DataFrame(rows).to_parquet(folder / "mine.parquet")
    assert {tag.name for tag in load_manifest(folder / "mine.parquet").vocabulary} == {"Jazz, Fusion", "|"}


def test_very_many_problems_are_counted(folder: Path) -> None:
    path = folder / "bad.csv"
    path.write_text("path,split,x\n" + "".join(f"{i}.wav,train,1\n" for i in range(80)))
    with pytest.raises(DataError, match="and 30 more problems"):
        load_manifest(path)
    assert len(load_manifest(path, check_files=False).clips) == 80


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.txt", "path,split\n", r"must end in \.csv, \.tsv"),
        ("m.csv", "", "empty"),
        ("m.csv", "path,split,a,a\n", "column 'a' is there 2 times"),
        ("m.csv", "path,split,,x\n", "column 3 has no name"),
        ("m.csv", "path,x\n1,2\n", "column 'split' is missing; it has path, x"),
        ("m.csv", "path,split,x\na.wav,train\n", "line 2: 2 fields, the header has 3"),
        ("m.csv", "path,split,x\n", "no rows"),
        ("m.csv", "path,split\na.wav,train\n", "no tags"),
        ("m.csv", "path,split,tags,rock\na.wav,train,rock,1\n", "tag 'rock' is there more than once"),
        ("m.csv", b"path,split,x\n\xff\xfe,train,1\n", "not UTF-8"),
        ("m.csv", 'path,split,x\n"a.wav,train,1\n', "line 2"),
        ("m.jsonl", '{"path": 1}\nnonsense\n[1]\n', "line 2: not JSON.*\n.*line 3: must be a JSON object"),
        ("m.jsonl", '{"path": "a.wav", "split": "train", "tags": 5}\n', "line 1: tags must be a list of names"),
        ("m.parquet", "not parquet", "not a Parquet file"),
    ],
)
def test_tables_that_are_none(folder: Path, name: str, content: str | bytes, says: str) -> None:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=says):
        load_manifest(path)


def test_quoted_fields_with_line_breaks_keep_the_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"1\n1",2\n\n3,4\n')
    assert [(row.where, row.values) for row in read_table(path).rows] == [
        ("line 2", {"a": "1\n1", "b": "2"}),
        ("line 5", {"a": "3", "b": "4"}),
    ]
    path.write_text("a,b\nline\u2028separator,next\x85line\n", encoding="utf-8")
    assert read_table(path).rows[0].values == {"a": "line\u2028separator", "b": "next\x85line"}


def test_registry_names_what_it_has(folder: Path) -> None:
    assert {"emotify", "manifest"} <= set(list_datasets())
    assert load_dataset("manifest", write(folder, ".csv")).name == "mine"
    with pytest.raises(ConfigError, match="no dataset 'emotifi'; did you mean emotify"):
        load_dataset("emotifi", folder)
    with pytest.raises(ConfigError, match="has no protocol 'x'; it has: none"):
        load_dataset("manifest", write(folder, ".csv"), "x")
    with pytest.raises(DataError, match="does not exist"):
        load_dataset("manifest", folder / "none.csv")
    with pytest.raises(ConfigError, match="has already registered that name"):
        register_dataset(INFO)(lambda root, protocol: load_manifest(root))
    for name in list_datasets():
        info = dataset_info(name)
        assert info.name == name
        assert info.title
        assert info.licence


def test_a_dataset_checks_its_clips(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(["a", "b"])

    def clip(clip_id: str, labels: list[float], split: str = "train", dtype: type = np.float32) -> Clip:
        return Clip(clip_id, tmp_path / "x.wav", split, np.array(labels, dtype))

    with pytest.raises(DataError, match="no clips"):
        Dataset("d", "p", vocabulary, (), INFO)
    clips = (
        clip("one", [0, 0.5]),
        clip("one", [0, 1, 1]),
        clip("two", [0, 2]),
        clip("three", [0, 1], "dev"),
        clip("four", [0, 1], dtype=np.float64),
    )
    with pytest.raises(DataError) as caught:
        Dataset("d", "p", vocabulary, clips, INFO)
    assert len(str(caught.value).splitlines()) == 1 + 6
    good = Dataset("d", "p", vocabulary, (clip("one", [np.nan, 1]),), INFO)
    with pytest.raises(DataError, match=r"no clips in split 'test'; it has train \(1\)"):
        good.split("test")
    with pytest.raises(DataError, match="1 of 1 audio files are missing"):
        good.require_files("train")
    good.require_files("test")
