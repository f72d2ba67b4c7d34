"""Download of one file whose hash is known: the whole file, or none. Interrupted downloads are resumed.

HTTP with the standard library: proxies and certificates are those of the system (``https_proxy``, ``SSL_CERT_FILE``).
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import ConfigError, DownloadError, WrongFileError

BLOCK_BYTES = 1 << 16
TIMEOUT_SECONDS = 30.0
RETRIES = 3
WAIT_SECONDS = 1.0
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which it is worth asking again."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes received and the bytes in all."""


class _TemporaryError(Exception):
    """Worth another attempt at the same address."""


def download(
    addresses: Sequence[str],
    out: Path,
    *,
    sha256: str,
    size_bytes: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retries: int = RETRIES,
    wait_seconds: float = WAIT_SECONDS,
    on_progress: OnProgress | None = None,
) -> None:
    """Download a file whose hash is known. Afterwards ``out`` is the whole file, or what it was before.

    What is received is kept beside it as ``.NAME.part``. It stays there when the network fails, and the next call
    resumes from it; it is deleted when it proves to be another file.

    Args:
        addresses: http or https, tried in turn.
        out: the file to write; its folder is made where missing.
        sha256: of the file, hexadecimal.
        size_bytes: of the file; no more is read.
        timeout_seconds: longest silence of a server, before and within its answer.
        retries: further attempts at an address after a failure that may pass: a broken or silent connection, a name
            that does not resolve, a server that is busy.
        wait_seconds: pause before the first of these; each further one is twice as long.
        on_progress: called with the bytes received and the bytes in all.

    Raises:
        ConfigError: an address that is not http or https.
        WrongFileError: every address answered, and none with the right file; names both hashes.
        DownloadError: no address gave it; names the reason for each address.
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
            _Download(address, part, sha256, size_bytes, timeout_seconds, on_progress).run(retries, wait_seconds)
        except DownloadError as error:
            errors.append(error)
        else:
            part.replace(out)
            return
    lines = [f"{address}: {error}" for address, error in zip(addresses, errors, strict=True)]
    if part.exists():
        lines.append(f"{part.stat().st_size} of {size_bytes} bytes are kept; the next attempt continues from there")
    all_wrong = all(isinstance(error, WrongFileError) for error in errors)
    raise (WrongFileError if all_wrong else DownloadError)("\n".join(lines))


@dataclass
class _Download:
    """A download from one address.

    Attributes:
        validator: names the version of the file that the server has; sent along when resuming.
        resumed: the part is put together from several answers.
    """

    address: str
    part: Path
    sha256: str
    size_bytes: int
    timeout_seconds: float
    on_progress: OnProgress | None
    validator: str | None = None
    resumed: bool = False

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
        while self._received() < self.size_bytes:
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
        with self.part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise WrongFileError(
                f"not the published file: expected {self.size_bytes} bytes with SHA-256 {self.sha256}, "
                f"found {self._received()} bytes with SHA-256 {found}"
            )

    def _attempt(self) -> None:
        """Request what is missing and append it."""
        start = self._received()
        request = urllib.request.Request(self.address)
        request.add_header("User-Agent", "earmark")
        request.add_header("Accept-Encoding", "identity")
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
        with self.part.open("ab" if start else "wb") as file:
            have = start
            while block := response.read1(BLOCK_BYTES):
                have += len(block)
                if have > self.size_bytes:
                    raise WrongFileError(
                        f"not the published file: expected {self.size_bytes} bytes with SHA-256 {self.sha256}, "
                        "the server sends more"
                    )
                file.write(block)
                if self.on_progress:
                    self.on_progress(have, self.size_bytes)
        if have < (self.size_bytes if promised is None else start + promised):
            raise _TemporaryError(f"the connection ended after {self._so_far()}")

    def _received(self) -> int:
        """Bytes in the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator = None

    def _so_far(self) -> str:
        return f"{self._received()} of {self.size_bytes} bytes"

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
