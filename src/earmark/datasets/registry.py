"""Datasets by name. Each dataset is one file, which registers its reader."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError, DataError
from earmark.core.registry import Registry
from earmark.datasets.base import Dataset, DatasetInfo

Reader = Callable[..., Dataset]


@dataclass(frozen=True)
class DatasetEntry:
    """A registered dataset: what is known about it, and the function that reads it."""

    info: DatasetInfo
    reader: Reader


DATASETS = Registry[DatasetEntry]("dataset", "earmark.datasets")


def register_dataset(info: DatasetInfo) -> Callable[[Reader], Reader]:
    """Register ``reader(root, protocol) -> Dataset`` under ``info.name``. docs/plugins.md has an example.

    Args:
        info: what is known about the dataset; the reader returns it in ``Dataset.info``.

    Raises:
        ConfigError: the name is taken.
    """

    def register(reader: Reader) -> Reader:
        DATASETS.add(DatasetEntry(info, reader), name=info.name, source=reader.__module__)
        return reader

    return register


def list_datasets() -> list[str]:
    """Names of all datasets, sorted."""
    return DATASETS.names()


def dataset_info(name: str) -> DatasetInfo:
    """What is known about a dataset. Raises ConfigError for an unknown name; the message lists similar ones and all."""
    return DATASETS.get(name).info


def load_dataset(name: str, root: str | Path, protocol: str | None = None, **options: Any) -> Dataset:
    """Read a dataset's lists and labels; its audio is not opened.

    Args:
        name: one of :func:`list_datasets`.
        root: its folder; for ``manifest`` the table itself.
        protocol: a named split of the dataset; None for the one that fits the layout found under root.
        options: keyword arguments of the dataset's reader, where it has any.

    Raises:
        ConfigError: no dataset, protocol or option of that name.
        DataError: root does not exist, or the files in it are missing or invalid.
    """
    entry = DATASETS.get(name)
    names = [known.name for known in entry.info.protocols]
    if protocol is not None and protocol not in names:
        raise ConfigError(f"dataset {name!r} has no protocol {protocol!r}; it has: {', '.join(names) or 'none'}")
    known = list(inspect.signature(entry.reader).parameters)[2:]
    if unknown := [option for option in options if option not in known]:
        raise ConfigError(f"dataset {name!r} has no option {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: does not exist; dataset {name!r} needs {entry.info.description}")
    return entry.reader(root, protocol, **options)
