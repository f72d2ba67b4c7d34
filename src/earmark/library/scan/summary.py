"""A scan's progress and its results: counts of files by outcome, failures by reason, and speed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from earmark.audio.file_discovery import LeftOut
from earmark.tagging.progress import TagProgress

Outcome = Literal[
    "unchanged",
    "new",
    "changed",
    "relabelled",
    "moved",
    "returned",
    "retagged",
    "failed",
    "failed_before",
    "without_sound",
    "vanished",
]

OUTCOMES: dict[Outcome, str] = {
    "unchanged": "unchanged",
    "new": "new",
    "changed": "with other audio than before",
    "relabelled": "with other metadata than before, and the same audio",
    "moved": "moved or renamed",
    "returned": "missing before, and found again",
    "retagged": "tagged again, by another model, --retry or --complete",
    "failed": "failed",
    "failed_before": "failed before and not changed since (--retry tries them again)",
    "without_sound": "videos without sound, passed over",
    "vanished": "gone before they could be read",
}
"""The outcomes of a file, with their descriptions. Every file that is found has exactly one."""


@dataclass
class ScanSummary:
    """Counts of a scan; they grow while it runs.

    Attributes:
        outcomes: number of files by outcome, see :data:`OUTCOMES`.
        deleted: files of the index that are gone; they are kept as missing.
        pruned: missing files that were removed from the index.
        tagged: recordings that were tagged; copies and moved files need not be.
        audio_seconds: their total duration.
        failures: reason -> files.
        problems: folders and roots that could not be searched, one line each.
        left_out: what is not audio, and links that go in a circle.
        seconds: wall time of the scan; so far, while it runs.
        finished: False while it runs, and where it was stopped.
    """

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    deleted: int = 0
    pruned: int = 0
    tagged: int = 0
    audio_seconds: float = 0.0
    failures: dict[str, list[Path]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    finished: bool = False
    _started: float = field(default_factory=time.monotonic)
    _seconds: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self._seconds if self._seconds is not None else time.monotonic() - self._started

    @property
    def n_found(self) -> int:
        """Files that have an outcome so far."""
        return sum(self.outcomes.values())

    @property
    def x_real_time(self) -> float:
        """Seconds of audio tagged per second."""
        return self.audio_seconds / max(self.seconds, 1e-6)

    @property
    def clean(self) -> bool:
        """Nothing failed in this scan."""
        return not (self.problems or self.outcomes["failed"])

    @property
    def did_something(self) -> bool:
        """Whether anything happened that is worth reporting while a library is watched."""
        quiet = ("unchanged", "failed_before", "without_sound")
        return bool(self.problems or self.deleted or self.pruned) or any(
            n for outcome, n in self.outcomes.items() if outcome not in quiet
        )

    def fail(self, path: Path, reason: str) -> None:
        """Count a failed file."""
        self.outcomes["failed"] += 1
        self.failures.setdefault(reason, []).append(path)

    def stop(self) -> None:
        """Stop the clock."""
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
            "notes": [f"{path}: {note}" for path, note in self.left_out.notes],
            "passed_over": dict(self.left_out.endings.most_common()),
        }


class ScanProgress:
    """Callbacks of a running scan; a subclass shows them. They are called from any thread, also at the same time."""

    def on_found(self, n_files: int) -> None:
        """Number of files found so far."""

    def on_start(self, n_files: int, n_bytes: int) -> None:
        """The search is over; this many files and bytes have to be read."""

    def on_done(self, path: Path, n_bytes: int) -> None:
        """One of these files has been processed."""

    def on_tagged(self, tagging: TagProgress) -> None:
        """How far tagging has come."""

    def on_note(self, path: Path, note: str) -> None:
        """Something was left out that is no error."""

    def on_problem(self, text: str) -> None:
        """A file or a folder cannot be used."""
