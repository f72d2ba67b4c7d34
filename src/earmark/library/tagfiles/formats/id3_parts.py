"""The parts of ID3 tags, and what is beside them in a file: frames, numbers, genres, APEv2."""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO

from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.id3 import ID3, TCON

from earmark.library.tagfiles.formats.base import Field, Values

GENRES = tuple(TCON.GENRES)
"""Names of the genres that ID3v1 has numbers for."""

NO_GENRE = 255
"""ID3v1's number for none of them."""


_NOT_UNSYNCHRONISED = re.compile(rb"\xff(?:[\xe0-\xff]|\Z)")
_TAG_HEADER_BYTES = 10


def parse_frame(frame: bytes, major: int) -> Any:
    """A frame of an ID3v2.``major`` tag as mutagen parses it; None where it is damaged.

    Example:
        >>> parse_frame(b"TIT2" + bytes([0, 0, 0, 3, 0, 0]) + b"\\x03Hi", 4)
        TIT2(encoding=<Encoding.UTF8: 3>, text=['Hi'])
    """
    tag = b"ID3" + bytes([major, 0, 0]) + synchsafe(len(frame)) + frame
    try:
        found = list(ID3(io.BytesIO(tag), translate=False, load_v1=False).values())
    except Exception:  # noqa: BLE001  damage ends mutagen in many ways
        return None
    return found[0] if len(found) == 1 else None


def render_frame(frame: Any, major: int) -> bytes:
    """A frame as it is written into an ID3v2.``major`` tag."""
    tag, file = ID3(), io.BytesIO()
    tag.add(frame)
    tag.save(file, v1=0, v2_version=major, v23_sep=None, padding=lambda _: 0)
    return file.getvalue()[_TAG_HEADER_BYTES:]


def synchsafe(number: int) -> bytes:
    """A number as ID3v2.4 writes sizes: four times seven bits."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def decode_unsynchronised(data: bytes) -> bytes:
    """Data without the zero after each byte 255 (ID3v2.4, section 6.1); unchanged where such zeros are missing.

    Example:
        >>> decode_unsynchronised(b"a\\xff\\x00\\xe0"), decode_unsynchronised(b"a\\xff\\xe0")
        (b'a\\xff\\xe0', b'a\\xff\\xe0')
    """
    return data if _NOT_UNSYNCHRONISED.search(data) else data.replace(b"\xff\x00", b"\xff")


def is_latin1(text: str) -> bool:
    """Whether Latin-1 can hold the text."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def v1_number(genre: str) -> int:
    """ID3v1's number of a genre."""
    folded = [name.casefold() for name in GENRES]
    return folded.index(genre.casefold()) if genre.casefold() in folded else NO_GENRE


def read_ape(file: BinaryIO) -> dict[Field, Values] | None:
    """Genre and mood of an APEv2 tag at the end of an MP3; None where there is none. It is read, never written."""
    file.seek(0)
    try:
        ape = APEv2(file)
    except APENoHeaderError:
        return None
    except Exception:  # noqa: BLE001  damaged, and not ours to repair
        return None
    found: dict[Field, Values] = {}
    for field in ("genre", "mood"):
        if field in ape:
            found[field] = tuple(str(text) for text in ape[field] if str(text).strip())
    return found
