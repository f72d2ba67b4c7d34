"""The undo log: every change of a file's tags, logged before it is made. JSON Lines, only ever appended to.

Each line is an event: ``run``; for each file ``intent`` (before it is replaced, with the former state of every field, and the
file's length and time) and ``done`` (with the new ones) or ``failed``; then ``end``. An intent without either was
interrupted, and only the file shows whether the change was made. An incomplete line is skipped: what it would have
announced had not begun.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.core.version import __version__
from earmark.library.index.writer_lock import WriterLock
from earmark.library.tagfiles.formats.base import Field, Values

TEMPORARY_PREFIX = ".earmark-"
"""Prefix of temporary files. The leading dot hides them from searches for music."""

_FORMAT = 1

Kind = Literal["write", "undo"]


@dataclass(frozen=True)
class FieldChange:
    """One field of a file: its values before, the same as stored in the file, and its values after."""

    before: Values
    before_raw: Values
    after: Values


@dataclass(frozen=True)
class Stamp:
    """Length and modification time of a file, by which a later change of it shows."""

    n_bytes: int
    mtime_ns: int


@dataclass
class Entry:
    """One file's change.

    What versions before 0.3.0 did not log is None.

    Attributes:
        number: within its run, from 1.
        path: the file, links followed.
        content_key: of its audio.
        fields: what changed.
        temporary: name of the copy beside it.
        before, after: the file before and after the change; after is None for one that was interrupted, too.
        n_links: names that the file had (hard links).
        is_exact: whether undo gives back every byte, as was tried when it was written; None where it was not tried.
        outcome: "done", "failed" (the file is unchanged), or "interrupted" (only the file shows whether it was changed).
    """

    number: int
    path: Path
    content_key: str
    fields: Mapping[Field, FieldChange]
    temporary: str
    before: Stamp | None = None
    after: Stamp | None = None
    n_links: int = 1
    is_exact: bool | None = None
    outcome: Literal["done", "failed", "interrupted"] = "interrupted"


@dataclass
class Run:
    """All changes of one command.

    Attributes:
        name: sorts by time.
        time: ISO 8601, UTC.
        kind: "write", or "undo" of another run.
        undoes: that run.
        finished: whether it ran to its end, with or without failures; False where it was stopped.
        entries: in the order of the changes.
    """

    name: str
    time: str
    kind: Kind
    undoes: str | None = None
    finished: bool = False
    entries: list[Entry] = field(default_factory=list)

    @property
    def n_changed(self) -> int:
        """Files that were changed, or may have been."""
        return sum(entry.outcome != "failed" for entry in self.entries)


def default_undo_log(index: Path) -> Path:
    """The log that belongs to an index: beside it."""
    return index.with_name(f"{index.stem}.undo.jsonl")


def read_log(path: Path) -> list[Run]:
    """Read all runs of a log, oldest first; none where there is no log.

    Raises:
        DataError: it cannot be read, is damaged, or was made by a newer earmark.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path}: the undo log cannot be read ({error.strerror or error})") from error
    runs: dict[str, Run] = {}
    for line in content.split(b"\n"):
        try:
            event = parse_json(line)
        except ValueError:
            continue  # incomplete: see the module docstring
        try:
            if isinstance(event, dict):
                _apply(path, event, runs)
        except (KeyError, StopIteration, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path}: not an undo log of earmark, or damaged (near {str(event)[:80]!r})") from error
    return list(runs.values())


def _apply(log: Path, event: dict[str, Any], runs: dict[str, Run]) -> None:
    if event["event"] == "run":
        if event["format"] > _FORMAT:
            raise DataError(f"{log}: this undo log was made by a newer earmark: install a newer one")
        runs[event["run"]] = Run(event["run"], event["time"], event["kind"], event["undoes"])
        return
    run = runs[event["run"]]
    match event["event"]:
        case "intent":
            fields: dict[Any, FieldChange] = {
                name: FieldChange(tuple(item["before"]), tuple(item["before_raw"]), tuple(item["after"]))
                for name, item in event["fields"].items()
            }
            path, key, n_links = Path(event["path"]), event["content_key"], int(event.get("links", 1))
            entry = Entry(event["number"], path, key, fields, event["temporary"], _stamp(event), n_links=n_links)
            run.entries.append(entry)
        case "done" | "failed" as outcome:
            entry = next(each for each in reversed(run.entries) if each.number == event["number"])
            entry.outcome, entry.after, entry.is_exact = outcome, _stamp(event), event.get("exact")
        case "end":
            run.finished = True


def _stamp(event: Mapping[str, Any]) -> Stamp | None:
    if "mtime_ns" not in event:
        return None
    stamp = Stamp(int(event["bytes"]), int(event["mtime_ns"]))
    if not (0 <= stamp.n_bytes < 1 << 63 and abs(stamp.mtime_ns) < 1 << 63):
        raise ValueError("no length or time of a file")
    return stamp


class UndoLog:
    """The log of one run, open for appending; a context manager. Only one process at a time can write to a log.

    Nothing is written before the first change. Opening it deletes temporary files that a killed process left.

    Args:
        path: the file; created with its folder where missing.
        kind: of the run.
        undoes: name of the run that is undone.
    """

    def __init__(self, path: Path, kind: Kind = "write", undoes: str | None = None) -> None:
        self.path, self.kind, self.undoes = path, kind, undoes
        self.run: str | None = None
        self._n = 0
        self._line_open = False  # the last line is incomplete, after a full disk or a crash
        self._lock = WriterLock(path)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> UndoLog:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.path}: the undo log's folder cannot be made ({error.strerror or error})") from error
        self._lock.take()
        try:
            runs = read_log(self.path)
            _delete_temporary_files(runs)
            self._names = {run.name for run in runs}
            self._file = self.path.open("a+b")
            if self._file.seek(0, os.SEEK_END):
                self._file.seek(-1, os.SEEK_END)
                self._line_open = self._file.read(1) != b"\n"
        except OSError as error:
            self._close()
            raise DataError(f"{self.path}: the undo log cannot be written to ({error.strerror or error})") from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def intend(
        self,
        path: Path,
        status: os.stat_result,
        temporary: str,
        key: str,
        kind: str,
        fields: Mapping[Field, FieldChange],
    ) -> int:
        """Log a change before it is made. Returns its number, for :meth:`done` or :meth:`failed`."""
        if self.run is None:
            self._begin()
        self._n += 1
        self._append(
            event="intent",
            number=self._n,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            path=str(path),
            temporary=temporary,
            content_key=key,
            format=kind,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            links=status.st_nlink,
            fields={name: asdict(change) for name, change in fields.items()},
        )
        return self._n

    def sync(self) -> None:
        """Make the log survive a power cut."""
        assert self._file is not None
        os.fsync(self._file.fileno())

    def done(self, number: int, status: os.stat_result, *, is_exact: bool | None) -> None:
        """The file was replaced by one of this status. For ``is_exact`` see :class:`Entry`."""
        self._append(event="done", number=number, bytes=status.st_size, mtime_ns=status.st_mtime_ns, exact=is_exact)

    def failed(self, number: int, reason: str) -> None:
        """The file is unchanged."""
        self._append(event="failed", number=number, reason=reason)

    def finish(self) -> None:
        """End the run. An undo is logged even where no file had to be changed."""
        if self.run is None and self.kind == "undo":
            self._begin()
        if self.run is not None:
            self._append(event="end")

    def _begin(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        name = now.strftime("%Y%m%d-%H%M%S")
        self.run, n = name, 1
        while self.run in self._names:
            n += 1
            self.run = f"{name}-{n}"
        self._append(
            "run", format=_FORMAT, time=now.isoformat(), kind=self.kind, undoes=self.undoes, earmark=__version__
        )

    def _append(self, event: str, **rest: Any) -> None:
        assert self._file is not None
        # ASCII only: file names that are not UTF-8 are kept, as lone surrogates.
        line = json.dumps({"event": event, "run": self.run, **rest}).encode() + b"\n"
        try:
            self._file.write(b"\n" + line if self._line_open else line)
            self._line_open = True
            self._file.flush()
            self._line_open = False
        except OSError as error:
            raise DataError(f"{self.path}: the undo log cannot be written ({error.strerror or error})") from error


def _delete_temporary_files(runs: list[Run]) -> None:
    """Delete copies that a killed process left beside files."""
    for run in runs:
        for entry in run.entries:
            if entry.outcome == "interrupted" and Path(entry.temporary).name.startswith(TEMPORARY_PREFIX):
                try:
                    entry.path.with_name(Path(entry.temporary).name).unlink(missing_ok=True)
                except (OSError, ValueError):
                    continue  # the folder is gone, or read-only by now; or the log is damaged
