"""Tables: CSV, TSV, JSON Lines and Parquet, whole, row by row, or as an Arrow table.

CSV and TSV give text; JSON Lines and Parquet give typed values (numbers, lists, None). Text is UTF-8, with or without
a byte order mark; CSV and TSV begin with a header; white space around column names and empty lines do not count.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from earmark.core.errors import DataError, MissingExtraError
from earmark.core.json_records import parse_json
from earmark.datasets.base import raise_problems

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ARROW_SUFFIXES = (".csv", ".tsv", ".parquet")

_ROWS_AT_ONCE = 4096
_BUFFER_BYTES = 1 << 20
_ARROW_CELL = re.compile(r"column #(?P<column>\d+): Row #(?P<row>\d+): .*invalid value (?P<value>'.*')")

_Header = Callable[[list[str]], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        where: its place for messages: "line 7" of a text file, "row 7" of Parquet, from 1.
        values: by column.
        problem: what is wrong with it; ``values`` are empty then. Tables of :func:`read_table` have no such rows.
    """

    where: str
    values: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Table:
    """Columns in the order of the file, and rows."""

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
    """Read a whole table; its ending says what it is (:data:`SUFFIXES`).

    Raises:
        DataError: no such file, another ending, not UTF-8, no header, column names empty or twice, rows with too many
            or too few fields, lines that are no JSON object; all problems at once.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    suffix = _checked_suffix(path, SUFFIXES)
    columns: dict[str, None] = {}

    def header(names: list[str]) -> None:
        _check_names(path, names)
        columns.update(dict.fromkeys(names))

    try:
        content = path.read_bytes()
        if suffix != ".parquet":
            content.decode()  # as a whole, so that the message can name the byte
        rows = tuple(stream_rows(io.BytesIO(content), suffix, header=header))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except (OSError, ValueError, NotImplementedError) as error:  # the last two are Arrow's
        what = "not a Parquet file that can be read" if suffix == ".parquet" else "cannot be read"
        raise DataError(f"{path}: {what} ({str(error).splitlines()[0]})") from error
    raise_problems(str(path), [f"{row.where}: {row.problem}" for row in rows if row.problem])
    _check_names(path, list(columns))
    return Table(tuple(columns), rows)


def text_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file that are not empty, with their numbers.

    Titles contain unusual characters, so only newlines end a line.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    lines = ((number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line.strip()]


def stream_rows(
    file: IO[bytes],
    suffix: str,
    *,
    header: _Header,
    columns: Collection[str] | None = None,
    lenient: bool = False,
) -> Iterator[Row]:
    """Rows of an open table, one at a time: memory does not grow with their number.

    Args:
        file: opened by the caller, who closes it.
        suffix: one of :data:`SUFFIXES`.
        header: called with the names of all columns, for JSON Lines once per row.
        columns: read these alone; others may come along.
        lenient: of CSV and TSV, take rows with too many or too few fields (missing ones are None), rows whose fields
            are all empty, and stray quotation marks. Bytes that are no UTF-8 become surrogates, as in file names.

    Raises:
        MissingExtraError: Parquet without pyarrow.
        OSError, ValueError, NotImplementedError: a file that cannot be read, not UTF-8, or not Parquet.
    """
    if suffix == ".parquet":
        yield from _parquet_rows(file, header, columns)
        return
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape" if lenient else "strict", newline="")
    try:
        if suffix in (".jsonl", ".ndjson"):
            yield from _json_rows(text, header)
        else:
            yield from _csv_rows(text, _delimiter(suffix), header, lenient)
    finally:
        with contextlib.suppress(ValueError):  # closed already, where not all rows were read
            text.detach()


def _csv_rows(lines: IO[str], delimiter: str, header: _Header, lenient: bool) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=not lenient)
    names: list[str] = []
    while True:
        where = f"line {reader.line_num + 1}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield Row(where, {}, str(error))
            return
        if fields is None:
            return
        if not (fields if lenient and names else any(field.strip() for field in fields)):
            continue
        if not names:
            names = [name.strip() for name in fields]
            header(names)
        elif lenient or len(fields) == len(names):
            yield Row(where, dict(itertools.zip_longest(names, fields[: len(names)])))
        else:
            yield Row(where, {}, f"{len(fields)} fields, the header has {len(names)}")


def _json_rows(lines: IO[str], header: _Header) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            values = parse_json(line)
        except json.JSONDecodeError as error:
            yield Row(where, {}, f"not JSON ({error.msg})")
            continue
        except ValueError as error:  # nested too deeply, or numbers of thousands of digits
            yield Row(where, {}, f"not read: {error}")
            continue
        if isinstance(values, dict):
            values = {name.strip(): value for name, value in values.items()}
            header(list(values))
            yield Row(where, values)
        else:
            yield Row(where, {}, f"must be a JSON object, is a {type(values).__name__}")


def _parquet_rows(file: IO[bytes], header: _Header, columns: Collection[str] | None) -> Iterator[Row]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "train") from error
    # Without buffers of whole row groups: some tables have all rows in one.
    table = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    header([name.strip() for name in table.schema_arrow.names])
    wanted = [name for name in table.schema_arrow.names if columns is None or name.strip() in columns]
    batches = table.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False)
    rows = (values for batch in batches for values in batch.to_pylist())
    for number, values in enumerate(rows, start=1):
        yield Row(f"row {number}", {name.strip(): value for name, value in values.items()})


def read_arrow(path: Path, numbers: Callable[[list[str]], Collection[str]] = lambda _: ()) -> Any:
    """A CSV, TSV or Parquet file as a ``pyarrow.Table``, for tables of millions of rows.

    Args:
        path: the file.
        numbers: given the names of all columns, those that hold numbers. All other columns of text files are text, so
            that ids keep their zeros.

    Raises:
        DataError: as :func:`read_table`, and cells that are no numbers.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    suffix = _checked_suffix(path, ARROW_SUFFIXES)
    names: list[str] = []
    try:
        if suffix == ".parquet":
            table = pq.read_table(path)
            names = [name.strip() for name in table.column_names]
            _check_names(path, names)
            return table.rename_columns(names)
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = [name.strip() for name in next(csv.reader(file, delimiter=_delimiter(suffix)), [])]
        _check_names(path, names)
        wanted = numbers(names)
        return pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=_delimiter(suffix)),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.float64() if name in wanted else pa.string() for name in names},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        message = str(error).splitlines()[0]
        if found := _ARROW_CELL.search(str(error)):
            message = f"line {found['row']}, column {names[int(found['column'])]!r}: {found['value']} is no number"
        elif message.startswith("CSV parse error: Row #"):
            message = message.replace("CSV parse error: Row #", "line ")
        else:
            message = f"cannot be read ({message})"
        raise DataError(f"{path}: {message}") from error


def _delimiter(suffix: str) -> str:
    return "\t" if suffix == ".tsv" else ","


def _checked_suffix(path: Path, allowed: tuple[str, ...]) -> str:
    suffix = path.suffix.lower()
    if suffix not in allowed:
        raise DataError(f"{path}: a table must end in {', '.join(allowed)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return suffix


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        raise DataError(f"{path}: empty; the first line must name the columns")
    problems = [f"column {i} has no name" for i, name in enumerate(names, start=1) if not name]
    problems += [f"column {name!r} is there {n} times" for name, n in Counter(names).items() if name and n > 1]
    raise_problems(str(path), problems)
