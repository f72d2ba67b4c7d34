"""A task in a separate process.

One that dies, for whatever reason, ends no other task; and none outlives the program that started it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from earmark.core.errors import EarmarkError
from earmark.papers.task import Task, run_task

GRACE_SECONDS = 10.0
"""How long a terminated process may take to end the processes that it has started."""

_Answer = tuple[dict[str, Any] | None, str | None]


class TaskProcess:
    """A running task. Its process is spawned, not forked, so a script needs ``if __name__ == "__main__":``."""

    def __init__(self, task: Task) -> None:
        self.task = task
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(task, sender), name=task.name)
        with _ignore_interrupts():
            self._process.start()
        sender.close()

    def answer(self) -> _Answer:
        """The content of done.json, or why there is none. Call it once, after :func:`wait_for_any`."""
        try:
            answer: _Answer = self._receiver.recv()
        except (EOFError, OSError):
            self._process.join(GRACE_SECONDS)
            code = self._process.exitcode
            if code is not None and code < 0:
                how = f"was killed by signal {-code}, perhaps for want of memory (then with fewer --jobs)"
            else:
                how = f"ended with exit code {code}"
            answer = None, f"its process {how}; run the same command to continue it"
        self.end()
        return answer

    def end(self, wait_seconds: float = GRACE_SECONDS) -> None:
        """Wait for its end, then kill it. A training continues from its last epoch when it is run again."""
        self._process.join(wait_seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._receiver.close()

    def ask_to_end(self) -> None:
        """Terminate it, and those that it has started."""
        self._process.terminate()

    @property
    def receiver(self) -> Any:
        """Readable where there is an answer, or the process has ended."""
        return self._receiver


def wait_for_any(processes: Iterable[TaskProcess]) -> list[TaskProcess]:
    """Those that have an answer; waits for the first."""
    by_receiver = {process.receiver: process for process in processes}
    return [by_receiver[ready] for ready in wait(list(by_receiver))]


def end_all(processes: Iterable[TaskProcess]) -> None:
    """End them, all at once."""
    processes = list(processes)
    for process in processes:
        process.ask_to_end()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        process.end(max(0.0, deadline - time.monotonic()))


def _work(task: Task, sender: Connection) -> None:
    """Main function of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which then terminates this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer: _Answer
    try:
        answer = run_task(task), None
    except (EarmarkError, OSError) as error:
        answer = None, str(error)
    except KeyboardInterrupt:  # Lightning turns SIGTERM into it
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:  # noqa: BLE001  whatever it is, the other tasks continue
        traceback.print_exc()  # a bug, ours or a library's: show where
        answer = None, f"{type(error).__name__}: {error}"
    sender.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if hasattr(signal, "pthread_kill"):
        # As if terminated: processes that this one has started are ended, too.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
    os._exit(1)


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """A process that is started in here ignores Ctrl-C, even while it is still importing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
