"""`-` among the paths of a command: a list of paths, a playlist, or audio, from stdin."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from earmark.audio.playlist_files import SUFFIXES, begins_playlist, marked_encoding, parse_playlist
from earmark.core.errors import ConfigError, DataError

STDIN = Path("-")

_PEEK_BYTES = 1 << 16
_TRIED_NAMES = 100
_NO_PATHS = {b"\n", b".", b"/"}  # among single letters
_NO_TEXT = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


@contextmanager
def stdin_paths(
    paths: Sequence[Path], on_note: Callable[[Path, str], None]
) -> Iterator[tuple[list[Path], Path | None]]:
    """Paths, with those that stdin lists in the place of ``-``.

    stdin is audio if its first 64 KiB hold control characters other than tabs, line ends and NUL, or are NUL for the
    most part: every audio format has some in its header, and names of files seldom have any. They are a list all the
    same where half of what it names is there. What begins with ``#EXTM3U`` or
    ``[playlist]`` is a playlist, in the current folder. All else is a list of paths: with NUL between them if there is
    one (``find -print0``), else one per line. Text may be UTF-16 or UTF-32, with a byte order mark.

    Args:
        paths: as they were given.
        on_note: called for each playlist in the list, which is left out as in folders: its files are often listed, too;
            and for what is left out of a playlist.

    Yields:
        The paths; and a file with what stdin sent if that is audio, in which case ``-`` stays among the paths. The file
        is there as long as the context is open.

    Raises:
        ConfigError: ``-`` twice, or there is no stdin.
        AudioError: a playlist of millions of files.
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
            text = _read(sys.stdin.buffer, kept)
        except OSError as error:
            raise DataError(f"-: stdin cannot be read and kept in {folder} ({error.strerror or error})") from error
        if text is None:
            yield list(paths), kept
            return
        place = paths.index(STDIN)
        yield [*paths[:place], *_listed(text, on_note), *paths[place + 1 :]], None


def _read(stream: BinaryIO, kept: Path) -> bytes | None:
    """Text that a stream sends, as UTF-8 or bytes of names; None if it is audio, which is then in the file ``kept``."""
    begin = b""
    while len(begin) < _PEEK_BYTES and (block := stream.read(_PEEK_BYTES - len(begin))):
        begin += block
    encoding = marked_encoding(begin) or _unmarked_utf16(begin)
    if not _is_text(begin, encoding):
        with kept.open("wb") as file:
            file.write(begin)
            shutil.copyfileobj(stream, file, 1 << 20)
        return None
    content = begin + stream.read()
    if encoding == "utf-8-sig":
        return content.removeprefix(codecs.BOM_UTF8)
    return content.decode(encoding, "replace").encode() if encoding else content


def _is_text(begin: bytes, encoding: str | None) -> bool:
    """Whether what stdin begins with is text in an encoding, and not audio."""
    if encoding and encoding != "utf-8-sig":
        try:
            begin = codecs.getincrementaldecoder(encoding)().decode(begin).encode()
        except UnicodeError:  # e.g. of MPEG layer I, whose first bytes are a byte order mark
            return False
    names = begin.removesuffix(b"\0").split(b"\0")
    is_plain = not begin or (not _NO_TEXT.search(begin) and 2 * names.count(b"") <= len(names))
    return is_plain or (encoding is None and _names_files(begin))


def _names_files(begin: bytes) -> bool:
    """Whether half of what would be the first paths of a list is there: then it is one, whatever characters they have."""
    separator = b"\0" if b"\0" in begin else b"\n"
    names = begin.split(separator)
    names = names[:-1] if len(begin) == _PEEK_BYTES else names  # the last one is cut off
    names = [name for name in names if name][:_TRIED_NAMES]
    return bool(names) and 2 * sum(map(os.path.lexists, names)) >= len(names)


def _unmarked_utf16(begin: bytes) -> str | None:
    """UTF-16 without a byte order mark. Read as paths with NUL between them, it would be single letters, "/" and "."."""
    names = [name for name in begin.split(b"\0") if name]
    if 2 * sum(len(name) == 1 for name in names) > len(names) > 1 and not _NO_PATHS.isdisjoint(names):
        return "utf-16-be" if begin.startswith(b"\0") else "utf-16-le"
    return None


def _listed(text: bytes, on_note: Callable[[Path, str], None]) -> list[Path]:
    """The files that a playlist, or a list of paths, names."""
    if begins_playlist(text):
        return parse_playlist(text, STDIN, lambda note: on_note(STDIN, note))
    names = text.split(b"\0") if b"\0" in text else [line.removesuffix(b"\r") for line in text.split(b"\n")]
    files = []
    for path in (Path(os.fsdecode(name)) for name in names if name):
        if path.suffix.lower() in SUFFIXES:
            on_note(path, "a playlist in a list of paths: left out")
        else:
            files.append(path)
    return files
