"""A shard of results: Parquet with a row per track and a column per tag."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.cluster.manifest import Row
from earmark.cluster.plan import Settings
from earmark.core.json_records import parse_json
from earmark.core.storage import Store
from earmark.tagging.data_frames import KEY_COLUMNS, TEMPO_COLUMNS, key_cells, tempo_cells
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

HEAD = (
    "id",
    "uri",
    "status",
    "error",
    "duration_seconds",
    "windows",
    "heard_seconds",
    "silent_seconds",
    "model",
    "weights_sha256",
    "warnings",
)
"""Columns before those of the tags; those that `earmark tag --format jsonl` has, too, mean the same."""

EMBEDDING = "embedding"
_METADATA = b"earmark"
_TAIL_BYTES = 64 << 10
_MAGIC = b"PAR1"


@dataclass(frozen=True, eq=False)
class TrackScores:
    """The result of a track.

    Attributes:
        scores: ``(n_tags,)`` float32; None for a track that failed.
        embedding: ``(n_dims,)`` float32, or None.
        duration_seconds, windows, heard_seconds, silent_seconds, warnings: as in a record of `earmark tag --format jsonl`.
        error: why it failed; None for one that did not.
        tempo, key: None where they were not wanted.
    """

    scores: npt.NDArray[np.float32] | None = None
    embedding: npt.NDArray[np.float32] | None = None
    duration_seconds: float | None = None
    windows: int | None = None
    heard_seconds: float | None = None
    silent_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    tempo: Tempo | None = None
    key: KeyEstimate | None = None


def tag_columns(tags: Sequence[str]) -> list[str]:
    """Names of the columns of tags: those of the tags, with ``tag:`` in front where another column has that name.

    >>> tag_columns(["rock", "id"])
    ['rock', 'tag:id']
    """
    taken = {*HEAD, *TEMPO_COLUMNS, *KEY_COLUMNS, EMBEDDING}
    return [f"tag:{name}" if name in taken else name for name in tags]


def shard_table(rows: Sequence[Row], results: Sequence[TrackScores], tags: Sequence[str], settings: Settings) -> bytes:
    """A shard as the bytes of a Parquet file, rows in their order.

    Bytes of a path that are not UTF-8 are shown as ``\\xNN``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float32()
    types = dict.fromkeys(HEAD, text) | {
        "duration_seconds": pa.float64(),
        "windows": pa.int32(),
        "heard_seconds": pa.float64(),
        "silent_seconds": pa.float64(),
        "warnings": pa.list_(text),
    }
    columns: dict[str, Any] = {
        "id": [_shown(row.id) for row in rows],
        "uri": [_shown(row.uri) for row in rows],
        "status": ["ok" if one.error is None else "error" for one in results],
        "error": [_shown(one.error) for one in results],
        "duration_seconds": [one.duration_seconds for one in results],
        "windows": [one.windows for one in results],
        "heard_seconds": [one.heard_seconds for one in results],
        "silent_seconds": [one.silent_seconds for one in results],
        "model": [settings.model] * len(rows),
        "weights_sha256": [settings.weights_sha256] * len(rows),
        "warnings": [list(one.warnings) for one in results],
    }
    measures = [tempo_cells(one.tempo) | key_cells(one.key) for one in results]
    for name in (*(TEMPO_COLUMNS if settings.with_tempo else ()), *(KEY_COLUMNS if settings.with_key else ())):
        types[name] = text if name in ("key", "camelot") else pa.float64()
        columns[name] = [cells[name] for cells in measures]
    for k, name in enumerate(tag_columns(tags)):
        types[name] = number
        columns[name] = [None if one.scores is None else one.scores[k] for one in results]
    if settings.embeddings:
        types[EMBEDDING] = pa.list_(number)
        columns[EMBEDDING] = [one.embedding for one in results]
    n_failed = sum(one.error is not None for one in results)
    seconds = sum(one.duration_seconds or 0.0 for one in results)
    counts = json.dumps({"n_rows": len(rows), "n_failed": n_failed, "audio_seconds": seconds})
    schema = pa.schema(list(types.items()), metadata={_METADATA: counts})
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        writer.write_table(pa.table(columns, schema=schema))
    content: bytes = out.getvalue().to_pybytes()
    return content


def shard_counts(store: Store, name: str, size: int | None = None) -> dict[str, Any]:
    """``n_rows``, ``n_failed`` and ``audio_seconds`` of a shard that is there, from its end.

    Raises:
        OSError, DataError: it cannot be read.
        ValueError: not written by earmark.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = store.sizes()[name] if size is None else size
    tail = store.read(name, max(0, size - _TAIL_BYTES))
    n_footer = int.from_bytes(tail[-8:-4], "little") + 8
    if tail[-4:] != _MAGIC or n_footer > size:
        raise ValueError(f"{store.at(name)}: no Parquet")
    if n_footer > len(tail):
        tail = store.read(name, size - n_footer)
    metadata = pq.read_metadata(pa.BufferReader(_MAGIC + tail[-n_footer:])).metadata or {}
    if _METADATA not in metadata:
        raise ValueError(f"{store.at(name)}: not written by earmark")
    found: dict[str, Any] = parse_json(metadata[_METADATA])
    return found


def _shown(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
