"""Folders on a disk or in an object store, with one interface: read parts of files, write whole files atomically.

A place is a path, or a URI that fsspec supports (``s3://bucket/folder``, ``gs://...``). Credentials come from the
environment, never from the URI. Safe in threads and in processes, forked or spawned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EIO, ENOENT, ETIMEDOUT
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from earmark.core.atomic_files import Content, write_atomic
from earmark.core.errors import ConfigError, DataError, how_to_install

__all__ = ["Store", "is_uri", "store_at"]


def is_uri(place: str | os.PathLike[str]) -> bool:
    """Is this a URI, and not a path? ``file://`` counts as a path."""
    return "://" in (text := os.fspath(place)) and not text.startswith("file://")


def store_at(place: str | os.PathLike[str] | Store) -> Store:
    """The store at a place; a Store is returned unchanged.

    Raises:
        ConfigError: a URI with a name or password in it, or of a kind that fsspec does not support or that is not
            installed.
    """
    return place if isinstance(place, Store) else Store(place)


_ERRNO = {FileNotFoundError: ENOENT, PermissionError: EACCES, TimeoutError: ETIMEDOUT, OSError: EIO}
"""For errors that storage clients raise without an errno."""


class Store:
    """A folder, local or remote. It can be pickled.

    Args:
        place: path or URI. A relative path is made absolute.

    Attributes:
        place: the same as text, without a slash at its end.
        path: the local folder; None for a remote one.

    Raises:
        ConfigError: see :func:`store_at`.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        text = os.fspath(place)
        if is_uri(text):
            try:
                parts = urlsplit(text)
            except ValueError as error:
                raise ConfigError(f"{text}: no address ({error})") from error
            if "@" in parts.netloc and parts.scheme != "abfs":  # abfs://container@account is a name, no secret
                raise ConfigError(
                    f"{parts.scheme}://...@{parts.netloc.rpartition('@')[2]}: credentials come from the environment, "
                    "never from a URI"
                )
            self.path: Path | None = None
            self.place = text.rstrip("/")
            self._remote("")
        else:
            self.path = Path(text.removeprefix("file://")).absolute()
            self.place = str(self.path)

    def __str__(self) -> str:
        return self.place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.place == self.place

    def __hash__(self) -> int:
        return hash(self.place)

    def at(self, name: str) -> str:
        """Path or URI of a file, for messages and for other programs."""
        return f"{self.place}/{name}"

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """A file's bytes, or part of them; fewer where it ends before.

        Raises:
            FileNotFoundError, OSError: it is not there, or cannot be read.
        """
        if self.path is not None:
            with (self.path / name).open("rb", buffering=0) as file:
                file.seek(start)
                return file.read() if length is None else file.read(length)
        if length == 0:
            return b""
        fs, path = self._remote(name)
        with self._translated_errors(name):
            stop = None if length is None else start + length
            content: bytes = (
                fs.cat_file(path) if (start, stop) == (0, None) else fs.cat_file(path, start=start, end=stop)
            )
            return content

    def read_if_there(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none. Raises OSError if it cannot be read."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Name -> size in bytes of all files right in a folder; empty where there is none. Raises OSError."""
        if self.path is not None:
            try:
                entries = list(os.scandir(self.path / folder))
            except FileNotFoundError:
                return {}
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        fs, path = self._remote(folder)
        with self._translated_errors(folder):
            try:
                found: list[dict[str, Any]] = fs.ls(path, detail=True)
            except FileNotFoundError:
                return {}
        return {PurePosixPath(x["name"]).name: int(x["size"]) for x in found if x["type"] == "file"}

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None where there is no such file. Raises OSError if that cannot be determined."""
        if self.path is not None:
            path = self.path / name
            return path.stat().st_size if path.is_file() else None
        fs, path_there = self._remote(name)
        with self._translated_errors(name):
            try:
                found: dict[str, Any] = fs.info(path_there)
            except FileNotFoundError:
                return None
            return int(found["size"]) if found["type"] == "file" else None

    def exists(self, name: str) -> bool:
        """Is there such a file? Raises OSError if that cannot be determined."""
        if self.path is not None:
            return (self.path / name).is_file()
        fs, path = self._remote(name)
        with self._translated_errors(name):
            return bool(fs.isfile(path))

    def write(self, name: str, content: Content) -> None:
        """Write a file atomically. Raises OSError."""
        if self.path is not None:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path / name, content)
            return
        fs, path = self._remote(name)
        with self._translated_errors(name):
            fs.pipe_file(path, bytes(content))  # objects appear only when they are complete

    def put(self, name: str, file: Path) -> None:
        """Copy a local file into the store, atomically. Raises OSError."""
        if self.path is not None:
            self.write(name, file.read_bytes())
            return
        fs, path = self._remote(name)
        with self._translated_errors(name):
            fs.put_file(str(file), path)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""
        if self.path is not None:
            (self.path / name).unlink(missing_ok=True)
            return
        fs, path = self._remote(name)
        with self._translated_errors(name):
            try:
                fs.rm_file(path)
            except FileNotFoundError:
                return

    def delete_folder(self, folder: str) -> None:
        """Remove the files right in a folder, and a local folder that is empty then. Raises OSError."""
        for name in self.sizes(folder):
            self.delete(f"{folder}/{name}")
        if self.path is not None:
            place = self.path / folder
            while place != self.path and place.is_dir() and not any(place.iterdir()):
                place.rmdir()
                place = place.parent

    def _remote(self, name: str) -> tuple[Any, str]:
        """fsspec's file system, and its name of a file. fsspec keeps one per process and thread."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:  # comes with PyTorch and with Ray
            raise ConfigError(
                f"{self.place}: object stores need an optional part: {how_to_install('scale')}"
            ) from error
        try:
            fs, path = url_to_fs(f"{self.place}/{name}".rstrip("/"), use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"{self.place}: {error}") from error
        except OSError as error:
            raise DataError(f"{self.place}: cannot be reached ({error.strerror or error})") from error
        return fs, path

    @contextmanager
    def _translated_errors(self, name: str) -> Iterator[None]:
        """Turn clients' own errors (missing credentials, say) into DataError, and add the place to OSErrors without it."""
        try:
            yield
        except OSError as error:
            if error.filename is not None or (error.errno is None and type(error) not in _ERRNO):
                raise
            number = error.errno or _ERRNO[type(error)]
            raise OSError(number, error.strerror or str(error) or os.strerror(number), self.at(name)) from error
        except Exception as error:
            raise DataError(f"{self.at(name)}: {type(error).__name__}: {' '.join(str(error).split())}") from error
