"""What all runs so far did: one JSON file per target, and the failing inputs beside it."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from fuzzing.target import Case

FILES_PER_FINDING = 10


class State:
    """Executions, CPU time, outcomes and findings of one target. Targets may run at the same time, a target only once.

    Args:
        folder: holds ``TARGET.json`` and ``findings/TARGET/``; created where missing.
        target: its name.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self.target = folder, target
        self._path = folder / f"{target}.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.data: dict[str, Any] = {
            **{"executions": 0, "cpu_seconds": 0.0, "outcomes": {}, "next_index": {}, "findings": {}, "days": []},
            **(json.loads(self._path.read_text()) if self._path.exists() else {}),
        }

    @property
    def executions(self) -> int:
        """Inputs that were run, those included that made a finding smaller."""
        return self.data["executions"]

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all runs."""
        return self.data["cpu_seconds"]

    @property
    def signatures(self) -> set[str]:
        """Findings that are known."""
        return set(self.data["findings"])

    def next_index(self, seed: int) -> int:
        """Where a run with this seed continues."""
        return self.data["next_index"].get(str(seed), 0)

    def set_next_index(self, seed: int, index: int) -> None:
        """A run with this seed continues there."""
        self.data["next_index"][str(seed)] = index
        self.save()

    def kept(self) -> list[Case]:
        """Inputs of all findings."""
        paths = [self.folder / file for finding in self.data["findings"].values() for file in finding["files"]]
        return [Case(path.name.partition("-")[2], path.read_bytes()) for path in paths if path.exists()]

    def add_progress(
        self, seed: int, index: int, cpu_seconds: float, outcomes: dict[str, int], repeated: dict[str, int]
    ) -> None:
        """Count outcomes and repeated findings up to an index, and the CPU time since the last report."""
        self.data["cpu_seconds"] += cpu_seconds
        self.data["outcomes"] = dict(Counter(self.data["outcomes"]) + Counter(outcomes))
        for name, times in repeated.items():
            self.data["findings"][name]["times"] += times
        self.data["days"] = sorted({*self.data["days"], datetime.date.today().isoformat()})
        self.set_next_index(seed, index)

    def add_executions(self, n: int) -> None:
        """Add executions."""
        self.data["executions"] += n
        self.save()

    def add_finding(self, name: str, case: Case, message: str, shown: str, seed: int, index: int) -> None:
        """Record a finding, and keep its input."""
        new = {"times": 0, "message": message, "seed": seed, "index": index, "files": [], "commit": commit()}
        entry = self.data["findings"].setdefault(name, new)
        entry["times"] += 1
        if len(entry["files"]) < FILES_PER_FINDING:
            path = (
                self.folder / "findings" / self.target / f"{hashlib.sha256(case.content).hexdigest()[:10]}-{case.name}"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(case.content)
            text = f"{name}\nseed {seed}, index {index}\n\n{shown}"
            path.with_name(f"{path.name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
            entry["files"].append(str(path.relative_to(self.folder)))
        self.save()
        print(f"{self.target}: FOUND {name} ({message[:150]!r}), seed {seed}, index {index}", flush=True)

    def save(self) -> None:
        """Write the file."""
        write_atomic(self._path, json.dumps(self.data, indent=1).encode())


def commit() -> str:
    """The commit of the code, short; empty outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
