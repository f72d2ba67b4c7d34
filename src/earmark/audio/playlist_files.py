"""Read the files that a playlist names: M3U, M3U8 and PLS."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from earmark.core.errors import AudioError

SUFFIXES = (".m3u", ".m3u8", ".pls")
_UNREAD = (".xspf", ".wpl", ".zpl", ".asx", ".wax", ".wvx", ".b4s", ".cue")
"""Endings of other files that name files, and hold no audio themselves."""

_MOST_BYTES = 1 << 26
_MOST_ENTRIES = 1_000_000
_ADDRESS = re.compile(rb"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_FILE_URL = re.compile(rb"file:(?://[^/]*)?(/.*)", re.IGNORECASE)
_PLS_FILE = re.compile(r"\s*file(\d+)\s*=(.*)", re.IGNORECASE)
_PLS_BEGIN = re.compile(rb"\s*\[playlist\]", re.IGNORECASE)
_M3U_BEGIN = re.compile(rb"\s*#EXTM3U\b", re.IGNORECASE)
_BYTE_ORDER_MARKS = {  # that of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def expand_playlists(
    paths: Iterable[str | Path], on_note: Callable[[Path, str], None]
) -> Iterator[tuple[Path, AudioError | None]]:
    """Paths as they are, with the files of a playlist in its place.

    Args:
        paths: files, folders and playlists.
        on_note: called with a playlist and why one of its entries is left out.

    Yields:
        Each path, with an error where it is a playlist that cannot be read.
    """
    for name in paths:
        path = Path(name)
        if path.suffix.lower() in _UNREAD and os.path.isfile(path):  # noqa: PTH113  never raises
            yield path, AudioError(_why_unread(path), path)
            continue
        if path.suffix.lower() not in SUFFIXES or os.path.isdir(path):  # noqa: PTH112  never raises
            yield path, None
            continue
        try:
            for entry in read_playlist(path, lambda text, path=path: on_note(path, text)):  # type: ignore[misc]
                yield entry, None
        except AudioError as error:
            yield path, error


def read_playlist(path: Path, on_note: Callable[[str], None]) -> list[Path]:
    """The files that a playlist names, in its order, whether they exist or not.

    Relative paths begin at the playlist's folder; ``file://`` URLs are paths. Text is UTF-8, or UTF-16 with a byte order
    mark, or else Latin-1. Entries as other systems write them, with backslashes or ``%20``, are found where the entry as
    it is written names no file.

    Args:
        path: the playlist.
        on_note: called for each address and each playlist among the entries, which are left out.

    Raises:
        AudioError: it cannot be read, or is no playlist.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise AudioError(reason, path) from error
    return parse_playlist(content, path, on_note)


def parse_playlist(content: bytes, path: Path, on_note: Callable[[str], None]) -> list[Path]:
    """The files that a playlist's content names; as :func:`read_playlist`.

    Args:
        content: of the playlist.
        path: the playlist, beside which relative paths begin.
        on_note: as there.

    Raises:
        AudioError: it is no playlist.

    Example:
        >>> parse_playlist(b"#EXTM3U\\nalbum/song.mp3\\n", Path("list.m3u"), print)[0].as_posix()
        'album/song.mp3'
    """
    if len(content) > _MOST_BYTES:
        raise AudioError(f"is no playlist: more than {_MOST_BYTES >> 20} MB", path)
    if (encoding := marked_encoding(content)) == "utf-8-sig":
        content = content.removeprefix(codecs.BOM_UTF8)  # the rest may be Latin-1
    elif encoding:
        content = content.decode(encoding, "replace").encode()
    if b"\0" in content:
        raise AudioError("is no playlist: it holds zero bytes", path)
    lines = [line for line in re.split(rb"[\r\n]+", content) if line.strip()]
    is_pls = path.suffix.lower() == ".pls" or _PLS_BEGIN.match(content)
    entries = _pls_entries(lines) if is_pls else [line for line in lines if not line.startswith(b"#")]
    if len(entries) > _MOST_ENTRIES:
        raise AudioError(f"is no playlist: more than {_MOST_ENTRIES:,} entries", path)
    found = []
    for entry in entries:
        url = _FILE_URL.fullmatch(entry.strip())
        if url is None and _ADDRESS.match(entry):
            on_note(f"{_texts(entry)[0]}: an address, left out: only files are tagged")
            continue
        file_path = _find(path.parent, _texts(unquote_to_bytes(url[1])) if url else _names(entry))
        if file_path.suffix.lower() in (*SUFFIXES, *_UNREAD):
            on_note(f"{file_path}: a playlist in a playlist, left out")
            continue
        found.append(file_path)
    return found


def _why_unread(path: Path) -> str:
    if path.suffix.lower() == ".cue":
        return "is a cue sheet, and holds no audio: name the file that is in its line FILE"
    return f"is a playlist of a kind that is not read: save it as one of {', '.join(SUFFIXES)}"


def marked_encoding(content: bytes) -> str | None:
    """The encoding of text that begins with a byte order mark; None without one.

    >>> marked_encoding("la".encode("utf-16")), marked_encoding(b"la")
    ('utf-16', None)
    """
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)


def begins_playlist(text: bytes) -> bool:
    """Whether text, without a byte order mark, begins as playlists do: with ``#EXTM3U`` or ``[playlist]``."""
    return bool(_M3U_BEGIN.match(text) or _PLS_BEGIN.match(text))


def _pls_entries(lines: list[bytes]) -> list[bytes]:
    """Values of File1, File2 and so on, in the order of their numbers."""
    matches = [match for line in lines if (match := _PLS_FILE.fullmatch(line.decode("latin-1")))]
    return [
        match[2].strip().encode("latin-1") for match in sorted(matches, key=lambda match: (len(match[1]), match[1]))
    ]


def _names(entry: bytes) -> list[str]:
    """Ways to read an entry that is no URL, as it is written first."""
    names = _texts(entry)
    names += [name.strip() for name in names]
    names += [name.replace("\\", "/") for name in names if "\\" in name]
    if b"%" in entry:
        names += _texts(unquote_to_bytes(entry.strip()))
    return names


def _find(folder: Path, names: list[str]) -> Path:
    """The file of an entry: of several ways to read it the first that exists, or else the first."""
    candidates = [folder / name for name in dict.fromkeys(names)]
    return next((path for path in candidates if os.path.lexists(path)), candidates[0])


def _texts(entry: bytes) -> list[str]:
    """An entry as text: UTF-8; or else Latin-1, Windows' extension of it, and the bytes of a name as they are."""
    entry = entry.replace(b"\0", b"?")  # %00: no name has it
    try:
        return [entry.decode()]
    except UnicodeDecodeError:
        return [entry.decode("latin-1"), entry.decode("cp1252", "replace"), os.fsdecode(entry)]
