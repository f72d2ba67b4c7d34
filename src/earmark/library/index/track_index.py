"""The index in Python: tracks, models, scores and embeddings are read, rows are written in small transactions."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.card import ModelCard
from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.library.index.measures import MEASURE_COLUMNS, MEASURE_JOINS, measures_of
from earmark.library.index.rows import Floats, ModelRow, Track, is_silent_video
from earmark.library.index.schema import connect, default_index, translate_errors
from earmark.library.index.writer_lock import WriterLock

_FLOAT32 = np.dtype("<f4")
_CURRENT_MODEL = "current_model_id"


class Index:
    """An open index; a context manager. :meth:`open` makes one.

    Attributes:
        path: the file.
        writing: whether this is the one writer.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path = path
        self.writing = lock is not None
        self._connection, self._lock = connection, lock
        self._guard = threading.RLock()  # statements of one transaction stay together, whatever thread they come from

    @classmethod
    def open(cls, path: str | Path | None = None, *, write: bool = False) -> Index:
        """Open an index.

        Args:
            path: the file; None for :func:`earmark.library.index.schema.default_index`.
            write: open as the only writer; a missing index is created. Readers need no lock.

        Raises:
            DataError: there is none, another process writes to it, it is damaged or of a newer version.
        """
        path = Path(path).expanduser() if path is not None else default_index()
        if not write:
            return cls(path, connect(path, write=False), None)
        lock = WriterLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{path}: the index's folder cannot be made ({error.strerror or error})") from error
        lock.take()
        try:
            return cls(path, connect(path, write=True), lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Close the file and let the next writer in."""
        try:
            self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Statements ---------------------------------------------------------------------------------------

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one SQL statement. SQLite's errors become a DataError that says what to do."""
        with self._guard, translate_errors(self.path):
            return self._connection.execute(statement, parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """One SQL statement for many rows; in a :meth:`transaction`, or each row is one of its own."""
        with self._guard, translate_errors(self.path):
            self._connection.executemany(statement, rows)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, read lazily."""
        with translate_errors(self.path):
            yield from self._connection.execute(statement, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed, or none. Statements of other threads wait."""
        with self._guard:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back where the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the index, whatever a scan writes meanwhile."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("COMMIT")

    # Models -------------------------------------------------------------------------------------------

    def models(self) -> list[ModelRow]:
        """All models that have results here, oldest first."""
        columns = "model_id, name, version, weights_sha256, card_json, embedding_dims"
        return [ModelRow(*row) for row in self.rows(f"SELECT {columns} FROM models ORDER BY model_id")]

    def current_model(self) -> ModelRow:
        """The model of the last scan. Raises DataError where nothing was ever scanned."""
        wanted = self.meta(_CURRENT_MODEL)
        for model in self.models():
            if str(model.model_id) == wanted:
                return model
        raise DataError(f"{self.path}: nothing was scanned yet; do it with: earmark library scan FOLDER")

    def use_model(self, card: ModelCard, weights_sha256: str, embedding_dims: int | None = None) -> ModelRow:
        """Make a model the current one; it gets a row where it has none. Its card is brought up to date."""
        vocabulary = json.dumps(
            [{"name": tag.name, "kind": tag.kind, "category": tag.category} for tag in card.vocabulary],
            ensure_ascii=False,
        )
        with self.transaction():
            self.execute(
                "INSERT INTO models (name, version, weights_sha256, vocabulary_json, card_json, embedding_dims) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (weights_sha256) DO UPDATE SET name = excluded.name, "
                "version = excluded.version, vocabulary_json = excluded.vocabulary_json, "
                "card_json = excluded.card_json, embedding_dims = excluded.embedding_dims",
                (card.name, card.version, weights_sha256, vocabulary, card.to_json(), embedding_dims),
            )
            (number,) = self.execute(
                "SELECT model_id FROM models WHERE weights_sha256 = ?", (weights_sha256,)
            ).fetchone()
            self.set_meta(_CURRENT_MODEL, str(number))
        return self.current_model()

    # Reading ------------------------------------------------------------------------------------------

    def tracks(self, where: str = "", params: Sequence[Any] = (), *, vectors: bool = True) -> Iterator[Track]:
        """Files with their results of the current model, by path.

        Args:
            where: SQL condition on ``f`` (files), ``a`` (audio) and ``r`` (results of the current model),
                e.g. ``"f.status = 'ok' AND a.duration_seconds < ?"``; empty for all, missing ones included.
            params: values of its question marks.
            vectors: False leaves out scores and embeddings.
        """
        model = self.current_model() if self.meta(_CURRENT_MODEL) else None
        statement = (
            "SELECT f.path, f.content_key, a.duration_seconds, "
            f"{'r.scores, r.embedding' if vectors else 'NULL, NULL'}, f.status, f.error, r.warnings, "
            f"f.title, f.artist, f.album, f.genre, {MEASURE_COLUMNS} FROM files f {MEASURE_JOINS} "
            "LEFT JOIN audio a ON a.content_key = f.content_key "
            "LEFT JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            f"{f'WHERE {where} ' if where else ''}ORDER BY f.path"
        )
        for row in self.rows(statement, (model.model_id if model else None, *params)):
            path, key, seconds, scores, embedding, status, error, warnings, *own = row
            yield Track(
                path=Path(os.fsdecode(path)),
                content_key=key,
                duration_seconds=seconds,
                scores=None if scores is None else vectors_of([scores], 1)[0],
                embedding=None if embedding is None else vectors_of([embedding], 1)[0],
                model=model if warnings is not None else None,
                status=status,
                error=error,
                warnings=_lines(warnings) if warnings else (),
                title=own[0],
                artist=own[1],
                album=own[2],
                genre=own[3],
                **measures_of(own[4:]),
            )

    def embeddings(self) -> tuple[list[Path], Floats]:
        """Paths of all files with an embedding of the current model, and the embeddings ``(n, embedding_dims)``."""
        model = self.current_model()
        statement = (
            "SELECT f.path, r.embedding FROM files f JOIN results r ON r.content_key = f.content_key "
            "WHERE r.model_id = ? AND r.embedding IS NOT NULL AND f.status = 'ok' ORDER BY f.path"
        )
        paths, matrix = _matrix(self.rows(statement, (model.model_id,)), model.embedding_dims or 0)
        return [Path(os.fsdecode(path)) for path in paths], matrix

    def counts(self) -> dict[str, int]:
        """Number of files of each status."""
        found = dict(self.rows("SELECT status, count(*) FROM files GROUP BY status"))
        return {status: found.get(status, 0) for status in ("ok", "error", "missing")}

    def failures(self) -> tuple[list[tuple[Path, str]], list[Path]]:
        """Files that cannot be tagged with their reasons, and videos without sound, which are no failures; by path."""
        failures: list[tuple[Path, str]] = []
        silent: list[Path] = []
        for name, reason in self.rows("SELECT path, error FROM files WHERE status = 'error' ORDER BY path"):
            path = Path(os.fsdecode(name))
            if is_silent_video(path, reason or ""):
                silent.append(path)
            else:
                failures.append((path, reason or "unknown"))
        return failures, silent

    # Metadata of the index itself -------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A value by its key, None where it was never set."""
        row = self.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Set a value."""
        self.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )


def to_blob(values: npt.ArrayLike) -> bytes:
    """Floats as the index stores them: float32, little endian."""
    return np.ascontiguousarray(values, _FLOAT32).tobytes()


def signed_inode(inode: int) -> int:
    """An inode as SQLite can store it: some file systems use numbers beyond its signed integers."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def vectors_of(blobs: Sequence[Any], n_rows: int, n_columns: int = -1) -> Floats:
    """What :func:`to_blob` stored, ``(n_rows, n_columns)``, which cannot be changed.

    Raises:
        DataError: the index is damaged.
    """
    try:
        values: Floats = np.frombuffer(b"".join(blobs), _FLOAT32).reshape(
            n_rows, n_columns if n_rows else max(0, n_columns)
        )
    except (TypeError, ValueError) as error:
        raise _damaged(error) from error
    return values


def seconds_of(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Durations, ``(n,)``, NaN where not known. Raises DataError: the index is damaged."""
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DataError:
    return DataError(f"the index is damaged ({error}): rename it, and make a new one with: earmark library scan FOLDER")


def _lines(text: Any) -> tuple[str, ...]:
    try:
        return tuple(map(str, parse_json(text)))
    except (TypeError, ValueError):
        return (str(text)[:200],)


def _matrix(rows: Iterable[tuple[Any, ...]], n_columns: int) -> tuple[list[Any], Floats]:
    names, blobs = [], []
    for name, blob in rows:
        names.append(name)
        blobs.append(blob)
    return names, vectors_of(blobs, len(names), n_columns).copy()
