"""What a file's tags can do, whatever the format."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from earmark.library.tagfiles.fields import FIELDS, Field

Values = tuple[str, ...]

_BLOCK_BYTES = 1 << 20


class TagsError(Exception):
    """Why tags cannot be read or written, one line without the path. For :mod:`earmark.library.tagfiles.write` to pass on."""


class FileTags(ABC):
    """The tags of one open file: read, changed in memory, and saved.

    Whatever is not one of our fields goes back into the file byte for byte, also what mutagen does not understand.

    Attributes:
        kind: the format, for people, e.g. "MP3 (ID3v2.3)".
        notes: what a user should know about writing to this file, one line each.
    """

    kind: str
    notes: tuple[str, ...] = ()

    @abstractmethod
    def values(self, field: Field) -> Values:
        """What a person reads in a field; empty where the file has none."""

    @abstractmethod
    def raw(self, field: Field) -> Values:
        """How the file holds the field: text that :meth:`restore` turns back into the very same bytes."""

    @abstractmethod
    def set(self, field: Field, values: Sequence[str]) -> None:
        """Replace a field; no values remove it."""

    @abstractmethod
    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        """Put back what :meth:`raw` told. False where the file's tags are of another version by now."""

    @abstractmethod
    def save(self, file: BinaryIO) -> None:
        """Write to the file that they were read from, or to a copy of it."""

    @abstractmethod
    def foreign(self, file: BinaryIO, /) -> str:
        """A digest of all in the file that is not ours: other fields, pictures, other chunks, and the audio."""

    def all_values(self) -> dict[Field, Values]:
        """Every field's values."""
        return {field: self.values(field) for field in FIELDS}


class Digest:
    """A hash of parts, each of them with its length."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, *parts: bytes) -> None:
        """Add parts that lie in memory."""
        for part in parts:
            self._hash.update(len(part).to_bytes(8, "little") + part)

    def add_sorted(self, parts: Iterable[bytes]) -> None:
        """Add parts whose order means nothing."""
        self.add(*sorted(parts))

    def add_span(self, file: BinaryIO, start: int, end: int) -> None:
        """Add the bytes ``start`` to ``end`` of a file."""
        self._hash.update(max(end - start, 0).to_bytes(8, "little"))
        file.seek(start)
        left = end - start
        while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
            self._hash.update(block)
            left -= len(block)

    def text(self) -> str:
        """The hash, hexadecimal."""
        return self._hash.hexdigest()


def size_of(file: BinaryIO) -> int:
    """Length of an open file in bytes."""
    return file.seek(0, 2)
