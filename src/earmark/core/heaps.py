"""How many heaps threads share, so that memory stays flat over thousands of files."""

from __future__ import annotations

import ctypes

from earmark.core.cpu import available_cores

_M_ARENA_MAX = -8  # malloc.h of glibc
_CORES_PER_HEAP = 4  # more threads would wait for each other


def share_heaps() -> bool:
    """Let threads share heaps: one for up to four cores. To be called by programs, before they start threads.

    By default glibc makes up to eight heaps per core, and each keeps, in pieces, what the largest file needed: without a leak
    `earmark serve` grew for hundreds of songs. With one heap it grows by half as much (benchmarks/service.py).

    Returns:
        False where there is no such setting: other libraries than glibc.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
        return False
    return bool(set_option(_M_ARENA_MAX, -(-available_cores() // _CORES_PER_HEAP)))
