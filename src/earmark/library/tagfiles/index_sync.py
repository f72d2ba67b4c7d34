"""Keep the index in step with files that earmark itself writes to, so that no scan is needed to find what was written.

The audio is unchanged, so scores and embeddings stay valid; size, time of change and metadata are updated. If the process
is killed between the two, the next scan finds a changed file, as after any other program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from earmark.core.errors import DataError
from earmark.library.index.track_index import Index, signed_inode
from earmark.library.tagfiles.write import Written

_CHANGED = "UPDATE files SET mtime_ns = -1 WHERE path = ?"
_REWRITTEN = (
    "UPDATE files SET size = ?, mtime_ns = ?, inode = ?, title = ?, artist = ?, album = ?, genre = ?, last_seen = ? "
    "WHERE path = ?"
)


class IndexSync:
    """Records in an index what was written into files. A context manager; it is the only writer of the index meanwhile.

    Where the index cannot be written to (a scan is running, say), files are written all the same, and the next scan
    finds them: that is reported once.

    Args:
        path: the index; nothing is done where there is none.
        on_note: called with the reason why the index is not updated.
    """

    def __init__(self, path: Path, on_note: Callable[[str], None]) -> None:
        self._path, self._on_note = path, on_note
        self._index: Index | None = None

    def __enter__(self) -> IndexSync:
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

    def record(self, written: Written) -> None:
        """Record a file as it is now, under every name that it has in the index."""
        if self._index is None:
            return
        content, status = written.content, written.status
        now = (status.st_size, status.st_mtime_ns, signed_inode(status.st_ino))
        labels = (content.title, content.artist, content.album, content.genre)
        try:
            known = self._index.execute("SELECT path FROM files WHERE content_key = ?", (content.key,)).fetchall()
            # Links to the file are updated, too. Other files with the same audio are not.
            names = [path for (path,) in known if Path(os.path.realpath(os.fsdecode(path))) == written.path]
            with self._index.transaction():
                self._index.executemany(_REWRITTEN, ((*now, *labels, time.time(), name) for name in names))
        except DataError as error:
            self._give_up(error)

    def mark_changed(self, path: Path) -> None:
        """Let the next scan read a file again, though it has the length and time that the index knows."""
        if self._index is not None:
            try:
                self._index.execute(_CHANGED, (os.fsencode(path),))
            except DataError as error:
                self._give_up(error)

    def _give_up(self, error: DataError) -> None:
        self._close()
        self._on_note(f"{error}; what is written into files shows in searches after the next scan")

    def _close(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            index.close()
