"""What ID3 tags are made of, and what stands beside them in a file: numbers, genres, APEv2, chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.id3 import TCON
from mutagen.id3._util import unsynch

from earmark.library.tagfiles.fields import Field
from earmark.library.tagfiles.formats.base import Values, size_of

GENRES = tuple(TCON.GENRES)
"""Names of the genres that ID3v1 has numbers for."""

NO_GENRE = 255
"""ID3v1's number for none of them."""


class Header:
    """What mutagen's frames ask of the tag that they stand in. Frames are repaired, so no flag is set."""

    _V24, _V23, _V22 = (2, 4, 0), (2, 3, 0), (2, 2, 0)
    f_unsynch = False

    def __init__(self, major: int) -> None:
        self.version = (2, major, 0)


def synchsafe(number: int) -> bytes:
    """Four times seven bits."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def synchronised(data: bytes) -> bytes:
    """Without the zeros that were put behind every 255; as it is where they lack, which some programs forget."""
    try:
        decoded: bytes = unsynch.decode(data)
    except ValueError:
        return data
    return decoded


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


def ape_of(file: BinaryIO) -> dict[Field, Values] | None:
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


def chunks(file: BinaryIO, order: Any) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and end of every chunk of a RIFF or IFF file."""
    end = size_of(file)
    place = 12
    while place + 8 <= end:
        file.seek(place)
        name, size = file.read(4), int.from_bytes(file.read(4), order)
        yield name, place + 8, min(place + 8 + size, end)
        place += 8 + size + size % 2
