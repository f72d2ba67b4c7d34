"""Where a file's container ends, by the sizes of its outermost parts: behind the end of the file, if that was cut off.

For containers with a length in seconds that says nothing of the sound: of a film, of parts that are added one after the
other (fragments of MP4), or none. Each part is looked at once, without its content.
"""

from __future__ import annotations

import os
from typing import BinaryIO

_MOST_PARTS = 1_000_000
_MP4_PARTS = frozenset(
    [b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx", b"uuid", b"mfra"]
)
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_LONGEST_NUMBER = 8  # bytes


def container_end(file: BinaryIO) -> int | None:
    """The byte after the last part, of MP4, Matroska, AVI and DSDIFF; None of others, and where the size is unknown."""
    file.seek(0)
    head = file.read(16)
    if head[4:8] in _MP4_PARTS:
        return _mp4_end(file)
    if head[:4] == _EBML:
        return _matroska_end(file)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _avi_end(file)
    if head[:4] == b"FRM8":
        return 12 + int.from_bytes(head[4:12])
    return None


def _mp4_end(file: BinaryIO) -> int | None:
    n_bytes, at = file.seek(0, os.SEEK_END), 0
    for _ in range(_MOST_PARTS):
        if at >= n_bytes:
            return at
        file.seek(at)
        head = file.read(16)
        size, least = int.from_bytes(head[:4]), 8
        if size == 1:
            size, least = int.from_bytes(head[8:16]), 16
        if head[4:8] not in _MP4_PARTS or size < least:  # something else behind the file, or it goes on to the end
            return at
        at += size
    return None


def _matroska_end(file: BinaryIO) -> int | None:
    head_bytes = _number(file, 4)
    if head_bytes is None:
        return None
    at = file.tell() + head_bytes
    file.seek(at)
    if file.read(4) != _SEGMENT or (size := _number(file, at + 4)) is None:
        return None
    return file.tell() + size


def _number(file: BinaryIO, at: int) -> int | None:
    """A size of EBML (RFC 8794, section 4); None where it is unknown. The file is left behind it."""
    file.seek(at)
    first = file.read(1)
    if not first or not first[0]:
        return None
    n_bytes = _LONGEST_NUMBER + 1 - first[0].bit_length()
    number = int.from_bytes(first + file.read(n_bytes - 1)) & ((1 << 7 * n_bytes) - 1)
    return None if number == (1 << 7 * n_bytes) - 1 else number


def _avi_end(file: BinaryIO) -> int | None:
    """AVI longer than a gigabyte is in several parts."""
    n_bytes, at = file.seek(0, os.SEEK_END), 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return at
        size = int.from_bytes(head[4:8], "little")
        if not size:
            return None
        at += 8 + size + size % 2
        if at >= n_bytes:
            return at
    return None
