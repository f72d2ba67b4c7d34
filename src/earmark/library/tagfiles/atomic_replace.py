"""Replace a file by a changed copy of itself: the file system's side, independent of what is in the file.

Links are followed; the copy gets owner, permissions, extended attributes and times of the file.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from earmark.audio.source import cause
from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.formats.base import TagsError
from earmark.library.tagfiles.undo_log import TEMPORARY_PREFIX

_SPARE_BYTES = 1 << 20  # of disk space, beyond the copy: tags grow
_SUFFIX_CHARACTERS = 12
_TRIES = 100
_BLOCK_BYTES = 1 << 20
_MOST_IN_MEMORY_BYTES = 1 << 26  # most songs, lossless ones, too


def resolve_file(path: Path) -> tuple[Path, os.stat_result, tuple[str, ...]]:
    """Follow links to a file. Returns its path, its status, and notes for the user.

    Raises:
        FileTagsError: it does not exist, or is not a regular file.
    """
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, in older Pythons
        raise FileTagsError(cause(error) if isinstance(error, OSError) else "links in a circle", path) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileTagsError("is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file", path)
    notes = []
    if path.is_symlink():
        notes.append(f"a link: {real} is written to")
    if status.st_nlink > 1:
        notes.append(f"has {status.st_nlink - 1} more name(s) (hard links), which keep the old content")
    return real, status, tuple(notes)


def why_not_writable(real: Path, status: os.stat_result) -> str:
    """Why a file may not be replaced; empty where it may.

    Renaming ignores the file's own permissions, so they are checked here.
    """
    if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
        return "is read-only: left as it is"
    folder = real.parent
    if not folder.stat().st_mode & 0o222 or not os.access(folder, os.W_OK | os.X_OK):
        return f"its folder is read-only ({folder}): left as it is"
    return ""


@contextmanager
def scratch_copy(path: Path) -> Iterator[BinaryIO]:
    """A copy of a file to try something on: in memory, or of a large file in the system's folder for such files."""
    with path.open("rb") as source, tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY_BYTES) as copy:
        shutil.copyfileobj(source, copy, _BLOCK_BYTES)
        yield cast("BinaryIO", copy)


def same_bytes(path: Path, file: BinaryIO) -> bool:
    """Whether an open file has the content of another."""
    file.seek(0)
    with path.open("rb") as other:
        while block := other.read(_BLOCK_BYTES):
            if file.read(len(block)) != block:
                return False
    return not file.read(1)


def temporary_path(real: Path) -> Path:
    """An unused hidden name beside the file, with the same ending."""
    suffix = real.suffix if len(real.suffix) <= _SUFFIX_CHARACTERS else ""
    for _ in range(_TRIES):
        name = real.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(4).hex()}{suffix}")
        if not name.exists():
            return name
    raise OSError(errno.EEXIST, "no free name for a temporary file", str(real.parent))


def check_space(real: Path, n_bytes: int) -> None:
    """Raises TagsError where the disk has not enough free space for a copy."""
    free = shutil.disk_usage(real.parent).free
    if free < n_bytes + _SPARE_BYTES:
        raise TagsError(
            f"not enough space on its disk: a copy needs {(n_bytes + _SPARE_BYTES) / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free"
        )


def copy_metadata(real: Path, temporary: Path, status: os.stat_result, mtime_ns: int | None) -> None:
    """Give the copy owner, permissions and extended attributes of the old file, and a modification time: None for now.

    Raises:
        TagsError: the file belongs to another user, and the process may not change the owner of the copy.
    """
    if sys.platform != "win32":
        made = temporary.stat()
        if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
            try:
                os.chown(temporary, status.st_uid, status.st_gid)
            except PermissionError as error:
                raise TagsError(
                    "belongs to another user or group, to whom only an administrator can give the new file: left as it is"
                ) from error
    shutil.copystat(real, temporary)
    if mtime_ns is None:
        os.utime(temporary)
    else:
        os.utime(temporary, ns=(status.st_atime_ns, mtime_ns))
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())


def file_signature(status: os.stat_result) -> tuple[int, int, int, int]:
    """Inode, size and times: they differ between files, and after any change of one.

    A tag editor may write into free space and put the modification time back, but not the time of the last change of the
    inode, which Windows does not have.
    """
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system can do that."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot
    finally:
        os.close(handle)


def describe_os_error(error: OSError) -> str:
    """An error of the system as one line for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: left as it is"
    if error.errno == errno.EROFS:
        return "its disk is read-only: left as it is"
    if isinstance(error, PermissionError):
        return "no permission to write it, or into its folder: left as it is"
    return f"{cause(error)}: left as it is"
