"""Pieces of a file, read as the whole."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path


class JoinedFiles(io.RawIOBase):
    """Files one behind the other, as one.

    Args:
        paths: of the files, the first first.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._starts = [0, *itertools.accumulate(path.stat().st_size for path in paths)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = base + offset
        if self._position < 0:
            raise OSError(f"negative position {self._position}")  # of what is too short to be an archive
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        for file, start, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if start <= self._position < end:
                file.seek(self._position - start)
                n = file.readinto(memoryview(buffer)[: end - self._position])
                self._position += n
                return n
        return 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
