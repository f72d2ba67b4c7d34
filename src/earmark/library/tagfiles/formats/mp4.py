"""MP4 and M4A: iTunes's list of metadata atoms.

As with ID3, mutagen interprets no atom: it writes back unchanged those that it could not read, and here these are all.
Their list, ``_failed_atoms``, is private to mutagen; tests/library/tagfiles/test_mutagen.py checks what is used of it.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from mutagen.mp4 import MP4, AtomDataType, Atoms, MP4Tags

from earmark.library.tagfiles.formats.base import (
    FIELDS,
    Digest,
    Field,
    FileTags,
    FormatInfo,
    Values,
    own_names,
    register_tag_format,
)
from earmark.library.tagfiles.formats.id3_parts import GENRES

_OFFSETS = (b"stco", b"co64", b"tfhd")  # where the audio is in the file: follows from all the rest
_FREE = b"free"
_TEMPO_BYTES = 2


class _Atoms(MP4Tags):  # type: ignore[misc]  # mutagen has no types for it
    """The list of atoms, none of them interpreted."""

    def load(self, atoms: Any, fileobj: BinaryIO) -> None:
        path = atoms.path(b"moov", b"udta", b"meta", b"ilst")
        for atom in path[-1].children:
            self._failed_atoms.setdefault(atom.name.decode("latin-1"), []).append(atom.read(fileobj)[1])


class _File(MP4):  # type: ignore[misc]
    MP4Tags = _Atoms


@register_tag_format("mov")
class Mp4Tags(FileTags):
    """Tags in atoms: a name, or ``----:mean:name`` for a free one.

    ``tmpo`` is a number of two bytes, all else that is written is text. ``gnre``, the genre as a number, is read; ``©gen`` takes its place when a genre is written.
    """

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {
        "genre": ("\xa9gen", "gnre"),
        "mood": ("----:com.apple.iTunes:MOOD",),
        "bpm": ("tmpo",),
        "key": ("----:com.apple.iTunes:initialkey",),
        "comment": ("\xa9cmt",),
        **own_names("----:com.earmark:EARMARK_{}"),
    }
    kind = "MP4"

    def __init__(self, file: BinaryIO, _: FormatInfo) -> None:
        file.seek(0)
        self._file: Any = _File(file)
        if self._file.tags is None:
            self._file.tags = _Atoms()
        self._atoms: dict[str, list[bytes]] = self._file.tags._failed_atoms

    def _mine(self, field: Field) -> list[tuple[str, bytes]]:
        found = []
        for name in self.names[field]:
            key = name.partition(":")[0]
            found += [
                (key, atom)
                for atom in self._atoms.get(key, ())
                if key == name or _free_name(atom).casefold() == name.casefold()
            ]
        return found

    def values(self, field: Field) -> Values:
        found: list[str] = []
        for name, atom in self._mine(field):
            for data in _data_of(atom):
                if name == "gnre":
                    number = int.from_bytes(data, "big")
                    found += [GENRES[number - 1]] if 1 <= number <= len(GENRES) else []
                elif name == "tmpo":
                    found.append(str(int.from_bytes(data, "big")))
                else:
                    found.append(data.decode("utf-8", "replace"))
        return tuple(text for text in found if text.strip())

    def raw(self, field: Field) -> Values:
        return tuple(f"{name}:{base64.b64encode(atom).decode()}" for name, atom in self._mine(field))

    def set(self, field: Field, values: Sequence[str]) -> None:
        self._remove(field)
        if not values:
            return
        if field == "bpm":
            number = int(values[0]).to_bytes(_TEMPO_BYTES, "big")
            data = _atom(b"data", struct.pack(">2I", AtomDataType.INTEGER, 0) + number)
        else:
            data = b"".join(_atom(b"data", struct.pack(">2I", AtomDataType.UTF8, 0) + text.encode()) for text in values)
        name, _, rest = self.names[field][0].partition(":")
        if name == "----":
            mean, _, free = rest.partition(":")
            data = _atom(b"mean", bytes(4) + mean.encode()) + _atom(b"name", bytes(4) + free.encode()) + data
        self._atoms.setdefault(name, []).append(data)

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        self._remove(field)
        for text in raw:
            name, _, coded = text.rpartition(":")
            self._atoms.setdefault(name, []).append(base64.b64decode(coded))
        return True

    def _remove(self, field: Field) -> None:
        for name, gone in self._mine(field):
            self._atoms[name] = [atom for atom in self._atoms[name] if atom is not gone]

    def save(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file.save(file, padding=self.padding(file))

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        ours = [atom for field in FIELDS for _, atom in self._mine(field)]
        for name in sorted(self._atoms):
            for atom in self._atoms[name]:
                if not any(atom is each for each in ours):
                    digest.add(name.encode("latin-1"), atom)
        file.seek(0)
        self._add(digest, file, Atoms(file).atoms)
        return digest.text()

    def _add(self, digest: Digest, file: BinaryIO, atoms: Sequence[Any]) -> None:
        """All atoms but the list of metadata, what holds it, free space, and offsets."""
        for atom in atoms:
            if atom.name in (b"udta", b"meta", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"):
                self._add(digest, file, atom.children)
            elif atom.name == b"hdlr" or atom.name in (b"ilst", _FREE, *_OFFSETS):
                continue  # the handler of the list is made with it
            else:
                digest.add(atom.name)
                digest.add_span(file, atom.offset + 8, atom.offset + atom.length)


def _atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, name) + data


def _parts(atom: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the parts of an atom; ends where it is damaged."""
    place = 0
    while place + 8 <= len(atom):
        size, name = struct.unpack(">I4s", atom[place : place + 8])
        if size < 8:
            return
        yield name, atom[place + 8 : place + size]
        place += size


def _data_of(atom: bytes) -> Iterator[bytes]:
    return (content[8:] for name, content in _parts(atom) if name == b"data")


def _free_name(atom: bytes) -> str:
    """``----:mean:name`` of a free atom."""
    parts = {name: content[4:].decode("utf-8", "replace") for name, content in _parts(atom) if name != b"data"}
    return f"----:{parts.get(b'mean', '')}:{parts.get(b'name', '')}"
