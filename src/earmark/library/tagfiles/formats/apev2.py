"""APEv2 tags at the end of WavPack, Monkey's Audio, Musepack and AAC.

mutagen would sort the items, drop what marks one as read-only, and keep one of two keys that differ in case only. So the
items are kept as bytes here, each in its place; only ours are read.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO, ClassVar

from earmark.audio.ape_tag import (
    HAS_HEADER,
    IS_HEADER,
    ITEM_KIND,
    PREAMBLE,
    item_key,
    item_texts,
    old_tags_start,
    read_ape_tag,
)
from earmark.core.audio_formats import find_format
from earmark.library.tagfiles.formats.base import (
    FIELDS,
    Digest,
    Field,
    FileTags,
    FormatInfo,
    TagsError,
    Values,
    own_names,
    register_tag_format,
    size_of,
)
from earmark.library.tagfiles.formats.id3 import ID3Tags
from earmark.library.tagfiles.formats.id3_parts import ID3v1

_VERSION = 2000
_READ_ONLY = 1  # a flag of an item, and of the tag
_NEW_HEADER, _NEW_FOOTER = (
    struct.pack("<8s4I8x", PREAMBLE, _VERSION, 0, 0, HAS_HEADER | which) for which in (IS_HEADER, 0)
)
_V1_KEYS = {"TIT2": "Title", "TPE1": "Artist", "TALB": "Album", "TDRC": "Year", "TRCK": "Track", "COMM": "Comment"}
_RAW = "ape:"
_PLACED: tuple[Field, ...] = ("genre", "mood", "scores", "model")
"""Fields that do not count where it is said how many items come before one: logs hold that, so it stays as it was."""


@register_tag_format("wv", "ape", "mpc", "mpc8")
class ApeTags(FileTags):
    """Tags in items: a key, and values separated by NUL. A field keeps its place and the case of its key."""

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {
        "genre": ("Genre",),
        "mood": ("Mood",),
        "bpm": ("BPM",),
        "key": ("INITIALKEY",),
        "comment": ("Comment",),
        **own_names("EARMARK_{}"),
    }

    def __init__(self, file: BinaryIO, info: FormatInfo) -> None:
        form = find_format(info.container)
        self.kind = f"{info.container if form is None else form.name} (APEv2)"
        try:
            tag = read_ape_tag(file)
        except ValueError as error:
            raise TagsError(str(error)) from error
        self._v1 = ID3v1.read(file)
        # Many programs ignore ID3v1 where there is an APEv2, so what it holds is copied there.
        self._from_v1 = [] if self._v1 is None else _items_of(self._v1)
        self._start = self._end = old_tags_start(file)
        self._header, self._footer, self._rest = _NEW_HEADER, _NEW_FOOTER, b""
        self._items: list[bytes] = []
        if tag is not None:
            if tag.version != _VERSION:
                raise TagsError(
                    f"its tag is APEv{tag.version // 1000}, which no program writes any more: "
                    "convert it to APEv2 with a tag editor"
                )
            if _flags_at(tag.footer, 20) & _READ_ONLY:
                raise TagsError("its APEv2 tag is marked as read-only: left as it is")
            self._start, self._end = tag.start, tag.end
            self._header, self._items, self._rest, self._footer = tag.header, list(tag.items), tag.rest, tag.footer
        elif self._v1 is not None:
            self.notes = ("an APEv2 tag is added, with title, artist and so on as the ID3v1 tag has them",)
        if _begins_with_id3(file):
            self.notes += ("its ID3v2 tag stays as it is; players that prefer that one do not show what is written",)
        self._bare_bytes = size_of(file) - (self._end - self._start)

    # Our items ----------------------------------------------------------------------------------------

    def _mine(self, field: Field) -> list[int]:
        wanted = self.names[field][0].casefold()
        return [i for i, item in enumerate(self._shown) if item_key(item).casefold() == wanted]

    @property
    def _shown(self) -> list[bytes]:
        """The items; where there are none, those that the ID3v1 tag stands for."""
        return self._items or self._from_v1

    def values(self, field: Field) -> Values:
        found = [text for i in self._mine(field) for text in item_texts(self._shown[i])]
        if not found and field == "genre" and self._v1 is not None:
            found = self._v1.genres()
        return tuple(found)

    def raw(self, field: Field) -> Values:
        """Of each item how many foreign ones come before it, and its bytes."""
        mine = {i for each in _PLACED for i in self._mine(each)}
        raw = []
        for i in self._mine(field):
            n_before = sum(other not in mine for other in range(i))
            raw.append(f"{_RAW}{n_before}:{base64.b64encode(self._shown[i]).decode()}")
        if field == "genre" and self._v1 is not None:
            raw.append(self._v1.raw())
        return tuple(raw)

    def set(self, field: Field, values: Sequence[str]) -> None:
        there = self._mine(field)
        for item in (self._shown[i] for i in there):
            if _flags_at(item) & ITEM_KIND:
                raise TagsError(f"its {item_key(item)} is no text: left as it is")
            if _flags_at(item) & _READ_ONLY:
                raise TagsError(f"its {item_key(item)} is marked as read-only: left as it is")
        if values and not self._items:
            self._items += self._from_v1
        key = item_key(self._shown[there[0]]) if there else self.names[field][0]
        place = there[0] if there else len(self._items)
        self._remove(field)
        if values:
            self._items.insert(place, _item(key, "\0".join(values)))
        if field == "genre" and self._v1 is not None:
            self._v1.set_genre(values[0] if values else None)

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        if not all(text.startswith((_RAW, "id3v1:")) for text in raw):
            return False  # the tag that the file had then was of another kind
        if not self._items and any(text.startswith(_RAW) for text in raw):
            self._items += self._from_v1
        there = self._mine(field)
        self._remove(field)
        for text in raw:
            if text.startswith(_RAW):
                n_before, _, coded = text.removeprefix(_RAW).partition(":")
                place = there[0] if there else self._place(int(n_before))
                self._items.insert(place, base64.b64decode(coded))
                there = []
        if self._v1 is not None:
            self._v1.restore(raw)
        if self._items == self._from_v1 and self._bare_bytes == self.former_bytes:
            self._items = []
        return True

    def _remove(self, field: Field) -> None:
        gone = self._mine(field) if self._items else []
        self._items = [item for i, item in enumerate(self._items) if i not in gone]

    def _place(self, n_before: int) -> int:
        """Where an item goes that has so many foreign ones before it: behind the others of ours that have."""
        mine = {i for field in _PLACED for i in self._mine(field)}
        foreign = [i for i in range(len(self._items)) if i not in mine]
        return foreign[n_before] if n_before < len(foreign) else len(self._items)

    # The file -----------------------------------------------------------------------------------------

    def save(self, file: BinaryIO) -> None:
        file.seek(self._end)
        behind = file.read()
        file.truncate(self._start)
        file.seek(self._start)
        file.write(self._rendered() + behind)
        if self._v1 is not None:
            self._v1.save(file)

    def _rendered(self) -> bytes:
        """The whole tag; nothing where no item is left."""
        if not self._items and not self._rest:
            return b""
        body = b"".join(self._items) + self._rest
        sizes = struct.pack("<2I", len(body) + len(self._footer), len(self._items))
        header, footer = (end and end[:12] + sizes + end[20:] for end in (self._header, self._footer))
        return header + body + footer

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        ours = {self.names[field][0].casefold() for field in FIELDS}
        items, from_v1 = (
            [item for item in each if item_key(item).casefold() not in ours] for each in (self._items, self._from_v1)
        )
        if items == from_v1:
            items = []
        if items or self._rest:  # else the tag may go, with its header and footer
            digest.add(*items, self._rest, *(end[:12] + end[20:] for end in (self._header, self._footer)))
        # As ID3Tags does it: an AAC file is read by that until its ID3v2 tag goes.
        end = size_of(file) - (0 if self._v1 is None else 1)
        digest.add_span(file, 0, end, without=(self._start, self._end))
        return digest.text()


@register_tag_format("aac")
class AacTags(ApeTags):
    """APEv2, or ID3v2 in a file that has that alone: a second tag would hide what is in the first."""

    @classmethod
    def open(cls, file: BinaryIO, info: FormatInfo) -> FileTags:
        tags = cls(file, info)
        if not tags._items and _begins_with_id3(file):
            return ID3Tags(file, info)
        return tags


def _begins_with_id3(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(3) == b"ID3"


def _item(key: str, text: str) -> bytes:
    value = text.encode()
    return struct.pack("<2I", len(value), 0) + key.encode("ascii") + b"\0" + value


def _items_of(v1: ID3v1) -> list[bytes]:
    return [_item(_V1_KEYS[frame.FrameID], str(frame)) for frame in v1.frames() if frame.FrameID in _V1_KEYS]


def _flags_at(data: bytes, place: int = 4) -> int:
    return int.from_bytes(data[place : place + 4], "little")
