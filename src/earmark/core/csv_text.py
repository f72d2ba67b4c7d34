"""CSV as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

_ROW_END = "\r\n"  # of what the writer makes: it quotes cells in which there is a character of it


def csv_row(cells: Iterable[Any]) -> str:
    r"""One row with its line end, ``\n``; None is an empty cell.

    Cells with a carriage return are quoted, too: a reader would take it for the end of the row.

    >>> csv_row(["a\rb", 1, None, "c,d"])
    '"a\rb",1,,"c,d"\n'
    """
    line = io.StringIO()
    csv.writer(line, lineterminator=_ROW_END).writerow(cells)
    return line.getvalue().removesuffix(_ROW_END) + "\n"


def csv_rows(rows: Iterable[Iterable[Any]]) -> str:
    """Rows, one line each."""
    return "".join(map(csv_row, rows))
