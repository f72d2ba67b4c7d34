"""What is in a file: its audio packets, its tags of others, and ours. Read without earmark's code."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import mutagen
from mutagen.apev2 import APETextValue
from mutagen.asf import ASF
from mutagen.id3 import ID3, ID3NoHeaderError
from tests.helpers import tagged

from earmark.core.audio_formats import format_whitelist

_SHARED_FIELDS = {
    *("tcon", "tmoo", "tbpm", "tkey", "txxx:mood"),
    *("genre", "mood", "bpm", "initialkey", "ignr"),
    *("\xa9gen", "tmpo", "----:com.apple.itunes:mood", "----:com.apple.itunes:initialkey"),
    *("wm/genre", "wm/mood", "wm/beatsperminute", "wm/initialkey"),
}
_OWN_FIELDS = ("txxx:earmark_", "earmark_", "----:com.earmark:earmark_", "earmark/")
_OPTIONS = {"format_whitelist": format_whitelist()}
_GENRE_BYTE = 127
_V1_BYTES = 128


def _is_ours(name: str) -> bool:
    """Whether earmark writes the field of this name."""
    return name.lower() in _SHARED_FIELDS or name.lower().startswith(_OWN_FIELDS)


@dataclass(frozen=True)
class Contents:
    """The parts of one file.

    Attributes:
        sha256: of all bytes.
        packets: hash of the encoded audio as FFmpeg demuxes it; empty where it cannot.
        foreign: parts that are not earmark's, by name: bytes as in the file in MP3, FLAC, WAV, AIFF and those with APEv2 tags,
            values elsewhere.
        ours: genre, mood, BPM, key and earmark's own fields.
    """

    sha256: str
    packets: str
    foreign: Mapping[str, bytes]
    ours: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Snapshot:
    """All files below some folders: contents, size and time of change. Links are entries of their own."""

    files: Mapping[Path, Contents]
    status: Mapping[Path, tuple[object, ...]]


def snapshot(*folders: Path) -> Snapshot:
    """Read everything below folders; links are not followed."""
    files, status = {}, {}
    for folder in folders:
        for top, names, leaves in os.walk(folder):
            for name in [*names, *leaves]:
                path = Path(top, name)
                if path.is_symlink():
                    status[path] = ("link", os.fspath(path.readlink()))
                elif path.is_file() and os.access(path, os.R_OK):
                    now = path.stat()
                    status[path] = (now.st_mtime_ns, now.st_mode, now.st_uid, now.st_gid, now.st_size)
                    content = path.read_bytes()
                    files[path] = contents(path, hashlib.sha256(content).hexdigest())
                else:
                    status[path] = ("folder",)
    return Snapshot(files, status)


@cache
def contents(path: Path, sha256: str) -> Contents:
    """Take a file with this hash apart."""
    foreign: dict[str, bytes] = {}
    ours: dict[str, tuple[str, ...]] = {}
    try:
        values = dict(_values(path))
    except Exception:  # noqa: BLE001  damaged: mutagen ends in many ways
        values = {}
    for name, value in values.items():
        if _is_ours(name):
            ours[name.lower()] = value
        else:
            foreign[name] = "\0".join(value).encode("utf-8", "surrogateescape")
    content = path.read_bytes()
    exact = dict(_exact(path, content))
    if content[:1] and path.suffix == ".mp3" and content[-_V1_BYTES:][:3] == b"TAG":
        ours["ID3v1 genre"] = (str(content[-_V1_BYTES + _GENRE_BYTE]),)
    return Contents(sha256, packets(path), exact or foreign, ours)


def packets(path: Path) -> str:
    """Hash of the encoded audio, packet by packet."""
    digest = hashlib.sha256()
    try:
        with _opened_sound(path) as container:
            for packet in container.demux(audio=0):
                digest.update(f"{packet.pts} {packet.size}".encode() + bytes(packet))
    except (av.error.FFmpegError, IndexError):
        return ""
    return digest.hexdigest()


def _opened(path: Path) -> Any:
    """With FFmpeg, as a file whatever its name is; lists of addresses are not followed."""
    return av.open(f"file:{path}", metadata_errors="ignore", options=_OPTIONS)


def _opened_sound(path: Path) -> Any:
    """The same, without an APEv2 tag, of which FFmpeg would take parts for sound."""
    if path.suffix not in tagged.APE_FORMATS:
        return _opened(path)
    return av.open(io.BytesIO(tagged.without_ape_tag(path.read_bytes())), metadata_errors="ignore", options=_OPTIONS)


def _values(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Tags by name, as mutagen reads them; as FFmpeg does, where mutagen knows no tags."""
    tags: Any
    if path.suffix == ".mp3":
        try:
            tags = ID3(path, load_v1=False)
        except ID3NoHeaderError:
            return
    else:
        file: Any = mutagen.File(path)
        tags = None if file is None else file.tags
        if isinstance(file, ASF):
            for name in dict.fromkeys(name for name, _ in tags):
                yield name, tuple(str(value) for value in tags[name])
            return
    if isinstance(tags, ID3):
        for name, frame in tags.items():
            yield name, tuple(map(str, getattr(frame, "text", [repr(frame)])))
    elif tags is not None:
        for name in dict.fromkeys(map(str, tags.keys())):
            value = list(tags[name]) if isinstance(tags[name], APETextValue) else tags[name]
            yield (
                name,
                tuple(map(repr if isinstance(value, bytes) else str, value if isinstance(value, list) else [value])),
            )
        if hasattr(tags, "vendor"):
            yield "vendor", (tags.vendor,)
    else:
        with _opened(path) as container:
            for name, text in (container.streams[0].metadata | container.metadata).items():
                yield name, (text,)


# Byte by byte ---------------------------------------------------------------------------------------------


def _exact(path: Path, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The parts that are not earmark's, as bytes, of MP3, FLAC, WAV, AIFF and APEv2. Nothing for other formats."""
    if path.suffix == ".mp3":
        end = 0
        if content[:3] == b"ID3":
            end = 10 + _synchsafe(content[6:10])
            yield from _frames(content[:end])
        tail = bytearray(content[end:])
        if tail[-_V1_BYTES:][:3] == b"TAG":
            tail[-1] = 0
        yield "all after ID3v2", bytes(tail)
    elif path.suffix in tagged.APE_FORMATS:
        bare = tagged.without_ape_tag(content)
        yield "sound", bare
        items = tagged.ape_items(content) if len(content) > len(bare) else []
        yield from _numbered((name, item) for name, item in _named(items) if not _is_ours(name))
    elif content[:4] == b"fLaC":
        yield from _blocks(content)
    elif content[:4] in (b"RIFF", b"FORM"):
        yield from _chunks(content)


def _numbered(parts: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Parts of equal names, told apart."""
    seen: dict[str, int] = {}
    for name, body in parts:
        seen[name] = seen.get(name, 0) + 1
        yield f"{name} {seen[name]}", body


def _named(items: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Items of APEv2 with their keys."""
    return ((item[8 : item.index(b"\0", 8)].decode("latin-1"), item) for item in items)


def _frames(tag: bytes) -> Iterator[tuple[str, bytes]]:
    """Frames of ID3v2.3 and v2.4 with their headers."""

    def found() -> Iterator[tuple[str, bytes]]:
        at = 10
        while at + 10 <= len(tag) and tag[at]:
            size = tag[at + 4 : at + 8]
            end = at + 10 + (_synchsafe(size) if tag[3] == 4 else int.from_bytes(size, "big"))
            frame = tag[at:end]
            name = frame[:4].decode("latin-1")
            encoded = [text.encode(code) for text in ("EARMARK_", "MOOD") for code in ("latin-1", "utf-16-le")]
            own = name in ("TCON", "TMOO", "TBPM", "TKEY") or (
                name == "TXXX" and any(text in frame[11:45] for text in encoded)
            )
            if not own:
                yield name, frame
            at = end

    yield from _numbered(found())


def _blocks(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Metadata blocks of FLAC but for padding, comments one by one, and the audio."""
    at, last = 4, False
    while not last and at + 4 <= len(content):
        kind, last = content[at] & 0x7F, bool(content[at] & 0x80)
        body = content[at + 4 : at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")]
        at += 4 + len(body)
        if kind == 4:
            yield from _comments(body)
        elif kind != 1:
            yield f"block {kind}", body
    yield "audio", content[at:]


def _comments(body: bytes) -> Iterator[tuple[str, bytes]]:
    def item(at: int) -> tuple[bytes, int]:
        end = at + 4 + int.from_bytes(body[at : at + 4], "little")
        return body[at + 4 : end], end

    vendor, at = item(0)
    yield "vendor", vendor
    n, at = int.from_bytes(body[at : at + 4], "little"), at + 4
    comments = []
    for _ in range(n):
        comment, at = item(at)
        if not _is_ours(comment.partition(b"=")[0].decode()):
            comments.append(comment)
    yield "comments", b"\0".join(comments)


def _chunks(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Chunks of WAV and AIFF: frames of ID3, entries of LIST INFO, and the others whole."""
    order = "little" if content[:4] == b"RIFF" else "big"

    def parts(at: int, end: int) -> Iterator[tuple[str, bytes]]:
        while at + 8 <= end:
            n = int.from_bytes(content[at + 4 : at + 8], order)  # type: ignore[arg-type]
            name, body = content[at : at + 4].decode("latin-1"), content[at + 8 : at + 8 + n]
            if name.strip().upper() == "ID3":
                yield from _frames(body)
            elif body[:4] == b"INFO" and name == "LIST":
                yield from parts(at + 12, at + 8 + n)
            elif not _is_ours(name):
                yield name, body
            at += 8 + n + n % 2

    yield from _numbered(parts(12, len(content)))


def _synchsafe(data: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))
