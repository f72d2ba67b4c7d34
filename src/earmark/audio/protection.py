"""Is a file encrypted (DRM)? FFmpeg's decoders only fail at such a file, at one packet after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from earmark.audio.chunks import Opener
from earmark.core.audio_formats import ASF_HEADER

_PROTECTED_ENTRIES = frozenset([b"drms", b"drmi", b"enca", b"aavd"])
"""Sample entries of MP4: FairPlay, Common Encryption (ISO/IEC 23001-7), Audible."""

_MP4_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_MOST_BOXES = 10_000

_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),  # content encryption
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),  # extended content encryption
    bytes.fromhex("338505438169e6499b74ad12cb86d58c"),  # advanced content encryption
)
_MOST_ASF_HEADER_BYTES = 16 * 2**20


def is_protected(opener: Opener, container: str, stream_index: int) -> bool:
    """Does an MP4 or WMA file say that a stream is encrypted?

    Args:
        opener: the file.
        container: FFmpeg's name of the container format.
        stream_index: index of the stream in the file.
    """
    names = container.split(",")
    if "mov" in names:
        with opener() as file:
            return next(islice(_sample_entries(file), stream_index, None), None) in _PROTECTED_ENTRIES
    if "asf" in names:
        with opener() as file:
            head = file.read(24)
            if head[:16] != ASF_HEADER:
                return False
            objects = file.read(min(int.from_bytes(head[16:24], "little"), _MOST_ASF_HEADER_BYTES))
            return any(guid in objects for guid in _ASF_ENCRYPTION)
    return False


def _sample_entries(file: BinaryIO) -> Iterator[bytes]:
    """The format of each track, in the order of FFmpeg's streams."""
    for start, _ in _boxes(file, 0, file.seek(0, os.SEEK_END), _MP4_PATH):
        file.seek(start + 12)  # version, number of entries, size of the first
        yield file.read(4)


def _boxes(file: BinaryIO, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """Start and end of the content of the boxes at a path."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:  # also of a damaged size: systems refuse to seek to places that no file can have
            return
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        size, head_bytes = int.from_bytes(head[:4]), 8
        if size == 1:
            size, head_bytes = int.from_bytes(head[8:16]), 16
        elif size == 0:
            size = end - start
        if size < head_bytes:
            return
        if head[4:8] == path[0]:
            content = (start + head_bytes, min(end, start + size))
            yield from _boxes(file, *content, path[1:]) if len(path) > 1 else [content]
        start += size
