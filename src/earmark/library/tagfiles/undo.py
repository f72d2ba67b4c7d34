"""Undo changes: every field returns to its former state, where the file still has what was written.

A file that nobody has changed since also gets its former modification time, and mostly every byte. What it does not get back is
known before: see :class:`Loss`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from earmark.core.errors import ConfigError, DataError, FileTagsError
from earmark.core.hints import did_you_mean
from earmark.library.tagfiles.changes import Change, Plan
from earmark.library.tagfiles.formats.base import FIELDS, Field
from earmark.library.tagfiles.undo_log import Entry, Run, Stamp, UndoLog
from earmark.library.tagfiles.write import Request, Target, Written, read_state, write_tags

Mtime = Literal["former", "present", "now"]
"""The modification time of a file that is undone: the one before it was written to, the one that it has, or that of the undo."""


@dataclass(frozen=True)
class Loss:
    """What undo does not give back of a file, and why: each a phrase."""

    what: str
    why: str


@dataclass(frozen=True)
class FileUndo:
    """The undo of one file's change.

    Attributes:
        path: the file.
        plan: fields that are restored; may be empty.
        conflicts: fields that hold neither the written nor the former values, one line each; they are left alone.
        notes: what a user should know, one line each.
        losses: what it does not get back, beside conflicts.
        request: what to write.
    """

    path: Path
    plan: Plan
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]
    losses: tuple[Loss, ...]
    request: Request


def undone_by(runs: Sequence[Run], run: Run) -> Run | None:
    """The last finished run that undid another, if any."""
    return next((each for each in reversed(runs) if each.undoes == run.name and each.finished), None)


def pick_run(runs: Sequence[Run], name: str | None, where: Path) -> Run:
    """A run by name; without one, the last that wrote and was not undone.

    Raises:
        ConfigError: no run has this name.
        DataError: there is nothing to undo.
    """
    if name is None:
        for run in reversed(runs):
            if run.kind == "write" and run.n_changed and undone_by(runs, run) is None:
                return run
        raise DataError(f"{where}: nothing to undo: no file was changed, or all was undone")
    for run in runs:
        if run.name == name:
            return run
    hint = did_you_mean(name, [run.name for run in runs], "`earmark library undo --list` shows all")
    raise ConfigError(f"no run {name!r} in {where}; {hint}")


def own_values(runs: Iterable[Run]) -> dict[Path | str, dict[Field, frozenset[str]]]:
    """The values that earmark itself added to the fields of each file, and did not take back since.

    Args:
        runs: of a log, oldest first.

    Returns:
        By the file's path, and by the key of its audio, for files that were renamed.
    """
    own: dict[Path | str, dict[Field, frozenset[str]]] = {}
    for run in runs:
        for entry in run.entries:
            if entry.outcome == "failed":
                continue
            for name, change in entry.fields.items():
                after = frozenset(change.after)
                for key in (entry.path, entry.content_key):
                    before = own.setdefault(key, {}).get(name, frozenset())
                    own[key][name] = (
                        before & after if run.kind == "undo" else (before & after) | after - {*change.before}
                    )
    return own


def plan_undo(entry: Entry, *, mtime: Mtime = "former") -> FileUndo:
    """Plan the undo of one change.

    Args:
        entry: the change.
        mtime: the modification time that the file gets. "former" is that of the undo where the former one is not known, or the
            file was changed since, so that other programs see the change.

    Raises:
        FileTagsError: the file cannot be read.
    """
    state = read_state(entry.path)
    changes, conflicts, targets = [], [], {}
    for name in FIELDS:
        if name not in entry.fields:
            continue
        was, now = entry.fields[name], state.values[name]
        if now == was.after:
            changes.append(Change(name, now, was.before))
            targets[name] = Target(was.before, was.before_raw)
        elif now != was.before:
            conflicts.append(f"its {name} holds {list(now)!r} by now, not {list(was.after)!r}: left as it is")
    if changes and state.not_writable:
        raise FileTagsError(state.not_writable, entry.path)
    expected = {name: entry.fields[name].after for name in targets}
    status = state.path.stat()
    changed = bool(conflicts) or entry.after not in (None, Stamp(status.st_size, status.st_mtime_ns))
    former = None if changed else entry.before
    request = Request(
        targets,
        expected,
        entry.content_key,
        keep_mtime=mtime == "present",
        mtime_ns=former.mtime_ns if former is not None and mtime == "former" else None,
        former_bytes=None if former is None else former.n_bytes,
    )
    losses = tuple(_losses(entry, mtime, changed=changed)) if changes else ()
    return FileUndo(entry.path, Plan(tuple(changes)), tuple(conflicts), state.notes, losses, request)


def _losses(entry: Entry, mtime: Mtime, *, changed: bool) -> Iterator[Loss]:
    why = "changed since" if changed else "written by an earmark before 0.3.0" if entry.before is None else ""
    if why and mtime == "former":
        yield Loss("the modification time", why)
    if why:
        yield Loss("perhaps some bytes", why)
    elif entry.is_exact is None:
        yield Loss("perhaps some bytes", "not tried, since writing was interrupted or the disk was full")
    elif not entry.is_exact:
        yield Loss("some bytes", "free space beside the tags")
    if entry.n_links > 1:
        yield Loss("the hard links", "its other names are other files now")


def undo_file(undo: FileUndo, log: UndoLog) -> Written:
    """Carry out an undo. Raises FileTagsError where that is not possible."""
    return write_tags(undo.path, undo.request, log)
