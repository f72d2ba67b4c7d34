"""Write tags into one file: it is copied, the copy is changed and checked, and only then replaces the file.

Whatever happens, power cuts included, the file is either the old one or the new one. The audio never changes: its key
(:mod:`earmark.library.scan.content`) and a digest of everything that is not ours must be the same before and after.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from earmark.audio.source import cause
from earmark.core.errors import AudioError, FileTagsError, OtherAudioError
from earmark.library.scan.content import Content, read_content
from earmark.library.tagfiles.atomic_replace import (
    check_space,
    copy_metadata,
    describe_os_error,
    file_signature,
    resolve_file,
    same_bytes,
    scratch_copy,
    sync_folder,
    temporary_path,
    why_not_writable,
)
from earmark.library.tagfiles.formats import FileTags, FormatInfo, TagsError, open_tags, probe_format
from earmark.library.tagfiles.formats.base import Field, Values
from earmark.library.tagfiles.undo_log import FieldChange, UndoLog


@dataclass(frozen=True)
class Target:
    """New values of a field, or its former state as the undo log has it."""

    values: Values
    raw: Values | None = None


@dataclass(frozen=True)
class FileState:
    """The current tags of a file.

    Attributes:
        path: the file, links followed.
        kind: its format, e.g. "MP3 (ID3v2.3)".
        values: of each field; a genre or mood that is only found where earmark does not write (in RIFF's own list,
            say) counts, so that the field is not taken for empty.
        notes: what a user should know before it is written to.
        not_writable: why it cannot be written to (it is read-only, say); empty where it can.
    """

    path: Path
    kind: str
    values: Mapping[Field, Values]
    notes: tuple[str, ...] = ()
    not_writable: str = ""


@dataclass(frozen=True)
class Written:
    """A file after it was written.

    Attributes:
        path: the file, links followed.
        content: the key of its audio, and its metadata.
        status: its status at that moment; a later change by others shows as a different one.
    """

    path: Path
    content: Content
    status: os.stat_result


@dataclass(frozen=True)
class _Before:
    """The state of a file before it is changed."""

    info: FormatInfo
    status: os.stat_result
    key: str
    values: Mapping[Field, Values]
    raw: Mapping[Field, Values]
    foreign: str
    kind: str


@dataclass(frozen=True)
class Request:
    """What to write, and under which conditions.

    Attributes:
        targets: new content of fields; other fields stay.
        expected: values as :func:`read_state` gave them; the file is left alone where they have changed since.
        content_key: the key of the audio that the scores belong to; None where it was tagged just now.
        keep_mtime: keep the modification time.
        mtime_ns: the modification time that the file gets, if it is not kept; None for the present time.
        former_bytes: the length that free space in it is to give it again; None where that is unknown.
    """

    targets: Mapping[Field, Target]
    expected: Mapping[Field, Values] = field(default_factory=dict)
    content_key: str | None = None
    keep_mtime: bool = False
    mtime_ns: int | None = None
    former_bytes: int | None = None


def read_state(path: Path) -> FileState:
    """Read the tags of a file. Raises FileTagsError where they cannot be read."""
    real, status, notes = resolve_file(path)
    try:
        info = probe_format(real)
        with real.open("rb") as file, _damage_named():
            tags = open_tags(file, info)
            values = _all_values(tags, info)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except OSError as error:
        raise FileTagsError(cause(error), path) from error
    return FileState(real, tags.kind, values, notes + tags.notes, why_not_writable(real, status))


def write_tags(path: Path, request: Request, log: UndoLog) -> Written:
    """Write fields of one file.

    The change is logged before the file is replaced, and marked as done after. A link is followed; other names (hard
    links) of the file keep the old content.

    Returns:
        The file as it is now.

    Raises:
        FileTagsError: nothing was written, and the file is unchanged; OtherAudioError where it holds other audio than
            ``content_key`` says.
    """
    real, status, _ = resolve_file(path)
    if reason := why_not_writable(real, status):
        raise FileTagsError(reason, path)
    try:
        before = _read_before(real, status)
        if request.content_key not in (None, before.key):
            raise OtherAudioError("holds other audio than was scanned: run `earmark library scan` again", path)
        _check_expected(before, request)
        check_space(real, status.st_size)
        return _write(real, before, request, log)
    except TagsError as error:
        raise FileTagsError(str(error), path) from error
    except AudioError as error:
        raise FileTagsError(error.reason, path) from error
    except OSError as error:
        raise FileTagsError(describe_os_error(error), path) from error


def _write(real: Path, before: _Before, request: Request, log: UndoLog) -> Written:
    temporary = temporary_path(real)
    number = log.intend(
        real,
        before.status,
        temporary.name,
        before.key,
        before.kind,
        {
            name: FieldChange(before.values[name], before.raw[name], target.values)
            for name, target in request.targets.items()
        },
    )
    status = None  # of the new file
    try:
        shutil.copyfile(real, temporary)
        with temporary.open("r+b") as file:
            _change(file, before, request.targets, request.former_bytes)
            file.flush()
            os.fsync(file.fileno())
        content = _check(temporary, before, request)
        is_exact = _try_undo(real, temporary, before, request, log.kind)
        copy_metadata(
            real, temporary, before.status, before.status.st_mtime_ns if request.keep_mtime else request.mtime_ns
        )
        now = real.stat()
        if file_signature(now) != file_signature(before.status):
            raise TagsError("it was changed by another program meanwhile: left as it is, try again")
        status = temporary.stat()  # before anybody else can have changed it
        log.sync()
        temporary.replace(real)
    except BaseException as error:
        if status is None or temporary.exists():  # else it was interrupted (Ctrl-C) when it had replaced the file
            temporary.unlink(missing_ok=True)
            log.failed(number, str(error) or type(error).__name__)
        raise
    sync_folder(real.parent)
    log.done(number, status, is_exact=is_exact)
    return Written(real, content, status)


def _read_before(real: Path, status: os.stat_result) -> _Before:
    info = probe_format(real)
    key = read_content(real).key
    with real.open("rb") as file, _damage_named():
        tags = open_tags(file, info)
        foreign = tags.foreign(file)
        raw = {name: tags.raw(name) for name in tags.fields()}
        values = _all_values(tags, info)
    return _Before(info, status, key, values, raw, foreign, tags.kind)


@contextmanager
def _damage_named() -> Iterator[None]:
    """Damaged tags end mutagen in many ways: any error is a TagsError."""
    try:
        yield
    except (TagsError, OSError):
        raise
    except Exception as error:
        raise TagsError(f"its tags cannot be read: they are damaged ({type(error).__name__}: {error})") from error


def _all_values(tags: FileTags, info: FormatInfo) -> dict[Field, Values]:
    """Values of all fields; genre and mood also from where earmark does not write."""
    elsewhere: dict[Field, str] = {"genre": info.genre, "mood": info.mood}
    values = tags.all_values()
    for name, text in elsewhere.items():
        if text and not values[name]:
            values[name] = (text,)
    return values


def _check_expected(before: _Before, request: Request) -> None:
    if not before.key.startswith("audio-"):
        raise TagsError("its audio cannot be separated from its tags")
    for name, values in request.expected.items():
        if before.values[name] != values:
            raise TagsError(f"its {name} was changed by another program meanwhile: left as it is, try again")


def _change(file: BinaryIO, before: _Before, targets: Mapping[Field, Target], former_bytes: int | None) -> None:
    """Write fields into an open copy of the file."""
    try:
        tags = open_tags(file, before.info)
        tags.former_bytes = former_bytes
        for name, target in targets.items():
            restored = target.raw is not None and tags.restore(name, target.raw)
            if not (restored and _holds(tags, name, target)):  # what held it (an ID3v1 tag, say) may be gone since
                tags.set(name, target.values)
        tags.save(file)
    except (TagsError, OSError):
        raise
    except Exception as error:
        if isinstance(error.__cause__ or error.__context__, OSError):
            raise (error.__cause__ or error.__context__) from error  # type: ignore[misc]
        raise TagsError(f"its tags cannot be written ({type(error).__name__}: {error})") from error


def _holds(tags: FileTags, name: Field, target: Target) -> bool:
    return tags.raw(name) == target.raw or tags.values(name) == target.values


def _try_undo(real: Path, temporary: Path, before: _Before, request: Request, kind: str) -> bool | None:
    """Whether undoing would give back every byte, tried on a copy; None if that cannot be. TagsError if nothing undoes it."""
    back = {name: Target(before.values[name], before.raw[name]) for name in request.targets}
    try:
        with scratch_copy(temporary) as file:
            _change(file, before, back, before.status.st_size)
            if same_bytes(real, file):
                return True
            _check_tags(file, before, back)
            return False
    except TagsError as error:
        if kind == "undo":  # which is never kept from anybody
            return False
        raise TagsError(f"could not be taken back afterwards, so it is left as it is: {error}") from error
    except OSError:
        return None


def _check(temporary: Path, before: _Before, request: Request) -> Content:
    """Check that the copy differs from the file only where it was to be changed. Returns its content."""
    with temporary.open("rb") as file:
        _check_tags(file, before, request.targets)
    content = read_content(temporary)
    if content.key != before.key:
        raise TagsError("its audio would not be found as it was: left as it is")
    return content


def _check_tags(file: BinaryIO, before: _Before, targets: Mapping[Field, Target]) -> None:
    with _damage_named():
        tags = open_tags(file, before.info)
        for name in tags.fields():
            if name not in targets and tags.raw(name) != before.raw[name]:
                raise TagsError(f"its {name} would not survive: left as it is")
            if name in targets and not _holds(tags, name, wanted := targets[name]):
                raise TagsError(f"{name} {wanted.values!r} would be read back as {tags.values(name)!r}: left as it is")
        if tags.foreign(file) != before.foreign:
            raise TagsError("other tags of it, or its structure, would not survive unchanged: left as it is")
