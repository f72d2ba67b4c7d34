"""The content of a file: a key of its audio, independent of its metadata, and the metadata that people read.

Nothing is decoded: the key is a hash of the encoded audio. Title, artist and pictures may change, the file may be
renamed, copied or padded; the key stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import mutagen
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, TCON
from mutagen.mp4 import MP4Tags

from earmark.audio.ape_tag import ape_texts
from earmark.audio.decoder import AudioStream
from earmark.audio.frames import best_stream
from earmark.audio.source import ANY_RATE_HZ, cause
from earmark.core.audio_formats import find_format
from earmark.core.errors import AudioError

LABELS = {
    "title": ("TIT2", "\xa9nam", "Title", "title"),
    "artist": ("TPE1", "\xa9ART", "Author", "artist"),
    "album": ("TALB", "\xa9alb", "WM/AlbumTitle", "album"),
    "genre": ("TCON", "\xa9gen", "WM/Genre", "genre"),
}
"""The metadata that are read, and their names in ID3, MP4, ASF, and in Vorbis comments and APE."""

_DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Content:
    """A file's audio key and metadata.

    Attributes:
        key: ``audio-`` and 32 hexadecimal digits; equal where codec, rate, channels and encoded audio are equal.
            ``bytes-`` and a hash of the whole file where no audio could be found in it.
        title, artist, album, genre: its metadata, None where it has none; several values are joined with "; ".
    """

    key: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genre: str | None = None


def read_content(path: Path) -> Content:
    """The key and the metadata of a file. The whole file is read once, nothing is decoded.

    Raises:
        AudioError: missing, empty, a folder, no permission, or it cannot be read to its end.
    """
    try:
        try:
            content = _demuxed(path)
        except (av.FFmpegError, ValueError):  # FileNotFoundError and PermissionError are the system's own
            content = None
        return content or Content(_key_of_bytes(path))
    except OSError as error:
        raise AudioError(cause(error), path) from error


def _demuxed(path: Path) -> Content | None:
    """The content as the demuxer finds it; None where it finds no audio."""
    with AudioStream(path, ANY_RATE_HZ).open_container() as container:
        stream = best_stream(container)
        if stream is None:
            return None
        codec = stream.codec_context
        if codec is None:  # not known to FFmpeg; PyAV's types omit this
            return None
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        digest.update(f"{codec.name}\n{codec.sample_rate}\n{codec.channels}\n".encode())
        n_bytes = 0
        for packet in container.demux(stream):
            # Where packets begin and end is the demuxer's choice in some formats: their bytes count, in order.
            n_bytes += packet.size
            if packet.size:
                digest.update(packet)
        if not n_bytes:
            return None
        metadata = {**_lowered(container.metadata), **_lowered(stream.metadata)}
        form = container.format.name
    # FFmpeg gives only the first of several genres, so mutagen's value takes precedence.
    labels = {name: metadata[name] for name in LABELS if name in metadata} | _labels(path, form)
    return Content(f"audio-{digest.hexdigest()}", **labels)


def _lowered(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value.strip() for key, value in metadata.items() if value.strip()}


def _labels(path: Path, form: str) -> dict[str, str]:
    """Title, artist, album and genre; what is not found is left out.

    Of files that have both ID3v2 and APEv2 tags, programs prefer the former in MP3, and mostly the latter in others; to ID3v1
    they prefer both.
    """
    try:
        with path.open("rb") as file:
            if (known := find_format(form)) is not None and known.tags_as_sound:
                labels = _id3(file, load_v1=True) | _labels_in(ape_texts(file) or {})
                return labels | _id3(file, load_v1=False) if form == "mp3" else labels
            tagged = mutagen.File(file)
            return _labels_in(tagged.tags) if tagged is not None and tagged.tags else {}
    except Exception:  # noqa: BLE001  damaged metadata end mutagen in many ways, and are no reason not to tag
        return {}


def _id3(file: BinaryIO, *, load_v1: bool) -> dict[str, str]:
    file.seek(0)
    try:
        return _labels_in(ID3(file, load_v1=load_v1))
    except mutagen.MutagenError:  # there is none
        return {}


def _labels_in(tags: Any) -> dict[str, str]:
    column = 0 if isinstance(tags, ID3) else 1 if isinstance(tags, MP4Tags) else 2 if isinstance(tags, ASFTags) else 3
    labels = {}
    for name, keys in LABELS.items():
        value = tags.get(keys[column])
        if name == "genre" and isinstance(value, TCON):
            value = value.genres  # numbers become names
        elif value is not None and not isinstance(value, list):
            value = getattr(value, "text", None) or list(value)
        text = "; ".join(part for part in (str(item).strip() for item in value or ()) if part)
        if text:
            labels[name] = text
    return labels


def _key_of_bytes(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return f"bytes-{digest.hexdigest()}"
