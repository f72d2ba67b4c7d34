"""Waiting for what announces itself by no event: another process's file, a state of the system."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 60, *, poll_seconds: float = 0.005) -> None:
    """Return as soon as the condition is true; fails where it is not within so many seconds.

    A process that is waited for may end early: name that in the condition, and check its exit code afterwards.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(poll_seconds)
