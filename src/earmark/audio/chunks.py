"""Sizes in the headers of formats made of chunks (WAV, RF64, Wave64, AIFF, CAF, ASF) and of AU.

A program that writes into a pipe cannot go back to its header, and leaves a size there that means "unknown":
:func:`is_unknown` decides which do. FFmpeg reads some such files to their end; for the others
:func:`earmark.audio.header_patches.header_patches` gives the bytes to change, and :class:`PatchedFile` shows them to FFmpeg.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, Literal, NamedTuple

from earmark.audio.container_end import container_end
from earmark.core.audio_formats import ASF_HEADER

Opener = Callable[[], BinaryIO]
"""Opens the file again, on disk or in memory."""

TOLERANCE_SECONDS = 0.5
"""Declared and decoded length may differ by this much: encoder delay, rounding, stale headers."""

_STREAMED_BYTES = (0x7F00_0000, 2**31, 2**32, 2**63, 2**64)
"""Sizes near these are written by programs that do not know the size: SoX's for AIFF, and what a field can hold."""

STREAMED_MARGIN_BYTES = 65_536  # rounded down to whole blocks (SoX: 4 KiB), with the header added or subtracted
_MOST_CHUNKS = 10_000

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
_W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA_HEAD_BYTES = 50


def is_unknown(n_bytes: int) -> bool:
    """Does a size in a header mean that the writer did not know it?

    These do: nothing, and numbers within 64 KiB of the largest one that a signed or unsigned field holds (SoX, arecord,
    FFmpeg, Android's oboe), or of the one that SoX writes into AIFF. A file that has such a size by chance is only not
    checked.

    >>> [is_unknown(size) for size in (0, 0x7FFFF000, 2**31 - 1, 0xFFFFFFF0, 44_100, 3 * 2**30)]
    [True, True, True, True, False, False]
    """
    return n_bytes == 0 or any(abs(n_bytes - size) <= STREAMED_MARGIN_BYTES for size in _STREAMED_BYTES)


class Field(NamedTuple):
    """A size in a header: its position, width and byte order, and what it counts beside the content of its chunk."""

    at: int
    n_bytes: int
    order: Literal["little", "big"]
    value: int
    extra: int = 0

    def patched(self, content_bytes: int) -> tuple[int, bytes]:
        """Its position, and the bytes that say that there is so much."""
        value = max(0, min(content_bytes + self.extra, 256**self.n_bytes // 2 - 2))
        return self.at, value.to_bytes(self.n_bytes, self.order)


class Header(NamedTuple):
    """What the header says: where the sound begins, and the sizes of the sound and of the whole file.

    Attributes:
        kind: its first four bytes; "asf" for ASF.
        start: position of the first byte of sound.
        sound, whole: the sizes; none of the whole where it is not checked.
        samples: how many samples there are, where FFmpeg reads it.
        format_at: position of what describes the samples: the content of "fmt ", "COMM" or "desc"; 0 where there is none.
    """

    kind: bytes
    start: int
    sound: Field
    whole: Field | None = None
    samples: Field | None = None
    format_at: int = 0

    @property
    def sound_bytes(self) -> int | None:
        """Size of the sound; None where it is unknown."""
        content = self.sound.value - self.sound.extra
        return None if is_unknown(self.sound.value) or content <= 0 else content

    @property
    def file_bytes(self) -> int | None:
        """Size of the file; None where it is unknown or not checked."""
        if self.whole is None or is_unknown(self.whole.value):
            return None
        return self.whole.value - self.whole.extra


def shortfall(opener: Opener, decoded_seconds: float) -> str | None:
    """Why a file is known to be cut off, by the sizes in its header; None where it is not.

    Args:
        opener: the file.
        decoded_seconds: length that came out.
    """
    with opener() as file:
        header, end = read_header(file), container_end(file)
        n_bytes = file.seek(0, os.SEEK_END)
    if end is not None and n_bytes < end - 1 and not is_unknown(end):
        return f"truncated: {n_bytes} bytes of the {end} that it declares"
    if header is None:
        return None
    if header.file_bytes is not None and header.kind != b"FORM" and n_bytes < header.file_bytes - 1:
        return f"truncated: {n_bytes} bytes of the {header.file_bytes} that its header declares"
    if header.sound_bytes is not None:
        present = n_bytes - header.start
        missing = header.sound_bytes - present
        if missing > 0 and missing * decoded_seconds > TOLERANCE_SECONDS * present:
            return f"truncated: {n_bytes} bytes of the {header.start + header.sound_bytes} that its header declares"
    return None


def read_header(file: BinaryIO) -> Header | None:
    """The header of a file in one of these formats; None for others, and where it has no sound."""
    file.seek(0)
    head = file.read(40)
    if head[:4] == b".snd" and len(head) >= 24:
        return Header(b".snd", int.from_bytes(head[4:8]), Field(8, 4, "big", int.from_bytes(head[8:12])))
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _wave(file, head)
    if head[:16] == _W64_RIFF:
        return _wave64(file, head)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        whole = Field(4, 4, "big", int.from_bytes(head[4:8]), -8)
        samples = None
        for name, field, start in _chunks(file, 12, 4, 4, "big", align=2):
            if name == b"COMM":
                file.seek(start + 2)
                samples = Field(start + 2, 4, "big", int.from_bytes(file.read(4)))
            elif name == b"SSND":  # after an offset and a block size, 4 bytes each
                return Header(b"FORM", start + 8, Field(field.at, 4, "big", field.value, 8), whole, samples)
    if head[:16] == ASF_HEADER:  # with all streams in it, also those of pictures
        for name, field, start in _chunks(file, 0, 16, 8, "little", align=1):
            if name == _ASF_DATA:
                sound = Field(field.at, 8, "little", field.value, _ASF_DATA_HEAD_BYTES)
                return Header(b"asf", start - 24 + _ASF_DATA_HEAD_BYTES, sound)
    if head[:4] == b"caff":
        format_at = 0
        for name, field, start in _chunks(file, 8, 4, 8, "big", align=1):
            if name == b"desc":
                format_at = start
            elif name == b"data":  # after a count of edits
                sound = Field(field.at, 8, "big", field.value, 4)
                return Header(b"caff", start + 4, sound, format_at=format_at)
    return None


def _wave(file: BinaryIO, head: bytes) -> Header | None:
    kind = head[:4]
    whole = Field(4, 4, "little", int.from_bytes(head[4:8], "little"), -8)
    long_sound = samples = None
    format_at = 0
    for name, field, start in _chunks(file, 12, 4, 4, "little", align=2):
        if name == b"ds64" and kind in (b"RF64", b"BW64"):
            file.seek(start)
            sizes = file.read(24)
            whole = Field(start, 8, "little", int.from_bytes(sizes[:8], "little"), -8)
            long_sound = Field(start + 8, 8, "little", int.from_bytes(sizes[8:16], "little"))
            samples = Field(start + 16, 8, "little", int.from_bytes(sizes[16:], "little"))
        elif name == b"fmt ":
            format_at = start
        elif name == b"data":
            return Header(kind, start, long_sound or field, whole, samples, format_at)
    return None


def _wave64(file: BinaryIO, head: bytes) -> Header | None:
    whole = Field(16, 8, "little", int.from_bytes(head[16:24], "little"))
    format_at = 0
    for name, field, start in _chunks(file, 40, 16, 8, "little", align=8):
        if name == b"fmt " + _W64_TAIL:
            format_at = start
        elif name == b"data" + _W64_TAIL:
            sound = Field(field.at, 8, "little", field.value, 24)
            return Header(b"riff", start, sound, whole, format_at=format_at)
    return None


def _chunks(
    file: BinaryIO, at: int, name_bytes: int, size_bytes: int, order: Literal["little", "big"], *, align: int
) -> Iterator[tuple[bytes, Field, int]]:
    """Name, size and start of the content of each chunk. Sizes of 8 bytes beside names of 16 count the chunk's head."""
    head_bytes = name_bytes + size_bytes
    n_bytes = file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if at + head_bytes > n_bytes:  # of a damaged size; systems refuse to seek to places that no file can have
            return
        file.seek(at)
        head = file.read(head_bytes)
        size = int.from_bytes(head[name_bytes:], order)
        yield head[:name_bytes], Field(at + name_bytes, size_bytes, order, size), at + head_bytes
        content = size - head_bytes if name_bytes == 16 else size
        if content < 0:
            return
        at += head_bytes + content + -content % align


class PatchedFile(io.RawIOBase):
    """A file opened for reading of which some bytes are shown changed, or only a part.

    Args:
        file: the file; closed with this object.
        patches: positions and the bytes there.
        start: first byte to show.
        end: where to stop; None for the end of the file.
        name: FFmpeg uses its ending.
    """

    def __init__(
        self,
        file: BinaryIO,
        patches: list[tuple[int, bytes]] | None = None,
        *,
        start: int = 0,
        end: int | None = None,
        name: str = "audio",
    ) -> None:
        self._file, self._patches, self.name = file, patches or [], name
        self._start, self._end = start, file.seek(0, os.SEEK_END) if end is None else end
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position from the first byte shown."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end - self._start}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """As of any file."""
        place = self._start + self._at
        if place >= self._end:  # FFmpeg goes where a damaged header points to, farther than systems can seek
            return 0
        self._file.seek(place)
        content = bytearray(self._file.read(min(len(buffer), self._end - place)))
        for at, new in self._patches:
            for number, byte in enumerate(new, at - place):
                if 0 <= number < len(content):
                    content[number] = byte
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()
