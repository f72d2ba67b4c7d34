"""The report: executions, time and findings of all runs so far; every kept input is run again to see whether it is mended."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from machine import cpu_name

from fuzzing.state import State, commit
from fuzzing.targets import TARGETS, load_target

COMMAND = "python benchmarks/fuzz.py all --minutes N --out docs/results/fuzz.md"
_REPLAY_SECONDS = 300


def report(folder: Path, note: str = "") -> tuple[str, int]:
    """The report on all targets with a state in a folder as Markdown, and how many findings are open."""
    rows, findings, n_open = [], [], 0
    days: set[str] = set()
    for name in TARGETS:
        entry = State(folder, name).data
        if not entry["executions"]:
            continue
        target = load_target(name)
        days.update(entry["days"])
        mended = {found: _is_mended(name, one, folder) for found, one in entry["findings"].items()}
        n_open += sum(not done for done in mended.values())
        n, seconds = entry["executions"], entry["cpu_seconds"]
        n_mended = sum(mended.values())
        rows.append(
            f"| {target.title} | {target.expected} | {n:,} | {_duration(seconds)} | {n / max(seconds, 1e-9):,.0f} "
            f"| {_outcomes(entry['outcomes'])} | {len(mended)} | {n_mended} |"
        )
        findings += [
            f"| {name} | `{_cell(found)}` | {_cell(entry['findings'][found]['message'][:160])} "
            f"| {entry['findings'][found]['times']:,} | {len(entry['findings'][found]['files'])} | {'mended' if done else 'open'} |"
            for found, done in mended.items()
        ]
    machine = f"{cpu_name()}, one process, {platform.system()}, Python {platform.python_version()}"
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("av", "mutagen", "h5py", "pyarrow", "torch", "hypothesis")
    )
    lines = [
        "# Fuzzing",
        "",
        f"Written by `{COMMAND}`, in pieces, {' and '.join(sorted({min(days), max(days)})) if days else 'never'}; "
        f"commit {commit() or '?'}. Machine: {machine}; {versions}, earmark {version('earmark')}. {note}".rstrip(),
        "",
        "Byte formats are mutated from valid files (bits, boundary values in length fields, parts removed, repeated, inserted, "
        "moved, copied from other files, cut ends); queries, tables and pickles come from Hypothesis. A finding is any outcome "
        "but the right ones: another exception, a wrong result, a crash, 10 s of CPU time, or more memory than the target's "
        "bound. Findings with the same cause (type and place) are one. The fuzzer does not follow coverage: decoders, HDF5, "
        "Arrow and PyTorch are native code that is installed without instrumentation.",
        "",
        "| target | right outcomes | executions | CPU time | per second | outcomes | findings | mended |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "## Findings",
        "",
    ]
    if findings:
        lines += ["| target | where | what | times | kept | now |", "|---|---|---|---|---|---|", *findings, ""]
        lines.append(
            "Every kept input was run again for this page: mended means that the outcomes of these are right now; of others with the "
            "same name nothing is known. The regression tests build such inputs themselves (`tests/`, by the mirrored path of the mended module)."
        )
    else:
        lines.append("None.")
    return "\n".join(lines) + "\n", n_open


def _is_mended(target: str, finding: dict[str, Any], folder: Path) -> bool:
    """Whether all kept inputs of a finding have a right outcome now; each runs in its own process."""
    script = Path(__file__).parent.parent / "fuzz.py"
    for file in finding["files"]:
        command = [sys.executable, str(script), target, "--replay", str(folder / file)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_REPLAY_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode:
            return False
    return True


def _outcomes(outcomes: dict[str, int]) -> str:
    total = sum(outcomes.values()) or 1
    ordered = sorted(outcomes.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * n / total:.0f} %" for name, n in ordered)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _cell(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown.replace("|", "\\|").replace("`", "'")
