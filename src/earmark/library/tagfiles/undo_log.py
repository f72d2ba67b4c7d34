"""Every change of a file's tags, written down before it is made: JSON Lines, appended to and never rewritten.

A line is one event: ``run``, then for each file ``intent`` (before it is replaced, with the former state of every
field) and ``done`` or ``failed``, then ``end``. An intent with neither was cut off by a crash; whether it was carried out, the file itself tells.
A line that was cut off is skipped: what it would have told had not begun.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, cast

from earmark import __version__
from earmark.core.errors import DataError
from earmark.library.index.writer_lock import WriterLock
from earmark.library.tagfiles.formats.base import Field, Values

TEMPORARY_PREFIX = ".earmark-"
"""How the names of our temporary files begin. A leading dot: no search for music takes them."""

_FORMAT = 1

Kind = Literal["write", "undo"]


@dataclass(frozen=True)
class FieldChange:
    """One field of a file: its values before, how the file held them, and the values after."""

    before: Values
    before_raw: Values
    after: Values


@dataclass
class Entry:
    """One file's change.

    Attributes:
        number: within its run, from 1.
        path: the file, links followed.
        content_key: of its audio.
        fields: what changed.
        outcome: "done", "failed" (the file is as it was), or "interrupted" (the file tells).
        temporary: name of the copy beside it.
    """

    number: int
    path: Path
    content_key: str
    fields: Mapping[Field, FieldChange]
    outcome: Literal["done", "failed", "interrupted"] = "interrupted"
    temporary: str = ""


@dataclass
class Run:
    """All changes of one command.

    Attributes:
        name: sorts by time.
        time: ISO 8601, UTC.
        kind: "write", or "undo" of another run.
        undoes: that run.
        finished: whether it came to its end, with failures or without; False where it was stopped.
        entries: in the order in which they were made.
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
    """All runs of a log, oldest first; none where there is no log.

    Raises:
        DataError: it cannot be read, or was made by a newer earmark.
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
            event = json.loads(line)
        except ValueError:
            continue  # cut off, or damaged: see above
        if isinstance(event, dict):
            _take(path, runs, event)
    return list(runs.values())


def _take(path: Path, runs: dict[str, Run], event: dict[str, Any]) -> None:
    try:
        match event["event"]:
            case "run":
                if event["format"] > _FORMAT:
                    raise DataError(f"{path}: this undo log was made by a newer earmark: install a newer one")
                runs[event["run"]] = Run(event["run"], event["time"], event["kind"], event["undoes"])
            case "intent":
                runs[event["run"]].entries.append(_entry(event))
            case "end":
                runs[event["run"]].finished = True
            case "done" | "failed" as outcome:
                entries = reversed(runs[event["run"]].entries)
                next(entry for entry in entries if entry.number == event["number"]).outcome = cast(Any, outcome)
    except (KeyError, StopIteration, TypeError, ValueError) as error:
        raise DataError(f"{path}: not an undo log of earmark, or damaged (near {str(event)[:80]!r})") from error


def _entry(event: dict[str, Any]) -> Entry:
    fields = {
        name: FieldChange(tuple(item["before"]), tuple(item["before_raw"]), tuple(item["after"]))
        for name, item in event["fields"].items()
    }
    return Entry(
        event["number"], Path(event["path"]), event["content_key"], cast(Any, fields), temporary=event["temporary"]
    )


class UndoLog:
    """The log of one run, open for appending; a context manager. One process at a time writes to a log.

    Nothing is written, and no run begins, before the first change.

    Args:
        path: the file; made, with its folder, where it is not there.
        kind: of the run.
        undoes: the run that is undone.
    """

    def __init__(self, path: Path, kind: Kind = "write", undoes: str | None = None) -> None:
        self.path, self.kind, self.undoes = path, kind, undoes
        self.run: str | None = None
        self._n = 0
        self._line_open = False  # a line was cut off, by a full disk or a crash
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
            _sweep(runs)
            self._taken = {run.name for run in runs}
            self._file = self.path.open("a+b")
            self._line_open = not _ends_a_line(self._file)
        except OSError as error:
            self._lock.release()
            raise DataError(f"{self.path}: the undo log cannot be written to ({error.strerror or error})") from error
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def intend(
        self, path: Path, temporary: str, content_key: str, kind: str, fields: Mapping[Field, FieldChange]
    ) -> int:
        """Write down what will be done to a file; returns the number for :meth:`done` or :meth:`failed`."""
        if self.run is None:
            self._begin()
        self._n += 1
        self._append(
            event="intent",
            number=self._n,
            time=_now(),
            path=str(path),
            temporary=temporary,
            content_key=content_key,
            format=kind,
            fields={
                name: {"before": item.before, "before_raw": item.before_raw, "after": item.after}
                for name, item in fields.items()
            },
        )
        return self._n

    def sync(self) -> None:
        """Make what was written last through a power cut."""
        assert self._file is not None
        os.fsync(self._file.fileno())

    def done(self, number: int) -> None:
        """The file was replaced."""
        self._append(event="done", number=number)

    def failed(self, number: int, reason: str) -> None:
        """The file is as it was."""
        self._append(event="failed", number=number, reason=reason)

    def finish(self) -> None:
        """Nothing is left to be done. An undoing says so even where no file had to be changed."""
        if self.run is None and self.kind == "undo":
            self._begin()
        if self.run is not None:
            self._append(event="end")

    def _begin(self) -> None:
        name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.run, n = name, 1
        while self.run in self._taken:
            n += 1
            self.run = f"{name}-{n}"
        self._append(event="run", format=_FORMAT, time=_now(), kind=self.kind, undoes=self.undoes, earmark=__version__)

    def _append(self, event: str, **rest: Any) -> None:
        assert self._file is not None
        # ASCII only: names that are not UTF-8 stay what they are, as lone surrogates.
        line = json.dumps({"event": event, "run": self.run, **rest}).encode() + b"\n"
        try:
            self._file.write(b"\n" + line if self._line_open else line)
            self._line_open = True
            self._file.flush()
            self._line_open = False
        except OSError as error:
            raise DataError(f"{self.path}: the undo log cannot be written ({error.strerror or error})") from error


def _ends_a_line(file: IO[bytes]) -> bool:
    if not file.seek(0, 2):
        return True
    file.seek(-1, 2)
    return file.read(1) == b"\n"


def _sweep(runs: list[Run]) -> None:
    """Delete copies that a killed process left beside files."""
    for run in runs:
        for entry in run.entries:
            if entry.outcome == "interrupted" and Path(entry.temporary).name.startswith(TEMPORARY_PREFIX):
                try:
                    entry.path.with_name(Path(entry.temporary).name).unlink(missing_ok=True)
                except OSError:
                    continue  # a folder that is not there any more, or read-only by now


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
