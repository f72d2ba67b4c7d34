"""The temporary folder for uploads, which is removed when the service ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from earmark.core.errors import ConfigError, DataError
from earmark.library.index.writer_lock import WriterLock

_PREFIX = "earmark-serve-"
_YOUNG_SECONDS = 60  # a folder that another service has just made may not be locked yet


class Scratch:
    """A folder that only this user can read. Folders that killed services left behind are removed first.

    Args:
        parent: where to make it; None for the system's temporary folder.

    Raises:
        ConfigError: nothing can be written there.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = Path(tempfile.gettempdir()) if parent is None else parent
        _remove_leftovers(self._parent)
        self._make()

    def _make(self) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            self._lock = WriterLock(self.folder / "service")
            self._lock.take()
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"{self._parent}: uploads cannot be written there ({reason})") from error

    def request_folder(self) -> Path:
        """A new folder for one request. Raises ConfigError as the class does."""
        try:
            return Path(tempfile.mkdtemp(dir=self.folder))
        except FileNotFoundError:  # removed by a cleanup of old temporary files, after days without a request
            self._lock.release()
            self._make()
            return Path(tempfile.mkdtemp(dir=self.folder))

    def close(self) -> None:
        """Remove it with its content."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_leftovers(place: Path) -> None:
    """Remove folders of services that are no longer alive: their lock is free."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            if time.time() - folder.stat().st_ctime < _YOUNG_SECONDS:
                continue
            lock = WriterLock(folder / "service")
            lock.take()
        except (OSError, DataError):  # alive, or somebody else's
            continue
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
