"""The index as a file: made, locked, refused with reasons, read where one may not write, and never thrown away."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.card import ModelCard
from earmark.core.errors import DataError, EarmarkError, IndexInUseError
from earmark.core.musical_key import MusicalKey
from earmark.library.index.schema import SCHEMA_VERSION, default_index
from earmark.library.index.track_index import Index, to_blob
from earmark.library.query.search import Tracks
from earmark.tagging.runtime import find_model, read_card
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
from tests.helpers.libraries import as_nobody, clips, scanned
from tests.helpers.made_library import Row, make_index


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return read_card(find_model())


def fill(index: Index, n: int, card: ModelCard, *, dims: int | None = None) -> np.ndarray:
    """n files with made-up scores; returns them."""
    model = index.use_model(card, "a" * 64, dims)
    scores = np.random.default_rng(0).random((n, len(card.vocabulary)), np.float32)
    with index.transaction():
        for i, row in enumerate(scores):
            embedding = to_blob(np.arange(dims) + i) if dims else None
            index.execute("INSERT INTO audio VALUES (?, ?)", (f"audio-{i}", 60.0 * i))
            index.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, '[]', 0)",
                (f"audio-{i}", model.model_id, to_blob(row), embedding),
            )
            index.execute(
                "INSERT INTO files (path, size, mtime_ns, inode, content_key, status, first_seen, last_seen, title) "
                "VALUES (?, 1, 2, 3, ?, 'ok', 0, 0, ?)",
                (os.fsencode(f"/music/{i}.mp3"), f"audio-{i}", f"Song {i}"),
            )
    return scores


def test_what_is_written_is_read(tmp_path: Path, card: ModelCard) -> None:
    path = tmp_path / "new" / "folder" / "library.sqlite"
    with Index.open(path, write=True) as index:
        scores = fill(index, 4, card, dims=8)
        index.execute("UPDATE files SET status = 'missing' WHERE title = 'Song 3'")
    with Index.open(path) as index:
        tracks = list(index.tracks())
        assert [track.path.name for track in tracks] == ["0.mp3", "1.mp3", "2.mp3", "3.mp3"]
        np.testing.assert_array_equal(tracks[2].scores, scores[2])
        assert tracks[2].model is not None
        assert tracks[2].model.card == card
        (long,) = index.tracks("a.duration_seconds > ? AND f.status = 'ok'", (90,))
        assert (long.title, long.duration_seconds, long.status) == ("Song 2", 120.0, "ok")
        assert [track.scores for track in index.tracks(vectors=False)] == [None] * 4
        paths, embeddings = index.embeddings()
        assert [path.name for path in paths] == ["0.mp3", "1.mp3", "2.mp3"]  # the missing one is not there to be found
        np.testing.assert_array_equal(embeddings, np.arange(8) + np.arange(3)[:, None])
        assert index.counts() == {"ok": 3, "error": 0, "missing": 1}


def test_models_are_distinguished_by_their_weights(tmp_path: Path, card: ModelCard) -> None:
    with Index.open(tmp_path / "i.sqlite", write=True) as index:
        with pytest.raises(DataError, match="nothing was scanned yet"):
            index.current_model()
        first = index.use_model(card, "a" * 64)
        second = index.use_model(card.replace(version="2"), "b" * 64, 16)
        assert index.current_model() == second
        assert index.use_model(card.replace(description="said better"), "a" * 64).model_id == first.model_id
        assert [model.version for model in index.models()] == [card.version, "2"]
        assert index.current_model().card.description == "said better"


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with Index.open(tmp_path / "i.sqlite", write=True) as index:
        with pytest.raises(RuntimeError), index.transaction():
            index.set_meta("colour", "blue")
            raise RuntimeError
        assert index.meta("colour") is None
        with index.transaction():
            index.set_meta("colour", "red")
        assert index.meta("colour") == "red"


@pytest.mark.slow
def test_one_writer_and_many_readers(tmp_path: Path, card: ModelCard) -> None:
    path = tmp_path / "i.sqlite"
    code = f"from earmark.library.index.track_index import Index; Index.open({str(path)!r}, write=True)"
    with Index.open(path, write=True) as writer:
        fill(writer, 2, card)
        with pytest.raises(IndexInUseError, match=rf"process {os.getpid()}\) is writing"):
            Index.open(path, write=True)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert f"process {os.getpid()}) is writing" in other.stderr
        with Index.open(path) as reader, writer.transaction():
            writer.execute("DELETE FROM files")
            assert len(list(reader.tracks())) == 2  # until the writer commits
        with Index.open(path) as reader:
            assert list(reader.tracks()) == []
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0


def test_reading_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such index; make it with: earmark library scan"):
        Index.open(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="is a folder"):
        Index.open(tmp_path)


@pytest.mark.parametrize("write", [False, True])
def test_an_index_of_a_newer_version_is_refused(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "i.sqlite"
    Index.open(path, write=True).close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 6}")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"version {SCHEMA_VERSION + 6}.* reads up to {SCHEMA_VERSION}"):
        Index.open(path, write=write)
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", [False, True])
def test_another_programs_database_is_left_alone(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE files (path TEXT)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match="another program's database"):
        Index.open(path, write=write)
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", [False, True])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3 music" * 1000)
    with pytest.raises(DataError, match=r"damaged, or is no index.*rename it \(to song.mp3.damaged"):
        Index.open(path, write=write)
    assert path.read_bytes() == b"ID3 music" * 1000


@pytest.mark.parametrize("made_by", ["touch", "sqlite"])
def test_an_empty_file_is_no_index_yet(tmp_path: Path, card: ModelCard, made_by: str) -> None:
    """As of mktemp, or of a scan whose disk was full at once: no other program's, and a scan fills it."""
    path = tmp_path / "i.sqlite"
    path.touch()
    if made_by == "sqlite":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(DataError, match=r"i\.sqlite: is empty, and no index yet; fill it with: earmark library scan"):
        Index.open(path)
    with Index.open(path, write=True) as index:
        fill(index, 3, card)
    with Index.open(path) as index:
        assert len(list(index.tracks())) == 3


def test_damage_inside_is_reported_with_the_cure(tmp_path: Path, card: ModelCard) -> None:
    path = tmp_path / "i.sqlite"
    with Index.open(path, write=True) as index:
        fill(index, 500, card)
    content = bytearray(path.read_bytes())
    for page in range(8192, len(content), 4096):  # all pages but the schema's
        content[page : page + 2048] = os.urandom(2048)
    path.write_bytes(content)
    with Index.open(path) as index, pytest.raises(DataError, match=r"index is damaged.*rename it.*scan"):
        list(index.tracks())
    assert path.read_bytes() == content


def test_a_folder_without_permission_to_write(tmp_path: Path, card: ModelCard) -> None:
    folder = tmp_path / "kept"
    path = folder / "i.sqlite"
    with Index.open(path, write=True) as index:
        fill(index, 3, card)
    (folder / "i.sqlite.lock").unlink()
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        with as_nobody(folder):
            with Index.open(path) as index:
                assert len(list(index.tracks())) == 3
            with pytest.raises(DataError, match="cannot be written to"):
                Index.open(path, write=True)
            with pytest.raises(DataError, match="folder cannot be made"):
                Index.open(folder / "below" / "i.sqlite", write=True)
    finally:
        folder.chmod(0o755)


def test_where_the_index_lies_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARMARK_INDEX", str(tmp_path / "mine.sqlite"))
    assert default_index() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("EARMARK_INDEX")
    assert default_index().parts[-2:] == ("earmark", "library.sqlite")


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE results SET scores = x'00'",
        "UPDATE results SET scores = x'00000000'",
        "UPDATE results SET scores = 5",
        "UPDATE results SET embedding = x'00'",
        "UPDATE results SET warnings = '['",
        pytest.param(f"UPDATE results SET warnings = '{'[' * 100_000}'", id="deep"),
        "UPDATE results SET warnings = 5",
        "UPDATE models SET card_json = '{'",
        "UPDATE models SET weights_sha256 = 'x+windowsabc'",
        "UPDATE audio SET duration_seconds = 'abc'",
    ],
)
def test_values_that_are_damaged(tmp_path: Path, change: str) -> None:
    """Whatever reads them: read, or an error of earmark."""
    index = tmp_path / "index.sqlite"
    clips(tmp_path / "music", 2)
    scanned(index, tmp_path / "music")
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute(change)
        connection.commit()
    song = str(next((tmp_path / "music").iterdir()))
    for command in (["search", "rock>0 duration<5m"], ["stats"], ["info"], ["similar", song]):
        result = CliRunner().invoke(app, ["library", *command, "--index", str(index)])
        assert result.exception is None or isinstance(result.exception, SystemExit | EarmarkError), result.exception


# Tempo and key, and an index of version 1, which has neither -----------------------------------------------


def as_version_1(path: Path) -> Path:
    """The index as it was before tempo and key."""
    with sqlite3.connect(path) as raw:
        raw.executescript("DROP TABLE tempos; DROP TABLE keys; PRAGMA user_version = 1; PRAGMA journal_mode = DELETE")
    raw.close()
    return path


def test_tempo_and_key_are_read(tmp_path: Path) -> None:
    rows = [Row("/m/a", bpm=123.4, musical_key="F#m"), Row("/m/b", measured=True), Row("/m/c")]
    with Index.open(make_index(tmp_path / "i.sqlite", rows)) as index:
        one, two, three = index.tracks()
        hits = [Tracks.load(index).hit(row) for row in range(3)]
    assert one.tempo == Tempo(123.4, 0.9)
    assert one.key == KeyEstimate(MusicalKey(6, "minor"), 0.8, 440.5)
    assert (two.tempo, two.key) == (Tempo(None, 0.9), KeyEstimate(None, 0.8, 440.5))
    assert (three.tempo, three.key) == (None, None)
    assert [(hit.tempo, hit.key) for hit in hits] == [(track.tempo, track.key) for track in (one, two, three)]


@pytest.mark.parametrize("write", [False, True])
def test_an_index_without_tempo_and_key_is_used_as_it_is(tmp_path: Path, write: bool) -> None:
    path = as_version_1(make_index(tmp_path / "i.sqlite", [Row("/m/a", {"slow": 0.9}, bpm=100.0)]))
    before = path.read_bytes()
    with Index.open(path, write=write) as index:
        (track,) = index.tracks()
        assert (track.tempo, track.key) == (None, None)
        assert len(Tracks.load(index).search("slow")) == 1
        assert len(Tracks.load(index).search("bpm>0")) == 0
    if write:
        with sqlite3.connect(path) as raw:
            assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
            assert raw.execute("SELECT count(*) FROM tempos").fetchone() == (0,)
        raw.close()
    else:
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    "damage", ["UPDATE keys SET key = 'Q'", "UPDATE tempos SET bpm = -1", "UPDATE tempos SET bpm = 'x'"]
)
def test_damaged_measures_are_reported(tmp_path: Path, damage: str) -> None:
    path = make_index(tmp_path / "i.sqlite", [Row("/m/a", bpm=100.0, musical_key="C")])
    with sqlite3.connect(path) as raw:
        raw.execute(damage)
    raw.close()
    with Index.open(path) as index, pytest.raises(DataError, match="the index is damaged"):
        list(index.tracks())
