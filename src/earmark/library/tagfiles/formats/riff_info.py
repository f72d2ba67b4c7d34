"""The LIST INFO chunk of a WAV, in which FFmpeg and most audio editors keep title, artist and genre.

One genre is kept in it, as ``IGNR``; all other fields stay byte for byte.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import BinaryIO

from earmark.library.tagfiles.formats.base import TagsError, size_of

_BLOCK_BYTES = 1 << 20
_CHUNK_HEADER_BYTES = 8
_UNKNOWN_BYTES = 0x7FFFF000
"""Programs that write into a pipe declare sizes of 0, or from here up: SoX this one, FFmpeg 0xFFFFFFFF."""


def riff_chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and end of every chunk of a RIFF or IFF file; ``order`` is "little" or "big"."""
    end = size_of(file)
    place = 12
    while place + _CHUNK_HEADER_BYTES <= end:
        file.seek(place)
        name, size = file.read(4), int.from_bytes(file.read(4), order)  # type: ignore[arg-type]
        yield name, place + _CHUNK_HEADER_BYTES, min(place + _CHUNK_HEADER_BYTES + size, end)
        place += _CHUNK_HEADER_BYTES + size + size % 2


def check_writable(file: BinaryIO) -> None:
    """Raises TagsError, with the reason, for a WAV or AIFF to which no chunk can be added."""
    file.seek(0)
    magic, declared = file.read(4), file.read(4)
    if magic in (b"RF64", b"BW64"):
        raise TagsError(
            f"tags are not written into {magic.decode()} (WAV with 64-bit sizes), only into WAV up to 4 GB: "
            "convert it to FLAC, or to WAV if it is small enough"
        )
    if magic not in (b"RIFF", b"FORM"):
        shown = magic.decode("latin-1")
        raise TagsError(f"tags are not written into this kind of WAV ({shown!r} at its beginning, not 'RIFF')")
    order = "little" if magic == b"RIFF" else "big"
    file_end = size_of(file)
    sizes = [int.from_bytes(declared, order)]  # type: ignore[arg-type]
    for name, start, _ in riff_chunks(file, order):
        if name in (b"data", b"SSND"):
            file.seek(start - 4)
            sizes.append(int.from_bytes(file.read(4), order))  # type: ignore[arg-type]
            if sizes[-1] and start + sizes[-1] <= file_end:
                sizes.pop()
            break
    # FFmpeg opens such a WAV, but not every such AIFF.
    cure = ", e.g. `ffmpeg -i IN.wav -c copy OUT.wav`" if magic == b"RIFF" else ", by the program that made it"
    if any(size == 0 or (size >= _UNKNOWN_BYTES and size > file_end) for size in sizes):
        raise TagsError(
            "its header does not give its length, because it was written into a pipe, so no tags can be added: "
            f"write it again with its length{cure}"
        )
    if len(sizes) > 1:
        raise TagsError(f"it is cut off: its header declares {sizes[1]:,} bytes of audio, which go beyond its end")


class InfoList:
    """The INFO list of a WAV: read, changed in memory, and saved.

    Args:
        start: first byte of the chunk's content, after its size.
        content: from ``INFO`` to its end.

    Raises:
        ValueError: it is damaged.
    """

    def __init__(self, start: int, content: bytes) -> None:
        self.start = start
        self._saved = content
        self._entries = _parse(content)

    @classmethod
    def read(cls, file: BinaryIO) -> InfoList | None:
        """The INFO list of a WAV, of several the last, whose genre FFmpeg shows. None where there is none.

        Raises:
            ValueError: it is damaged.
        """
        found: InfoList | None = None
        for name, start, end in riff_chunks(file, "little"):
            if name != b"LIST" or end - start < 4:
                continue
            file.seek(start - 4)
            size, kind = int.from_bytes(file.read(4), "little"), file.read(4)
            if kind != b"INFO":
                continue
            if start + size != end:
                raise ValueError("the INFO list is cut off")
            found = cls(start, kind + file.read(size - 4))
        return found

    def _genres(self) -> list[bytes]:
        return [entry for entry in self._entries if entry.startswith(b"IGNR")]

    def genres(self) -> list[str]:
        """The genre as text, UTF-8 or Latin-1; empty where there is none."""
        texts = [entry[_CHUNK_HEADER_BYTES:].split(b"\0")[0] for entry in self._genres()]
        return [shown for text in texts if (shown := _decoded(text).strip())]

    def raw(self) -> str:
        """The whole list as stored, as text for :meth:`restore`."""
        return "info:" + base64.b64encode(self._content()).decode()

    def set_genre(self, genre: str | None) -> None:
        """Replace the genre; None removes it."""
        others = self.others()
        where = next((k for k, entry in enumerate(self._entries) if entry.startswith(b"IGNR")), len(others))
        new = []
        if genre is not None:
            text = genre.encode() + b"\0"
            new = [b"IGNR" + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)]
        self._entries = [*others[:where], *new, *others[where:]]

    def restore(self, raw: str) -> None:
        """Put back the genre of what :meth:`raw` gave, and the whole list where no other field was changed since."""
        old = _parse(base64.b64decode(raw.removeprefix("info:")))
        if [_padded(entry) for entry in old if not entry.startswith(b"IGNR")] == self.others():
            self._entries = old
            return
        entries = self.others()
        for k, entry in enumerate(old):
            if entry.startswith(b"IGNR"):
                entries.insert(min(k, len(entries)), _padded(entry))
        self._entries = entries

    def others(self) -> list[bytes]:
        """All fields but the genre."""
        return [_padded(entry) for entry in self._entries if not entry.startswith(b"IGNR")]

    def save(self, file: BinaryIO) -> None:
        """Write to the file that the list was read from, or to a copy of it, in which chunks may have moved since."""
        new = self._content()
        if new == self._saved:
            return
        now = InfoList.read(file)
        assert now is not None
        old_end = min(now.start + len(self._saved) + len(self._saved) % 2, size_of(file))
        _replace(file, now.start, old_end, new + b"\0" * (len(new) % 2))
        file.seek(now.start - 4)
        file.write(len(new).to_bytes(4, "little"))
        file.seek(4)
        riff_bytes = int.from_bytes(file.read(4), "little") + len(new) + len(new) % 2 - (old_end - now.start)
        file.seek(4)
        file.write(riff_bytes.to_bytes(4, "little"))
        self._saved = new

    def _content(self) -> bytes:
        return b"INFO" + b"".join(self._entries)


def _parse(content: bytes) -> list[bytes]:
    """The fields of a list, each with its header and padding, which the last may lack. Raises ValueError."""
    entries, place = [], 4
    while place < len(content):
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        end = place + _CHUNK_HEADER_BYTES + size
        if end > len(content) or not name.isascii() or not name.decode().isprintable():
            raise ValueError("the INFO list is damaged")
        entries.append(content[place : end + size % 2])
        place = end + size % 2
    return entries


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _padded(entry: bytes) -> bytes:
    return entry + b"\0" * (len(entry) % 2)


def _replace(file: BinaryIO, start: int, end: int, content: bytes) -> None:
    """Replace the bytes ``start`` to ``end`` of a file; what follows moves, block by block."""
    file_end, shift = size_of(file), len(content) - (end - start)
    places = list(range(end, file_end, _BLOCK_BYTES)) if shift else []
    for place in reversed(places) if shift > 0 else places:
        file.seek(place)
        block = file.read(min(_BLOCK_BYTES, file_end - place))
        file.seek(place + shift)
        file.write(block)
    file.seek(start)
    file.write(content)
    file.truncate(file_end + shift)
