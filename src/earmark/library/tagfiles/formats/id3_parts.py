"""The parts of ID3 tags: frames, numbers, genres, ID3v1."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

from mutagen.id3 import ID3, TCON, ParseID3v1

from earmark.audio.ape_tag import find_id3v1

GENRES = tuple(TCON.GENRES)
"""Names of the genres that ID3v1 has numbers for."""

_NO_GENRE = 255  # ID3v1's number for none of them
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


class ID3v1:
    """The ID3v1 tag at the end of a file. Only its genre, the last byte, is ever changed."""

    N_BYTES = 128
    _PREFIX = "id3v1:"

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._genre = content[-1]

    @classmethod
    def read(cls, file: BinaryIO) -> ID3v1 | None:
        """The tag of a file; None where it has none."""
        start = find_id3v1(file)
        if start is None:
            return None
        file.seek(start)
        return cls(file.read(cls.N_BYTES))

    def frames(self) -> list[Any]:
        """Title, artist and so on, but not the genre, as frames of ID3v2.4."""
        return [frame for name, frame in (ParseID3v1(self._content, 4) or {}).items() if name != "TCON"]

    def genres(self) -> list[str]:
        """The genre's name; empty where there is none."""
        return [GENRES[self._genre]] if self._genre < len(GENRES) else []

    def set_genre(self, genre: str | None) -> None:
        """Set the number of a genre: that of none for a genre that has no number."""
        folded = [name.casefold() for name in GENRES]
        known = genre is not None and genre.casefold() in folded
        self._genre = folded.index(genre.casefold()) if genre is not None and known else _NO_GENRE

    def raw(self) -> str:
        """The genre as stored, as text for :meth:`restore`."""
        return f"{self._PREFIX}{self._genre}"

    def restore(self, raw: Sequence[str]) -> None:
        """Put back the genre where :meth:`raw`'s text is among these."""
        for text in raw:
            if text.startswith(self._PREFIX):
                self._genre = int(text.removeprefix(self._PREFIX))

    def save(self, file: BinaryIO) -> None:
        """Write it over the last bytes of the file."""
        file.seek(-self.N_BYTES, 2)
        file.write(self._content[:-1] + bytes([self._genre]))
