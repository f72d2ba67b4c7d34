"""Vorbis comments: in FLAC, and in Ogg Vorbis, Opus, Ogg FLAC and Speex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from mutagen.flac import FLAC, Padding, VCFLACDict
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis

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

_MOST_SAVES = 3

_OGG = {
    "vorbis": ("Ogg Vorbis", OggVorbis),
    "opus": ("Ogg Opus", OggOpus),
    "flac": ("Ogg FLAC", OggFLAC),
    "speex": ("Ogg Speex", OggSpeex),
}


@register_tag_format("flac", "ogg")
class VorbisTags(FileTags):
    """Tags in Vorbis comments. A field keeps its place and the case of its key."""

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {
        "genre": ("GENRE",),
        "mood": ("MOOD",),
        "bpm": ("BPM",),
        "key": ("INITIALKEY",),
        "comment": ("COMMENT",),
        **own_names("EARMARK_{}"),
    }

    def __init__(self, file: BinaryIO, info: FormatInfo) -> None:
        file.seek(0)
        self._in_ogg = info.container == "ogg"
        reader: Any = FLAC
        if not self._in_ogg:
            self.kind = "FLAC"
        elif info.codec in _OGG:
            self.kind, reader = _OGG[info.codec]
        else:
            raise TagsError(f"tags cannot be written into Ogg {info.codec}")
        self._file: Any = reader(file)
        if self._file.tags is None:
            self._file.add_tags()
        self._comments: Any = self._file.tags
        # mutagen decodes as it reads, so what is no UTF-8, or no comment, cannot be written back as it was.
        damaged = [key for key, value in self._comments if "\ufffd" in value or "?" in key]
        damaged += [key for key, _ in self._comments if key.startswith("unknown") and key[7:].isdigit()]
        if damaged:
            raise TagsError(
                f"some of its comments are damaged ({', '.join(sorted(set(damaged)))}: not UTF-8, or without a name) "
                "and would be lost: repair them with a tag editor first"
            )

    def _mine(self, field: Field) -> list[int]:
        key = self.names[field][0]
        return [i for i, (name, _) in enumerate(self._comments) if name.upper() == key]

    def _pairs(self, field: Field) -> list[tuple[str, str]]:
        pairs = list(self._comments)
        return [pairs[i] for i in self._mine(field)]

    def values(self, field: Field) -> Values:
        return tuple(value for _, value in self._pairs(field) if value.strip())

    def raw(self, field: Field) -> Values:
        return tuple("=".join(pair) for pair in self._pairs(field))

    def set(self, field: Field, values: Sequence[str]) -> None:
        pairs = self._pairs(field)
        key = pairs[0][0] if pairs else self.names[field][0]
        self._put(self._mine(field), [(key, value) for value in values])

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        pairs = [tuple(text.split("=", 1)) for text in raw]
        self._put(self._mine(field), pairs)
        return True

    def _put(self, there: list[int], pairs: Sequence[tuple[str, ...]]) -> None:
        """Replace comments by others, which take the first one's place."""
        before = [pair for i, pair in enumerate(self._comments) if i not in there]
        place = there[0] if there else len(before)
        list.__setitem__(self._comments, slice(None), before[:place] + list(pairs) + before[place:])

    def save(self, file: BinaryIO) -> None:
        for _ in range(_MOST_SAVES):
            file.seek(0)
            self._file.save(file, padding=self.padding(file))
            if self.former_bytes in (None, size_of(file)):
                break  # else the padding has changed the number of Ogg's pages, each of which has a header

    def foreign(self, _: BinaryIO, /) -> str:
        digest = Digest()
        ours = {self.names[field][0] for field in FIELDS}
        digest.add(self._comments.vendor.encode())
        digest.add(*(f"{key}={value}".encode() for key, value in self._comments if key.upper() not in ours))
        if not self._in_ogg:
            for block in self._file.metadata_blocks:
                if not isinstance(block, VCFLACDict | Padding):
                    digest.add(bytes([block.code]), block.write())
        return digest.text()
