"""Ctrl-C reaches the main thread only; here other threads learn of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def set_by_ctrl_c(event: threading.Event) -> Iterator[None]:
    """Ctrl-C sets the event, and then does what it did before. Outside the main thread, this changes nothing."""
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
