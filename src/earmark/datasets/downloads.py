"""The files of datasets as their publishers offer them: addresses, sizes, checksums.

Each dataset's are a TOML table, named in ``DatasetInfo.downloads``; earmark's own are in ``data/downloads``. A table holds

- ``[[files]]``, with the fields of :class:`Download`; what all have in common can stand once, in ``[common]``, and ``url``
  can then be relative to ``common.base``. A file with ``list`` stands for all files of a list of SHA-256 sums beside the
  table, at addresses under its ``url``; its ``about_bytes`` are those of all of them;
- ``[sets.NAME]`` where not everything is wanted at once, such as the sizes of FMA: ``what`` and ``protocol``; files name the
  sets to which they belong, or belong to all of them;
- ``protocol``, where there are no sets and the reader's default is not meant;
- ``notes``: what cannot be downloaded, and what to do.
"""

from __future__ import annotations

import dataclasses
import tomllib
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from earmark.core.download import LABELS
from earmark.core.errors import ConfigError, DataError
from earmark.core.hints import did_you_mean
from earmark.datasets.base import DatasetInfo
from earmark.datasets.registry import dataset_info, list_datasets


@dataclass(frozen=True)
class Download:
    """One file of a dataset, as its publishers offer it.

    Attributes:
        url: where it was published.
        what: what is in it.
        part: the part of the dataset it belongs to, e.g. "annotations" or "audio".
        sha256, md5, sha1: hexadecimal, as published or from an independent index; None if not known.
        n_bytes: its size; None if not known exactly.
        about_bytes: its size as published in round numbers, where it is not known exactly.
        unpacked_bytes: about the size of what is in it, where it is an archive (of several volumes: of all, in the first).
        source: where size and checksum are from.
        mirrors: further addresses.
        archive: the archive of which it is a volume; empty for its own name.
        into: folder, under that of the dataset, in which it is unpacked or put.
        strip: folder in the archive whose contents go there.
        sets: the sets it belongs to; empty for all.
        gone: why it cannot be had at its address any longer, and what to do; empty where it can.
    """

    url: str
    what: str
    part: str = "all"
    sha256: str | None = None
    md5: str | None = None
    n_bytes: int | None = None
    sha1: str | None = None
    about_bytes: int | None = None
    unpacked_bytes: int | None = None
    source: str = ""
    mirrors: tuple[str, ...] = ()
    archive: str = ""
    into: str = ""
    strip: str = ""
    sets: tuple[str, ...] = ()
    gone: str = ""

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rpartition("/")[2])

    @property
    def archive_name(self) -> str:
        """The archive of which it is a volume, or its own name."""
        return self.archive or self.name

    @property
    def checksum(self) -> str | None:
        """The strongest that is known, as :func:`earmark.core.download.download` takes it."""
        return next((f"{kind}:{value}" for kind in LABELS if (value := getattr(self, kind))), None)

    @property
    def size_bytes(self) -> int | None:
        """Its size, at least about; None if not known."""
        return self.about_bytes if self.n_bytes is None else self.n_bytes


@dataclass(frozen=True)
class DownloadSet:
    """What of a dataset is downloaded at once.

    Attributes:
        what: what is in it.
        protocol: by which it is read; None for the reader's default.
    """

    what: str
    protocol: str | None = None


@dataclass(frozen=True)
class DownloadTable:
    """The files of a dataset.

    Attributes:
        files: all of them.
        sets: name -> what is downloaded at once; empty where that is everything.
        notes: what cannot be downloaded, and what to do.
        protocol: by which everything is read; None for the reader's default.
    """

    files: tuple[Download, ...] = ()
    sets: Mapping[str, DownloadSet] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    protocol: str | None = None

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of all files, in their order."""
        return tuple(dict.fromkeys(file.part for file in self.files))

    def select(self, set_name: str | None, only: Sequence[str] = ()) -> tuple[Download, ...]:
        """The files of a set, of some parts or of all.

        Raises:
            ConfigError: no file of a set has such a part.
        """
        files = [file for file in self.files if set_name is None or not file.sets or set_name in file.sets]
        parts = tuple(dict.fromkeys(file.part for file in files))
        if unknown := [part for part in only if part not in parts]:
            raise ConfigError(f"no part {', '.join(unknown)}; it has: {', '.join(parts) or 'none'}")
        return tuple(file for file in files if not only or file.part in only)


def read_downloads(path: Path) -> DownloadTable:
    """Read a table; see the module docstring.

    Raises:
        DataError: it cannot be read, or has unknown fields.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        common = dict(table.pop("common", {}))
        base = common.pop("base", "")
        files = [file for values in table.pop("files", ()) for file in _files(common | values, base, path.parent)]
        sets = {name: DownloadSet(**values) for name, values in table.pop("sets", {}).items()}
        if unknown := sorted({name for file in files for name in file.sets} - set(sets)):
            raise DataError(f"{path}: files are of sets {', '.join(unknown)}, which are not in [sets]")
        return DownloadTable(tuple(files), sets, tuple(table.pop("notes", ())), **table)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(f"{path}: not a table of downloads ({error})") from error


def _files(values: dict[str, Any], base: str, folder: Path) -> list[Download]:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    values["url"] = urllib.parse.urljoin(base, values["url"])
    if (name := values.pop("list", None)) is None:
        return [Download(**values)]
    lines = [line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    about = values.pop("about_bytes", None)
    each = None if about is None else round(about / len(lines))
    whole = Download(**values)
    return [
        dataclasses.replace(
            whole,
            url=whole.url + file,
            mirrors=tuple(mirror + file for mirror in whole.mirrors),
            sha256=sha256,
            about_bytes=each,
        )
        for sha256, file in lines
    ]


def downloads_of(info: DatasetInfo) -> DownloadTable:
    """The files of a dataset; an empty table where none are known. Raises DataError if its table cannot be read."""
    return DownloadTable() if info.downloads is None else read_downloads(info.downloads)


def find_downloads(name: str, table: Path | None = None) -> tuple[DatasetInfo, str | None, DownloadTable]:
    """A dataset, and of it a set, by one name, such as ``openmic`` or ``fma-small``.

    Args:
        name: ``-`` and ``_`` are the same.
        table: to be used in place of the dataset's own.

    Returns:
        What is known about the dataset; the name of the set, None where the dataset has none; and its files.

    Raises:
        ConfigError: no such name; the message lists near ones, or the sets of the dataset.
        DataError: a table cannot be read.
    """
    known = {_plain(dataset): dataset for dataset in list_datasets()}
    plain = _plain(name)
    names = sorted(
        (key for key in known if plain == key or plain.startswith(f"{key}-")), key=len, reverse=True
    )  # the longest first: a dataset may be called as another with its set
    if not names:
        hint = did_you_mean(plain, list(known), n=1)
        raise ConfigError(f"no dataset {name!r}; {f'{hint} ' if hint else ''}there are {', '.join(known.values())}")
    info = dataset_info(known[names[0]])
    found = downloads_of(info) if table is None else read_downloads(table)
    set_name = plain[len(names[0]) + 1 :] or None
    sets = {_plain(known_set): known_set for known_set in found.sets}
    if (set_name or sets) and set_name not in sets:
        there = ", ".join(f"{names[0]}-{known_set}" for known_set in sets)
        raise ConfigError(f"{name!r}: {f'must be one of {there}' if sets else f'{names[0]} has no sets, leave it out'}")
    return info, None if set_name is None else sets[set_name], found


def _plain(name: str) -> str:
    return name.replace("_", "-")
