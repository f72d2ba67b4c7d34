"""Rows of CSV are read back as they were, by Python and by anyone who ends rows at any line end."""

from __future__ import annotations

import csv
import io

import pytest

from earmark.core.csv_text import csv_row, csv_rows

CELLS = [
    "plain",
    "",
    "a,b",
    'say "x"',
    "new\nline",
    "cr\rhere",
    "crlf\r\nhere",
    " spaces ",
    "\u2028",
    "\udce9",
    "tab\t",
]


@pytest.mark.parametrize("newline", ["", None])
def test_a_row_is_read_back(newline: str | None) -> None:
    """Also by a reader that changes line ends (``newline=None``): only those inside cells differ then."""
    rows = [["path", *map(str, range(len(CELLS) - 1))], CELLS]
    read = list(csv.reader(io.StringIO(csv_rows(rows), newline=newline)))
    assert len(read) == 2
    assert read[0] == rows[0]
    assert read[1] == ([cell.replace("\r\n", "\n").replace("\r", "\n") for cell in CELLS] if newline is None else CELLS)


def test_rows_end_as_lines_do() -> None:
    assert csv_row(["a", None, 1.5]) == "a,,1.5\n"
    assert csv_row([""]) == '""\n'
