"""The index kept in step with files that we write to ourselves, so that no scan is needed to see what was written.

The audio is as it was, so scores and embeddings hold; size, time of change and metadata are those of the new file.
A process that is killed between the two leaves a file that the next scan finds to be changed, as after any other
program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from earmark.core.errors import DataError
from earmark.library.index.recorder import signed_inode
from earmark.library.index.track_index import Index
from earmark.library.tagfiles.write import Written

_REWRITTEN = (
    "UPDATE files SET size = ?, mtime_ns = ?, inode = ?, title = ?, artist = ?, album = ?, genre = ?, last_seen = ? "
    "WHERE path = ?"
)


class OwnWrites:
    """Tells an index what was written into files. A context manager; it is the index's one writer meanwhile.

    Where the index cannot be written to (a scan is running, say), files are written all the same, and the next scan
    finds them: that is told once.

    Args:
        path: the index; nothing is done where there is none.
        tell: told why the index stays as it is.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path, self._tell = path, tell
        self._index: Index | None = None

    def __enter__(self) -> OwnWrites:
        if self._path.exists():
            try:
                self._index = Index.open(self._path, write=True)
            except DataError as error:
                self._give_up(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def wrote(self, written: Written) -> None:
        """Note a file as it is now, under every name by which the index knows it."""
        if self._index is None:
            return
        content, status = written.content, written.status
        now = (status.st_size, status.st_mtime_ns, signed_inode(status.st_ino))
        labels = (content.title, content.artist, content.album, content.genre)
        try:
            known = self._index.execute("SELECT path FROM files WHERE content_key = ?", (content.key,)).fetchall()
            # Links lead to the file, too. Copies of the audio in other files are as they were.
            names = [path for (path,) in known if Path(os.path.realpath(os.fsdecode(path))) == written.path]
            with self._index.transaction():
                self._index.executemany(_REWRITTEN, ((*now, *labels, time.time(), name) for name in names))
        except DataError as error:
            self._give_up(error)

    def _give_up(self, error: DataError) -> None:
        self._close()
        self._tell(f"{error}; what is written into files shows in searches after the next scan")

    def _close(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            index.close()
