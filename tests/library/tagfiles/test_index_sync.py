"""What we write into files is in the index at once: no scan is needed, and the next one finds nothing new."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3

from earmark.library.index.track_index import Index
from earmark.library.scan.content import read_content
from earmark.library.tagfiles.index_sync import IndexSync
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, Target, Written, write_tags
from tests.helpers import tagged
from tests.helpers.libraries import assert_same_content, content, happened, scanned

WRITE = Request({"genre": Target(("Rock", "Jazz")), "mood": Target(("Happy",))})


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Files of three formats, a copy, a link, and a name that is no UTF-8; scanned."""
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("a.mp3", "b.flac", "c.m4a"):
        tagged.decorate(tagged.make(folder / name, 0.3, seed=ord(name[0])))
    shutil.copy(folder / "a.mp3", folder / "copy.mp3")
    (folder / "link.flac").symlink_to("b.flac")
    if sys.platform == "linux":
        shutil.copy(folder / "c.m4a", os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.m4a"))
    scanned(tmp_path / "library.sqlite", folder)
    return folder


@pytest.fixture
def index(music: Path) -> Path:
    return music.with_name("library.sqlite")


@pytest.fixture
def notes() -> list[str]:
    return []


def write_into(paths: list[Path], index: Path, notes: list[str], *, keep_mtime: bool = False) -> list[Written]:
    request = Request(WRITE.targets, keep_mtime=keep_mtime)
    with UndoLog(index.with_name("log.jsonl")) as log, IndexSync(index, notes.append) as own:
        written = [write_tags(path, request, log) for path in paths]
        for each in written:
            own.record(each)
        log.finish()
    return written


def genre(index: Path, path: Path) -> str | None:
    return content(index)[os.fsencode(path)][8]


def unchanged(index: Path, music: Path) -> bool:
    summary = scanned(index, music)
    n_files = len(list(music.iterdir()))
    return happened(summary) == {"unchanged": n_files}


@pytest.mark.slow
@pytest.mark.parametrize("keep_mtime", [False, True])
def test_what_is_written_is_known_at_once(music: Path, index: Path, notes: list[str], keep_mtime: bool) -> None:
    songs = [path for path in music.iterdir() if path.name not in ("copy.mp3", "link.flac")]
    written = write_into(songs, index, notes, keep_mtime=keep_mtime)
    assert [each.content for each in written] == [read_content(path) for path in songs]
    assert {genre(index, path) for path in songs} == {"Rock; Jazz"}
    assert genre(index, music / "link.flac") == "Rock; Jazz"  # the same file under another name
    assert genre(index, music / "copy.mp3") is None  # another file with the same audio
    assert unchanged(index, music)
    scanned(index.with_name("anew.sqlite"), music)
    assert_same_content(index, index.with_name("anew.sqlite"))
    assert not notes


@pytest.mark.slow
def test_undoing_is_known_at_once(music: Path, index: Path, notes: list[str]) -> None:
    before = {path: row[5:9] for path, row in content(index).items()}
    write_into([music / "link.flac", music / "a.mp3"], index, notes)
    log_path = index.with_name("log.jsonl")
    (run,) = read_log(log_path)
    with UndoLog(log_path, "undo", run.name) as log, IndexSync(index, notes.append) as own:
        for entry in run.entries:
            own.record(undo_file(plan_undo(entry), log))
    assert {path: row[5:9] for path, row in content(index).items()} == before
    assert unchanged(index, music)


@pytest.mark.slow
def test_a_file_that_was_changed_afterwards_is_no_longer_known(music: Path, index: Path, notes: list[str]) -> None:
    """The index gets the file as it was written, not as it is by the time of recording."""
    with UndoLog(index.with_name("log.jsonl")) as log, IndexSync(index, notes.append) as own:
        written = write_tags(music / "c.m4a", WRITE, log)
        shutil.copy(music / "b.flac", music / "c.m4a")
        own.record(written)
    summary = scanned(index, music)
    assert summary.outcomes["changed"] == 1


@pytest.mark.slow
def test_while_another_writes_to_the_index_files_are_written_all_the_same(
    music: Path, index: Path, notes: list[str]
) -> None:
    with Index.open(index, write=True):
        write_into([music / "a.mp3"], index, notes)
    assert len(notes) == 1
    assert "is writing to this index" in notes[0]
    assert "after the next scan" in notes[0]
    assert genre(index, music / "a.mp3") is None
    assert scanned(index, music).outcomes["relabelled"] == 1
    assert genre(index, music / "a.mp3") == "Rock; Jazz"


@pytest.mark.slow
def test_the_index_has_one_writer_meanwhile(index: Path, notes: list[str]) -> None:
    with IndexSync(index, notes.append), IndexSync(index, notes.append):
        pass
    assert len(notes) == 1
    Index.open(index, write=True).close()


@pytest.mark.slow
def test_an_index_that_is_not_there_is_not_made(music: Path, tmp_path: Path, notes: list[str]) -> None:
    write_into([music / "a.mp3"], tmp_path / "none.sqlite", notes)
    assert not (tmp_path / "none.sqlite").exists()
    assert not notes


@pytest.mark.slow
def test_an_index_that_fails_meanwhile_is_reported_once(music: Path, index: Path, notes: list[str]) -> None:
    with UndoLog(index.with_name("log.jsonl")) as log, IndexSync(index, notes.append) as own:
        assert own._index is not None
        own._index.execute("DROP TABLE files")
        for name in ("a.mp3", "b.flac"):
            own.record(write_tags(music / name, WRITE, log))
    assert len(notes) == 1
    assert "no such table" in notes[0]


@pytest.mark.slow
def test_ape_tags_of_an_mp3_are_known_before_and_after(tmp_path: Path, notes: list[str]) -> None:
    (tmp_path / "music").mkdir()
    song, index = tagged.make(tmp_path / "music" / "ape.mp3", 0.3), tmp_path / "library.sqlite"
    ID3(song).delete(song)
    ape = APEv2()
    ape["Title"], ape["Genre"] = "From APE", ["Polka", "Waltz"]
    ape.save(song)
    scanned(index, song.parent)
    assert content(index)[os.fsencode(song)][5:9] == ("From APE", None, None, "Polka; Waltz")
    write_into([song], index, notes)
    assert content(index)[os.fsencode(song)][5:9] == ("From APE", None, None, "Rock; Jazz")
    assert unchanged(index, song.parent)
