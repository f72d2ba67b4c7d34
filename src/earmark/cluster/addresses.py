"""Addresses of tracks (paths, or URIs in a store), and fetching the tracks.

Credentials come from the environment, as fsspec's file systems find them; an address never contains any.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsspec.callbacks import Callback

from earmark.core.errors import AudioError, how_to_install

SCHEMES = ("s3", "gs", "http", "https", "file")
"""What may be before the :// of an address."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_TRIES = 3
_FIRST_PAUSE_SECONDS = 0.5


def scheme_of(uri: str) -> str | None:
    """What is before ``://``, in lower case; None for a path.

    >>> scheme_of("s3://music/a.mp3"), scheme_of("/music/what://ever.mp3")
    ('s3', None)
    """
    found = _ADDRESS.match(uri)
    return found[1].lower() if found else None


def holds_credentials(uri: str) -> bool:
    """Whether an address contains a user name or a password.

    >>> holds_credentials("https://me:secret@example.org/a.mp3"), holds_credentials("s3://music/a@b.mp3")
    (True, False)
    """
    found = _ADDRESS.match(uri)
    return bool(found and "@" in found[2])


def folder_of(manifest: str) -> str:
    """Where the relative paths of a manifest begin: its folder, as path or address.

    >>> folder_of("s3://lists/2024/all.csv")
    's3://lists/2024'
    """
    if scheme_of(manifest) in (None, "file"):
        return str(Path(_local(manifest)).absolute().parent)
    return manifest.partition("?")[0].rpartition("/")[0]


def absolute(uri: str, folder: str) -> str:
    """An address or absolute path as it is, a relative path below a folder.

    >>> absolute("a.mp3", "s3://lists"), absolute("/b.mp3", "s3://lists"), absolute("gs://x/c.mp3", "/lists")
    ('s3://lists/a.mp3', '/b.mp3', 'gs://x/c.mp3')
    """
    if scheme_of(uri) or Path(uri).is_absolute():
        return uri
    return f"{folder}/{uri}" if scheme_of(folder) else str(Path(folder) / uri)


def local_path(address: str) -> Path | None:
    """The local path of an address; None for one that has to be fetched."""
    return Path(_local(address)) if scheme_of(address) in (None, "file") else None


def suffix_of(address: str) -> str:
    """The ending of a track's name, by which FFmpeg guesses its format; empty where there is none.

    >>> suffix_of("https://example.org/a.MP3?x=1.txt"), suffix_of("s3://music/a")
    ('.MP3', '')
    """
    name = address.partition("?")[0].rpartition("/")[2] if scheme_of(address) != "s3" else address.rpartition("/")[2]
    found = _SUFFIX.fullmatch(name[name.rfind(".") :]) if "." in name else None
    return found[0] if found else ""


def fetch(address: str, out: Path, timeout_seconds: float) -> int:
    """Copy a track from its store to a local file.

    Args:
        address: with one of SCHEMES that is not a local path.
        out: replaced if it exists.
        timeout_seconds: fetching is given up after that.

    Returns:
        Bytes of the file.

    Raises:
        AudioError: it cannot be fetched, and why.
    """
    deadline = time.monotonic() + timeout_seconds
    scheme = scheme_of(address)
    if scheme not in SCHEMES:
        raise AudioError(f"an address that begins with {scheme}://: must be a path or one of {', '.join(SCHEMES)}")
    pause = _FIRST_PAUSE_SECONDS
    for tries_left in reversed(range(_TRIES)):
        try:
            file_system = _file_system(scheme)
            # fsspec documents it for those who write file systems; its url_to_fs takes "::" in a name for a chain of them.
            file_system.get_file(file_system._strip_protocol(address), str(out), callback=_Deadline(deadline))
            return out.stat().st_size
        except (FileNotFoundError, PermissionError, _TooLateError) as error:
            raise AudioError(_in_words(error, timeout_seconds)) from error
        except Exception as error:  # each store has errors of its own kinds
            if not tries_left or time.monotonic() + pause > deadline:
                raise AudioError(_in_words(error, timeout_seconds)) from error
        time.sleep(pause)
        pause *= 4
    raise AssertionError


class _TooLateError(Exception):
    pass


class _Deadline(Callback):  # type: ignore[misc]  # fsspec has no types
    """Called after every block."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        if time.monotonic() > self.deadline:
            raise _TooLateError


def _file_system(scheme: str) -> Any:
    import fsspec

    try:
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        raise AudioError(f"{scheme}:// needs an optional part: {how_to_install('scale')}") from error


def _in_words(error: Exception, timeout_seconds: float) -> str:
    if isinstance(error, AudioError):
        return error.reason
    if isinstance(error, _TooLateError):
        return f"took longer than {timeout_seconds:g} s to fetch: cut off"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    text = " ".join(str(error).split())[:200]
    return (
        f"cannot be fetched ({type(error).__name__}: {text})" if text else f"cannot be fetched ({type(error).__name__})"
    )


def _local(address: str) -> str:
    if scheme_of(address) != "file":
        return address
    return unquote(address.partition("://")[2].removeprefix("localhost"))
