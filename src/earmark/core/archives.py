"""Archives unpacked safely: nothing outside of the folder, nothing replaced that is not the same, nothing half-written.

ZIP and TAR, also compressed; and ZIPs in several volumes: cut into pieces (``a.zip.001``, ``a.zip.002``), or split by an
archiver (``a.z01``, ``a.z02``, ``a.zip``), whose entries are counted from the beginning of their volume. The files of a ZIP
have checksums each, those of a TAR only together: damage is reported when they are written, so that the archive is better
verified first.
"""

from __future__ import annotations

import io
import itertools
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TypeVar

from earmark.core.errors import DataError
from earmark.core.joined_files import JoinedFiles

BLOCK_BYTES = 1 << 18
MOST_NAMED = 20
"""Files named in an error."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

T = TypeVar("T")

_TAR = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz)$")
_ZIP = re.compile(r"\.(zip(\.\d{3})?|z\d\d)$")
_SPLIT = re.compile(r"\.z\d\d$")
_BAD_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError)
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2LH")


def is_archive(name: str) -> bool:
    """Whether a file is unpacked, by its name.

    >>> [is_archive(name) for name in ("a.tar.gz", "a.zip.001", "a.z01", "a.csv")]
    [True, True, True, False]
    """
    return bool(_TAR.search(name) or _ZIP.search(name))


def unpack(
    volumes: Sequence[Path], folder: Path, *, strip: str = "", on_progress: OnProgress | None = None
) -> dict[str, int]:
    """Unpack an archive. Files that are there already, and are the same, are left as they are.

    Each file is written beside its place and renamed, so that a call after an interruption continues.

    Args:
        volumes: files of the archive, in any order.
        folder: where it is unpacked; made where missing.
        strip: name of a folder in the archive whose contents go into ``folder`` itself.
        on_progress: called with the bytes done and the bytes in all.

    Returns:
        The archive's files: path under ``folder``, with ``/`` -> size in bytes.

    Raises:
        DataError: damaged; a name that leads out of ``folder``, or a link; files that are there and differ (all of them are
            named, the others are unpacked); or a ZIP larger than the space on the disk.
        OSError: the folder cannot be written.
    """
    volumes = sorted(volumes, key=lambda path: (path.suffix == ".zip", path.name))
    first = volumes[-1].name
    sizes: dict[str, int] = {}
    different: list[Path] = []
    read = _zip_members if _ZIP.search(first) else _tar_members
    with closing(_checked(read(volumes), first)) as members:
        for member in members:
            target, inside = _target(folder, member.name, strip, first)
            if member.to_come is not None and not sizes:
                _require_space(folder, member.to_come, strip, first)
            sizes[inside] = member.n_bytes
            blocks = _checked(member.blocks(), f"{first}: {member.name}")
            if target.exists():
                if not _same(target, member.n_bytes, blocks):
                    different.append(target)
            else:
                _write(target, blocks)
            if on_progress:
                on_progress(member.done, member.total)
    if different:
        more = f"\n  and {len(different) - MOST_NAMED} more" if len(different) > MOST_NAMED else ""
        raise DataError(
            f"{first}: {len(different)} of its files are in {folder} already, with other contents; they were left as they "
            "are: move them away, and the same command continues\n  "
            + "\n  ".join(map(str, different[:MOST_NAMED]))
            + more
        )
    return sizes


@dataclass(frozen=True)
class _Member:
    """A file in an archive.

    Attributes:
        name: as the archive has it.
        n_bytes: its size.
        blocks: reads it.
        done, total: how far the archive is read behind it, in bytes.
        to_come: of the first file of a ZIP, all names and sizes.
    """

    name: str
    n_bytes: int
    blocks: Callable[[], Iterator[bytes]]
    done: int
    total: int
    to_come: tuple[tuple[str, int], ...] | None = None


def _checked(items: Iterator[T], where: str) -> Generator[T]:
    """The items; what goes wrong in reading them is a DataError."""
    try:
        yield from items
    except _BAD_ARCHIVE as error:
        raise DataError(f"{where}: cannot be unpacked ({error or type(error).__name__})") from error


def _target(folder: Path, name: str, strip: str, archive: str) -> tuple[Path, str]:
    """Where a file goes. Raises DataError for a name that is absolute, leads upwards, or is a path on Windows alone."""
    parts = PurePosixPath(name).parts
    windows = PureWindowsPath(name)
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or windows.drive:
        raise DataError(f"{archive}: {name!r} would be written outside of {folder}: no more of it is unpacked")
    if parts[0] == strip:
        parts = parts[1:]
    return folder.joinpath(*parts), "/".join(parts)


def _require_space(folder: Path, files: Sequence[tuple[str, int]], strip: str, archive: str) -> None:
    """Raises DataError where a name is bad, or what of the archive is not there yet does not fit on the disk."""
    targets = [(_target(folder, name, strip, archive)[0], n_bytes) for name, n_bytes in files]
    wanted = sum(n_bytes for target, n_bytes in targets if not target.exists())
    folder.mkdir(parents=True, exist_ok=True)
    if wanted > (free := shutil.disk_usage(folder).free):
        raise DataError(f"{archive}: unpacked it takes {wanted:,} bytes, {free:,} are free on the disk of {folder}")


def _same(path: Path, n_bytes: int, blocks: Iterator[bytes]) -> bool:
    """Whether a file has this content."""
    if not path.is_file() or path.stat().st_size != n_bytes:
        return False
    with path.open("rb") as file:
        return all(file.read(len(block)) == block for block in blocks)


def _write(target: Path, blocks: Iterator[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            for block in blocks:
                file.write(block)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _tar_members(volumes: Sequence[Path]) -> Iterator[_Member]:
    total = sum(path.stat().st_size for path in volumes)
    with io.BufferedReader(JoinedFiles(volumes)) as joined, tarfile.open(fileobj=joined, mode="r:*") as archive:
        for info in archive:
            if info.isdir():
                continue
            if not info.isreg():
                raise tarfile.TarError(f"{info.name!r} is a link or a device")

            def blocks(info: tarfile.TarInfo = info) -> Iterator[bytes]:
                content = archive.extractfile(info)
                assert content is not None  # it is a file
                yield from _blocks(content)

            yield _Member(info.name, info.size, blocks, joined.seek(0, io.SEEK_CUR), total)
        while archive.fileobj is not None and archive.fileobj.read(BLOCK_BYTES):
            pass  # behind the last file is the checksum of what is compressed


def _zip_members(volumes: Sequence[Path]) -> Iterator[_Member]:
    split = any(_SPLIT.search(path.name) for path in volumes)
    with io.BufferedReader(JoinedFiles(volumes)) as joined, _open_zip(joined, split) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        files = tuple((info.filename, info.file_size) for info in infos)
        total = sum(n_bytes for _, n_bytes in files)
        starts = _starts_of_entries(volumes, joined) if split else []
        done = 0
        for info in infos:
            if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 1:
                raise zipfile.BadZipFile(f"{info.filename!r} is a link, or encrypted")
            done += info.file_size

            def blocks(info: zipfile.ZipInfo = info) -> Iterator[bytes]:
                if split:
                    yield from _split_entry(joined, info, starts[info.volume] + info.header_offset)
                else:
                    yield from _blocks(archive.open(info))

            yield _Member(info.filename, info.file_size, blocks, done, total, files)


def _open_zip(joined: IO[bytes], split: bool) -> zipfile.ZipFile:
    """The archive; zipfile refuses a split Zip64, whose directory has another form."""
    try:
        return zipfile.ZipFile(joined)
    except zipfile.BadZipFile as error:
        cure = "; 7-Zip reads such volumes: unpack them by hand" if split else ""
        raise zipfile.BadZipFile(f"{error}{cure}") from error


def _starts_of_entries(volumes: Sequence[Path], joined: IO[bytes]) -> list[int]:
    """What is added to ``ZipInfo.header_offset``, by volume, to have the place in the joined file.

    zipfile has added the place of the volume in which the directory is; entries count from that of their own.
    """
    sizes = [path.stat().st_size for path in volumes]
    tail = min(sizes[-1], (1 << 16) + _END.size)
    joined.seek(-tail, io.SEEK_END)
    found = joined.read().rfind(b"PK\5\6")
    end = sum(sizes) - tail + found
    joined.seek(end)
    *_, directory_bytes, directory_offset, _ = _END.unpack(joined.read(_END.size))
    added = end - directory_bytes - directory_offset
    return [start - added for start in itertools.accumulate(sizes, initial=0)]


def _split_entry(joined: IO[bytes], info: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    """Content of an entry whose header begins at ``start``: zipfile reads no archives in several volumes."""
    joined.seek(start)
    signature, *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(joined.read(_LOCAL_HEADER.size))
    if signature != b"PK\3\4" or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(
            "no header where its directory says, or a compression that is not read in split archives"
        )
    joined.seek(name_bytes + extra_bytes, io.SEEK_CUR)
    inflate = zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
    left, checksum, n_bytes = info.compress_size, 0, 0
    while left:
        block = joined.read(min(left, BLOCK_BYTES))
        if not block:
            raise EOFError("it ends in the middle of a file")
        left -= len(block)
        content = inflate.decompress(block) if inflate else block
        checksum, n_bytes = zlib.crc32(content, checksum), n_bytes + len(content)
        yield content
    if (checksum, n_bytes) != (info.CRC, info.file_size):
        raise zipfile.BadZipFile("a file's checksum is not that of the archive's directory")
