"""Starts the worker process, watches its time and memory, records what it finds, and starts it again where it dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import psutil
from fuzzing import worker
from fuzzing.state import State
from fuzzing.target import Case, make_scratch, signature_of_dump

HANG_CPU_SECONDS = 30.0
HANG_WALL_SECONDS = 180.0
MAX_MEGABYTES = 4000.0
_START_SECONDS = 300.0
_POLL_SECONDS = 0.2


def fuzz(target: str, minutes: float, seed: int, state: State, most: int | None = None) -> float:
    """Run one target for some minutes, in a process of its own. Returns executions per second.

    Args:
        target: its name.
        minutes: how long.
        seed: with the same seed, a target continues where its last run ended.
        state: gets executions, time and findings; saved every few seconds.
        most: end after so many inputs (batches of 200 for targets that use Hypothesis).
    """
    started, n_before = time.monotonic(), state.executions(target)
    deadline = started + minutes * 60
    left = most
    while time.monotonic() < deadline and (left is None or left > 0):
        first = state.next_index(target, seed)
        _run_worker(target, (deadline - time.monotonic()) / 60, seed, state, left)
        left = None if left is None else left - (state.next_index(target, seed) - first)
    return (state.executions(target) - n_before) / max(time.monotonic() - started, 1e-9)


def _run_worker(target: str, minutes: float, seed: int, state: State, most: int | None) -> None:
    context = multiprocessing.get_context("spawn")
    clock = context.RawArray("d", [0, 0, 0, time.monotonic()])
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="earmark-fuzz-desk-") as desk, make_scratch() as scratch:
        first = state.next_index(target, seed)
        arguments = (target, desk, scratch, clock, sending, state.signatures(target), seed, first, minutes, most)
        process = context.Process(target=worker.main, args=arguments, daemon=True)
        process.start()
        sending.close()
        died = _watch(process, receiving, clock, target, seed, state)
        if died:
            _record_death(died, process.exitcode, Path(desk), int(clock[1]), target, seed, state)
            state.set_next_index(target, seed, int(clock[1]) + 1)


def _watch(process, receiving, clock, target: str, seed: int, state: State) -> str | None:
    """Follow the process to its end. Returns why it died; None where it ended as it should."""
    ready, ended, reason, started = False, False, None, time.monotonic()
    counted, since = 0, time.monotonic()
    while True:
        try:
            while receiving.poll(_POLL_SECONDS):
                message = receiving.recv()
                if message[0] == "ready":
                    ready, since = True, time.monotonic()
                elif message[0] == "end":
                    ended = True
                elif message[0] == "progress":
                    _, index, outcomes, repeated = message
                    now, n = time.monotonic(), int(clock[0])
                    state.add_progress(target, seed, index, n - counted, now - since, outcomes, repeated)
                    counted, since = n, now
                elif message[0] == "finding":
                    _, name, case, text, shown, index = message
                    state.add_finding(target, name, case, text, shown, seed, index)
        except (EOFError, OSError):
            pass
        if not process.is_alive() or ended:
            process.join(30)
            state.add_time(target, int(clock[0]) - counted, time.monotonic() - since)
            if ended:
                return None
            if reason is None and (not ready or process.exitcode == 1):  # 1: an exception outside of an input
                raise SystemExit(f"{target}: the fuzzer itself failed, see above")
            return reason or "crash"
        if reason is None and (reason := _overdue(process.pid, clock, ready, started)):
            os.kill(process.pid, getattr(signal, "SIGABRT", signal.SIGTERM))  # faulthandler writes where it was
            process.join(20)
            if process.is_alive():
                process.kill()


def _overdue(pid: int, clock, ready: bool, started: float) -> str | None:
    now = time.monotonic()
    if not ready:
        return "does not start" if now - started > _START_SECONDS else None
    try:
        running = psutil.Process(pid)
        cpu, megabytes = running.cpu_times(), running.memory_info().rss / 1e6
    except psutil.Error:
        return None
    if megabytes > MAX_MEGABYTES:
        return "memory"
    if cpu.user + cpu.system - clock[2] > HANG_CPU_SECONDS or now - clock[3] > HANG_WALL_SECONDS:
        return "hang"
    return None


def _record_death(reason: str, code: int | None, desk: Path, index: int, target: str, seed: int, state: State) -> None:
    name, content, stack = (desk / part for part in (worker.CURRENT_NAME, worker.CURRENT_CONTENT, worker.STACK))
    case = Case(
        name.read_text() if name.exists() else "nothing",
        content.read_bytes() if content.exists() else b"",
    )
    shown = stack.read_text(errors="replace") if stack.exists() else ""
    what = f"crash ({signal.Signals(-code).name})" if reason == "crash" and code is not None and code < 0 else reason
    state.add_finding(target, signature_of_dump(shown, what), case, f"the process died: {what}", shown, seed, index)

