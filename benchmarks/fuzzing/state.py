"""What all runs so far did, in one JSON file, and the failing inputs beside it."""

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

FILES_PER_FINDING = 3


class State:
    """Executions, seconds, outcomes and findings of every target.

    Args:
        folder: holds ``state.json`` and ``findings/TARGET/``; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "state.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.data: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {"targets": {}}

    def target(self, name: str) -> dict[str, Any]:
        """The entry of a target."""
        empty = {"executions": 0, "seconds": 0.0, "outcomes": {}, "next_index": {}, "findings": {}, "days": []}
        return self.data["targets"].setdefault(name, empty)

    def executions(self, target: str) -> int:
        return self.target(target)["executions"]

    def next_index(self, target: str, seed: int) -> int:
        """Where a run with this seed continues."""
        return self.target(target)["next_index"].get(str(seed), 0)

    def set_next_index(self, target: str, seed: int, index: int) -> None:
        self.target(target)["next_index"][str(seed)] = index
        self.save()

    def signatures(self, target: str) -> set[str]:
        """Findings that are known."""
        return set(self.target(target)["findings"])

    def add_progress(
        self, target: str, seed: int, index: int, n: int, seconds: float, outcomes: dict[str, int], repeated: dict[str, int]
    ) -> None:
        entry = self.target(target)
        entry["outcomes"] = dict(Counter(entry["outcomes"]) + Counter(outcomes))
        for name, times in repeated.items():
            entry["findings"][name]["times"] += times
        entry["next_index"][str(seed)] = index
        today = datetime.date.today().isoformat()
        entry["days"] = sorted({*entry["days"], today})
        self.add_time(target, n, seconds)

    def add_time(self, target: str, n: int, seconds: float) -> None:
        entry = self.target(target)
        entry["executions"] += n
        entry["seconds"] += seconds
        self.save()

    def add_finding(
        self, target: str, name: str, case: Case, message: str, shown: str, seed: int, index: int
    ) -> None:
        """Record a finding, and keep its input."""
        entry = self.target(target)["findings"].setdefault(
            name, {"times": 0, "message": message, "seed": seed, "index": index, "files": [], "commit": commit()}
        )
        entry["times"] += 1
        if len(entry["files"]) < FILES_PER_FINDING:
            path = self.folder / "findings" / target / f"{hashlib.sha256(case.content).hexdigest()[:10]}-{case.name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(case.content)
            path.with_name(f"{path.name}.txt").write_text(
                f"{name}\nseed {seed}, index {index}\n\n{shown}", errors="backslashreplace"
            )
            entry["files"].append(str(path.relative_to(self.folder)))
        self.save()
        print(f"{target}: FOUND {name} ({message[:150]!r}), seed {seed}, index {index}", flush=True)

    def save(self) -> None:
        write_atomic(self._path, json.dumps(self.data, indent=1).encode())


def commit() -> str:
    """The commit of the code, short; empty outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
