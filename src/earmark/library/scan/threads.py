"""Threads of a scan: files are read ahead while others are tagged, and Ctrl-C reaches all of them."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

from earmark.core.errors import AudioError
from earmark.library.scan.content import Content, read_content
from earmark.library.scan.walk import PendingFile

_FILES_AHEAD = 32


def prefetch_content(
    pool: ThreadPoolExecutor, files: Iterable[PendingFile]
) -> Iterator[tuple[PendingFile, Content | AudioError]]:
    """Every file with its content or the error of reading it, in order; some are read ahead by the pool."""
    ahead: deque[tuple[PendingFile, Future[Content] | Content]] = deque()
    rest = iter(files)
    while True:
        while len(ahead) < _FILES_AHEAD and (file := next(rest, None)) is not None:
            ahead.append((file, file.content or pool.submit(read_content, file.path)))
        if not ahead:
            return
        file, content = ahead.popleft()
        try:
            yield file, content if isinstance(content, Content) else content.result()
        except AudioError as error:
            yield file, error


@contextmanager
def set_on_interrupt(event: threading.Event) -> Iterator[None]:
    """Set an event on Ctrl-C, which interrupts only the main thread, and then do what Ctrl-C did before.

    Outside the main thread, this changes nothing.
    """
    old = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(old):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        event.set()
        old(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
