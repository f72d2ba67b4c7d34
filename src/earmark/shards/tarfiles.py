"""Tar files whose bytes depend on their content alone, written to a temporary file and renamed when complete; and their members
as file objects."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from types import TracebackType

from earmark.core.storage import Store

_BLOCK = tarfile.BLOCKSIZE
_RECORD = tarfile.RECORDSIZE


class TarWriter:
    """A tar file (USTAR) of plain members without times, owners or host names. A context manager.

    Leaving the context without :meth:`finish` leaves nothing behind.

    Args:
        path: of the finished file.

    Attributes:
        size: bytes so far.
        sha256: of the whole file (hex), once it is finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.size = 0
        self.sha256 = ""
        self._digest = hashlib.sha256()
        self._file = self.beside.open("wb")

    def __enter__(self) -> TarWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:  # what is in its buffer does not fit either; the error that led here is the one to report
            if error is None:
                raise
        finally:
            self.beside.unlink(missing_ok=True)

    def add(self, name: str, content: bytes) -> int:
        """Add a member with an ASCII name of at most 100 characters; returns the offset of its content."""
        info = tarfile.TarInfo(name)
        info.size = len(content)
        info.mode = 0o644
        self._write(info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
        offset = self.size
        self._write(content)
        self._write(bytes(-len(content) % _BLOCK))
        return offset

    def finish(self) -> None:
        """Write the end, flush it to the disk, and rename the file."""
        self._write(bytes(2 * _BLOCK))
        self._write(bytes(-self.size % _RECORD))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.beside.replace(self.path)
        self.sha256 = self._digest.hexdigest()

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self.size += len(content)


def member_after(store: Store, name: str, offset: int, size: int) -> bytes:
    """Content of the member that follows the one whose content is at ``offset``. Raises OSError, tarfile.TarError."""
    start = offset + size + -size % _BLOCK
    info = tarfile.TarInfo.frombuf(store.read(name, start, _BLOCK), "ascii", "strict")
    return store.read(name, start + _BLOCK, info.size)


class TarMember(io.RawIOBase):
    """A member of a shard as a file object, of which FFmpeg reads only what it needs."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._offset, self._size, self._at = offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        n_wanted = min(len(buffer), self._size - self._at)
        if n_wanted <= 0:  # a damaged header may point farther than systems can seek
            return 0
        self._file.seek(self._offset + self._at)
        n_read = self._file.readinto(memoryview(buffer)[:n_wanted]) or 0
        self._at += n_read
        return n_read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
