"""`earmark data`: list datasets, check them, prepare them."""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

group = lazy_group(
    "data",
    "Datasets: list them, download them, check the files on disk, prepare it.",
    (
        Entry(
            "list",
            "earmark.cli.data.datasets:list_data",
            "List the datasets: their named splits (protocols), tags, licence, and where they come from.",
            no_args_is_help=False,
        ),
        Entry(
            "show",
            "earmark.cli.data.datasets:show",
            "Show a dataset: its layout, paper, licence, downloads with checksums, protocols, clips that are never used.",
            no_args_is_help=False,
        ),
        Entry(
            "download",
            "earmark.cli.data.download:download",
            "Download a dataset from its publishers, verify and unpack it.",
            no_args_is_help=False,
        ),
        Entry(
            "check",
            "earmark.cli.data.check:check",
            "Check every clip of a dataset: missing, unreadable, too short, silent, or there twice?",
            no_args_is_help=False,
        ),
        Entry(
            "prepare",
            "earmark.cli.data.prepare:prepare",
            "Decode a dataset once, into WebDataset shards that training reads.",
        ),
    ),
)
