"""`-` among the paths of a command: a list of paths, or audio, from stdin."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from earmark.audio.playlist_files import SUFFIXES
from earmark.core.errors import ConfigError, DataError

STDIN = Path("-")

_PEEK_BYTES = 1 << 16
_NO_TEXT = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BOM = b"\xef\xbb\xbf"


@contextmanager
def stdin_paths(
    paths: Sequence[Path], on_note: Callable[[Path, str], None]
) -> Iterator[tuple[list[Path], Path | None]]:
    """Paths, with those that stdin lists in the place of ``-``.

    stdin is audio if its first 64 KiB hold control characters other than tabs, line ends and NUL: every audio format has
    some in its header, and names of files have none. Otherwise it is a list of paths: with NUL between them if there is
    one (``find -print0``), else one per line.

    Args:
        paths: as they were given.
        on_note: called for each playlist in the list, which is left out as in folders: its files are often listed, too.

    Yields:
        The paths; and a file with what stdin sent if that is audio, in which case ``-`` stays among the paths. The file
        is there as long as the context is open.

    Raises:
        ConfigError: ``-`` twice, or there is no stdin.
        DataError: stdin cannot be read, or not be kept on disk.
    """
    if STDIN not in paths:
        yield list(paths), None
        return
    if paths.count(STDIN) > 1:
        raise ConfigError("-: stdin can be read only once, is named twice")
    if sys.stdin is None:
        raise ConfigError("-: there is no stdin")
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        kept = Path(folder) / "stdin"
        try:
            listed = _read(sys.stdin.buffer, kept)
        except OSError as error:
            raise DataError(f"-: stdin cannot be read and kept in {folder} ({error.strerror or error})") from error
        if listed is None:
            yield list(paths), kept
            return
        place = paths.index(STDIN)
        files = [path for path in listed if path.suffix.lower() not in SUFFIXES]
        for path in listed:
            if path.suffix.lower() in SUFFIXES:
                on_note(path, "a playlist in a list of paths: left out")
        yield [*paths[:place], *files, *paths[place + 1 :]], None


def _read(stream: BinaryIO, kept: Path) -> list[Path] | None:
    """The paths that a stream lists; None if it is audio, which is then in the file ``kept``."""
    begin = b""
    while len(begin) < _PEEK_BYTES and (block := stream.read(_PEEK_BYTES - len(begin))):
        begin += block
    if _NO_TEXT.search(begin):
        with kept.open("wb") as file:
            file.write(begin)
            shutil.copyfileobj(stream, file, 1 << 20)
        return None
    content = begin.removeprefix(_BOM) + stream.read()
    if b"\0" in content:
        names = content.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [Path(os.fsdecode(name)) for name in names if name]
