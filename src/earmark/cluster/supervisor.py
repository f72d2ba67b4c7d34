"""Tags a shard's tracks in a process that may crash or hang: only the track that caused it fails.

This is not a process pool: one process tags several tracks at once (decoding and the network side by side), each with its
own time limit, and after a crash the tracks that were being decoded are tried again one by one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from earmark.cluster.results_table import TrackScores
from earmark.cluster.worker_process import timeout_message
from earmark.core.errors import AudioError, DataError, ModelError

_START_SECONDS = 300.0
_STARTS = 3
GRACE_SECONDS = 5.0
_GRACE_SHARE = 0.1
_MOST_UNEXPLAINED_CRASHES = 2  # crashes without a known cause; after that, each file is tagged alone
_EXIT_SECONDS = 1.0
_POLL_SECONDS = 0.5
_POLL_WAITING_SECONDS = 0.01


class Files(Protocol):
    """Where the files of a shard come from; :class:`earmark.cluster.prefetch.Fetcher` is one."""

    def ready(self, number: int) -> Path | AudioError | None:
        """The file of a track, why there is none, or None: not yet. Asked in order, and again after a crash."""

    def drop(self, number: int) -> None:
        """The track is settled, and its file is no longer needed."""


@dataclass(frozen=True)
class _WorkerDeath:
    """How a process ended, and the tracks that may have caused it."""

    how: str
    suspects: list[int]
    hung: bool = False


class WorkerSupervisor:
    """Tags with one process, and starts another where that ends. Not thread-safe.

    Args:
        model: the ONNX file.
        options: of :meth:`earmark.tagging.tagger.Tagger.from_file`.
        n_threads: that decode, and that run the network.
        timeout_seconds: a track that takes longer is cut off.
        scratch: folder that is removed when this process ends, also when it is killed.
        module: what is run; see :mod:`earmark.cluster.worker_process`.
        grace_seconds: the process stops a slow decoder itself; one that hangs is killed so much later.
    """

    def __init__(
        self,
        model: Path,
        options: dict[str, Any],
        *,
        n_threads: int,
        timeout_seconds: float,
        scratch: Path,
        module: str = "earmark.cluster.worker_process",
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.n_threads, self.timeout_seconds, self.grace_seconds = n_threads, timeout_seconds, grace_seconds
        arguments = [str(model), str(scratch), str(timeout_seconds), json.dumps(options)]
        self._command = [sys.executable, "-P", "-m", module]  # -P: nothing is imported from the current folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.cpu_seconds = 0.0

    def tag(self, files: Files, n_files: int) -> list[TrackScores]:
        """All tracks, in order.

        Raises:
            ModelError: the model cannot be loaded.
            DataError: the process cannot be started.
        """
        results: dict[int, TrackScores] = {}
        n_together = 0
        while missing := [number for number in range(n_files) if number not in results]:
            if n_together > _MOST_UNEXPLAINED_CRASHES:
                for number in missing:
                    self._tag_alone(files, number, results)
                break
            death = self._tag_with_worker(files, missing, results)
            if death is None:
                continue
            if death.hung:
                self._settle(
                    files, death.suspects[0], TrackScores(error=timeout_message(self.timeout_seconds)), results
                )
                continue
            n_together += 1
            for number in death.suspects:
                self._tag_alone(files, number, results)
        return [results[number] for number in range(n_files)]

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()  # it ends by itself
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _tag_alone(self, files: Files, number: int, results: dict[int, TrackScores]) -> None:
        """Tag one track by itself: it may have crashed the process."""
        if number in results:
            return
        death = self._tag_with_worker(files, [number], results)
        if death is not None and number not in results:
            reason = timeout_message(self.timeout_seconds) if death.hung else f"{death.how}, twice"
            self._settle(files, number, TrackScores(error=reason), results)

    def _tag_with_worker(
        self, files: Files, numbers: list[int], results: dict[int, TrackScores]
    ) -> _WorkerDeath | None:
        """Tag with one process. None if it finished, else how it died; its results so far are kept."""
        connection = self._started()
        waiting, in_flight, asked = deque(numbers), dict[int, float](), False
        try:
            connection.send(("begin", self.n_threads))
            while True:
                if asked:
                    asked = not self._send_next(connection, files, waiting, in_flight, results)
                if connection.poll(_POLL_WAITING_SECONDS if asked else _POLL_SECONDS):
                    word, *rest = connection.recv()
                    if word == "next":
                        asked = True
                    elif word == "done":
                        number, answer = rest
                        in_flight.pop(number, None)
                        self._settle(files, number, TrackScores(**answer), results)
                    else:
                        self.cpu_seconds += rest[0]
                        return None
                first = next(iter(in_flight.items()), None)
                patience = self.timeout_seconds + max(self.grace_seconds, _GRACE_SHARE * self.timeout_seconds)
                if first is not None and time.monotonic() - first[1] > patience:
                    self._end(kill=True)
                    return _WorkerDeath("hung", [first[0]], hung=True)
        except (EOFError, OSError):
            suspects = list(in_flight)[-self.n_threads :]
            return _WorkerDeath(self._end(), suspects)

    def _send_next(
        self,
        connection: Connection,
        files: Files,
        waiting: deque[int],
        in_flight: dict[int, float],
        results: dict[int, TrackScores],
    ) -> bool:
        """Send the next file; False where it is not fetched yet."""
        while waiting:
            found = files.ready(waiting[0])
            if found is None:
                return False
            number = waiting.popleft()
            if isinstance(found, AudioError):
                self._settle(files, number, TrackScores(error=found.reason), results)
                continue
            in_flight[number] = time.monotonic()
            connection.send(("file", number, str(found)))
            return True
        connection.send(("end",))
        return True

    def _settle(self, files: Files, number: int, answer: TrackScores, results: dict[int, TrackScores]) -> None:
        results[number] = answer
        files.drop(number)

    def _started(self) -> Connection:
        """The connection to a process that is ready."""
        for _ in range(_STARTS):
            if self._connection is not None:
                return self._connection
            here, there = socket.socketpair()
            with there:
                os.set_inheritable(there.fileno(), True)
                self._process = subprocess.Popen(
                    [*self._command, str(there.fileno()), *self._arguments],
                    pass_fds=[there.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # a Ctrl-C must not reach it
                )
            self._connection = Connection(here.detach())
            try:
                if self._connection.poll(_START_SECONDS):
                    word, found = self._connection.recv()
                    if word == "ready":
                        return self._connection
                    self._end()
                    raise ModelError(found)
            except (EOFError, OSError):
                pass
            how = self._end()
        raise DataError(f"the process that tags cannot be started: it {how}")

    def _end(self, *, kill: bool = False) -> str:
        """End the process, if it has not ended; how it ended by itself.

        Not by closing the connection: that would remove its scratch folder, which the next one needs.
        """
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if kill else _EXIT_SECONDS)
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if code is not None and code < 0:
            return f"crashed the decoder ({signal.Signals(-code).name})"
        return f"ended the decoder (exit code {code or 0})"
