"""Tags into one file: copied, changed, checked, and only then put in the old one's place.

Whatever happens on the way, power cuts included, the file is the old one or the new one. The audio is never touched:
its key (:mod:`earmark.library.content`) and a digest of all that is not ours must be the same before and after.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from earmark.decoding import cause
from earmark.errors import AudioError, FileTagsError
from earmark.library.content import look_into
from earmark.library.fields import FIELDS, Field
from earmark.library.formats import FileTags, TagsError, Told, open_tags, told_by_ffmpeg
from earmark.library.formats.base import Values
from earmark.library.undo_log import TEMPORARY_PREFIX, FieldChange, UndoLog

_SPARE_BYTES = 1 << 20  # of disk space, beyond the copy: tags grow
_SUFFIX_CHARACTERS = 12
_TRIES = 100


@dataclass(frozen=True)
class Target:
    """What a field is to hold: values, or its former state as the undo log has it."""

    values: Values
    raw: Values | None = None


@dataclass(frozen=True)
class FileState:
    """What a file's tags say now.

    Attributes:
        path: the file, links followed.
        kind: its format, e.g. "MP3 (ID3v2.3)".
        values: what stands in each field; a genre or mood that only stands where we do not write (RIFF's own list,
            say) counts, so that it is not taken for empty.
        notes: what a user should know before it is written to.
        blocked: why it cannot be written to (it is read-only, say); empty where it can.
    """

    path: Path
    kind: str
    values: Mapping[Field, Values]
    notes: tuple[str, ...] = ()
    blocked: str = ""


@dataclass(frozen=True)
class _Before:
    """All that must be known of a file before it is changed."""

    told: Told
    status: os.stat_result
    key: str
    values: Mapping[Field, Values]
    raw: Mapping[Field, Values]
    foreign: str
    kind: str


@dataclass(frozen=True)
class Request:
    """What to write, and what must hold for it to be written.

    Attributes:
        targets: what each field is to hold; other fields stay.
        expected: what :func:`read_state` said; the file is left alone where that is no longer so.
        content_key: the audio's key that the scores belong to; None where they were made just now.
        keep_mtime: leave the time of the last change as it was.
    """

    targets: Mapping[Field, Target]
    expected: Mapping[Field, Values] = field(default_factory=dict)
    content_key: str | None = None
    keep_mtime: bool = False


def read_state(path: Path) -> FileState:
    """What a file's tags say. Raises FileTagsError where they cannot be read."""
    real, status, notes = _resolved(path)
    try:
        told = told_by_ffmpeg(real)
        with real.open("rb") as file:
            tags = _opened(file, told)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except OSError as error:
        raise FileTagsError(cause(error), path) from error
    return FileState(real, tags.kind, _seen(tags, told), notes + tags.notes, _blocked(real, status))


def write_tags(path: Path, request: Request, log: UndoLog) -> None:
    """Write fields of one file.

    The change is in the log before the file is replaced, and marked as done after. A link is followed; other names
    (hard links) of the file keep the old content.

    Raises:
        FileTagsError: it was not done, and the file is as it was.
    """
    real, status, _ = _resolved(path)
    if blocked := _blocked(real, status):
        raise FileTagsError(blocked, path)
    try:
        before = _look(real, status)
        _check_expected(before, request)
        _check_space(real, status.st_size)
        _write(real, before, request, log)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except AudioError as error:
        raise FileTagsError(error.reason, path) from error
    except OSError as error:
        raise FileTagsError(_system_reason(error), path) from error


def _write(real: Path, before: _Before, request: Request, log: UndoLog) -> None:
    temporary = _free_name(real)
    number = log.intend(
        real,
        temporary.name,
        before.key,
        before.kind,
        {
            name: FieldChange(before.values[name], before.raw[name], target.values)
            for name, target in request.targets.items()
        },
    )
    try:
        shutil.copyfile(real, temporary)
        _change(temporary, before, request)
        _check(temporary, before, request)
        _dress(real, temporary, before.status, keep_mtime=request.keep_mtime)
        now = real.stat()
        if _identity(now) != _identity(before.status):
            raise TagsError("it was changed by another program meanwhile: left as it is, try again")
        log.sync()
        temporary.replace(real)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        log.failed(number, str(error) or type(error).__name__)
        raise
    _sync_folder(real.parent)
    log.done(number)


# Before ---------------------------------------------------------------------------------------------------


def _resolved(path: Path) -> tuple[Path, os.stat_result, tuple[str, ...]]:
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


def _blocked(real: Path, status: os.stat_result) -> str:
    """Renaming would get past a file's own permissions; they are its owner's wish, so they are asked first."""
    if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
        return "is read-only: left as it is"
    folder = real.parent
    if not folder.stat().st_mode & 0o222 or not os.access(folder, os.W_OK | os.X_OK):
        return f"its folder is read-only ({folder}): left as it is"
    return ""


def _look(real: Path, status: os.stat_result) -> _Before:
    told = told_by_ffmpeg(real)
    key = look_into(real).key
    with real.open("rb") as file:
        tags = _opened(file, told)
        foreign = tags.foreign(file)
        raw = {name: tags.raw(name) for name in FIELDS}
    return _Before(told, status, key, _seen(tags, told), raw, foreign, tags.kind)


def _opened(file: object, told: Told) -> FileTags:
    try:
        return open_tags(file, told)  # type: ignore[arg-type]
    except (TagsError, OSError):
        raise
    except Exception as error:
        raise TagsError(f"its tags cannot be read: they are damaged ({type(error).__name__}: {error})") from error


def _seen(tags: FileTags, told: Told) -> dict[Field, Values]:
    values = tags.all_values()
    for name, elsewhere in (("genre", told.genre), ("mood", told.mood)):
        if elsewhere and not values[name]:  # type: ignore[index]
            values[name] = (elsewhere,)  # type: ignore[index]
    return values


def _check_expected(before: _Before, request: Request) -> None:
    if not before.key.startswith("audio-"):
        raise TagsError("holds no audio that can be told from the tags")
    if request.content_key is not None and request.content_key != before.key:
        raise TagsError("holds other audio than was scanned: run `earmark library scan` again")
    for name, values in request.expected.items():
        if before.values[name] != values:
            raise TagsError(f"its {name} was changed by another program meanwhile: left as it is, try again")


def _check_space(real: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(real.parent).free
    if free < n_bytes + _SPARE_BYTES:
        raise TagsError(
            f"not enough space on its disk: a copy needs {(n_bytes + _SPARE_BYTES) / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free"
        )


# The copy -------------------------------------------------------------------------------------------------


def _free_name(real: Path) -> Path:
    """A hidden name beside the file, with its ending, which formats are told by."""
    suffix = real.suffix if len(real.suffix) <= _SUFFIX_CHARACTERS else ""
    for _ in range(_TRIES):
        name = real.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(4).hex()}{suffix}")
        if not name.exists():
            return name
    raise OSError(errno.EEXIST, "no free name for a temporary file", str(real.parent))


def _change(temporary: Path, before: _Before, request: Request) -> None:
    with temporary.open("r+b") as file:
        try:
            tags = open_tags(file, before.told)
            for name, target in request.targets.items():
                if target.raw is None or not tags.restore(name, target.raw):
                    tags.set(name, target.values)
            tags.save(file)
        except (TagsError, OSError):
            raise
        except Exception as error:
            if isinstance(error.__cause__ or error.__context__, OSError):
                raise (error.__cause__ or error.__context__) from error  # type: ignore[misc]
            raise TagsError(f"its tags cannot be written ({type(error).__name__}: {error})") from error
        file.flush()
        os.fsync(file.fileno())


def _check(temporary: Path, before: _Before, request: Request) -> None:
    """Is the copy the old file but for what was to be changed?"""
    with temporary.open("rb") as file:
        tags = _opened(file, before.told)
        for name in FIELDS:
            if name not in request.targets:
                if tags.raw(name) != before.raw[name]:
                    raise TagsError(f"its {name} would not survive: left as it is")
                continue
            target = request.targets[name]
            if target.raw is not None and tags.raw(name) == target.raw:
                continue
            if tags.values(name) != target.values:
                raise TagsError(f"{name} {target.values!r} would be read back as {tags.values(name)!r}: left as it is")
        if tags.foreign(file) != before.foreign:
            raise TagsError("other tags of it, or its structure, would not survive unchanged: left as it is")
    if look_into(temporary).key != before.key:
        raise TagsError("its audio would not be found as it was: left as it is")


def _dress(real: Path, temporary: Path, status: os.stat_result, *, keep_mtime: bool) -> None:
    """Owner, permissions, extended attributes and times of the old file."""
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


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sync_folder(folder: Path) -> None:
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


def _system_reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: left as it is"
    if error.errno == errno.EROFS:
        return "its disk is read-only: left as it is"
    if isinstance(error, PermissionError):
        return "no permission to write it, or into its folder: left as it is"
    return f"{cause(error)}: left as it is"
