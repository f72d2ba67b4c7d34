"""What is to be downloaded of a dataset, what of it is there already, and the space that it needs.

Under the dataset's folder, :data:`WORK_FOLDER` holds archives until they are unpacked, and a record of each that was: its
files with their sizes, by which the next call knows what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.archives import is_archive
from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError
from earmark.core.json_records import json_text, parse_json
from earmark.datasets.base import DatasetInfo
from earmark.datasets.downloads import Download, DownloadTable, find_downloads

WORK_FOLDER = ".downloads"


@dataclass(frozen=True)
class Archive:
    """A file to download, or the volumes of one archive, and where it goes.

    Attributes:
        volumes: its files.
        root: folder of the dataset.
    """

    volumes: tuple[Download, ...]
    root: Path

    @property
    def name(self) -> str:
        """Of the archive, or of the file where it is none."""
        return self.volumes[0].archive_name

    @property
    def folder(self) -> Path:
        """Where it is unpacked, or put."""
        return self.root / self.volumes[0].into

    @property
    def record(self) -> Path:
        """The list of its files."""
        return self.root / WORK_FOLDER / f"{self.name}.json"

    @property
    def is_archive(self) -> bool:
        """Whether it is unpacked."""
        return is_archive(self.name)

    @property
    def size_bytes(self) -> int | None:
        """Of all volumes, at least about; None where one is not known."""
        sizes = [volume.size_bytes for volume in self.volumes]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def unpacked_bytes(self) -> int:
        """About what it takes unpacked; where that is not known, what it takes packed, which is right for compressed audio."""
        return self.volumes[0].unpacked_bytes or self.size_bytes or 0

    @property
    def is_there(self) -> bool:
        """Whether it was unpacked, and its files are still there, with their sizes."""
        try:
            record = parse_json(self.record.read_bytes())
            files = record["files"]
            return record["of"] == self._identity and all(
                (self.folder / name).stat().st_size == n_bytes for name, n_bytes in files.items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def write_record(self, files: dict[str, int]) -> None:
        """Note that it is there."""
        write_atomic(self.record, json_text({"of": self._identity, "files": files}).encode())

    @property
    def _identity(self) -> list[str | int | None]:
        return [value for volume in self.volumes for value in (volume.name, volume.checksum, volume.n_bytes)]

    def downloaded_bytes(self) -> int:
        """Bytes of it that were downloaded before."""
        folder = self.root / WORK_FOLDER
        paths = [folder / name for volume in self.volumes for name in (volume.name, f".{volume.name}.part")]
        return sum(path.stat().st_size for path in paths if path.exists())


@dataclass(frozen=True)
class DownloadPlan:
    """What is to be downloaded.

    Attributes:
        info: the dataset.
        table: its files.
        set_name: of them, those of this set; None for all.
        root: folder of the dataset.
        archives: what was asked for.
        whole: no part was left out.
    """

    info: DatasetInfo
    table: DownloadTable
    set_name: str | None
    root: Path
    archives: tuple[Archive, ...]
    whole: bool

    @property
    def to_come(self) -> tuple[Archive, ...]:
        """What is not there yet."""
        return tuple(archive for archive in self.archives if not archive.is_there)

    @property
    def protocol(self) -> str | None:
        """The protocol that the files are for; None for the reader's default."""
        return self.table.protocol if self.set_name is None else self.table.sets[self.set_name].protocol

    def needed_bytes(self, *, local: bool = False, keep_archives: bool = False) -> int:
        """About the space that is needed at once: an archive goes when it is unpacked, before the next one comes.

        Args:
            local: the archives are in a folder already.
            keep_archives: they do not go.
        """
        done = most = 0
        for archive in self.to_come:
            packed = (
                0 if local and archive.is_archive else max((archive.size_bytes or 0) - archive.downloaded_bytes(), 0)
            )
            unpacked = archive.unpacked_bytes if archive.is_archive else 0
            most = max(most, done + packed + unpacked)
            done += unpacked + (packed if keep_archives or not archive.is_archive else 0)
        return most


def plan_download(name: str, root: Path, *, only: Sequence[str] = (), table: Path | None = None) -> DownloadPlan:
    """What is to be downloaded of a dataset; nothing is written, and nobody asked.

    Args:
        name: of a dataset, or of one of its sets; see :func:`earmark.datasets.downloads.find_downloads`.
        root: folder of the dataset; need not exist.
        only: parts, e.g. "annotations"; all of them if empty.
        table: to be used in place of the dataset's own.

    Raises:
        ConfigError: no such name or part.
        DataError: a table cannot be read.

    Example:
        >>> plan = plan_download("fma-small", Path("/data/fma"), only=["annotations"])
        >>> [archive.name for archive in plan.archives]
        ['fma_metadata.zip']
    """
    info, set_name, found = find_downloads(name, table)
    try:
        files = found.select(set_name, only)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    volumes: dict[str, list[Download]] = {}
    for file in files:
        volumes.setdefault(file.archive_name, []).append(file)
    archives = tuple(Archive(tuple(group), root) for group in volumes.values())
    return DownloadPlan(info, found, set_name, root, archives, whole=len(files) == len(found.select(set_name)))
