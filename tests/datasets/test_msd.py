"""A small Million Song Dataset in its true layouts, with the oddities of the true one."""

from __future__ import annotations

import logging
import os
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.msd_lists import LEE_TRAIN_TRACKS, lee_split
from earmark.datasets.restricted_unpickle import read_plain_pickle
from tests.helpers import sounds

TAGS = load_vocabulary("msd-50").names


def track(number: int) -> str:
    """A track id of the true kind."""
    letters = "".join(chr(ord("A") + number // 26**place % 26) for place in (4, 3, 2, 1, 0))
    return f"TR{letters}{number:011X}"


def vector(*tags: str) -> np.ndarray[Any, Any]:
    """Labels as the published pickle holds them: (50, 1)."""
    return np.array([[float(name in tags)] for name in TAGS])


def python2_pickle(ids: list[str]) -> bytes:
    """A list of text as cPickle of Python 2 wrote it: protocol 0, text as S'...'."""
    items = "".join(f"S'{name}'\np{place}\na" for place, name in enumerate(ids, start=2))
    return f"(lp1\n{items}.".encode()


def lee(root: Path, train: list[str], test: list[str]) -> Path:
    root.mkdir(exist_ok=True)
    (root / "filtered_list_train.cP").write_bytes(python2_pickle(train))
    (root / "filtered_list_test.cP").write_bytes(python2_pickle(test))
    return root


def vectors(root: Path, labels: dict[str, np.ndarray[Any, Any]]) -> Path:
    (root / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps(labels, protocol=2))
    return root


def lastfm(path: Path, rows: list[tuple[str, str, float]], tags: tuple[str, ...] = TAGS) -> Path:
    """lastfm_tags.db as the dataset's site offers it."""
    names = ["favorites", *tags]
    tids = sorted({row[0] for row in rows})
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tids (tid TEXT)")
        database.execute("CREATE TABLE tags (tag TEXT)")
        database.execute("CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)")
        database.executemany("INSERT INTO tids VALUES (?)", [(tid,) for tid in tids])
        database.executemany("INSERT INTO tags VALUES (?)", [(tag,) for tag in names])
        pairs = [(tids.index(tid) + 1, names.index(tag) + 1, value) for tid, tag, value in rows]
        database.executemany("INSERT INTO tid_tag VALUES (?, ?, ?)", pairs)
    database.close()
    return path


def names_of(clip: Any) -> set[str]:
    return {tag for tag, label in zip(TAGS, clip.labels, strict=True) if label}


def test_published_pickles_with_names_and_songs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = lee(tmp_path / "données", [track(1), track(2)], [track(3), track(4)])
    labels = {
        track(1): vector("rock", "Mellow"),
        track(2): vector("sad"),
        track(3): vector("House"),
        track(4): vector(),
    }
    vectors(root, labels | {track(99): vector("pop")})
    (root / "50tagList.txt").write_text("\n".join(TAGS) + "\n")
    (root / "unique_tracks.txt").write_text(
        f"{track(1)}<SEP>SOAAA<SEP>Björk\u2028Guð<SEP>Jóga\n"
        f"{track(2)}<SEP>SOAAA<SEP>Сплин<SEP>a <SEP> in a title\n"
        f"{track(3)}<SEP>SOBBB<SEP>椎名林檎<SEP>\r\n"
        f"{track(77)}<SEP>SOCCC<SEP>not in the lists<SEP>x\n",
        encoding="utf-8",
    )
    (root / "msd_duplicates.txt").write_text(
        f"# a note\n%0 - Ólafur - Þú\n{track(4)}\n{track(3)}\n%1 another\n{track(50)}\n"
    )
    with caplog.at_level(logging.WARNING):
        dataset = load_dataset("msd", root)
    assert (dataset.protocol, dataset.counts) == ("msd-lee", {"train": 2, "test": 2})
    assert dataset.vocabulary == load_vocabulary("msd-50")
    assert [clip.clip_id for clip in dataset.clips] == [track(n) for n in (1, 2, 3, 4)]
    assert [names_of(clip) for clip in dataset.clips] == [{"rock", "Mellow"}, {"sad"}, {"House"}, set()]
    assert [clip.artist for clip in dataset.clips] == ["Björk\u2028Guð", "Сплин", "椎名林檎", None]
    songs = [clip.song for clip in dataset.clips]
    assert songs == ["SOAAA", "SOAAA", songs[2], songs[2]]
    assert songs[2] != "SOAAA"
    said = "\n".join(caplog.messages)
    assert "msd-lee has train 2, test 2 tracks, the published split train 201,680" in said
    assert "1 tracks have none of the 50 tags" in said
    assert "names no artist for 1 tracks" in said


@pytest.mark.slow
def test_the_train_list_is_cut_where_the_authors_cut_it() -> None:
    entries = lee_split([track(n) for n in range(LEE_TRAIN_TRACKS + 3)], "filtered_list_train.cP")
    assert LEE_TRAIN_TRACKS == 201_680
    assert [entry.split for entry in entries].count("validation") == 3
    assert entries[201_679].split == "train"
    assert entries[201_680].split == "validation"
    assert entries[201_680].where == "filtered_list_train.cP, entry 201681"


def test_table_of_lists_and_lastfm_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "msd-lee.csv").write_text(
        f"track_id,split\n{track(1)},train\n{track(2)},validation\n{track(3)},test\n", encoding="utf-8-sig"
    )
    (tmp_path / "lists").mkdir()
    rows = [(track(1), "rock", 100.0), (track(1), "pop", 50.0), (track(1), "sad", 51.0), (track(1), "favorites", 100.0)]
    lastfm(tmp_path / "lists" / "lastfm_tags.db", [*rows, (track(2), "House", 99.0), (track(8), "rock", 100.0)])
    dataset = load_dataset("msd", tmp_path, "msd-lee")
    assert dataset.counts == {"train": 1, "validation": 1, "test": 1}
    assert [names_of(clip) for clip in dataset.clips] == [{"rock", "sad"}, {"House"}, set()]
    assert {clip.artist for clip in dataset.clips} == {None}
    assert [clip.song for clip in dataset.clips] == [clip.clip_id for clip in dataset.clips]
    assert "no unique_tracks.txt" in "\n".join(caplog.messages)


def test_cals(tmp_path: Path) -> None:
    splits = tmp_path / "splits"
    splits.mkdir()
    for place, part in enumerate(("train", "valid", "test")):
        np.save(splits / f"{part}_ids.npy", np.array([track(2 * place), track(2 * place + 1)]))
        labels = np.zeros((2, 50), np.int64)
        labels[0, 5] = 1
        np.save(splits / f"{part}_binaries.npy", labels)
    dataset = load_dataset("msd", tmp_path)
    assert (dataset.protocol, dataset.counts) == ("msd-cals", {"train": 2, "validation": 2, "test": 2})
    assert len(dataset.vocabulary) == 50
    assert dataset.vocabulary.names[5] == "hip-hop"
    assert [clip.labels.tolist().index(1) for clip in dataset.clips[::2]] == [5, 5, 5]
    np.save(splits / "cals_tags.npy", np.array(dataset.vocabulary.names[::-1]))
    assert load_dataset("msd", tmp_path).vocabulary.names[-1] == "rock"
    with pytest.raises(DataError, match="no lists of msd-lee there"):
        load_dataset("msd", tmp_path, "msd-lee")
    np.save(splits / "valid_binaries.npy", np.zeros((3, 50)))
    np.save(splits / "test_ids.npy", np.arange(2))
    with pytest.raises(DataError, match=r"(?s)valid_binaries.npy: must be 0 or 1 for 2 tracks.*test_ids.npy: must be"):
        load_dataset("msd", tmp_path)
    np.save(splits / "train_ids.npy", np.array([{"an": "object"}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"train_ids.npy: not an array of numbers or text"):
        load_dataset("msd", tmp_path)
    (splits / "test_ids.npy").unlink()
    (splits / "valid_ids.npy").unlink()
    with pytest.raises(DataError, match=r"(?s)not whole.*no valid_ids.npy.*no test_ids.npy"):
        load_dataset("msd", tmp_path)


def small(root: Path) -> Path:
    """Three tracks and their labels."""
    lee(root, [track(1), track(2)], [track(3)])
    return vectors(root, {track(n): vector("rock") for n in (1, 2, 3)})


def test_audio_through_an_index_of_the_users(tmp_path: Path) -> None:
    small(tmp_path)
    music = tmp_path / "musique été"
    music.mkdir()
    sounds.write(music / "a.mp3", sounds.music(0.5, 22050), 22050)
    (music / "empty.mp3").touch()
    (tmp_path / "audio_index.tsv").write_text(
        f"track_id\tpath\n{track(1)}\tmusique été/a.mp3\n{track(2)}\tmusique été/empty.mp3\n{track(9)}\tx.mp3\n"
    )
    dataset = load_dataset("msd", tmp_path)
    paths = {clip.clip_id: clip.path for clip in dataset.clips}
    assert paths[track(1)] == music / "a.mp3"
    assert paths[track(2)] == music / "empty.mp3"
    dataset.require_files("train")
    with pytest.raises(DataError, match=rf"(?s)1 of 3 audio files are missing.*{track(3)}"):
        dataset.require_files()
    (tmp_path / "audio_index.tsv").write_text(f"track_id\tpath\n{track(1)}\ta\n{track(1)}\tb\nTR1\tc\n{track(2)}\t\n")
    with pytest.raises(DataError) as caught:
        load_dataset("msd", tmp_path)
    for problem in ("line 3: track", "there already, in line 2", "line 4: 'TR1' is no track id", "line 5: no path"):
        assert problem in str(caught.value)


@pytest.mark.parametrize("numbers", [int, str])
def test_audio_by_7digital_number(tmp_path: Path, numbers: type) -> None:
    small(tmp_path)
    (tmp_path / "audio").mkdir()
    (tmp_path / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps({track(1): "8947470", track(2): "5"}, protocol=2))
    with pytest.raises(DataError, match=r"only one of MSD_id_to_7D_id.pkl and 7D_id_to_path.pkl"):
        load_dataset("msd", tmp_path)
    paths = {numbers(8947470): "8/9/8947470.clip.mp3"}
    (tmp_path / "7D_id_to_path.pkl").write_bytes(pickle.dumps(paths, protocol=0))
    clips = load_dataset("msd", tmp_path).clips
    by_id = tmp_path / "audio" / "A" / "A" / "A"
    assert [clip.path for clip in clips] == [
        tmp_path / "audio" / "8" / "9" / "8947470.clip.mp3",
        by_id / f"{track(2)}.mp3",
        by_id / f"{track(3)}.mp3",
    ]


def test_audio_by_track_id_takes_the_ending_that_is_there(tmp_path: Path) -> None:
    small(tmp_path)
    file = tmp_path / "A" / "A" / "A" / f"{track(2)}.wav"
    file.parent.mkdir(parents=True)
    file.touch()
    clips = load_dataset("msd", tmp_path).clips
    assert clips[1].path == file
    assert clips[0].path == file.with_name(f"{track(1)}.wav")


def test_lists_with_problems_are_reported_at_once(tmp_path: Path) -> None:
    lee(tmp_path, [track(1), "TRAA", track(2)], [track(1)])
    with pytest.raises(DataError) as caught:
        load_dataset("msd", tmp_path)
    for problem in ("filtered_list_train.cP, entry 2: 'TRAA' is no track id", "filtered_list_test.cP, entry 1: track"):
        assert problem in str(caught.value)
    lee(tmp_path, [track(1), track(2)], [track(3)])
    with pytest.raises(DataError, match="has lists but no labels"):
        load_dataset("msd", tmp_path)
    vectors(tmp_path, {track(1): vector("rock")[:49], track(2): vector() + 0.5})
    with pytest.raises(DataError) as caught:
        load_dataset("msd", tmp_path)
    for problem in (
        f"track {track(1)}: must be 50 numbers",
        f"track {track(2)}: must be",
        f"track {track(3)} is not in",
    ):
        assert problem in str(caught.value)
    (tmp_path / "filtered_list_test.cP").unlink()
    with pytest.raises(DataError, match="has only one of filtered_list_train"):
        load_dataset("msd", tmp_path)
    (tmp_path / "msd-lee.tsv").write_text(f"track_id\tsplit\n{track(1)}\tdev\n")
    with pytest.raises(DataError, match=r"msd-lee.tsv, line 2: split 'dev' must be one of train"):
        load_dataset("msd", tmp_path)


def test_names_with_problems_are_reported_at_once(tmp_path: Path) -> None:
    small(tmp_path)
    names = tmp_path / "unique_tracks.txt"
    names.write_text(f"{track(1)}<SEP>SOA<SEP>a<SEP>b\n{track(2)}\tSOA\ta\tb\n\nhello<SEP>SOA<SEP>a<SEP>b\n")
    with pytest.raises(DataError, match=r"(?s)line 2: must be.*line 4: must be"):
        load_dataset("msd", tmp_path)
    names.write_bytes("Björk".encode("latin-1"))
    with pytest.raises(DataError, match=r"unique_tracks.txt: not UTF-8"):
        load_dataset("msd", tmp_path)
    names.unlink()
    (tmp_path / "msd_duplicates.txt").write_text(f"{track(1)}\n%0\nTR\n")
    with pytest.raises(DataError, match=r"(?s)line 1: .*before the first group.*line 3: 'TR' is no track id"):
        load_dataset("msd", tmp_path)


def test_database_with_problems(tmp_path: Path) -> None:
    lee(tmp_path, [track(1)], [track(2)])
    path = tmp_path / "lastfm_tags.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(DataError, match=r"lastfm_tags.db: not a Last.fm database"):
        load_dataset("msd", tmp_path)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tids (tid TEXT)")
        database.execute("CREATE TABLE tags (name TEXT)")
    database.close()
    with pytest.raises(DataError, match=r"(?s)table tags has no column tag; it has name.*no table tid_tag"):
        load_dataset("msd", tmp_path)
    path.unlink()
    lastfm(path, [(track(1), "rock", 100.0)], tags=TAGS[:48])
    with pytest.raises(DataError, match=r"(?s)tag 'House' is not in its table tags.*tag 'happy'"):
        load_dataset("msd", tmp_path)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.path}'",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "run"
    small(tmp_path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "filtered_list_test.cP").write_bytes(pickle.dumps([track(3), _Evil(mark)], protocol=protocol))
        with pytest.raises(
            DataError, match=r"filtered_list_test.cP: refused, nothing of it was run: it asks for .*system"
        ):
            load_dataset("msd", tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_come_whole(tmp_path: Path, protocol: int) -> None:
    value = {
        "é": [1, 2.5, None, True, (b"bytes", "text")],
        3: np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "big": np.array([1, 2], dtype=">f8"),
        "bool": np.array([True, False]),
        "scalar": np.float32(0.5),
    }
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    read = read_plain_pickle(path)
    assert read["é"] == value["é"]
    assert read["scalar"] == 0.5
    assert list(read) == list(value)
    for name in (3, "big", "bool"):
        np.testing.assert_array_equal(read[name], value[name])
        assert read[name].dtype == value[name].dtype


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole pickle"),
        (python2_pickle([track(1)])[:-3], "not a whole pickle"),
        (b"PK\x03\x04 a zip", "not a whole pickle"),
        (pickle.dumps(np.array([object()])), "refused"),
        (pickle.dumps(np.dtype("f8")), "refused"),
        (b"cnumpy\nload\n.", "asks for numpy.load"),
        (b"cnumpy\nencode\n.", "asks for numpy.encode"),
        (b"cnumpy\nndarray\n.", "a function where data should be"),
        (b"cnumpy\nndarray\n}S'__call__'\nI1\nsb.", "refused"),
        (b"(lp0\nh\x00a.", "not a whole pickle"),
    ],
)
def test_no_plain_pickle(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "list.cP"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_plain_pickle(path)


def test_a_list_that_doubles_itself_is_read_in_no_time(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    path = tmp_path / "list.cP"
    path.write_bytes(pickle.dumps(value))
    assert len(read_plain_pickle(path)) == 2
    with pytest.raises(DataError, match="no such file"):
        read_plain_pickle(tmp_path / "none.pkl")


def test_nothing_there_and_two_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no lists of msd-lee or msd-cals there"):
        load_dataset("msd", tmp_path)
    with pytest.raises(ConfigError, match="msd-lee"):
        load_dataset("msd", tmp_path, "msd-li")
    small(tmp_path)
    lee(tmp_path / "other", [track(1)], [track(2)])
    with pytest.raises(DataError, match=r"more than one of filtered_list_train.cP"):
        load_dataset("msd", tmp_path)


@pytest.mark.shared
def test_published_tag_list_is_read_as_it_is(
    tmp_path: Path, shared_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small(tmp_path)
    (tmp_path / "50tagList.txt").write_bytes((shared_dir / "data" / "peers" / "msd_tags.txt").read_bytes())
    assert load_dataset("msd", tmp_path).vocabulary == load_vocabulary("msd-50")
    assert "not the published" not in "\n".join(caplog.messages)
    (tmp_path / "50tagList.txt").write_text("\n".join(TAGS[::-1]))
    load_dataset("msd", tmp_path)
    assert "50tagList.txt: not the published 50 tags in their order" in "\n".join(caplog.messages)
    (tmp_path / "50tagList.txt").write_text("rock\nrock\n")
    with pytest.raises(DataError, match="must name every tag once"):
        load_dataset("msd", tmp_path)
