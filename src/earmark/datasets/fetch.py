"""Datasets from their publishers: downloaded, verified and unpacked, archive by archive."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import shutil
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path

from earmark.core.archives import unpack
from earmark.core.download import RETRIES, TIMEOUT_SECONDS, WAIT_SECONDS, download, verify_file
from earmark.core.errors import ConfigError, DataError, WrongFileError
from earmark.datasets.base import Dataset
from earmark.datasets.download_plan import WORK_FOLDER, Archive, DownloadPlan
from earmark.datasets.downloads import Download
from earmark.datasets.registry import load_dataset

OnStep = Callable[[str, str, int, int], None]
"""Called with the step (downloading, verifying, unpacking), the file, and bytes done and in all (0 where not known)."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
        plan: of :func:`earmark.datasets.download_plan.plan_download`.
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

    path = (archive.root / WORK_FOLDER if local is None else local) / volume.name
    if local is not None and not path.is_file():
        raise DataError(f"{path}: is not there; {volume.what}")
    if path.is_file():
        try:
            verify_file(path, checksum=volume.checksum, size_bytes=volume.n_bytes, on_verify=step("verifying"))
            return path
        except WrongFileError as error:
            raise WrongFileError(f"{path}: {error}") from None
    addresses = (volume.url, *volume.mirrors) if mirror is None else (f"{mirror.rstrip('/')}/{volume.name}",)
    timeout_seconds, retries, wait_seconds = network
    download(
        addresses,
        path,
        checksum=volume.checksum,
        size_bytes=volume.n_bytes,
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
    if not copy:
        path.replace(target)
        return
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(path, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
