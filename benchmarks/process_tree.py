"""Time and memory of a whole tree of processes, from outside. Linux only."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """One finished tree of processes."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def tree_megabytes(root: int) -> float:
    """Resident memory of a process and all below it; at least the most that one of them ever had. 0 when it is gone."""
    resident, highest, waiting = 0, 0, [root]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            resident += int(status.get("VmRSS", "0").split()[0])
            highest = max(highest, int(status.get("VmHWM", "0").split()[0]))
            for task in (process / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):  # ended meanwhile
            continue
    return max(resident, highest) * 1024 / 1e6


def measure(command: list[str], environment: dict[str, str] | None = None) -> tuple[Run, str]:
    """Run to the end; what it was, and its stdout. Waits for the whole tree, as far as each process waits for its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        peaks, ended = [0.0], threading.Event()
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)

        def watch() -> None:
            peaks.append(tree_megabytes(process.pid))
            while not ended.wait(SAMPLE_SECONDS):
                peaks.append(tree_megabytes(process.pid))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            tail = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(command[:5])} ... ended with {process.returncode}:\n{tail}")
        out.seek(0)
        return Run(wall, usage.ru_utime + usage.ru_stime, max(peaks)), out.read().decode()


def plain_environment() -> dict[str, str]:
    """The environment less what would take threads from one of the two."""
    return {name: value for name, value in os.environ.items() if not name.endswith(("_NUM_THREADS", "OP_THREADS"))}
