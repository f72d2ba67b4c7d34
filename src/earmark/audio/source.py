"""What can be decoded: a path, or a file in memory; and why it cannot be opened."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av

from earmark.audio.ape_tag import old_tags_start
from earmark.audio.chunks import Opener
from earmark.audio.padding import bytes_in_front, zeros_in_front
from earmark.core.errors import AudioError, ConfigError

ANY_RATE_HZ = 16_000
"""Of streams of which nothing is decoded, so that no rate is used."""

ONLY_ZEROS = "holds nothing but zeros, as a download that was not finished: fetch or copy it again"


@dataclass(frozen=True, eq=False)
class AudioBytes:
    """An audio file in memory.

    Attributes:
        content: the whole file.
        name: used in error messages and results, if there is one. FFmpeg tries the format of its ending first.
    """

    content: bytes = field(repr=False)
    name: str | None = None

    @property
    def path(self) -> Path | None:
        """The name as a path; None without a name."""
        return None if self.name is None else Path(self.name)

    @classmethod
    def read(cls, path: str | Path) -> AudioBytes:
        """Read a file. Raises AudioError where it is missing, empty, no file, or may not be read."""
        path = Path(path)
        try:
            check_file(path)
            return cls(path.read_bytes(), str(path))
        except (OSError, ValueError) as error:
            raise AudioError(cause(error), path) from error


AudioSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | AudioBytes
"""An audio file: its path, its content, or a file object opened in binary mode."""


def as_source(source: AudioSource) -> Path | AudioBytes:
    """A path, or a file in memory. A file object is read from its current position to its end.

    Raises:
        AudioError: a file object cannot be read.
        ConfigError: not an audio source, e.g. a file object opened in text mode.
    """
    if isinstance(source, AudioBytes):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return AudioBytes(bytes(source))
    if isinstance(source, str | os.PathLike):
        return Path(source)
    if not hasattr(source, "read"):
        raise ConfigError(
            f"{type(source).__name__} is not an audio source: must be a path, bytes or a binary file object "
            "(samples: use tag_waveform)"
        )
    name = getattr(source, "name", None)
    name = name if isinstance(name, str) else None  # a number for some, e.g. temporary files
    try:
        content = source.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise AudioError(f"cannot be read ({getattr(error, 'strerror', None) or error})", name) from error
    if not isinstance(content, bytes):
        raise ConfigError(f"{name or type(source).__name__}: must be opened in binary mode, as by open(path, 'rb')")
    return AudioBytes(content, name)


class NamedBytes(io.BytesIO):
    """File object for PyAV. FFmpeg is given its name, and uses the ending."""

    def __init__(self, source: AudioBytes) -> None:
        super().__init__(source.content)
        self.name = ffmpeg_name(source.path)


def ffmpeg_name(path: Path | None) -> str:
    """A name with the ending of a file in memory."""
    return f"audio{'' if path is None else path.suffix}"


def check_file(path: Path) -> None:
    """Raises AudioError for a folder, an empty file or no regular file, OSError where there is none."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise AudioError("is a folder, not an audio file", path)
    if not stat.S_ISREG(status.st_mode):
        raise AudioError("is not a regular file", path)
    check_size(status.st_size, path)


def check_size(n_bytes: int, path: Path | None) -> None:
    """Raises AudioError for an empty file."""
    if n_bytes == 0:
        raise AudioError("the file is empty (0 bytes)", path)


def why_not_opened(error: Exception, opener: Opener) -> str:
    """A message for an error at opening a file, without the path."""
    if isinstance(error, av.FFmpegError):
        with contextlib.suppress(OSError), opener() as file:
            if reason := why_no_sound(opener):
                return reason
            file.seek(bytes_in_front(file))
            if file.read(4) == b"OggS":
                return "damaged or cut off: the header of its Ogg stream cannot be read"
    return cause(error)


def why_no_sound(opener: Opener) -> str | None:
    """Of a file in which there is nothing but zeros and tags; None of others."""
    with opener() as file:
        n_bytes, n_zeros, n_front = file.seek(0, os.SEEK_END), zeros_in_front(file), bytes_in_front(file)
        if old_tags_start(file) <= n_front <= n_bytes:
            return ONLY_ZEROS if n_zeros and n_zeros == n_bytes else "not audio, only a tag"
    return None


def cause(error: Exception) -> str:
    """A message for an error of FFmpeg or the system, without the path."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError) and not isinstance(error, av.FFmpegError):
        return "no permission to read it"
    # FFmpeg also returns -1, the system's number for "not permitted", where it finds no format of any stream.
    if isinstance(error, av.InvalidDataError | av.ArgumentError | av.PermissionError | av.EOFError | ValueError):
        return "not audio, or in no format that can be decoded, or cut off before its index"
    text = getattr(error, "strerror", None) or str(error)
    return f"cannot be read ({text})"
