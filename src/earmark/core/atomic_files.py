"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

Content = bytes | memoryview


def write_atomic(path: Path, content: Content) -> None:
    """Write beside and rename: the file at ``path`` is the old one or the new one, never half of it."""
    write_together({path: content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write several files of one folder: all of them are the new ones, or, where the disk is full, all the old ones.

    They are renamed only when all are on the disk. A process that is killed just between two renames leaves some of
    either kind.
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part") for path in contents}
    try:
        for path, content in contents.items():
            with beside[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, part in beside.items():
            part.replace(path)
    finally:
        for part in beside.values():
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, older_than_seconds: float = 0.0) -> None:
    """Remove what killed processes had begun to write into a folder.

    Where other processes may be writing at the same time, only what is old enough to be left over for sure.
    """
    for part in folder.glob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime >= older_than_seconds:
                part.unlink()
        except OSError:  # another process was faster, or it is not ours to remove: it disturbs nobody
            continue
