"""A file replaced by a changed copy of itself: all that concerns the file system, and nothing of what is in the file.

Links are followed; owner, permissions, extended attributes and times go over to the copy.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from pathlib import Path

from earmark.audio.decoder import cause
from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.formats.base import TagsError
from earmark.library.tagfiles.undo_log import TEMPORARY_PREFIX

_SPARE_BYTES = 1 << 20  # of disk space, beyond the copy: tags grow
_SUFFIX_CHARACTERS = 12
_TRIES = 100


def resolved(path: Path) -> tuple[Path, os.stat_result, tuple[str, ...]]:
    """The file that is meant, links followed; what the system says of it; and notes for the user.

    Raises:
        FileTagsError: it is not there, or no file.
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


def blocked(real: Path, status: os.stat_result) -> str:
    """Why a file may not be replaced; empty where it may.

    Renaming would get past a file's own permissions; they are its owner's wish, so they are asked first.
    """
    if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
        return "is read-only: left as it is"
    folder = real.parent
    if not folder.stat().st_mode & 0o222 or not os.access(folder, os.W_OK | os.X_OK):
        return f"its folder is read-only ({folder}): left as it is"
    return ""


def free_name(real: Path) -> Path:
    """A hidden name beside the file, with its ending, which formats are told by."""
    suffix = real.suffix if len(real.suffix) <= _SUFFIX_CHARACTERS else ""
    for _ in range(_TRIES):
        name = real.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(4).hex()}{suffix}")
        if not name.exists():
            return name
    raise OSError(errno.EEXIST, "no free name for a temporary file", str(real.parent))


def check_space(real: Path, n_bytes: int) -> None:
    """Raises TagsError where the disk has no room for a copy."""
    free = shutil.disk_usage(real.parent).free
    if free < n_bytes + _SPARE_BYTES:
        raise TagsError(
            f"not enough space on its disk: a copy needs {(n_bytes + _SPARE_BYTES) / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free"
        )


def copy_metadata(real: Path, temporary: Path, status: os.stat_result, *, keep_mtime: bool) -> None:
    """Give the copy owner, permissions, extended attributes and, if asked to, times of the old file.

    Raises:
        TagsError: the owner is somebody else, and we may not give files away.
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
    if not keep_mtime:
        os.utime(temporary)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())


def identity(status: os.stat_result) -> tuple[int, int, int]:
    """What tells a file from another one, or from itself before a change."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the system can be asked to."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot
    finally:
        os.close(handle)


def system_reason(error: OSError) -> str:
    """One line for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: left as it is"
    if error.errno == errno.EROFS:
        return "its disk is read-only: left as it is"
    if isinstance(error, PermissionError):
        return "no permission to write it, or into its folder: left as it is"
    return f"{cause(error)}: left as it is"
