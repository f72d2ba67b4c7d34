"""Tag formats: what an adapter must do, and the registry in which each is found by the container it serves.

A new format is one module in this package: a subclass of :class:`FileTags` under :func:`register_tag_format`. The
container is what FFmpeg reports, not the ending of the file's name.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Literal, TypeVar, get_args

from mutagen import PaddingInfo

from earmark.core.audio_formats import find_format
from earmark.core.errors import ConfigError
from earmark.core.registry import Registry

Values = tuple[str, ...]

DegreeField = Literal["energy", "valence", "danceability", "acousticness", "instrumentalness"]
Field = Literal["genre", "mood", "bpm", "key", "comment", "tempo", DegreeField, "scores", "model"]

DEGREE_FIELDS: tuple[DegreeField, ...] = get_args(DegreeField)
"""Degrees that have a field, as a whole number from 0 to 100."""

FIELDS: tuple[Field, ...] = get_args(Field)
"""The fields that earmark writes, in the order in which they are shown."""

SHARED_FIELDS: tuple[Field, ...] = ("genre", "mood")
"""Fields that other programs and people write, too. Existing values are only replaced on request."""

SINGLE_FIELDS: tuple[Field, ...] = ("bpm", "key")
"""The same, with one value. The BPM is a whole number, as ID3 and MP4 want it: "tempo" has its decimal."""

OWN_FIELDS: tuple[Field, ...] = ("tempo", *DEGREE_FIELDS, "scores", "model")
"""Fields of our own, always updated to the latest scores. No player shows them in place of something else."""


def own_names(pattern: str) -> dict[Field, tuple[str, ...]]:
    """Names of OWN_FIELDS: a pattern in which BPM, ENERGY, SCORES and so on take the place of ``{}``.

    >>> own_names("EARMARK_{}")["energy"]
    ('EARMARK_ENERGY',)
    """
    return {field: (pattern.format("BPM" if field == "tempo" else field.upper()),) for field in OWN_FIELDS}


_BLOCK_BYTES = 1 << 20
_MOST_PADDING_BYTES = 1 << 24


class TagsError(Exception):
    """Why tags cannot be read or written, one line without the path. :mod:`earmark.library.tagfiles.write` adds the path."""


@dataclass(frozen=True)
class FormatInfo:
    """What FFmpeg reports about a file.

    Attributes:
        container: name of the format, e.g. "mp3"; several names are joined by commas, e.g. "mov,mp4,m4a".
        codec: codec of the first audio stream.
        genre, mood: from any of the file's tags, empty where there is none.
    """

    container: str
    codec: str
    genre: str = ""
    mood: str = ""


class FileTags(ABC):
    """The tags of one open file: read, changed in memory, and saved.

    Whatever is not one of our fields goes back into the file byte for byte, including what mutagen does not understand.

    Args:
        file: the open file.
        info: what FFmpeg reports about it.

    Attributes:
        names: what each field is called in this format; the first name is written, all are read. Fields without a name are
            not written.
        kind: the format for people, e.g. "MP3 (ID3v2.3)".
        notes: what a user should know about writing to this file, one line each.
        former_bytes: what undo sets before it restores: the length that the file had; None where that is unknown.

    Raises:
        TagsError: the tags are damaged, or of a kind that cannot be written without loss.
    """

    names: ClassVar[Mapping[Field, tuple[str, ...]]]
    kind: str
    notes: tuple[str, ...] = ()
    former_bytes: int | None = None

    @classmethod
    def open(cls, file: BinaryIO, info: FormatInfo) -> FileTags:
        """The tags of a file. An adapter of a format with two kinds of tags chooses here."""
        return cls(file, info)

    @abstractmethod
    def __init__(self, file: BinaryIO, info: FormatInfo) -> None: ...

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """The fields that it has names for."""
        return tuple(field for field in FIELDS if field in cls.names)

    @abstractmethod
    def values(self, field: Field) -> Values:
        """The values of a field as a person reads them; empty where the file has none."""

    @abstractmethod
    def raw(self, field: Field) -> Values:
        """The field exactly as stored, as text that :meth:`restore` turns back into the same bytes."""

    @abstractmethod
    def set(self, field: Field, values: Sequence[str]) -> None:
        """Replace a field; no values remove it."""

    @abstractmethod
    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        """Put back what :meth:`raw` gave. False where the file's tags have another version by now."""

    @abstractmethod
    def save(self, file: BinaryIO) -> None:
        """Write to the file that the tags were read from, or to a copy of it."""

    @abstractmethod
    def foreign(self, file: BinaryIO, /) -> str:
        """A digest of everything in the file that is not ours: other fields, pictures, other chunks, and the audio."""

    def padding(self, file: BinaryIO) -> Callable[[PaddingInfo], int] | None:
        """For mutagen: so much free space that the file gets its former length; None for mutagen's own choice."""
        if self.former_bytes is None:
            return None
        place = file.tell()
        more = self.former_bytes - size_of(file)
        file.seek(place)
        return lambda info: min(max(0, info.padding + more), _MOST_PADDING_BYTES)

    def all_values(self) -> dict[Field, Values]:
        """Every field's values."""
        return {field: self.values(field) for field in self.fields()}


# The registry -----------------------------------------------------------------------------------------------


class TagFormatError(ConfigError):
    """A container has no adapter, or would have two."""


TAG_FORMATS = Registry[type[FileTags]]("tag format", "earmark.tag_formats", error=TagFormatError)
"""Adapters by container, as FFmpeg names it; of several names joined by commas, the first one."""

AnyFileTags = TypeVar("AnyFileTags", bound=type[FileTags])


def register_tag_format(*containers: str) -> Callable[[AnyFileTags], AnyFileTags]:
    """Register a subclass of :class:`FileTags` as the adapter for some containers. docs/plugins.md has more on plugins.

    Args:
        containers: FFmpeg's names of the formats; of several joined by commas, the first one.

    Raises:
        TagFormatError: another adapter already serves one of the containers.
    """

    def register(adapter: AnyFileTags) -> AnyFileTags:
        for container in containers:
            TAG_FORMATS.add(adapter, name=container, source=adapter.__module__)
        return adapter

    return register


def find_tag_format(container: str) -> type[FileTags]:
    """The adapter for a container.

    Raises:
        TagsError: no adapter serves it; the message says why, or lists the formats that can be written.
    """
    try:
        return TAG_FORMATS.get(container.split(",")[0])
    except TagFormatError as error:
        form = find_format(container)
        if form is not None and form.why_no_tags:
            raise TagsError(f"tags are not written into {form.name}: {form.why_no_tags}") from error
        forms = {name: find_format(name) for name, _ in TAG_FORMATS.items()}
        labels = dict.fromkeys(name if form is None else form.name for name, form in forms.items())
        raise TagsError(
            f"tags are not written into this format ({container}), only into {', '.join(labels)}"
        ) from error


# For adapters -----------------------------------------------------------------------------------------------


class Digest:
    """A hash of parts, each with its length."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, *parts: bytes) -> None:
        """Add parts that are in memory."""
        for part in parts:
            self._hash.update(len(part).to_bytes(8, "little") + part)

    def add_sorted(self, parts: Iterable[bytes]) -> None:
        """Add parts whose order has no meaning."""
        self.add(*sorted(parts))

    def add_span(self, file: BinaryIO, start: int, end: int, *, without: tuple[int, int] | None = None) -> None:
        """Add the bytes ``start`` to ``end`` of a file, without a part of them."""
        parts = [(start, end)] if without is None else [(start, without[0]), (without[1], end)]
        self._hash.update(sum(max(end - start, 0) for start, end in parts).to_bytes(8, "little"))
        for place, end in parts:
            file.seek(place)
            left = end - place
            while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
                self._hash.update(block)
                left -= len(block)

    def text(self) -> str:
        """The hash, hexadecimal."""
        return self._hash.hexdigest()


def size_of(file: BinaryIO) -> int:
    """Length of an open file in bytes."""
    return file.seek(0, 2)
