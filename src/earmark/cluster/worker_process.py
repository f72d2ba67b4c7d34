"""The process that tags: one Tagger, decoding and the network side by side. Light: no Ray, no stores, no PyTorch.

It is a separate process because no thread can end a decoder that hangs, and a decoder that crashes ends its process.
It asks for paths one at a time and answers in their order, over a socket that it inherits:

    worker:      ready {...} | failed TEXT;  next;  done K {...};  finished CPU_SECONDS
    supervisor:  begin N_THREADS;  file K PATH;  end
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from earmark.core.errors import AudioError, EarmarkError
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger


class _Worker:
    def __init__(self, connection: Connection, scratch: str, timeout_seconds: float) -> None:
        self.connection, self.scratch, self.timeout_seconds = connection, scratch, timeout_seconds
        self.inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.sending = threading.Lock()
        self.started: dict[Path, float] = {}
        threading.Thread(target=self._receive, daemon=True).start()

    def serve(self, tagger: Tagger) -> None:
        while True:
            _, n_threads = self.inbox.get()
            order: deque[int] = deque()
            before = _cpu_seconds()
            results = tagger.tag_many(self._paths(order), jobs=n_threads, errors="return", watch=self._watch)
            for result in results:
                self.send("done", order.popleft(), _answer(result))
            self.send("finished", _cpu_seconds() - before)

    def send(self, *message: Any) -> None:
        with self.sending:
            try:
                self.connection.send(message)
            except OSError:
                self._parent_gone()

    def _paths(self, order: deque[int]) -> Iterator[Path]:
        """Called by the threads that decode, one at a time, when they are ready for another file."""
        while True:
            self.send("next")
            word, *rest = self.inbox.get()
            if word == "end":
                return
            number, path = rest
            order.append(number)
            self.started[Path(path)] = time.monotonic()
            yield Path(path)

    def _watch(self, path: Path, _seconds: float) -> None:
        if time.monotonic() - self.started[path] > self.timeout_seconds:
            raise AudioError(timeout_message(self.timeout_seconds), path)

    def _receive(self) -> None:
        while True:
            try:
                self.inbox.put(self.connection.recv())
            except (EOFError, OSError):
                self._parent_gone()

    def _parent_gone(self) -> NoReturn:
        """The supervisor has ended, perhaps by force: remove the scratch folder and end."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        os._exit(0)


def timeout_message(timeout_seconds: float) -> str:
    """The error of a track that was cut off."""
    return f"took longer than {timeout_seconds:g} s: cut off"


def _answer(result: TagScores | AudioError) -> dict[str, Any]:
    """The result of a track, as :class:`earmark.cluster.results_table.TrackScores` takes it."""
    if isinstance(result, AudioError):
        return {"error": result.reason}
    return {
        "scores": result.scores,
        "embedding": result.embedding,
        "duration_seconds": round(result.duration_seconds, 3),
        "windows": len(result.taggram),
        "heard_seconds": round(result.heard_seconds, 3),
        "silent_seconds": round(result.silent_seconds, 3),
        "warnings": result.warnings,
        "tempo": result.tempo,
        "key": result.key,
    }


def _cpu_seconds() -> float:
    return time.process_time()


def main() -> None:
    """``python -m earmark.cluster.worker_process SOCKET MODEL SCRATCH TIMEOUT_SECONDS OPTIONS``; options of Tagger.from_file as JSON."""
    socket, model, scratch, timeout_seconds, options = sys.argv[1:]
    worker = _Worker(Connection(int(socket)), scratch, float(timeout_seconds))
    try:
        tagger = Tagger.from_file(model, **json.loads(options))
    except EarmarkError as error:
        worker.send("failed", str(error))
        return
    worker.send("ready", {"tags": list(tagger.card.vocabulary.names), "embedding_dims": tagger.embedding_dims})
    with contextlib.suppress(KeyboardInterrupt):
        worker.serve(tagger)


if __name__ == "__main__":
    main()
