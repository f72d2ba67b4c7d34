"""Threads share heaps."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from threading import Barrier, Thread
from earmark.core import heaps

heaps.available_cores = lambda: int(sys.argv[1])
if sys.argv[2] == "shared":
    assert heaps.share_heaps()
libc, together = ctypes.CDLL(None), Barrier(24)
libc.malloc.restype = ctypes.c_void_p
def work():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [Thread(target=work) for _ in range(24)]
for each in threads: each.start()
for each in threads: each.join()
libc.malloc_stats()
"""


def has_mallopt() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "malloc_stats")
    except TypeError:  # Windows
        return False


@pytest.mark.skipif(not has_mallopt(), reason="needs glibc")
@pytest.mark.parametrize(("cores", "n_heaps"), [(1, 1), (2, 1), (4, 1), (5, 2), (16, 4)])
def test_threads_share_one_heap_per_four_cores(cores: int, n_heaps: int) -> None:
    counts = []
    for shared in ("shared", "own"):
        command = [sys.executable, "-c", PROGRAM, str(cores), shared]
        stats = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        counts.append(len(re.findall(r"^Arena \d+:", stats, re.MULTILINE)))
    assert counts[0] == n_heaps
    assert counts[1] > n_heaps


def test_other_libraries_have_no_such_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.core import heaps

    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not heaps.share_heaps()
