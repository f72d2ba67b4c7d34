"""Undo changes: every field returns to its former state, where the file still has what was written."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import ConfigError, DataError, FileTagsError
from earmark.library.tagfiles.changes import Change, Plan
from earmark.library.tagfiles.formats.base import FIELDS
from earmark.library.tagfiles.undo_log import Entry, Run, UndoLog
from earmark.library.tagfiles.write import Request, Target, Written, read_state, write_tags


@dataclass(frozen=True)
class FileUndo:
    """The undo of one file's change.

    Attributes:
        path: the file.
        plan: fields that are restored; may be empty.
        conflicts: fields that hold neither the written nor the former values, one line each; they are left alone.
        notes: what a user should know, one line each.
        request: what to write.
    """

    path: Path
    plan: Plan
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]
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
    near = difflib.get_close_matches(name, [run.name for run in runs], n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`earmark library undo --list` shows all"
    raise ConfigError(f"no run {name!r} in {where}; {hint}")


def plan_undo(entry: Entry, *, keep_mtime: bool = False) -> FileUndo:
    """Plan the undo of one change. Raises FileTagsError where the file cannot be read."""
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
    request = Request(targets, expected, entry.content_key, keep_mtime=keep_mtime)
    return FileUndo(entry.path, Plan(tuple(changes)), tuple(conflicts), state.notes, request)


def undo_file(undo: FileUndo, log: UndoLog) -> Written:
    """Carry out an undo. Raises FileTagsError where that is not possible."""
    return write_tags(undo.path, undo.request, log)
