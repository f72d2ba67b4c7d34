"""Parses multipart bodies, and writes their files to disk as they come, so that memory does not grow."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from pathlib import Path, PureWindowsPath
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from earmark.core.audio_formats import has_audio_suffix
from earmark.service.problems import Problem
from earmark.service.settings import Settings

FIELD = "files"
"""Name of the form field that holds the files."""

_WRITE_BYTES = 1 << 20  # collected in memory before a thread writes them
_MOST_DIGITS = 20


@dataclass
class Upload:
    """A file that was sent.

    Attributes:
        name: the client's file name; None without one. Bytes that are not UTF-8 become surrogate escapes.
        path: where it is, under a name that does not depend on the client's.
        n_bytes: its size.
    """

    name: str | None
    path: Path
    n_bytes: int = 0


def boundary_of(content_type: str | None) -> bytes:
    """The boundary between the parts. Raises Problem 415 for another kind of body, 400 without a boundary."""
    kind, options = parse_options_header(content_type or "")
    if kind != b"multipart/form-data":
        received = content_type or "no content type"
        raise Problem(
            415,
            "not-multipart",
            f"{received[:200]!r}: send the files as multipart/form-data in the field {FIELD!r}, "
            f"as `curl -F {FIELD}=@song.mp3` does",
            headers={"Accept-Post": "multipart/form-data"},
        )
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise Problem(400, "bad-request", "the content type names no boundary of 1 to 70 characters")
    return boundary


class Receiver:
    """Parses a body and writes its files into a folder.

    Args:
        boundary: between the parts, see :func:`boundary_of`.
        folder: an existing one, where files are written.
        settings: the limits.

    Attributes:
        uploads: files so far.
        n_bytes: bytes of the body so far.
    """

    def __init__(self, boundary: bytes, folder: Path, settings: Settings) -> None:
        self.uploads: list[Upload] = []
        self.n_bytes = 0
        self._folder, self._settings = folder, settings
        self._header_name = self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._to_write: list[tuple[Upload, bytes]] = []
        self._n_waiting = 0
        self._file: tuple[Upload, IO[bytes]] | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    async def receive(self, body: AsyncIterator[bytes]) -> list[Upload]:
        """Read the body to its end.

        Raises:
            Problem: 400 malformed, 413 too large or too many files, 422 no file or another field, 507 disk full.
        """
        try:
            async for chunk in body:
                self.n_bytes += len(chunk)
                check_size(self.n_bytes, self._settings)
                self._parser.write(chunk)
                if self._n_waiting >= _WRITE_BYTES:
                    await asyncio.to_thread(self._write)
            if not self._ended:
                raise Problem(400, "bad-request", "the body ends before its last boundary")
            await asyncio.to_thread(self._write)
        except MultipartParseError as error:
            raise Problem(400, "bad-request", f"no multipart/form-data ({error})") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise Problem(507, "no-space", "the disk that uploads are kept on is full") from error
        finally:
            if self._file is not None:
                self._file[1].close()
        if not self.uploads:
            raise Problem(422, "no-file", f"send at least one file in the field {FIELD!r}")
        return self.uploads

    def _headers_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        field = options.get(b"name")
        if kind != b"form-data" or field is None:
            raise Problem(400, "bad-request", "a part has no `Content-Disposition: form-data` with a name")
        if field != FIELD.encode():
            shown = field[:100].decode("utf-8", "replace")
            raise Problem(
                422, "wrong-values", f"form field {shown!r}: files are sent as {FIELD!r}, settings in the address"
            )
        if len(self.uploads) >= self._settings.max_files:
            raise Problem(
                413,
                "too-many-files",
                f"more than {self._settings.max_files} files: send them in several requests",
                max_files=self._settings.max_files,
            )
        text = file_name(self._headers[b"content-disposition"])
        upload = Upload(text, self._folder / f"{len(self.uploads):04d}{_suffix(text)}")
        self.uploads.append(upload)
        self._to_write.append((upload, b""))  # an empty file is a file

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._to_write.append((self.uploads[-1], data[start:end]))
        self._n_waiting += end - start

    def _on_end(self) -> None:
        self._ended = True

    def _write(self) -> None:
        waiting, self._to_write, self._n_waiting = self._to_write, [], 0
        for upload, data in waiting:
            if self._file is None or self._file[0] is not upload:
                if self._file is not None:
                    self._file[1].close()
                self._file = (upload, upload.path.open("wb"))
            self._file[1].write(data)
            upload.n_bytes += len(data)
        if self._file is not None:
            self._file[1].flush()  # raises if the disk is full


def file_name(disposition: bytes) -> str | None:
    """The client's name of a file, from a part's Content-Disposition; None where there is none.

    ``filename*`` (RFC 8187) is preferred, as RFC 6266, section 4.3 has it, and encoded words (RFC 2047) are decoded:
    RFC 7578 has neither for uploads, but .NET's HttpClient sends both. Bytes that are not UTF-8 become surrogate escapes.

    >>> file_name(b"form-data; filename*=UTF-8''%C3%BC.mp3"), file_name(b'form-data; filename="=?utf-8?B?w7wubXAz?="')
    ('ü.mp3', 'ü.mp3')
    """
    _, options = parse_options_header(disposition)
    if b"*" in disposition and (extended := _extended_name(disposition, plain_too=b"filename" not in options)):
        return extended
    plain = options.get(b"filename")
    if plain is None:
        return None
    name = plain.decode("utf-8", "surrogateescape")
    if "=?" not in name:
        return name
    try:
        return "".join(_text(part, charset or "raw-unicode-escape") for part, charset in decode_header(name)) or name
    except (HeaderParseError, LookupError, ValueError):  # not encoded words after all
        return name


def _extended_name(disposition: bytes, *, plain_too: bool) -> str | None:
    """The name in ``filename*``, also where it is split into ``filename*0``, ``filename*1`` (RFC 2231, section 3)."""
    message = Message()
    message["content-disposition"] = " ".join(disposition.decode("latin-1").splitlines())
    try:
        parameters = message.get_params([], header="content-disposition")
    except (TypeError, ValueError):  # contradicting numbers
        return None
    for key, value in parameters:
        if key.lower() != "filename":
            continue
        if isinstance(value, tuple):
            charset, _, text = value
            content = text.encode("latin-1", "replace")
            try:
                return content.decode(charset or "utf-8", "surrogateescape")
            except (LookupError, ValueError):
                return content.decode("utf-8", "surrogateescape")
        if plain_too:
            return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    return None


def _text(part: bytes | str, charset: str) -> str:
    return part if isinstance(part, str) else part.decode(charset)


def declared_bytes(content_length: str) -> int:
    """The length that a header declares; 0 for none that is a number. Beyond 10^18 it is about right.

    >>> declared_bytes("1234"), declared_bytes(""), declared_bytes("\xb2"), declared_bytes("9" * 5000) > 10**18
    (1234, 0, 0, True)
    """
    if not (content_length.isascii() and content_length.isdigit()):
        return 0
    return int(content_length[:_MOST_DIGITS])


def check_size(n_bytes: int, settings: Settings) -> None:
    """Raises Problem 413 if a body is too large, or is declared to be."""
    if n_bytes > settings.max_bytes:
        raise Problem(
            413,
            "too-large",
            f"more than {settings.max_megabytes:g} MB in one request",
            max_bytes=settings.max_bytes,
        )


def _suffix(name: str | None) -> str:
    """The ending, from which FFmpeg chooses the format to try first; empty if it is not an audio format's."""
    path = PureWindowsPath(name or "")
    return path.suffix.lower() if has_audio_suffix(path) else ""
