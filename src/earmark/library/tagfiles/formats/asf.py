"""ASF, which is WMA: attributes with names and types."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from mutagen.asf import ASF, ASFUnicodeAttribute
from mutagen.asf._attrs import ASFBaseAttribute
from mutagen.asf._objects import (
    ContentDescriptionObject,
    ExtendedContentDescriptionObject,
    HeaderExtensionObject,
    MetadataLibraryObject,
    MetadataObject,
    PaddingObject,
)

from earmark.library.tagfiles.fields import FIELDS, NAMES, Field
from earmark.library.tagfiles.formats.base import Digest, FileTags, Values, size_of

_MADE_ANEW = (
    ContentDescriptionObject,
    ExtendedContentDescriptionObject,
    MetadataObject,
    MetadataLibraryObject,
    PaddingObject,
)


class AsfTags(FileTags):
    """Tags in attributes. A field keeps its place."""

    kind = "ASF"

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file: Any = ASF(file)
        self._attributes: Any = self._file.tags

    def _mine(self, field: Field) -> list[int]:
        wanted = NAMES[field].asf.casefold()
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
        name = pairs[0][0] if pairs else NAMES[field].asf
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
        self._file.save(file)

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        ours = {NAMES[field].asf.casefold() for field in FIELDS}
        # Which object of the header an attribute stands in is mutagen's choice, and with it the order.
        foreign = [(name, value) for name, value in self._attributes if name.casefold() not in ours]
        digest.add_sorted(_as_text(name, value, same_place=False).encode() for name, value in foreign)
        file.seek(16)
        header_bytes = int.from_bytes(file.read(8), "little")
        digest.add_sorted(_others(self._file._header))
        digest.add_span(file, header_bytes, size_of(file))
        return digest.text()


def _others(parent: Any) -> Iterator[bytes]:
    """All objects of the header that hold no attributes."""
    for item in parent.objects:
        if isinstance(item, HeaderExtensionObject):
            yield from _others(item)
        elif not isinstance(item, _MADE_ANEW):
            yield item.GUID + item.data


def _as_text(name: str, value: Any, *, same_place: bool = True) -> str:
    """An attribute as one line: type, language, stream, bytes, name. None and 0 differ in the object it stands in."""
    coded = base64.b64encode(value._render()).decode()
    place = (value.language, value.stream) if same_place else (value.language or 0, value.stream or 0)
    return f"{value.TYPE}:{place[0]}:{place[1]}:{coded}:{name}"


def _from_text(text: str) -> tuple[str, Any]:
    kind, language, stream, coded, name = text.split(":", 4)
    value = ASFBaseAttribute._get_type(int(kind))(
        data=base64.b64decode(coded),
        language=None if language == "None" else int(language),
        stream=None if stream == "None" else int(stream),
    )
    return name, value
