"""Download of one file: the whole file, or none. Interrupted downloads are resumed, and checksums verified.

HTTP with the standard library: proxies and certificates are those of the system (``https_proxy``, ``SSL_CERT_FILE``).
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.core.errors import ConfigError, DownloadError, WrongFileError

BLOCK_BYTES = 1 << 16
TIMEOUT_SECONDS = 30.0
RETRIES = 3
WAIT_SECONDS = 1.0
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which it is worth asking again."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes received (or read, of a file that is verified) and the bytes in all."""

LABELS = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}
"""Checksums that are understood, strongest first -> what people call them."""


class _TemporaryError(Exception):
    """Worth another attempt at the same address."""


def download(
    addresses: Sequence[str],
    out: Path,
    *,
    checksum: str | None,
    size_bytes: int | None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retries: int = RETRIES,
    wait_seconds: float = WAIT_SECONDS,
    token: str | None = None,
    on_progress: OnProgress | None = None,
    on_verify: OnProgress | None = None,
) -> None:
    """Download a file. Afterwards ``out`` is the whole file, or what it was before.

    What is received is kept beside it as ``.NAME.part``. It stays there when the network fails, and the next call
    resumes from it; it is deleted when it proves to be another file.

    Args:
        addresses: http or https, tried in turn.
        out: the file to write; its folder is made where missing.
        checksum: of the file, e.g. ``sha256:`` and its hexadecimal SHA-256, with a kind of :data:`LABELS`; None where none
            is known.
        size_bytes: of the file; no more is read. None where it is not known: then what the server says.
        timeout_seconds: longest silence of a server, before and within its answer.
        retries: further attempts at an address after a failure that may pass: a broken or silent connection, a name
            that does not resolve, a server that is busy.
        wait_seconds: pause before the first of these; each further one is twice as long.
        token: sent to these addresses as a bearer's, but not to where they redirect.
        on_progress: called with the bytes received and the bytes in all (0 where they are not known).
        on_verify: the same for the bytes read to verify the checksum.

    Raises:
        ConfigError: an address that is not http or https.
        WrongFileError: every address answered, and none with the right file; names both hashes.
        DownloadError: no address gave it, or the disk is too small; names the reason for each address.
        OSError: the folder cannot be written.
    """
    for address in addresses:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(f"{address}: must be http://HOST/... or https://HOST/...")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    errors: list[DownloadError] = []
    for address in addresses:
        try:
            _Download(address, part, checksum, size_bytes, timeout_seconds, token, on_progress, on_verify).run(
                retries, wait_seconds
            )
        except DownloadError as error:
            errors.append(error)
        else:
            part.replace(out)
            return
    lines = [f"{address}: {error}" for address, error in zip(addresses, errors, strict=True)]
    if part.exists():
        kept = f"{part.stat().st_size}{'' if size_bytes is None else f' of {size_bytes}'} bytes are kept"
        lines.append(f"{kept}; the next attempt continues from there")
    all_wrong = all(isinstance(error, WrongFileError) for error in errors)
    raise (WrongFileError if all_wrong else DownloadError)("\n".join(lines))


def authorise(request: urllib.request.Request, token: str | None) -> None:
    """Add a token to a request, but not to those to which it is redirected: they may be of other hosts."""
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")


def verify_file(
    path: Path, *, checksum: str | None, size_bytes: int | None, on_verify: OnProgress | None = None
) -> None:
    """Raises WrongFileError, with what was expected and found, where a file is not as described; see :func:`download`.

    Example:
        >>> verify_file(Path(__file__), checksum=None, size_bytes=1)
        Traceback (most recent call last):
        ...
        earmark.core.errors.WrongFileError: not the published file: expected 1 bytes, found ... bytes
    """
    found_bytes = path.stat().st_size
    found = ""
    if checksum is not None:
        kind = checksum.partition(":")[0]
        digest, have = hashlib.new(kind, usedforsecurity=False), 0
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES * 16):
                digest.update(block)
                have += len(block)
                if on_verify:
                    on_verify(have, found_bytes)
        found = f"{kind}:{digest.hexdigest()}"
    if (checksum is not None and found != checksum) or size_bytes not in (None, found_bytes):
        wanted = "" if size_bytes is None else f"{size_bytes} bytes"
        raise WrongFileError(
            f"not the published file: expected {_described(wanted, checksum)}, "
            f"found {_described(f'{found_bytes} bytes', found)}"
        )


def _described(size: str, checksum: str | None) -> str:
    """Size and checksum of a file for people, what is known of them."""
    kind, _, value = (checksum or "").partition(":")
    return " with ".join(filter(None, (size, value and f"{LABELS[kind]} {value}")))


@dataclass
class _Download:
    """A download from one address.

    Attributes:
        size_bytes: of the file, where it is known.
        total_bytes: the same, or what the server says.
        validator: names the version of the file that the server has; sent along when resuming.
        resumed: the part is put together from several answers.
    """

    address: str
    part: Path
    checksum: str | None
    size_bytes: int | None
    timeout_seconds: float
    token: str | None = field(repr=False)
    on_progress: OnProgress | None
    on_verify: OnProgress | None
    validator: str | None = None
    resumed: bool = False
    total_bytes: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.total_bytes = self.size_bytes

    def run(self, retries: int, wait_seconds: float) -> None:
        """Fill the part and check it. Where it is wrong and from several answers, begin once more from nothing."""
        self.resumed = self._received() > 0
        for last in (False, True):
            try:
                self._fill(retries, wait_seconds)
                self._check()
                return
            except WrongFileError:
                self._discard()
                if last or not self.resumed:
                    raise

    def _fill(self, retries: int, wait_seconds: float) -> None:
        """Attempts, until the server has sent all that it has."""
        failures = 0
        while self.total_bytes is None or self._received() < self.total_bytes:
            try:
                self._attempt()
            except _TemporaryError as error:
                failures += 1
                if failures > retries:
                    raise DownloadError(f"{error} ({failures} attempts)" if retries else str(error)) from error
                time.sleep(wait_seconds * 2 ** (failures - 1))
            else:
                return

    def _check(self) -> None:
        """Raises WrongFileError where the part is another file."""
        verify_file(self.part, checksum=self.checksum, size_bytes=self.size_bytes, on_verify=self.on_verify)

    def _attempt(self) -> None:
        """Request what is missing and append it."""
        start = self._received()
        request = urllib.request.Request(self.address)
        request.add_header("User-Agent", "earmark")
        request.add_header("Accept-Encoding", "identity")
        authorise(request, self.token)
        if start:
            request.add_header("Range", f"bytes={start}-")
            if self.validator:
                request.add_header("If-Range", self.validator)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as response:
                self._receive(response, start)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and start:
                if self.total_bytes is None and error.headers["Content-Range"] == f"bytes */{start}":
                    self.total_bytes = start  # all of it had been received
                    return
                self._discard()
                raise _TemporaryError("the server's file is shorter than what was received") from error
            message = f"the server answered {error.code} {error.reason}"
            raise (_TemporaryError if error.code in RETRY_STATUSES else DownloadError)(message) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _TemporaryError(self._silent()) from error
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise DownloadError(f"its certificate is not trusted ({error.reason})") from error
            raise _TemporaryError(f"cannot be reached ({error.reason})") from error
        except TimeoutError as error:
            raise _TemporaryError(self._silent()) from error
        except (ConnectionError, http.client.HTTPException, ssl.SSLError) as error:
            reason = str(error) or type(error).__name__
            raise _TemporaryError(f"the connection broke after {self._so_far()} ({reason})") from error

    def _receive(self, response: http.client.HTTPResponse, start: int) -> None:
        """Append the body to the part, or begin from nothing where the server sends the whole file all the same."""
        if response.status != 206:
            start = 0
        elif _range_start(response) != start:
            self._discard()
            raise _TemporaryError(f"the server sent another range than requested: {response.headers['Content-Range']}")
        self.validator = _validator(response)
        self.resumed |= start > 0
        promised = response.length  # of the body; None where the server does not say
        if self.total_bytes is None and promised is not None:
            self.total_bytes = start + promised
        self._require_space(promised)
        with self.part.open("ab" if start else "wb") as file:
            have = start
            while block := response.read1(BLOCK_BYTES):
                have += len(block)
                if self.total_bytes is not None and have > self.total_bytes:
                    wanted = _described(f"{self.total_bytes} bytes", self.checksum)
                    raise WrongFileError(f"not the published file: expected {wanted}, the server sends more")
                file.write(block)
                if self.on_progress:
                    self.on_progress(have, self.total_bytes or 0)
        if have < ((self.total_bytes or 0) if promised is None else start + promised):
            raise _TemporaryError(f"the connection ended after {self._so_far()}")

    def _require_space(self, n_bytes: int | None) -> None:
        """Raises DownloadError where the disk has no space for so many more bytes."""
        free = shutil.disk_usage(self.part.parent).free
        if n_bytes is not None and n_bytes > free:
            raise DownloadError(f"{n_bytes} bytes are to come, {free} are free on the disk of {self.part.parent}")

    def _received(self) -> int:
        """Bytes in the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator = None

    def _so_far(self) -> str:
        return f"{self._received()}{'' if self.total_bytes is None else f' of {self.total_bytes}'} bytes"

    def _silent(self) -> str:
        return f"the server was silent for {self.timeout_seconds:g} s, after {self._so_far()}"


def _range_start(response: http.client.HTTPResponse) -> int | None:
    """First byte of the range that a server sends; None where it does not say."""
    unit, _, span = (response.headers["Content-Range"] or "").partition(" ")
    start = span.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdigit() else None


def _validator(response: http.client.HTTPResponse) -> str | None:
    """Names the server's version of the file: its strong ETag, else its date."""
    etag: str | None = response.headers["ETag"]
    return etag if etag and not etag.startswith("W/") else response.headers["Last-Modified"]
