"""Tables of embeddings: one Parquet or NumPy file, written by :mod:`earmark.tagging.embedding_writer`.

Columns, in Parquet and as arrays of an .npz file:

    path                text; in Parquet bytes that are not UTF-8 are escaped, and path_bytes has them as they are
    clip                text: the id of a dataset's clip; null ("" in NumPy) for other files
    status, error       "ok", or "error" and the reason
    duration_seconds    float64, null (NaN) for failed files
    start_seconds       float64: where the row's window or frame begins; 0 for a whole file
    weight              float32: what the row counts for in the mean over the file, 0 to 1: its share that is not silent
    embedding           float32 (n_dims,): a list of fixed size in Parquet, null (NaN) for failed files

What made them stands in the metadata of Parquet under ``earmark``, in NumPy in the array ``about``, as JSON.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS
from earmark.core.errors import DataError, MissingExtraError
from earmark.core.json_records import parse_json

Floats = npt.NDArray[np.float32]

SUFFIXES = (".parquet", ".npz")
ABOUT_KEY = "earmark"


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """A whole table; see the module docstring.

    Attributes:
        about: what made it: model, weights_sha256, layer, pool, unit, n_dims and more.
        paths, clips, errors: (n_rows,), "" where there is none.
        durations_seconds, starts_seconds, weights: (n_rows,).
        values: (n_rows, n_dims) float32; NaN for files that failed.
    """

    about: dict[str, Any]
    paths: tuple[str, ...]
    clips: tuple[str, ...]
    errors: tuple[str, ...]
    durations_seconds: npt.NDArray[np.float64]
    starts_seconds: npt.NDArray[np.float64]
    weights: Floats
    values: Floats


def read_embeddings(path: str | Path) -> EmbeddingTable:
    """Read a table that ``earmark embed`` wrote.

    Raises:
        DataError: no such file, or none of these.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    try:
        return (_read_parquet if path.suffix == ".parquet" else _read_numpy)(path)
    except (*ARRAY_FILE_ERRORS, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a table of `earmark embed` that can be read ({error})") from error


def _read_numpy(path: Path) -> EmbeddingTable:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        paths, clips, errors = (tuple(map(str, arrays[name])) for name in ("path", "clip", "error"))
        numbers = [arrays[name] for name in ("duration_seconds", "start_seconds", "weight", "embedding")]
        return EmbeddingTable(parse_json(str(arrays["about"])), paths, clips, errors, *numbers)


def _read_parquet(path: Path) -> EmbeddingTable:
    _, pq = require_pyarrow()
    table = pq.read_table(path)
    about = parse_json(table.schema.metadata[ABOUT_KEY.encode()])
    paths = tuple(os.fsdecode(value) for value in table["path_bytes"].to_pylist())
    clips, errors = (tuple(value or "" for value in table[name].to_pylist()) for name in ("clip", "error"))
    column = table["embedding"].combine_chunks()
    values = np.full((len(paths), about["n_dims"]), np.nan, np.float32)
    known = ~np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)
    flat = column.flatten().to_numpy(zero_copy_only=False)  # without the rows that are null
    values[known] = flat.reshape(-1, about["n_dims"])
    durations, starts = (np.array(table[name].to_numpy(), np.float64) for name in ("duration_seconds", "start_seconds"))
    weights = np.array(table["weight"].to_numpy(), np.float32)
    return EmbeddingTable(about, paths, clips, errors, durations, starts, weights, values)


def require_pyarrow() -> tuple[Any, Any]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``. Raises MissingExtraError where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("a table of embeddings in Parquet (NumPy, .npz, needs nothing)", "train") from error
    return pyarrow, pyarrow.parquet
