"""Tags of earmark written into files, and taken back."""

from __future__ import annotations

from pathlib import Path

from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, Target, read_state, write_tags

VALUES = {
    "genre": ("Chanson française", "Rock"),
    "mood": ("Calm", "夜"),
    "bpm": ("124",),
    "key": ("F#m",),
    "tempo": ("123.6",),
    "energy": ("72",),
    "valence": ("0",),
    "danceability": ("100",),
    "acousticness": ("5",),
    "instrumentalness": ("50",),
    "scores": ("rock=0.912", "calm=0.500"),
    "model": ("first 1",),
}
"""Of every field but the comment, which other programs have written into many files."""

TARGETS = {name: Target(values) for name, values in VALUES.items()}


def ours(path: Path) -> dict[str, tuple[str, ...]]:
    """The values of these fields in a file."""
    return {field: values for field, values in read_state(path).values.items() if field in VALUES}


def write(path: Path, targets: dict[str, Target] = TARGETS, **options: object) -> Path:
    """Write, with a log beside; returns the log."""
    log = path.with_name("log.jsonl")
    with UndoLog(log) as open_log:
        write_tags(path, Request(targets, **options), open_log)
    return log


def take_back(log: Path) -> bool:
    """Undo the last run; returns whether the log says that every byte comes back."""
    run = read_log(log)[-1]
    (entry,) = run.entries
    undo = plan_undo(entry)
    assert not undo.conflicts
    assert bool(undo.losses) != entry.is_exact
    with UndoLog(log, "undo", run.name) as open_log:
        undo_file(undo, open_log)
    assert entry.is_exact is not None
    return entry.is_exact
