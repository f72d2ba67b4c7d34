"""Starts the worker process, watches its time and memory, records what it finds, and starts it again where it dies."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from fuzzing import worker
from fuzzing.state import State
from fuzzing.target import Case, make_scratch, signature_of_dump
from fuzzing.worker import Limits

HANG_CPU_SECONDS = 30.0
HANG_WALL_SECONDS = 3600.0  # of what waits for ever: on a busy machine, at idle priority, an input may wait for long
MAX_MEGABYTES = 4000.0
_START_SECONDS = 3600.0
_POLL_SECONDS = 0.2
_ABORT = getattr(signal, "SIGABRT", signal.SIGTERM)


class _Progress:
    """What one worker process has reported."""

    def __init__(self) -> None:
        self.ready = self.ended = False
        self.counted = 0


def fuzz(minutes: float, seed: int, state: State, most: int | None = None, cpu_minutes: float | None = None) -> float:
    """Run one target for some minutes, in a process of its own. Returns executions per second.

    Args:
        minutes: how long, at most.
        seed: with the same seed, a target continues where its last run ended.
        state: of the target; gets executions, time and findings.
        most: end after so many inputs (batches of 200 for targets that use Hypothesis).
        cpu_minutes: end once all runs of the target have this much CPU time together.

    Raises:
        SystemExit: the fuzzer itself failed.
    """
    started, n_before = time.monotonic(), state.executions
    deadline, last = started + minutes * 60, None if most is None else state.next_index(seed) + most
    cpu_seconds = math.inf if cpu_minutes is None else 60 * cpu_minutes
    while (
        time.monotonic() < deadline
        and (last is None or state.next_index(seed) < last)
        and state.cpu_seconds < cpu_seconds
    ):
        left = None if last is None else last - state.next_index(seed)
        limits = Limits((deadline - time.monotonic()) / 60, cpu_seconds - state.cpu_seconds, left)
        _run_worker(limits, seed, state)
    return (state.executions - n_before) / max(time.monotonic() - started, 1e-9)


def _run_worker(limits: Limits, seed: int, state: State) -> None:
    context = multiprocessing.get_context("spawn")
    clock = context.RawArray("d", [0, 0, 0, time.monotonic()])
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="earmark-fuzz-desk-") as desk, make_scratch() as scratch:
        given = (
            state.target,
            desk,
            scratch,
            clock,
            sending,
            state.signatures,
            state.kept(),
            seed,
            state.next_index(seed),
            limits,
        )
        process = context.Process(target=worker.main, args=given, daemon=True)
        process.start()
        sending.close()
        reason = _watch(process, receiving, clock, seed, state)
        if reason is not None:
            _record_death(reason, process.exitcode, Path(desk), int(clock[1]), seed, state)
            state.set_next_index(seed, int(clock[1]) + 1)


def _watch(process: BaseProcess, pipe: Connection, clock: Any, seed: int, state: State) -> str | None:
    """Follow the process to its end. Returns why it died; None where it ended as it should."""
    reason, progress = None, _Progress()
    started = time.monotonic()
    while process.is_alive():
        _receive(pipe, progress, clock, seed, state)
        if progress.ended:
            process.join(30)
            break
        if reason is None and (reason := _overdue(process.pid, clock, progress.ready, started)):
            os.kill(process.pid or 0, _ABORT)  # faulthandler writes where it was
            process.join(120)
            if process.is_alive():
                process.kill()
    _receive(pipe, progress, clock, seed, state)
    state.add_executions(int(clock[0]) - progress.counted)
    if progress.ended:
        process.kill()
        return None
    process.join()
    if reason is None and (not progress.ready or process.exitcode == 1):  # 1: an exception outside of an input
        raise SystemExit(f"{state.target}: the fuzzer itself failed, see above")
    return reason or "crash"


def _receive(pipe: Connection, progress: _Progress, clock: Any, seed: int, state: State) -> None:
    """Take all messages, and wait a moment for more."""
    try:
        while pipe.poll(_POLL_SECONDS):
            kind, *rest = pipe.recv()
            if kind == "ready":
                progress.ready = True
            elif kind == "end":
                progress.ended = True
            elif kind == "finding":
                name, case, message, shown, index = rest
                state.add_finding(name, case, message, shown, seed, index)
            else:
                state.add_progress(seed, *rest)
                state.add_executions((n := int(clock[0])) - progress.counted)
                progress.counted = n
    except (EOFError, OSError):  # the process is gone
        return


def _overdue(pid: int | None, clock: Any, ready: bool, started: float) -> str | None:
    now = time.monotonic()
    if not ready:
        return "does not start" if now - started > _START_SECONDS else None
    try:
        running = psutil.Process(pid)
        cpu, megabytes = running.cpu_times(), running.memory_info().rss / 1e6
    except psutil.Error:  # it has ended
        return None
    if megabytes > MAX_MEGABYTES:
        return "memory"
    if cpu.user + cpu.system - clock[2] > HANG_CPU_SECONDS or now - clock[3] > HANG_WALL_SECONDS:
        return "hang"
    return None


def _record_death(reason: str, code: int | None, desk: Path, index: int, seed: int, state: State) -> None:
    name, content, stack = (desk / part for part in (worker.CURRENT_NAME, worker.CURRENT_CONTENT, worker.STACK))
    case = Case(name.read_text() if name.exists() else "nothing", content.read_bytes() if content.exists() else b"")
    shown = stack.read_text(errors="replace") if stack.exists() else ""
    what = f"crash ({signal.Signals(-code).name})" if reason == "crash" and code is not None and code < 0 else reason
    state.add_finding(signature_of_dump(shown, what), case, f"the process died: {what}", shown, seed, index)
