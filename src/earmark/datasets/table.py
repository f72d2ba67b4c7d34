"""Tables from files: CSV, TSV, JSON Lines and Parquet as rows that know their line.

CSV and TSV give text; JSON Lines and Parquet give what they hold (numbers, lists, None).
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.errors import DataError, MissingExtraError
from earmark.datasets.base import raise_problems

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row. ``where`` says for people where it stands: "line 7" of a text file, "row 7" of Parquet, from 1."""

    where: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns in the order of the file, names without white space around them, and rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, *columns: str, where: str) -> None:
        """Raises DataError where columns are missing."""
        missing = [column for column in columns if column not in self.columns]
        if missing:
            raise DataError(
                f"{where}: column {', '.join(map(repr, missing))} is missing; it has {', '.join(self.columns)}"
            )


def read_table(path: str | Path) -> Table:
    """Read a table; its ending says what it is (:data:`SUFFIXES`).

    Text is UTF-8, with or without a byte order mark. CSV and TSV begin with a header. Empty lines are skipped.

    Raises:
        DataError: no such file, another ending, not UTF-8, no header, column names empty or twice, rows with too many
            or too few fields, lines that are no JSON object; all problems at once.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: a table must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if suffix == ".parquet":
        return _read_parquet(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if suffix in (".jsonl", ".ndjson"):
        return _read_jsonl(path, text)
    return _read_csv(path, text, "\t" if suffix == ".tsv" else ",")


def _read_csv(path: Path, text: str, delimiter: str) -> Table:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append((start, fields))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {start}: {error}") from error
    if not rows:
        raise DataError(f"{path}: empty; the first line must name the columns")
    columns = _columns(path, rows[0][1])
    problems = [
        f"line {number}: {len(fields)} fields, the header has {len(columns)}"
        for number, fields in rows[1:]
        if len(fields) != len(columns)
    ]
    raise_problems(str(path), problems)
    return Table(columns, tuple(Row(f"line {n}", dict(zip(columns, fields, strict=True))) for n, fields in rows[1:]))


def _read_jsonl(path: Path, text: str) -> Table:
    rows, problems = [], []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number}: not JSON ({error.msg})")
            continue
        if not isinstance(values, dict):
            problems.append(f"line {number}: must be a JSON object, is a {type(values).__name__}")
            continue
        rows.append(Row(f"line {number}", {str(key).strip(): value for key, value in values.items()}))
        columns.update(dict.fromkeys(rows[-1].values))
    raise_problems(str(path), problems)
    if not rows:
        raise DataError(f"{path}: empty; each line must be a JSON object")
    return Table(_columns(path, list(columns)), tuple(rows))


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "train") from error
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({str(error).splitlines()[0]})") from error
    columns = _columns(path, table.column_names)
    rows = table.rename_columns(list(columns)).to_pylist()
    return Table(columns, tuple(Row(f"row {n}", values) for n, values in enumerate(rows, start=1)))


def _columns(path: Path, names: list[str]) -> tuple[str, ...]:
    """Column names stripped and checked."""
    columns = tuple(name.strip() for name in names)
    problems = [f"column {i} has no name" for i, name in enumerate(columns, start=1) if not name]
    problems += [f"column {name!r} is there {n} times" for name, n in Counter(columns).items() if name and n > 1]
    raise_problems(str(path), problems)
    return columns
