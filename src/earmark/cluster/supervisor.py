"""Listening to a shard's tracks through a process that may crash or hang: whatever a file does, it does to itself only."""

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
from earmark.cluster.worker_process import too_long
from earmark.core.errors import AudioError, DataError, ModelError

_START_SECONDS = 300.0
_STARTS = 3
_GRACE_SECONDS = 5.0  # a decoder that answers cuts itself off; one that does not is ended after this
_GRACE_SHARE = 0.1
_CRASHES_TOGETHER = 2  # whose culprit was not found; after that, each file is heard alone
_LAST_WORDS_SECONDS = 1.0
_POLL_SECONDS = 0.5
_POLL_FETCHING_SECONDS = 0.01


class Files(Protocol):
    """Where the files of a shard come from; :class:`earmark.cluster.prefetch.Fetcher` is one."""

    def ready(self, number: int) -> Path | AudioError | None:
        """The file of a track, why there is none, or None: not yet. Asked in order, and again after a crash."""

    def drop(self, number: int) -> None:
        """The track is settled, and its file needed no more."""


@dataclass(frozen=True)
class _Death:
    """How a process ended, and the tracks that may have done it."""

    how: str
    suspects: list[int]
    hung: bool = False


class Listening:
    """Listens with one process, and starts another where that ends. Not for several threads.

    Args:
        model: the ONNX file.
        options: of :class:`earmark.tagging.tagger.Tagger`.
        n_threads: that decode, and that run the network.
        timeout_seconds: a track that takes longer is cut off.
        scratch: folder that is removed when this process ends, be it by force.
        module: what is run; see :mod:`earmark.cluster.worker_process`.
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
    ) -> None:
        self.n_threads, self.timeout_seconds = n_threads, timeout_seconds
        arguments = [str(model), str(scratch), str(timeout_seconds), json.dumps(options)]
        self._command = [sys.executable, "-P", "-m", module]  # -P: nothing is imported from where one stands
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.cpu_seconds = 0.0

    def hear(self, files: Files, n_files: int) -> list[TrackScores]:
        """All tracks, in order.

        Raises:
            ModelError: the model cannot be loaded.
            DataError: the process cannot be started.
        """
        heard: dict[int, TrackScores] = {}
        n_together = 0
        while missing := [number for number in range(n_files) if number not in heard]:
            if n_together > _CRASHES_TOGETHER:
                for number in missing:
                    self._alone(files, number, heard)
                break
            death = self._hear(files, missing, heard)
            if death is None:
                continue
            if death.hung:
                self._settle(files, death.suspects[0], TrackScores(error=too_long(self.timeout_seconds)), heard)
                continue
            n_together += 1
            for number in death.suspects:
                self._alone(files, number, heard)
        return [heard[number] for number in range(n_files)]

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

    def _alone(self, files: Files, number: int, heard: dict[int, TrackScores]) -> None:
        """A track that may have crashed the process, in one of its own."""
        if number in heard:
            return
        death = self._hear(files, [number], heard)
        if death is not None and number not in heard:
            reason = too_long(self.timeout_seconds) if death.hung else f"{death.how} when it was listened to, twice"
            self._settle(files, number, TrackScores(error=reason), heard)

    def _hear(self, files: Files, numbers: list[int], heard: dict[int, TrackScores]) -> _Death | None:
        """Tracks with one process. None where it came to the end, else how it died; what it answered is kept."""
        connection = self._started()
        waiting, flying, asked = deque(numbers), dict[int, float](), False
        try:
            connection.send(("begin", self.n_threads))
            while True:
                if asked:
                    asked = not self._give(connection, files, waiting, flying, heard)
                if connection.poll(_POLL_FETCHING_SECONDS if asked else _POLL_SECONDS):
                    word, *rest = connection.recv()
                    if word == "next":
                        asked = True
                    elif word == "done":
                        number, answer = rest
                        flying.pop(number, None)
                        self._settle(files, number, TrackScores(**answer), heard)
                    else:
                        self.cpu_seconds += rest[0]
                        return None
                first = next(iter(flying.items()), None)
                patience = self.timeout_seconds + max(_GRACE_SECONDS, _GRACE_SHARE * self.timeout_seconds)
                if first is not None and time.monotonic() - first[1] > patience:
                    self._end(kill=True)
                    return _Death("hung", [first[0]], hung=True)
        except (EOFError, OSError):
            suspects = list(flying)[-self.n_threads :]
            return _Death(self._end(), suspects)

    def _give(
        self,
        connection: Connection,
        files: Files,
        waiting: deque[int],
        flying: dict[int, float],
        heard: dict[int, TrackScores],
    ) -> bool:
        """Answer a request for a file, if it is there by now."""
        while waiting:
            found = files.ready(waiting[0])
            if found is None:
                return False
            number = waiting.popleft()
            if isinstance(found, AudioError):
                self._settle(files, number, TrackScores(error=found.reason), heard)
                continue
            flying[number] = time.monotonic()
            connection.send(("file", number, str(found)))
            return True
        connection.send(("end",))
        return True

    def _settle(self, files: Files, number: int, answer: TrackScores, heard: dict[int, TrackScores]) -> None:
        heard[number] = answer
        files.drop(number)

    def _started(self) -> Connection:
        """The process, ready to listen."""
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
                    start_new_session=True,  # Ctrl-C is for who asked
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
        raise DataError(f"the process that listens cannot be started: it {how}")

    def _end(self, *, kill: bool = False) -> str:
        """End the process, if it has not ended; how it ended by itself.

        Not by closing the connection: it would take its scratch folder along, which the next one needs.
        """
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if kill else _LAST_WORDS_SECONDS)
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
