"""What a scan tells: its progress, and what it did: counts of files by what became of them, failures by reason, and speed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal[
    "unchanged", "new", "changed", "relabelled", "moved", "returned", "retagged", "failed", "failed_before", "vanished"
]

OUTCOMES: dict[Outcome, str] = {
    "unchanged": "unchanged",
    "new": "new",
    "changed": "with other audio than before",
    "relabelled": "with other metadata than before, and the same audio",
    "moved": "moved or renamed",
    "returned": "missing before, and found again",
    "retagged": "tagged anew, by another model or by --retry",
    "failed": "failed",
    "failed_before": "failed before and not changed since (--retry tries them again)",
    "vanished": "gone before they could be read",
}
"""What can become of a file that is found, and how it is said. Every found file has exactly one of these."""


@dataclass
class ScanSummary:
    """Counts of a scan; they grow while it runs.

    Attributes:
        outcomes: number of found files by what became of them, see :data:`OUTCOMES`.
        deleted: files of the index that are gone; they stay in it as missing.
        pruned: missing files that the index forgot.
        tagged: recordings that the model listened to. Copies and moved files are recognised without.
        audio_seconds: their length.
        failures: reason -> files.
        problems: folders and roots that could not be looked through, one line each.
        seconds: the scan's length; while it runs, so far.
        finished: False while it runs, and where it was stopped.
    """

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    deleted: int = 0
    pruned: int = 0
    tagged: int = 0
    audio_seconds: float = 0.0
    failures: dict[str, list[Path]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    finished: bool = False
    _started: float = field(default_factory=time.monotonic)
    _seconds: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self._seconds if self._seconds is not None else time.monotonic() - self._started

    @property
    def n_found(self) -> int:
        """Files found so far that something became of."""
        return sum(self.outcomes.values())

    @property
    def x_real_time(self) -> float:
        """Seconds of audio tagged in a second."""
        return self.audio_seconds / max(self.seconds, 1e-6)

    @property
    def clean(self) -> bool:
        """Nothing failed in this scan."""
        return not (self.problems or self.outcomes["failed"])

    @property
    def did_something(self) -> bool:
        """Anything that a person who follows a library wants to hear of."""
        quiet = ("unchanged", "failed_before")
        return bool(self.problems or self.deleted or self.pruned) or any(
            n for outcome, n in self.outcomes.items() if outcome not in quiet
        )

    def fail(self, path: Path, reason: str) -> None:
        """Count a failed file."""
        self.outcomes["failed"] += 1
        self.failures.setdefault(reason, []).append(path)

    def stop(self) -> None:
        """The clock stops."""
        if self._seconds is None:
            self._seconds = time.monotonic() - self._started

    def to_record(self) -> dict[str, Any]:
        """Plain values, as ``--format json`` prints them."""
        return {
            "finished": self.finished,
            "found": self.n_found,
            **{str(outcome): n for outcome, n in self.outcomes.items()},
            "deleted": self.deleted,
            "pruned": self.pruned,
            "tagged": self.tagged,
            "audio_seconds": round(self.audio_seconds, 3),
            "seconds": round(self.seconds, 3),
            "x_real_time": round(self.x_real_time, 1),
            "failures": [
                {"reason": reason, "n": len(paths), "paths": [str(path) for path in paths]}
                for reason, paths in sorted(self.failures.items(), key=lambda item: -len(item[1]))
            ],
            "problems": list(self.problems),
        }


class ScanWatcher:
    """What a scan tells while it runs; a subclass shows it. Called from any thread, one call at a time or not."""

    def found(self, n_files: int) -> None:
        """So many files were found so far."""

    def begins(self, n_files: int, n_bytes: int) -> None:
        """The walk is over; so many files, so many bytes, have to be read."""

    def done(self, path: Path, n_bytes: int) -> None:
        """One of these files is done."""

    def heard(self, seconds: float) -> None:
        """The model has heard so many seconds more."""

    def problem(self, text: str) -> None:
        """A file or a folder cannot be used."""
