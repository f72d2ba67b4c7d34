"""APEv2 tags at the end of a file, where they are, and their items as bytes; and the length of ID3v2 tags in front.

FFmpeg looks for frames of MP3 and AAC in whatever follows the sound, and finds some in a picture. Of Monkey's Audio, which
does not store the length of its last frame, it takes everything to the end of the file for it. In WavPack and Musepack it
finds an APEv2 tag only at the very end, and fails at an ID3v1 tag. So it is shown such files without their tags:
:func:`tags_start` says where these begin. An ID3v2 tag in front it only passes over in formats that are known for it.

Layout: https://wiki.hydrogenaud.io/index.php?title=APEv2_specification
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

from earmark.core.audio_formats import find_format

PREAMBLE = b"APETAGEX"
HAS_HEADER, IS_HEADER = 1 << 31, 1 << 29
"""Flags of a tag."""
ITEM_KIND = 0b110
"""Flags of an item: 0 is text."""

_END_BYTES = 32  # of the header, and of the footer
_ITEM_BYTES = 8  # size and flags of an item, before its key
_LONGEST_KEY_BYTES = 255
_V1_BYTES = 128
_V2_BYTES = 10  # of the header, and of the footer
_V2_HAS_FOOTER = 0x10
_LYRICS_BEGIN, _LYRICS_END = b"LYRICSBEGIN", b"LYRICS200"
_LYRICS_END_BYTES = 15  # six digits, and that


class ApeTag(NamedTuple):
    """A tag as it is in a file.

    Attributes:
        start, end: its first byte, and the byte after its last.
        header: 32 bytes; empty where it has none.
        items: each with size, flags, key and value.
        rest: what follows the items that the footer counts; normally nothing.
        footer: 32 bytes.
    """

    start: int
    end: int
    header: bytes
    items: tuple[bytes, ...]
    rest: bytes
    footer: bytes

    @property
    def version(self) -> int:
        """1000 or 2000."""
        return int.from_bytes(self.footer[8:12], "little")


def read_ape_tag(file: BinaryIO, file_end: int | None = None) -> ApeTag | None:
    """The tag at the end of a file, or before the ID3v1 tag and Lyrics3 there; None where there is none.

    Args:
        file: the file.
        file_end: what is taken for its end; None for where it is.

    Raises:
        ValueError: it is damaged.
    """
    end = old_tags_start(file, file_end)
    footer = _read(file, end - _END_BYTES, end)
    if not footer.startswith(PREAMBLE):
        return None
    _, n_bytes, n_items, flags = struct.unpack("<4I", footer[8:24])
    first = end - n_bytes
    start = first - _END_BYTES if flags & HAS_HEADER else first
    if flags & IS_HEADER or n_bytes < _END_BYTES or start < 0:
        raise ValueError(f"its APEv2 tag is damaged (it claims {n_bytes:,} bytes)")
    header = _read(file, start, first)
    if header and not header.startswith(PREAMBLE):
        raise ValueError("its APEv2 tag is damaged (its header is not where its footer says)")
    items, rest = _split(_read(file, first, end - _END_BYTES), n_items)
    return ApeTag(start, end, header, items, rest, footer)


def tags_start(file: BinaryIO, container: str) -> int | None:
    """Where the tags begin that FFmpeg must not read; None where there are none, or they are damaged.

    Some programs write one behind the other without looking, also a second of the same kind.

    Args:
        file: the file, of a format with :attr:`earmark.core.audio_formats.AudioFormat.tags_as_sound`.
        container: FFmpeg's name of it. Of MP3 and AAC it leaves out an ID3v1 tag itself.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    end, before = n_bytes, n_bytes + 1
    while end < before:
        before = end
        end = _last_tag_start(file, end)
    form = find_format(container)
    if form and form.tags_in_front and end == old_tags_start(file):
        return None
    return end if 0 < end < n_bytes else None


def _last_tag_start(file: BinaryIO, end: int) -> int:
    """Where the last tag begins; the end where there is none, or it is damaged."""
    try:
        tag = read_ape_tag(file, end)
    except ValueError:
        return end
    if tag is not None:
        return tag.start
    footer = _read(file, end - _V2_BYTES, end)
    if footer.startswith(b"3DI"):
        start = end - 2 * _V2_BYTES - _id3v2_size(footer)
        if _read(file, start, start + 3) == b"ID3":
            return start
    return old_tags_start(file, end)


def id3v2_bytes(file: BinaryIO, start: int = 0) -> int:
    """How many bytes of ID3v2 tags begin at a position.

    Layout: https://id3.org/id3v2.4.0-structure, sections 3.1 and 3.4

    >>> import io
    >>> id3v2_bytes(io.BytesIO(b"ID3\\4\\0\\0" b"\\0\\0\\1\\0" + bytes(128) + b"MAC "))
    138
    """
    at = start
    while (head := _read(file, at, at + _V2_BYTES)).startswith(b"ID3") and len(head) == _V2_BYTES:
        at += _V2_BYTES + _id3v2_size(head) + (_V2_BYTES if head[5] & _V2_HAS_FOOTER else 0)
    return at - start


def _id3v2_size(head: bytes) -> int:
    """What a tag's header or footer says of what is between these."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def ape_texts(file: BinaryIO) -> dict[str, tuple[str, ...]] | None:
    """Values of the text items, by keys in lower case; None where there is no tag, or a damaged one."""
    try:
        tag = read_ape_tag(file)
    except ValueError:
        return None
    if tag is None:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for item in tag.items:
        key = item_key(item).lower()
        found[key] = found.get(key, ()) + item_texts(item)
    return found


def item_key(item: bytes) -> str:
    """The key of an item."""
    return item[_ITEM_BYTES : item.index(b"\0", _ITEM_BYTES)].decode("latin-1")


def item_texts(item: bytes) -> tuple[str, ...]:
    """The values of an item that are not blank; none where it is no text.

    >>> item_texts(b"\\3\\0\\0\\0" b"\\0\\0\\0\\0" b"Genre\\0" b"a\\0b")
    ('a', 'b')
    """
    if item[4] & ITEM_KIND:
        return ()
    texts = item[item.index(b"\0", _ITEM_BYTES) + 1 :].decode(errors="replace").split("\0")
    return tuple(text for text in texts if text.strip())


def find_id3v1(file: BinaryIO, end: int | None = None) -> int | None:
    """The first byte of an ID3v1 tag at the end of a file; None where there is none."""
    end = file.seek(0, os.SEEK_END) if end is None else end
    last = _read(file, end - _V1_BYTES, end)
    # An APEv2 tag at the end may have "TAG" at this place by chance.
    is_v1 = last.startswith(b"TAG") and not last[-_END_BYTES:].startswith(PREAMBLE)
    return end - _V1_BYTES if is_v1 else None


def old_tags_start(file: BinaryIO, end: int | None = None) -> int:
    """Where an ID3v1 tag at the end of a file begins, or Lyrics3 before it: an APEv2 tag ends there. Else the file's end."""
    end = file.seek(0, os.SEEK_END) if end is None else end
    start = find_id3v1(file, end)
    if start is None:
        return end
    lyrics_end = _read(file, start - _LYRICS_END_BYTES, start)
    if lyrics_end.endswith(_LYRICS_END) and lyrics_end[:6].isdigit():
        lyrics = start - _LYRICS_END_BYTES - int(lyrics_end[:6])
        if _read(file, lyrics, lyrics + len(_LYRICS_BEGIN)) == _LYRICS_BEGIN:
            return lyrics
    return start


def _split(body: bytes, n_items: int) -> tuple[tuple[bytes, ...], bytes]:
    """The items, of which some programs count too many, and what follows them."""
    items: list[bytes] = []
    place = 0
    while len(items) < n_items and place < len(body):
        key = place + _ITEM_BYTES
        key_end = body.find(b"\0", key, key + _LONGEST_KEY_BYTES + 1)
        end = key_end + 1 + int.from_bytes(body[place : place + 4], "little")
        if key_end < 0 or end > len(body):
            raise ValueError(f"its APEv2 tag is damaged (item {len(items) + 1} of {n_items} is cut off)")
        items.append(body[place:end])
        place = end
    return tuple(items), body[place:]


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    """The bytes ``start`` to ``end``; none where these begin before the file does."""
    if start < 0:
        return b""
    file.seek(start)
    return file.read(end - start)
