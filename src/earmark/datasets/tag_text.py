"""Tags as text in a cell of a table: ``rock;fast``, and what people write instead."""

from __future__ import annotations

import re
from collections.abc import Collection

_LIST_TEXT = re.compile(r"\s*(?:\[.*\]|(?:\w+\()?[\[({]\s*(?:['\"].*)?[\])}]+)\s*", re.DOTALL)
"""A list as Python, pandas, NumPy or JSON print it: ``['rock', 'fast']``, ``["rock"]``, ``{'rock'}``, ``[]``."""
_SEPARATORS = ("|", "\t", "\n", "\0", "\\\\", "，", "、", "；", "،", "؛")
"""What separates tags elsewhere, and is in no tag's name. A comma is in some names; "/" is in many: r&b/soul."""


def without_brackets(text: str) -> str:
    """Text without the kinds and categories in it."""
    return re.sub(r"\[[^\[\]]*\]", "", text)


def other_list(cell: str) -> str | None:
    """Why a cell is a list of another form than ours, and what to write; None where it is not."""
    if _LIST_TEXT.fullmatch(cell):
        return "is a list as a program prints it: write rock;fast, or give this column as lists (JSON Lines, Parquet)"
    bare = without_brackets(cell)
    separator = next((one for one in _SEPARATORS if one in bare.strip()), None)
    if separator is None and "," in bare and ";" not in bare:
        separator = ","
    if separator is None:
        return None
    parts = ";".join(filter(None, (part.strip() for part in cell.split(separator))))
    also = "; a name that has a comma in it is written with a ; after it" if separator == "," else ""
    return f"looks like a list with {separator!r} between its tags: write ; there ({parts}){also}"


def several_tags(cell: str, tags: Collection[str]) -> str | None:
    """Why a cell that is to name one tag names several; None where it does not.

    Args:
        cell: the cell.
        tags: all cells of its column. A comma separates tags where one of them is a tag elsewhere.

    Examples:
        >>> several_tags("rock, fast", {"rock, fast", "rock"})
        "is several tags with ',' between them, of which each has a row of its own"
        >>> several_tags("Stage, Screen", {"Stage, Screen", "rock"})
    """
    if _LIST_TEXT.fullmatch(cell):
        return "is a list as a program prints it: give each tag a row of its own"
    bare = without_brackets(cell).strip()
    for separator in (";", *_SEPARATORS, ","):
        parts = [part.strip() for part in bare.split(separator)]
        if len(parts) > 1 and (separator != "," or not {*parts}.isdisjoint(tags)):
            return f"is several tags with {separator!r} between them, of which each has a row of its own"
    return None
