"""The index as a file: one SQLite database, its tables, its version, and how it is opened.

With write-ahead logging, readers continue while one process writes, and after a process is killed the last committed state
remains.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from earmark.core.errors import DataError

SCHEMA_VERSION = 2
"""Stored in the file as ``PRAGMA user_version``."""

APPLICATION_ID = 0x6561726D
"""Stored in the file as ``PRAGMA application_id`` ("earm"): no other program's database is ever changed."""

INDEX_VARIABLE = "EARMARK_INDEX"
"""Environment variable with the index that is used where none is named."""

_BUSY_SECONDS = 10.0

_TEMPO_KEY_TABLES = """
CREATE TABLE tempos (
    content_key TEXT PRIMARY KEY,
    bpm REAL,                             -- NULL: no beat is clear
    confidence REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE keys (
    content_key TEXT PRIMARY KEY,
    key TEXT,                             -- as ID3 has it, "F#m"; NULL: no key is clear
    confidence REAL NOT NULL,
    tuning_hz REAL NOT NULL
) WITHOUT ROWID;
"""
"""Since version 2."""

_TABLES = f"""
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE models (
    model_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    weights_sha256 TEXT NOT NULL UNIQUE,  -- of the ONNX file
    vocabulary_json TEXT NOT NULL,        -- list of {{name, kind, category}}, in the order of the scores
    card_json TEXT NOT NULL,
    embedding_dims INTEGER                -- NULL: the model gives no embeddings
);

CREATE TABLE audio (
    content_key TEXT PRIMARY KEY,         -- of the audio, whatever the metadata says; see content.py
    duration_seconds REAL
) WITHOUT ROWID;

CREATE TABLE results (
    content_key TEXT NOT NULL,
    model_id INTEGER NOT NULL,
    scores BLOB NOT NULL,                 -- float32, little endian, (n_tags,)
    embedding BLOB,                       -- float32, little endian, (embedding_dims,)
    warnings TEXT NOT NULL,               -- JSON list
    tagged_at REAL NOT NULL,              -- seconds since 1970
    PRIMARY KEY (content_key, model_id)
);

CREATE TABLE files (
    path BLOB PRIMARY KEY,                -- absolute, os.fsencode
    size INTEGER NOT NULL,                -- bytes
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    content_key TEXT,                     -- NULL: it could not be read
    status TEXT NOT NULL CHECK (status IN ('ok', 'error', 'missing')),
    error TEXT,                           -- why it could not be tagged
    truncated INTEGER NOT NULL DEFAULT 0, -- 1: the error is that audio is known to lack
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL,
    title TEXT,
    artist TEXT,
    album TEXT,
    genre TEXT                            -- several are joined with "; "
);

CREATE INDEX files_by_content ON files (content_key);
{_TEMPO_KEY_TABLES}
"""

_UPGRADES = {1: _TEMPO_KEY_TABLES}
"""Version -> statements that make the next version of it."""


def default_index() -> Path:
    """$EARMARK_INDEX, else ``library.sqlite`` in the user's data folder. It need not exist."""
    chosen = os.environ.get(INDEX_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("earmark", appauthor=False) / "library.sqlite"


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open an index; with ``write``, a file that is not there yet is made, with its folder.

    The connection is in autocommit mode and may be used from any thread.

    Raises:
        DataError: there is none, it is no index, is damaged, was made by a newer earmark, or its place
            cannot be written to.
    """
    if not write and not path.exists():
        raise DataError(f"{path}: no such index; make it with: earmark library scan FOLDER")
    if path.is_dir():
        raise DataError(f"{path}: is a folder, not an index: name a file")
    with translate_errors(path):
        return _open_to_write(path) if write else _open_to_read(path)


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as DataError, with what to do about them."""
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"{path}: {_explanation(path, error)}") from error


def _explanation(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; the others say where it happened
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return (
            f"the index cannot be written or read ({error}); is the disk full? What was recorded before is kept: "
            "free some space and run the same command again"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"the index is damaged, or is no index ({error}). It is left as it is; rename it "
            f"(to {path.name}.damaged, say) and make a new one with: earmark library scan FOLDER"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"the index cannot be opened or written to ({error}): see the permissions of the file and its folder"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"the index is in use by another program ({error}): try again when that has finished"
    return f"the index cannot be used ({error})"


def _open_to_write(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the index's folder cannot be made ({error.strerror or error})") from error
    connection = _connect(path, "rwc")
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and _version(connection) == 0:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            # In one transaction: an index that is there has all its tables.
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
            )
        _check(path, connection)
        for version in range(_version(connection), SCHEMA_VERSION):
            connection.executescript(
                f"BEGIN IMMEDIATE; {_UPGRADES[version]} PRAGMA user_version = {version + 1}; COMMIT"
            )
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")  # with WAL: a crash of the machine damages nothing
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "ro")
    try:
        _check(path, connection)
    except sqlite3.OperationalError as error:
        connection.close()
        # Readers of a WAL database write a small file beside it. Where they may not, and nothing waits in
        # the log, the file can be read as one that never changes.
        log = path.with_name(f"{path.name}-wal")
        refused = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        if not refused or (log.exists() and log.stat().st_size):
            raise
        connection = _connect(path, "ro&immutable=1")
        _check(path, connection)
    for version in range(_version(connection), SCHEMA_VERSION):  # what it lacks is empty, and the file stays as it is
        connection.executescript(_UPGRADES[version].replace("CREATE TABLE", "CREATE TEMP TABLE"))
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Is this an index, and one that this earmark knows?"""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not n_tables and application == 0:
        raise DataError(f"{path}: is empty, and no index yet; fill it with: earmark library scan FOLDER")
    if application != APPLICATION_ID:
        raise DataError(f"{path}: is no index of earmark, but another program's database: name another file")
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path}: the index has version {version}, made by a newer earmark; this one reads up to "
            f"{SCHEMA_VERSION}: install a newer earmark, or name another file with --index"
        )
