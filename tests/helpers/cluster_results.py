"""Shards of `earmark cluster tag`."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from earmark.core.storage import Store


def read_shard(store: Store, name: str) -> pa.Table:
    """A shard as a table."""
    return pq.read_table(io.BytesIO(store.read(name)))
