"""Tags into one file: copied, changed, checked, and only then put in the old one's place.

Whatever happens on the way, power cuts included, the file is the old one or the new one. The audio is never touched:
its key (:mod:`earmark.library.scan.content`) and a digest of all that is not ours must be the same before and after.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from earmark.audio.decoder import cause
from earmark.core.errors import AudioError, FileTagsError
from earmark.library.scan.content import Content, look_into
from earmark.library.tagfiles.atomic_replace import (
    blocked,
    check_space,
    copy_metadata,
    free_name,
    identity,
    resolved,
    sync_folder,
    system_reason,
)
from earmark.library.tagfiles.formats import FileTags, FormatInfo, TagsError, open_tags, probe_format
from earmark.library.tagfiles.formats.base import FIELDS, Field, Values
from earmark.library.tagfiles.undo_log import FieldChange, UndoLog


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
class Written:
    """A file as we left it.

    Attributes:
        path: the file, links followed.
        content: the key of its audio, and its metadata.
        status: what the system says of it; whatever changes it from now on, it is not this any more.
    """

    path: Path
    content: Content
    status: os.stat_result


@dataclass(frozen=True)
class _Before:
    """All that must be known of a file before it is changed."""

    told: FormatInfo
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
    real, status, notes = resolved(path)
    try:
        told = probe_format(real)
        with real.open("rb") as file:
            tags = _opened(file, told)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except OSError as error:
        raise FileTagsError(cause(error), path) from error
    return FileState(real, tags.kind, _seen(tags, told), notes + tags.notes, blocked(real, status))


def write_tags(path: Path, request: Request, log: UndoLog) -> Written:
    """Write fields of one file, and tell what it is now.

    The change is in the log before the file is replaced, and marked as done after. A link is followed; other names
    (hard links) of the file keep the old content.

    Raises:
        FileTagsError: it was not done, and the file is as it was.
    """
    real, status, _ = resolved(path)
    if reason := blocked(real, status):
        raise FileTagsError(reason, path)
    try:
        before = _look(real, status)
        _check_expected(before, request)
        check_space(real, status.st_size)
        return _write(real, before, request, log)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except AudioError as error:
        raise FileTagsError(error.reason, path) from error
    except OSError as error:
        raise FileTagsError(system_reason(error), path) from error


def _write(real: Path, before: _Before, request: Request, log: UndoLog) -> Written:
    temporary = free_name(real)
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
        content = _check(temporary, before, request)
        copy_metadata(real, temporary, before.status, keep_mtime=request.keep_mtime)
        now = real.stat()
        if identity(now) != identity(before.status):
            raise TagsError("it was changed by another program meanwhile: left as it is, try again")
        status = temporary.stat()  # before anybody else can have changed it
        log.sync()
        temporary.replace(real)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        log.failed(number, str(error) or type(error).__name__)
        raise
    sync_folder(real.parent)
    log.done(number)
    return Written(real, content, status)


# Before ---------------------------------------------------------------------------------------------------


def _look(real: Path, status: os.stat_result) -> _Before:
    told = probe_format(real)
    key = look_into(real).key
    with real.open("rb") as file:
        tags = _opened(file, told)
        foreign = tags.foreign(file)
        raw = {name: tags.raw(name) for name in FIELDS}
    return _Before(told, status, key, _seen(tags, told), raw, foreign, tags.kind)


def _opened(file: object, told: FormatInfo) -> FileTags:
    try:
        return open_tags(file, told)  # type: ignore[arg-type]
    except (TagsError, OSError):
        raise
    except Exception as error:
        raise TagsError(f"its tags cannot be read: they are damaged ({type(error).__name__}: {error})") from error


def _seen(tags: FileTags, told: FormatInfo) -> dict[Field, Values]:
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


# The copy -------------------------------------------------------------------------------------------------


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


def _check(temporary: Path, before: _Before, request: Request) -> Content:
    """Is the copy the old file but for what was to be changed? Gives what is in it."""
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
    content = look_into(temporary)
    if content.key != before.key:
        raise TagsError("its audio would not be found as it was: left as it is")
    return content
