"""The list of tracks, read a few rows at a time: Parquet, CSV, TSV or JSON Lines, on a disk or in a store."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from earmark.cluster.addresses import absolute, folder_of, holds_credentials
from earmark.core.errors import ConfigError, DataError

URI_COLUMN = "uri"
ID_COLUMN = "id"
ENDINGS = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")

_ROWS_AT_ONCE = 4096
_BUFFER_BYTES = 1 << 20
_PROBLEMS_TOLD = 5


class Row(NamedTuple):
    """One track of a manifest.

    Attributes:
        id: the user's own name for it, where the manifest has a column of that name.
        uri: path or address as the manifest has it; empty where it has none.
        address: the same with relative paths made absolute: they begin at the manifest's folder.
    """

    id: str | None
    uri: str
    address: str


def read_manifest(manifest: str) -> Iterator[Row]:
    """Rows of a manifest, in its order. Memory does not grow with its length.

    Args:
        manifest: path or address of a table with the column ``uri``, and perhaps ``id``; others are not read. What
            its name ends in says its format; .gz may follow.

    Raises:
        ConfigError: an ending that says no format, no column ``uri``, or addresses with a user name or password.
        DataError: it is not there, or cannot be read.
    """
    if holds_credentials(manifest):
        raise ConfigError("the manifest's address holds a user name or password: credentials come from the environment")
    ending = _ending(manifest)
    folder = folder_of(manifest)
    refused: list[int] = []
    n_rows = 0
    with _opened(manifest) as file:
        for number, (own, uri) in enumerate(_READERS[ending](file, manifest), start=1):
            n_rows = number
            if holds_credentials(uri):
                refused.append(number)
                if len(refused) == _PROBLEMS_TOLD:
                    break
            if not refused:
                yield Row(own, uri, absolute(uri, folder) if uri else "")
    if refused:
        rows = ", ".join(map(str, refused))
        raise ConfigError(
            f"{manifest}: the addresses of rows {rows} hold a user name or password. Take it out: credentials "
            "come from the environment"
        )
    if not n_rows:
        raise DataError(f"{manifest}: lists no tracks")


def _ending(manifest: str) -> str:
    name = manifest.partition("?")[0].lower().removesuffix(".gz")
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending
    raise ConfigError(f"{manifest}: its ending says no format; it must be one of {', '.join(ENDINGS)}")


@contextmanager
def _opened(manifest: str) -> Iterator[IO[bytes]]:
    import fsspec

    try:
        with fsspec.open(manifest, "rb", compression="gzip" if manifest.endswith(".gz") else None) as file:
            yield file
    except (ConfigError, DataError):
        raise
    except FileNotFoundError as error:
        raise DataError(f"{manifest}: no such file") from error
    except ImportError as error:
        raise ConfigError(f"{manifest}: {error}") from error
    except Exception as error:  # each store and each format has errors of its own kinds
        text = " ".join(str(error).split())[:300]
        raise DataError(f"{manifest}: cannot be read ({type(error).__name__}: {text})") from error


def _need_column(names: list[str], manifest: str) -> None:
    if URI_COLUMN not in names:
        raise ConfigError(
            f"{manifest}: no column {URI_COLUMN!r}, which says where the tracks lie; there are: {', '.join(names) or 'none'}"
        )


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _parquet(file: IO[bytes], manifest: str) -> Iterator[tuple[str | None, str]]:
    import pyarrow.parquet as pq

    # Without buffers of whole row groups: some tables have all rows in one.
    table = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    _need_column(table.schema_arrow.names, manifest)
    columns = [name for name in (ID_COLUMN, URI_COLUMN) if name in table.schema_arrow.names]
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
        uris = batch.column(URI_COLUMN).to_pylist()
        ids = batch.column(ID_COLUMN).to_pylist() if ID_COLUMN in columns else [None] * len(uris)
        for own, uri in zip(ids, uris, strict=True):
            yield _text(own), _text(uri) or ""


def _csv(file: IO[bytes], manifest: str, delimiter: str = ",") -> Iterator[tuple[str | None, str]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = csv.reader(text, delimiter=delimiter)
        names = [name.strip() for name in next(rows, [])]
        _need_column(names, manifest)
        uri_at = names.index(URI_COLUMN)
        id_at = names.index(ID_COLUMN) if ID_COLUMN in names else -1
        for cells in rows:
            if cells:
                own = cells[id_at] if 0 <= id_at < len(cells) else None
                yield _text(own), cells[uri_at] if uri_at < len(cells) else ""
    finally:
        text.detach()  # who opened the file closes it


def _tsv(file: IO[bytes], manifest: str) -> Iterator[tuple[str | None, str]]:
    return _csv(file, manifest, "\t")


def _json_lines(file: IO[bytes], manifest: str) -> Iterator[tuple[str | None, str]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise DataError(f"{manifest}: line {number} is no JSON ({error})") from error
        if not isinstance(found, dict):
            raise DataError(f"{manifest}: line {number} is no object: {{...}}")
        _need_column(list(found), manifest)
        yield _text(found.get(ID_COLUMN)), _text(found[URI_COLUMN]) or ""


_READERS = {".parquet": _parquet, ".csv": _csv, ".tsv": _tsv, ".jsonl": _json_lines, ".ndjson": _json_lines}
