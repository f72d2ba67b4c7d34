"""Files of a shard's tracks: those in stores are fetched a few ahead of those that are being tagged."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from earmark.cluster.addresses import fetch, local_path, suffix_of
from earmark.cluster.manifest import Row
from earmark.core.errors import AudioError

_GRACE_SECONDS = 5.0


class Fetcher:
    """The files of one shard. What was fetched is deleted when it is dropped.

    Args:
        rows: tracks.
        scratch: folder for what is fetched.
        ahead: number of files fetched at a time, and kept ready.
        timeout_seconds: a track that takes longer to fetch is given up.

    Attributes:
        bytes_read: of tracks that were fetched, or read where they are.
    """

    def __init__(self, rows: list[Row], scratch: Path, *, ahead: int, timeout_seconds: float) -> None:
        self.rows, self.scratch, self.ahead, self.timeout_seconds = rows, scratch, ahead, timeout_seconds
        self.bytes_read = 0
        self._pool = ThreadPoolExecutor(ahead, thread_name_prefix="earmark-fetch")
        self._coming: dict[int, Future[int]] = {}
        self._started: dict[int, float] = {}
        self._next = 0

    def ready(self, number: int) -> Path | AudioError | None:
        """See :class:`earmark.cluster.supervisor.Files`."""
        self._look_ahead(number)
        row = self.rows[number]
        if not row.address:
            return AudioError("the manifest has no address for it")
        path = local_path(row.address)
        if path is not None:
            return path
        future = self._coming[number]
        if not future.done():
            started = self._started.get(number)
            if started is None or time.monotonic() - started < self.timeout_seconds + _GRACE_SECONDS:
                return None
            return AudioError(f"took longer than {self.timeout_seconds:g} s to fetch: cut off")
        error = future.exception()
        if error is None:
            return self._path(number)
        if isinstance(error, AudioError):
            return error
        return AudioError(f"cannot be fetched ({type(error).__name__}: {error})")

    def drop(self, number: int) -> None:
        """See :class:`earmark.cluster.supervisor.Files`."""
        future = self._coming.get(number)
        if future is not None:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.bytes_read += future.result()
            self._path(number).unlink(missing_ok=True)
        elif self.rows[number].address:
            path = local_path(self.rows[number].address)
            with contextlib.suppress(OSError, ValueError):
                self.bytes_read += path.stat().st_size if path else 0

    def close(self) -> None:
        """Stop fetching."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_ahead(self, number: int) -> None:
        while self._next < min(len(self.rows), number + self.ahead + 1):
            if self.rows[self._next].address and local_path(self.rows[self._next].address) is None:
                self._coming[self._next] = self._pool.submit(self._fetch, self._next)
            self._next += 1

    def _fetch(self, number: int) -> int:
        self._started[number] = time.monotonic()
        return fetch(self.rows[number].address, self._path(number), self.timeout_seconds)

    def _path(self, number: int) -> Path:
        return self.scratch / f"{number}{suffix_of(self.rows[number].address)}"
