"""ASF, which is WMA: attributes with names and types."""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from mutagen.asf import (
    ASF,
    ASFBoolAttribute,
    ASFByteArrayAttribute,
    ASFDWordAttribute,
    ASFGUIDAttribute,
    ASFQWordAttribute,
    ASFUnicodeAttribute,
    ASFWordAttribute,
)

from earmark.library.tagfiles.formats.base import (
    FIELDS,
    Digest,
    Field,
    FileTags,
    FormatInfo,
    Values,
    own_names,
    register_tag_format,
    size_of,
)

_ATTRIBUTE_TYPES = {
    each.TYPE: each
    for each in (
        ASFUnicodeAttribute,
        ASFByteArrayAttribute,
        ASFBoolAttribute,
        ASFDWordAttribute,
        ASFQWordAttribute,
        ASFWordAttribute,
        ASFGUIDAttribute,
    )
}

# Objects of the header (Advanced Systems Format Specification, section 10): mutagen rewrites the first five.
_REWRITTEN = frozenset(
    uuid.UUID(text).bytes_le
    for text in (
        "75B22633-668E-11CF-A6D9-00AA0062CE6C",  # content description
        "D2D0A440-E307-11D2-97F0-00A0C95EA850",  # extended content description
        "C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA",  # metadata
        "44231C94-9498-49D1-A141-1D134E457054",  # metadata library
        "1806D474-CADF-4509-A4BA-9AABCB96AAE8",  # padding
    )
)
_HEADER_EXTENSION = uuid.UUID("5FBF03B5-A92E-11CF-8EE3-00C00C205365").bytes_le
_HEADER_BYTES, _EXTENSION_BYTES = 30, 22  # before the first object in each


@register_tag_format("asf")
class AsfTags(FileTags):
    """Tags in attributes. A field keeps its place."""

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {
        "genre": ("WM/Genre",),
        "mood": ("WM/Mood",),
        "bpm": ("WM/BeatsPerMinute",),
        "key": ("WM/InitialKey",),
        "comment": ("Description",),
        **own_names("EARMARK/{}"),
    }
    kind = "ASF"

    def __init__(self, file: BinaryIO, _: FormatInfo) -> None:
        file.seek(0)
        self._file: Any = ASF(file)
        self._attributes: Any = self._file.tags

    def _mine(self, field: Field) -> list[int]:
        wanted = self.names[field][0].casefold()
        return [i for i, (name, _) in enumerate(self._attributes) if name.casefold() == wanted]

    def _pairs(self, field: Field) -> list[tuple[str, Any]]:
        pairs = list(self._attributes)
        return [pairs[i] for i in self._mine(field)]

    def values(self, field: Field) -> Values:
        return tuple(text for text in (str(value) for _, value in self._pairs(field)) if text.strip())

    def raw(self, field: Field) -> Values:
        return tuple(_as_text(name, value) for name, value in self._pairs(field))

    def set(self, field: Field, values: Sequence[str]) -> None:
        pairs = self._pairs(field)
        name = pairs[0][0] if pairs else self.names[field][0]
        self._put(self._mine(field), [(name, ASFUnicodeAttribute(value)) for value in values])

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        self._put(self._mine(field), [_from_text(text) for text in raw])
        return True

    def _put(self, there: list[int], pairs: Sequence[tuple[str, Any]]) -> None:
        before = [pair for i, pair in enumerate(self._attributes) if i not in there]
        place = there[0] if there else len(before)
        list.__setitem__(self._attributes, slice(None), before[:place] + list(pairs) + before[place:])

    def save(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file.save(file, padding=self.padding(file))

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        ours = {self.names[field][0].casefold() for field in FIELDS}
        # Which object of the header an attribute is in is mutagen's choice, and with it the order.
        foreign = [(name, value) for name, value in self._attributes if name.casefold() not in ours]
        digest.add_sorted(_as_text(name, value, same_place=False).encode() for name, value in foreign)
        file.seek(16)
        n_bytes = min(int.from_bytes(file.read(8), "little"), size_of(file))
        file.seek(0)
        digest.add_sorted(_other_objects(file.read(n_bytes)[_HEADER_BYTES:]))
        digest.add_span(file, n_bytes, size_of(file))
        return digest.text()


def _other_objects(objects: bytes) -> Iterator[bytes]:
    """The objects of a header that hold no attributes, each as its GUID and content."""
    place = 0
    while place + 24 <= len(objects):
        guid, n_bytes = struct.unpack("<16sQ", objects[place : place + 24])
        content = objects[place + 24 : place + n_bytes]
        place += max(n_bytes, 24)
        if guid == _HEADER_EXTENSION:
            yield from _other_objects(content[_EXTENSION_BYTES:])
        elif guid not in _REWRITTEN:
            yield guid + content


def _as_text(name: str, value: Any, *, same_place: bool = True) -> str:
    """An attribute as one line: type, language, stream, bytes, name. None and 0 differ in the object it is in."""
    # mutagen renders a value with what precedes it, which differs between the objects of the header.
    data = value.render("")[8:] if value.TYPE == ASFBoolAttribute.TYPE else value.render_ml("")[14:]
    coded = base64.b64encode(data).decode()
    place = (value.language, value.stream) if same_place else (value.language or 0, value.stream or 0)
    return f"{value.TYPE}:{place[0]}:{place[1]}:{coded}:{name}"


def _from_text(text: str) -> tuple[str, Any]:
    kind, language, stream, coded, name = text.split(":", 4)
    value = _ATTRIBUTE_TYPES[int(kind)](
        data=base64.b64decode(coded),
        language=None if language == "None" else int(language),
        stream=None if stream == "None" else int(stream),
    )
    return name, value
