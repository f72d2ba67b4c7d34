"""What is around the sound of a file and no part of it: zeros, and tags.

Downloads that were not finished, copies from damaged disks and recorders leave zeros at the ends of files. FFmpeg collects
bytes without a frame in memory, as many as there are, or ends with an error (AAC, WavPack).
"""

from __future__ import annotations

import os
from typing import BinaryIO

from earmark.audio.ape_tag import id3v2_bytes, tags_start
from earmark.core.audio_formats import find_format

MANY_ZEROS = 65_536
"""No format begins with so many, and no frame ends in so many."""

_LAST_FRAME_BYTES = 4_096  # so many zeros may belong to the last frame
_READ_BYTES = 1_048_576


def zeros_in_front(file: BinaryIO, at: int = 0) -> int:
    """How many zeros there are from a position on, less those that MP4 and MPEG begin with."""
    file.seek(at)
    n_zeros, block = 0, file.read(16)
    while block:
        rest = len(block.lstrip(b"\0"))
        n_zeros += len(block) - rest
        if rest:
            break
        block = file.read(_READ_BYTES)
    file.seek(at + n_zeros)
    head = file.read(8)
    place = 2 if head.startswith(b"\1\xba") else 4 - head.find(b"ftyp") if b"ftyp" in head[:7] else 0
    return max(0, n_zeros - place)


def bytes_in_front(file: BinaryIO) -> int:
    """How many bytes of ID3v2 tags and zeros a file begins with.

    >>> import io
    >>> bytes_in_front(io.BytesIO(bytes(9) + b"ID3\\4\\0\\0" b"\\0\\0\\0\\2" + bytes(2) + bytes(100) + b"RIFF"))
    121
    """
    n_bytes, before = 0, -1
    while n_bytes > before:
        before = n_bytes
        n_bytes += zeros_in_front(file, n_bytes)
        n_bytes += id3v2_bytes(file, n_bytes)
    return n_bytes


def sound_end(file: BinaryIO, container: str) -> int | None:
    """Where the sound ends at the latest, of formats in which FFmpeg must not read what is behind it; None for the file's end.

    Args:
        file: the file.
        container: FFmpeg's name of it.
    """
    form = find_format(container)
    if form is None or not (form.made_of_frames or form.tags_as_sound):
        return None
    n_bytes = file.seek(0, os.SEEK_END)
    end = _zeros_start(file, n_bytes)
    if form.tags_as_sound:
        end = min(end, tags_start(file, container) or end)
    return end if 0 < end < n_bytes else None


def _zeros_start(file: BinaryIO, end: int) -> int:
    """Where many zeros begin at the end of a file, less what may belong to the last frame; else the end."""
    at = end
    size = 16
    while at > 0:
        start = max(0, at - size)
        file.seek(start)
        rest = len(file.read(at - start).rstrip(b"\0"))
        at = start + rest
        if rest:
            break
        size = _READ_BYTES
    return end if end - at < MANY_ZEROS else at + _LAST_FRAME_BYTES
