"""Datasets by name. Each file of this room registers one reader."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.base import Dataset, DatasetInfo

Reader = Callable[..., Dataset]

_READERS: dict[str, tuple[DatasetInfo, Reader]] = {}


def register_dataset(info: DatasetInfo) -> Callable[[Reader], Reader]:
    """Register ``reader(root, protocol) -> Dataset`` under ``info.name``. Raises ConfigError for a name twice."""

    def register(reader: Reader) -> Reader:
        if info.name in _READERS:
            raise ConfigError(f"dataset {info.name!r} is registered already, by {_READERS[info.name][1].__module__}")
        _READERS[info.name] = (info, reader)
        return reader

    return register


def list_datasets() -> list[str]:
    """Names of all datasets, sorted."""
    return sorted(_READERS)


def dataset_info(name: str) -> DatasetInfo:
    """What is known about a dataset. Raises ConfigError for an unknown name; near ones are told."""
    return _entry(name)[0]


def load_dataset(name: str, root: str | Path, protocol: str | None = None, **options: Any) -> Dataset:
    """Read a dataset's lists and labels; its audio is not opened.

    Args:
        name: one of :func:`list_datasets`.
        root: the folder it lies in; for ``manifest`` the table itself.
        protocol: a named split of the dataset; None for the one that fits the layout found under root.
        options: keyword arguments of the dataset's reader, where it has any.

    Raises:
        ConfigError: no dataset, protocol or option of that name.
        DataError: root does not exist, or what lies there is not as it must be.
    """
    info, reader = _entry(name)
    names = [found.name for found in info.protocols]
    if protocol is not None and protocol not in names:
        raise ConfigError(f"dataset {name!r} has no protocol {protocol!r}; it has: {', '.join(names) or 'none'}")
    known = list(inspect.signature(reader).parameters)[2:]
    if unknown := [option for option in options if option not in known]:
        raise ConfigError(f"dataset {name!r} has no option {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: does not exist; dataset {name!r} wants {info.description}")
    return reader(root, protocol, **options)


def _entry(name: str) -> tuple[DatasetInfo, Reader]:
    if name not in _READERS:
        near = difflib.get_close_matches(name, _READERS, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"datasets are: {', '.join(list_datasets())}"
        raise ConfigError(f"no dataset {name!r}; {hint}")
    return _READERS[name]
