"""Write files atomically: beside their place, and renamed.

Links are followed, a file that is replaced leaves its permissions to the new one, and what is no file (a device, a pipe) is
written to: nothing may come into its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from earmark.core.errors import ConfigError

Content = bytes | memoryview

_NAME_BYTES = 200  # of the temporary name, which has an ending, too; file systems allow 255


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Raise ConfigError where one of these files exists, unless ``force`` (``--force``)."""
    if not force and (there := [path for path in paths if path.exists() and not _is_special(path)]):
        raise ConfigError([f"{path}: is there already; --force replaces it" for path in there])


def write_atomic(path: Path, content: Content) -> None:
    """Write to a temporary file and rename it: ``path`` is the old or the new file, never a part of one."""
    write_together({path: content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write several files of one folder: all are the new ones or, if the disk is full, all the old ones.

    They are renamed only when all are on the disk. A process that is killed between two renames leaves some of each.
    """
    with contextlib.ExitStack() as stack:  # which renames when all are written, in their order
        for path, part in [(path, stack.enter_context(written_beside(path))) for path in reversed(list(contents))]:
            with part.open("wb") as file:
                file.write(contents[path])
                file.flush()
                if part != path:
                    os.fsync(file.fileno())


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which is renamed to ``path`` at the end; after an error it is removed.

    It is ``path`` itself where that is no file.
    """
    if _is_special(path):
        yield path
        return
    place = Path(os.path.realpath(path))
    name = os.fsdecode(os.fsencode(place.name)[:_NAME_BYTES])
    part = place.with_name(f".{name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield part
        if place.is_file():
            with contextlib.suppress(PermissionError):  # of a file system without permissions
                shutil.copymode(place, part)
        part.replace(place)
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """A device, a pipe, a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()


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
