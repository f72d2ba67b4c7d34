"""Datasets from their publishers: downloaded, verified and unpacked, archive by archive.

Under the dataset's folder, ``.downloads`` holds archives until they are unpacked, and a record of each that was: its files
with their sizes, by which the next call knows what is there already.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import shutil
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.archives import is_archive, unpack
from earmark.core.atomic_files import write_atomic
from earmark.core.download import RETRIES, TIMEOUT_SECONDS, WAIT_SECONDS, download, verify_file
from earmark.core.errors import ConfigError, DataError, WrongFileError
from earmark.core.json_records import json_text, parse_json
from earmark.datasets.base import Dataset, DatasetInfo
from earmark.datasets.downloads import Download, DownloadTable, find_downloads
from earmark.datasets.registry import load_dataset

WORK_FOLDER = ".downloads"

OnStep = Callable[[str, str, int, int], None]
"""Called with the step (downloading, verifying, unpacking), the file, and bytes done and in all (0 where not known)."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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

    def held_bytes(self) -> int:
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
            packed = 0 if local and archive.is_archive else max((archive.size_bytes or 0) - archive.held_bytes(), 0)
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


def download_dataset(
    plan: DownloadPlan,
    *,
    mirror: str | None = None,
    keep_archives: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retries: int = RETRIES,
    wait_seconds: float = WAIT_SECONDS,
    on_step: OnStep | None = None,
) -> None:
    """Download, verify and unpack what is not there yet. What was stopped is continued by the next call.

    Args:
        plan: of :func:`plan_download`.
        mirror: address of a folder (http or https) with the files, or such a folder on this machine: they are fetched
            from there and nowhere else.
        keep_archives: leave archives in ``.downloads`` when they are unpacked.
        timeout_seconds, retries, wait_seconds: see :func:`earmark.core.download.download`.
        on_step: called as things go on.

    Raises:
        ConfigError: the mirror is neither an address nor a folder.
        DataError: there is nothing to download, or the disk is too small, both before anything is done; or an archive
            cannot be unpacked, see :func:`earmark.core.archives.unpack`; or the disk is full.
        DownloadError: a file cannot be fetched, or is another one.
        OSError: the folder cannot be written.
    """
    local = _local_folder(mirror)
    to_come = plan.to_come
    if not plan.archives:
        raise DataError("\n".join((f"{plan.info.name}: nothing of it can be downloaded", *plan.table.notes)))
    if mirror is None and (gone := [volume for archive in to_come for volume in archive.volumes if volume.gone]):
        lines = [f"{volume.name}: {volume.gone}" for volume in gone]
        raise DataError("\n".join([*lines, "--mirror takes the folder, or its address, that has such a copy"]))
    _require_space(plan, local is not None, keep_archives)
    try:
        for archive in to_come:
            paths = [
                _volume(archive, volume, mirror, local, (timeout_seconds, retries, wait_seconds), on_step)
                for volume in archive.volumes
            ]
            _put(archive, paths, keep_archives, local is not None, on_step)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DataError(
            f"{plan.root}: {error.strerror}; what is there is kept, and the same command continues where there is space"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it holds something, or does not exist
            (plan.root / WORK_FOLDER).rmdir()


def load_downloaded(plan: DownloadPlan) -> Dataset:
    """The dataset as it was downloaded. Raises DataError where its reader does not find what it needs."""
    return load_dataset(plan.info.name, plan.root, plan.protocol)


def _local_folder(mirror: str | None) -> Path | None:
    if mirror is None or urllib.parse.urlsplit(mirror).scheme in ("http", "https"):
        return None
    if not Path(mirror).is_dir():
        raise ConfigError(f"--mirror {mirror}: must be a folder, or the address of one (http or https)")
    return Path(mirror)


def _require_space(plan: DownloadPlan, local: bool, keep_archives: bool) -> None:
    """Raises DataError where the disk is too small."""
    folder = next(folder for folder in (plan.root.absolute(), *plan.root.absolute().parents) if folder.exists())
    needed, free = plan.needed_bytes(local=local, keep_archives=keep_archives), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{plan.root}: about {needed:,} bytes are needed, to download and unpack, and {free:,} are free on this disk"
        )


def _volume(
    archive: Archive,
    volume: Download,
    mirror: str | None,
    local: Path | None,
    network: tuple[float, int, float],
    on_step: OnStep | None,
) -> Path:
    """The verified file, downloaded where it is not there."""

    def step(name: str) -> Callable[[int, int], None] | None:
        return None if on_step is None else lambda have, total: on_step(name, volume.name, have, total)

    known = {"checksum": volume.checksum, "size_bytes": volume.n_bytes}
    path = (archive.root / WORK_FOLDER if local is None else local) / volume.name
    if local is not None and not path.is_file():
        raise DataError(f"{path}: is not there; {volume.what}")
    if path.is_file():
        try:
            verify_file(path, **known, on_verify=step("verifying"))
            return path
        except WrongFileError as error:
            raise WrongFileError(f"{path}: {error}") from None
    addresses = (volume.url, *volume.mirrors) if mirror is None else (f"{mirror.rstrip('/')}/{volume.name}",)
    timeout_seconds, retries, wait_seconds = network
    download(
        addresses,
        path,
        **known,
        timeout_seconds=timeout_seconds,
        retries=retries,
        wait_seconds=wait_seconds,
        on_progress=step("downloading"),
        on_verify=step("verifying"),
    )
    return path


def _put(archive: Archive, paths: Sequence[Path], keep: bool, local: bool, on_step: OnStep | None) -> None:
    """Unpack an archive, or move a file to its place."""
    name = archive.name
    if archive.is_archive:
        files = unpack(
            paths,
            archive.folder,
            strip=archive.volumes[0].strip,
            on_progress=None if on_step is None else lambda done, total: on_step("unpacking", name, done, total),
        )
    else:
        files = {name: paths[0].stat().st_size}
        _move(paths[0], archive.folder / name, copy=local)
    archive.record.parent.mkdir(parents=True, exist_ok=True)
    archive.write_record(files)
    if not (keep and archive.is_archive) and not local:
        for path in paths:
            path.unlink(missing_ok=True)


def _move(path: Path, target: Path, *, copy: bool) -> None:
    """Raises DataError where another file is there."""
    if target.exists():
        if not filecmp.cmp(path, target, shallow=False):
            raise DataError(
                f"{target}: is there already, with other contents; move it away, and the same command continues"
            )
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(path, part)
        path = part
    path.replace(target)
