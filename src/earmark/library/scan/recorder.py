"""The writing half of a scan: rows are collected and committed together, at most a second after they came in.

Results are committed at once. A process that is killed loses what is not committed, never half a commit.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable

from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index, signed_inode, to_blob
from earmark.library.scan.walk import IndexedFile, PendingFile
from earmark.tagging.file_windows import Measures
from earmark.tagging.tag_scores import TagScores

_ROWS_TOGETHER = 500
_SECONDS_TOGETHER = 0.5

_FILE = (
    "INSERT INTO files (path, size, mtime_ns, inode, content_key, status, error, truncated, first_seen, last_seen, "
    "title, artist, album, genre) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET "
    "size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode, content_key = excluded.content_key, "
    "status = excluded.status, error = excluded.error, truncated = excluded.truncated, "
    "last_seen = excluded.last_seen, title = excluded.title, artist = excluded.artist, album = excluded.album, "
    "genre = excluded.genre"
)


class Recorder:
    """Writes the results of a scan. Safe to use from several threads.

    Args:
        index: open for writing.
        model: whose results are written.
    """

    def __init__(self, index: Index, model: ModelRow) -> None:
        self._index, self._model = index, model
        self._lock = threading.Lock()
        self._files: list[tuple[object, ...]] = []
        self._removed: list[bytes] = []
        self._last_flush = time.monotonic()

    def has_result(self, content_key: str, complete: Measures) -> bool:
        """Whether audio has results of the model, and what else it must have."""
        statement = (
            "SELECT 1 FROM results WHERE content_key = ? AND model_id = ? AND (embedding IS NOT NULL OR ?) "
            "AND (NOT ? OR EXISTS (SELECT 1 FROM tempos WHERE content_key = ?)) "
            "AND (NOT ? OR EXISTS (SELECT 1 FROM keys WHERE content_key = ?))"
        )
        model, key = (content_key, self._model.model_id, self._model.embedding_dims is None), content_key
        return self._index.execute(statement, (*model, complete.tempo, key, complete.key, key)).fetchone() is not None

    def file(
        self,
        item: PendingFile,
        *,
        error: str | None = None,
        truncated: bool = False,
        moved_from: bytes | None = None,
        first_seen: float | None = None,
    ) -> None:
        """Record a file whose audio was tagged before, or that cannot be tagged."""
        with self._lock:
            self._add(item, error, truncated, moved_from, first_seen)
        self.flush_if_due()

    def refused(self, path: bytes, status: os.stat_result | None, error: str) -> None:
        """Record a file that was not opened. Without a status, the next scan checks it again in any case."""
        now = time.time()
        size, mtime_ns, inode = (status.st_size, status.st_mtime_ns, status.st_ino) if status else (-1, 0, 0)
        row = (path, size, mtime_ns, signed_inode(inode), None, "error", error, 0, now, now, None, None, None, None)
        with self._lock:
            self._files.append(row)
        self.flush_if_due()

    def tagged(
        self, scores: TagScores, items: Iterable[PendingFile], moved_from: dict[bytes, tuple[bytes, float]]
    ) -> None:
        """Record the scores of audio and all files that hold it, at once. ``moved_from``: see :meth:`file`."""
        items = list(items)
        content = items[0].content
        assert content is not None
        embedding = scores.embedding
        with self._lock:
            for item in items:
                old = moved_from.get(item.key)
                self._add(item, None, False, *(old or (None, None)))
            with self._index.transaction():
                self._index.execute(
                    "INSERT OR REPLACE INTO audio (content_key, duration_seconds) VALUES (?, ?)",
                    (content.key, scores.duration_seconds),
                )
                self._index.execute(
                    "INSERT OR REPLACE INTO results (content_key, model_id, scores, embedding, warnings, tagged_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        content.key,
                        self._model.model_id,
                        to_blob(scores.scores),
                        None if embedding is None else to_blob(embedding),
                        json.dumps(list(scores.warnings), ensure_ascii=False),
                        time.time(),
                    ),
                )
                self._write_measures(content.key, scores)
                self._write_files()

    def _write_measures(self, content_key: str, scores: TagScores) -> None:
        """Tempo and key, where they were estimated; else those of an earlier scan stay."""
        if (tempo := scores.tempo) is not None:
            self._index.execute(
                "INSERT OR REPLACE INTO tempos (content_key, bpm, confidence) VALUES (?, ?, ?)",
                (content_key, tempo.bpm, tempo.confidence),
            )
        if (key := scores.key) is not None:
            self._index.execute(
                "INSERT OR REPLACE INTO keys (content_key, key, confidence, tuning_hz) VALUES (?, ?, ?, ?)",
                (content_key, key.key and key.key.id3, key.confidence, key.tuning_hz),
            )

    def flush_if_due(self) -> None:
        """Commit the collected rows, if they have waited long enough."""
        with self._lock:
            waited = time.monotonic() - self._last_flush
            if self._files and (len(self._files) >= _ROWS_TOGETHER or waited >= _SECONDS_TOGETHER):
                self._flush()

    def flush(self) -> None:
        """Commit the collected rows."""
        with self._lock:
            if self._files or self._removed:
                self._flush()

    def _flush(self) -> None:
        with self._index.transaction():
            self._write_files()

    def _write_files(self) -> None:
        files, removed = self._files, self._removed
        self._files, self._removed = [], []
        self._index.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in removed))
        self._index.executemany(_FILE, files)
        self._last_flush = time.monotonic()

    def _add(
        self, item: PendingFile, error: str | None, truncated: bool, moved_from: bytes | None, first_seen: float | None
    ) -> None:
        now, content = time.time(), item.content
        if moved_from is not None:
            self._removed.append(moved_from)
        self._files.append(
            (
                item.key,
                item.status.st_size,
                item.status.st_mtime_ns,
                signed_inode(item.status.st_ino),
                content.key if content else None,
                "ok" if error is None else "error",
                error,
                int(truncated),
                first_seen or now,
                now,
                *((content.title, content.artist, content.album, content.genre) if content else (None,) * 4),
            )
        )

    # Many files at once, each call in a transaction of its own --------------------------------------------

    def seen(self, paths: Iterable[bytes]) -> None:
        """Record files as unchanged, also missing ones that were found again."""
        now = time.time()
        with self._index.transaction():
            self._index.executemany(
                "UPDATE files SET last_seen = ?, status = CASE WHEN error IS NULL THEN 'ok' ELSE 'error' END "
                "WHERE path = ?",
                ((now, path) for path in paths),
            )

    def missing(self, paths: Iterable[bytes]) -> None:
        """Mark files as missing. Their rows and results stay until they are pruned."""
        with self._index.transaction():
            self._index.executemany("UPDATE files SET status = 'missing' WHERE path = ?", ((path,) for path in paths))

    def renamed(self, moves: Iterable[tuple[bytes, bytes]]) -> None:
        """Rename files, from -> to, that are the same by inode, size and time of change."""
        now = time.time()
        with self._index.transaction():
            self._index.executemany(
                "UPDATE files SET path = ?, status = 'ok', last_seen = ? WHERE path = ?",
                ((new, now, old) for old, new in moves),
            )

    def prune(self, paths: Iterable[bytes]) -> None:
        """Remove files, and the results of audio that no file holds any more."""
        with self._index.transaction():
            self._index.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in paths))
            for table in ("results", "audio", "tempos", "keys"):
                self._index.execute(
                    f"DELETE FROM {table} WHERE content_key NOT IN "
                    "(SELECT content_key FROM files WHERE content_key IS NOT NULL)"
                )


def same_inode(row: IndexedFile, status: os.stat_result) -> bool:
    """Whether inode, size and time of change show a row's file under another name."""
    return status.st_ino != 0 and row.inode == signed_inode(status.st_ino) and row.same_file(status)
