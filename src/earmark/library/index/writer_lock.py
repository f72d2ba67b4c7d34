"""One writer at a time: a lock file beside the index, held by the operating system for as long as the process lives.

The system releases it however the process ends, so nothing has to be cleaned up after a crash.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

from earmark.core.errors import DataError, IndexInUseError

_LOCKED_BYTE = 1 << 30  # far behind the process id: on Windows nobody else can read a byte that is locked


class WriterLock:
    """Held from :meth:`take` to :meth:`release`. The file stays: deleting it could let two writers in.

    Args:
        index: the index; the lock file has its name and ``.lock`` at the end.
    """

    def __init__(self, index: Path) -> None:
        self.index = index
        self.path = index.with_name(f"{index.name}.lock")
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lock. Raises IndexInUseError, with the process id, where somebody holds it; DataError where nobody can."""
        try:
            self._file = self._locked()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written to and locked ({error.strerror or error})") from error

    def _locked(self) -> IO[bytes]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self.path.open("r+b" if self.path.exists() else "w+b", buffering=0))
            if not _try_lock(file):
                owner = (file.read(32) or b"").decode("ascii", "replace").strip() or "unknown"
                raise IndexInUseError(
                    f"{self.index}: another earmark (process {owner}) is writing to this index: wait until it has "
                    "finished, or stop it; searching works meanwhile"
                )
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()}\n".encode())
            stack.pop_all()  # it stays open
        return file

    def release(self) -> None:
        """Let go; nothing happens where the lock is not held."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()  # the system unlocks what is closed


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
