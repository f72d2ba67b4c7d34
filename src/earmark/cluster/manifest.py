"""The list of tracks, read a few rows at a time: a table on a disk or in a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from earmark.cluster.addresses import absolute, folder_of, holds_credentials
from earmark.core.errors import ConfigError, DataError
from earmark.datasets.table import SUFFIXES, stream_rows

URI_COLUMN = "uri"
ID_COLUMN = "id"
_PROBLEMS_SHOWN = 5


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
        manifest: path or address of a table with the column ``uri``, and perhaps ``id``; others are not read. Its
            ending gives its format; .gz may follow.

    Raises:
        ConfigError: an unknown ending, no column ``uri``, or addresses with a user name or password.
        DataError: it does not exist, or cannot be read.
    """
    if holds_credentials(manifest):
        raise ConfigError("the manifest's address holds a user name or password: credentials come from the environment")
    ending = _ending(manifest)
    folder = folder_of(manifest)
    refused: list[int] = []
    n_rows = 0

    def need_uri(names: list[str]) -> None:
        if URI_COLUMN not in names:
            raise ConfigError(
                f"{manifest}: no column {URI_COLUMN!r}, which holds the paths or addresses of the tracks; there are: "
                f"{', '.join(names) or 'none'}"
            )

    with _opened(manifest) as file:
        rows = stream_rows(file, ending, header=need_uri, columns=(ID_COLUMN, URI_COLUMN), lenient=True)
        for n_rows, row in enumerate(rows, start=1):
            if row.problem is not None:
                raise DataError(f"{manifest}: {row.where}: {row.problem}")
            own, uri = (_text(row.values.get(column)) for column in (ID_COLUMN, URI_COLUMN))
            if holds_credentials(uri):
                refused.append(n_rows)
                if len(refused) == _PROBLEMS_SHOWN:
                    break
            if not refused:
                yield Row(own or None, uri, absolute(uri, folder) if uri else "")
    if refused:
        raise ConfigError(
            f"{manifest}: the addresses of rows {', '.join(map(str, refused))} hold a user name or password. Take it "
            "out: credentials come from the environment"
        )
    if not n_rows:
        raise DataError(f"{manifest}: lists no tracks")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _ending(manifest: str) -> str:
    name = manifest.partition("?")[0].lower().removesuffix(".gz")
    for ending in SUFFIXES:
        if name.endswith(ending):
            return ending
    raise ConfigError(f"{manifest}: unknown ending; it must be one of {', '.join(SUFFIXES)}")


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
