"""Values of a track's fields, between earmark's texts and what beets has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earmark.library.tagfiles.changes import Change

if TYPE_CHECKING:
    from beets.library import Item


def values_of(item: Item, name: str) -> tuple[str, ...]:
    """A field of a track as earmark has values: 0 and nothing are none."""
    value = item.get(name)
    return tuple(value) if isinstance(value, list | tuple) else (str(value),) if value else ()


def as_beets_has_it(change: Change) -> list[str] | int | str:
    """The new value of a field: genres and moods are lists, a BPM is a number."""
    if change.field == "bpm":
        return int(change.after[0])
    return change.after[0] if change.field == "key" else list(change.after)
