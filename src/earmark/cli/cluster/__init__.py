"""`earmark cluster`: large collections, on a Ray cluster."""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

group = lazy_group(
    "cluster",
    "A million tracks: tag, prepare and train on a Ray cluster.",
    (
        Entry(
            "tag",
            "earmark.cli.cluster.tag:tag",
            "Tag a million tracks on a Ray cluster; results are Parquet, one row per track and one column per tag.",
        ),
        Entry(
            "prepare",
            "earmark.cli.cluster.prepare:prepare",
            "Decode a dataset once, into shards, on all machines of a Ray cluster.",
        ),
        Entry(
            "train",
            "earmark.cli.cluster.train:train",
            "Train a model on a Ray cluster, as `earmark train` does on one machine.",
        ),
    ),
)
