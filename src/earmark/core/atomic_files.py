"""Write files atomically."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from earmark.core.errors import ConfigError

Content = bytes | memoryview


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Raise ConfigError where one of these files exists, unless ``force`` (``--force``)."""
    if not force and (there := [path for path in paths if path.exists()]):
        raise ConfigError([f"{path}: is there already; --force replaces it" for path in there])


def write_atomic(path: Path, content: Content) -> None:
    """Write to a temporary file and rename it: ``path`` is the old or the new file, never a part of one."""
    write_together({path: content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write several files of one folder: all are the new ones or, if the disk is full, all the old ones.

    They are renamed only when all are on the disk. A process that is killed between two renames leaves some of each.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part") for path in contents}
    try:
        for path, content in contents.items():
            with temporary[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, part in temporary.items():
            part.replace(path)
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, older_than_seconds: float = 0.0) -> None:
    """Remove temporary files that killed processes left in a folder.

    With ``older_than_seconds``, files that other processes may be writing at this moment are kept.
    """
    for part in folder.glob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime >= older_than_seconds:
                part.unlink()
        except OSError:  # removed by another process, or not permitted: harmless
            continue
