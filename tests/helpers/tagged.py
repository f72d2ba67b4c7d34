"""Files with tags that other programs wrote, and looks at files that do not go through our code."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
from pathlib import Path

import av
import mutagen
from mutagen.asf import ASF, ASFByteArrayAttribute
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, POPM, PRIV, TALB, TIT2, TPE1, TXXX, UFID
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm

from tests.helpers import hand_built, sounds

APE_FORMATS = (".wv", ".ape", ".mpc", ".aac")
FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aiff", ".wav", ".wma", *APE_FORMATS)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40 + b"\xff\xe0\xff\x00\x00"
TITLE = "Ænglisc Lied 東京"
OWN = ("SCORES", "MODEL", "BPM", "ENERGY", "VALENCE", "DANCEABILITY", "ACOUSTICNESS", "INSTRUMENTALNESS")
OUR_NAMES = {
    *("TCON", "TMOO", "TBPM", "TKEY", *(f"TXXX:EARMARK_{name}" for name in OWN)),
    *("genre", "mood", "bpm", "initialkey", *(f"earmark_{name.lower()}" for name in OWN)),
    *("\xa9gen", "----:com.apple.iTunes:MOOD", "tmpo", "----:com.apple.iTunes:initialkey"),
    *(f"----:com.earmark:EARMARK_{name}" for name in OWN),
    *("WM/Genre", "WM/Mood", "WM/BeatsPerMinute", "WM/InitialKey", *(f"EARMARK/{name}" for name in OWN)),
}


def make(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    """A song of the format that the name's ending asks for."""
    if path.suffix in hand_built.MAKERS:
        path.write_bytes(hand_built.MAKERS[path.suffix](seconds))
        return path
    rate_hz = 48_000 if path.suffix == ".opus" else 44_100
    return sounds.write(path, sounds.music(seconds, rate_hz, 2, seed), rate_hz)


def frames(title: str = TITLE) -> list[object]:
    """Frames as several programs write them."""
    return [
        TIT2(encoding=1, text=title),
        TPE1(encoding=1, text=["Somebody", "Sombody Else"]),
        TALB(encoding=0, text="An album"),
        COMM(encoding=1, lang="eng", desc="", text="a comment"),
        COMM(encoding=1, lang="deu", desc="Notiz", text="é"),
        TXXX(encoding=1, desc="replaygain_track_gain", text="-3.2 dB"),
        PRIV(owner="somebody.example", data=b"\xff\xe0\x00\xff"),
        UFID(owner="http://musicbrainz.org", data=b"0000"),
        POPM(email="me@example.org", rating=200, count=3),
        APIC(encoding=0, mime="image/png", type=3, desc="front", data=PICTURE),
        APIC(encoding=1, mime="image/png", type=4, desc="back ü", data=PICTURE[::-1]),
    ]


def decorate(path: Path, version: int = 4) -> None:
    """Give a file a title, other fields and pictures, but neither genre nor mood."""
    if path.suffix == ".mp3":
        tags = ID3()
        for frame in frames():
            tags.add(frame)
        tags.save(path, v2_version=version, v23_sep=None)
        return
    if path.suffix in APE_FORMATS:
        decorate_ape(path)
        return
    file = mutagen.File(path)
    if path.suffix in (".aiff", ".wav"):
        if file.tags is None:
            file.add_tags()
        for frame in frames():
            file.tags.add(frame)
        file.save(v2_version=version, v23_sep=None)
        return
    if file.tags is None:
        file.add_tags()
    if isinstance(file, MP4):
        file["\xa9nam"] = TITLE
        file["trkn"] = [(3, 12)]
        file["cpil"] = True
        file["covr"] = [MP4Cover(PICTURE, MP4Cover.FORMAT_PNG), MP4Cover(b"\xff\xd8jpeg", MP4Cover.FORMAT_JPEG)]
        file["----:com.apple.iTunes:LABEL"] = [MP4FreeForm("ü".encode()), MP4FreeForm(b"\x00\x01", dataformat=0)]
    elif isinstance(file, ASF):
        file["Title"] = TITLE
        file["WM/AlbumTitle"] = "An album"
        file["WM/TrackNumber"] = 3
        file["WM/Picture"] = ASFByteArrayAttribute(b"\x03" + struct.pack("<I", len(PICTURE)) + b"\0\0\0\0" + PICTURE)
        file["Author"] = ["Somebody", "Somebody Else"]
    else:
        file["TITLE"] = [TITLE]
        file["Artist"] = ["Somebody", "Somebody Else"]
        file["odd key"] = ["a=b=c\nand more"]
        picture = Picture()
        picture.data, picture.type, picture.mime, picture.desc = PICTURE, 3, "image/png", "front ü"
        if isinstance(file, FLAC):
            file.add_picture(picture)
        else:
            file["METADATA_BLOCK_PICTURE"] = [base64.b64encode(picture.write()).decode()]
    file.save()


def ape_item(key: str, value: bytes, flags: int = 0) -> bytes:
    """An item of an APEv2 tag."""
    return struct.pack("<2I", len(value), flags) + key.encode("latin-1") + b"\0" + value


def ape_tag(
    *items: bytes, header: bool = True, flags: int = 0, n_items: int | None = None, version: int = 2000
) -> bytes:
    """An APEv2 tag of items that are bytes already."""
    body = b"".join(items)
    flags |= header << 31
    fields = version, len(body) + 32, len(items) if n_items is None else n_items
    footer = struct.pack("<8s4I8x", b"APETAGEX", *fields, flags)
    return (struct.pack("<8s4I8x", b"APETAGEX", *fields, flags | 1 << 29) if header else b"") + body + footer


BINARY, LINK, READ_ONLY = 0b010, 0b100, 0b001


def decorate_ape(path: Path) -> None:
    """An APEv2 tag as no library would write it: not sorted, with keys that differ in case only, and flags."""
    tag = ape_tag(
        ape_item("Cover Art (Front)", b"front.png\0" + PICTURE, BINARY),
        ape_item("Title", TITLE.encode()),
        ape_item("Artist", b"Somebody\0Somebody Else"),
        ape_item("ARTIST", b"In capitals"),
        ape_item("Year", b"1999", READ_ONLY),
        ape_item("Related", b"https://example.org/", LINK),
        ape_item("REPLAYGAIN_TRACK_GAIN", b"-3.20 dB"),
    )
    path.write_bytes(without_ape_tag(path.read_bytes()) + tag)


def without_ape_tag(content: bytes) -> bytes:
    """A file without the APEv2 tag at its end."""
    if not content[-32:].startswith(b"APETAGEX"):
        return content
    return content[: -int.from_bytes(content[-20:-16], "little") - 32 * (content[-9] >> 7)]


def ape_items(content: bytes) -> list[bytes]:
    """The items of the APEv2 tag at the end of a file."""
    n_bytes, n_items = struct.unpack("<2I", content[-20:-12])
    place, found = len(content) - n_bytes, []
    for _ in range(n_items):
        end = content.index(b"\0", place + 8) + 1 + int.from_bytes(content[place : place + 4], "little")
        found.append(content[place:end])
        place = end
    assert place == len(content) - 32
    return found


def foreign(path: Path) -> object:
    """All that a file holds but our fields and the sound, as mutagen reads it; of APEv2 the bytes of the items."""
    if path.suffix in APE_FORMATS:
        content = path.read_bytes()
        items = ape_items(content) if content[-32:].startswith(b"APETAGEX") else []
        return [item for item in items if item[8 : item.index(b"\0", 8)].decode("latin-1").lower() not in OUR_NAMES]
    file = mutagen.File(path)
    if isinstance(file, ASF):
        return sorted((name, value.TYPE, bytes(value)) for name, value in file.tags if name not in OUR_NAMES)
    tags = file.tags
    if tags is None:
        return []
    if isinstance(tags, ID3):
        return sorted(
            (key, repr(frame), getattr(frame, "data", b"")) for key, frame in tags.items() if key not in OUR_NAMES
        )
    if isinstance(file, MP4):
        return sorted((key, repr(value)) for key, value in tags.items() if key not in OUR_NAMES)
    pictures = [(each.data, each.desc) for each in getattr(file, "pictures", [])]
    return [pair for pair in list(tags) if pair[0].lower() not in OUR_NAMES], tags.vendor, pictures


def packets(path: Path) -> str:
    """Hash of the encoded audio, packet by packet, with times."""
    digest = hashlib.sha256()
    with _open_sound(path) as container:
        for packet in container.demux(audio=0):
            digest.update(f"{packet.pts} {packet.size}".encode() + bytes(packet))
    return digest.hexdigest()


def decoded(path: Path) -> str:
    """Hash of all samples."""
    digest = hashlib.sha256()
    with _open_sound(path) as container:
        for frame in container.decode(audio=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


def _open_sound(path: Path) -> av.container.InputContainer:
    """The file without its APEv2 tag, where FFmpeg would take that for sound."""
    if path.suffix not in (".ape", ".aac"):
        return av.open(f"file:{path}")
    return av.open(io.BytesIO(without_ape_tag(path.read_bytes())), format=path.suffix[1:])


def ffmpeg_metadata(path: Path) -> dict[str, str]:
    """What FFmpeg reads, keys in upper case."""
    with av.open(f"file:{path}") as container:
        return {key.upper(): text for key, text in (container.streams[0].metadata | container.metadata).items()}


def id3_frames(content: bytes) -> list[tuple[bytes, bytes]]:
    """(header, body) of every frame of the ID3 tag at the beginning; the tag must not be unsynchronised."""
    assert content[:3] == b"ID3"
    major, flags = content[3], content[5]
    assert not flags & 0x80
    end = 10 + _synchsafe(content[6:10])
    place, found = 10, []
    while place + 10 <= end and content[place]:
        size = content[place + 4 : place + 8]
        n = _synchsafe(size) if major == 4 else int.from_bytes(size, "big")
        found.append((content[place : place + 10], content[place + 10 : place + 10 + n]))
        place += 10 + n
    return found


def id3_tag(major: int, body: bytes, flags: int = 0, padding: int = 100) -> bytes:
    """A tag of frames that are bytes already."""
    body += bytes(padding)
    return b"ID3" + bytes([major, 0, flags]) + synchsafe(len(body)) + body


def id3_frame(name: bytes, body: bytes, major: int, flags: int = 0) -> bytes:
    """A frame."""
    size = synchsafe(len(body)) if major == 4 else len(body).to_bytes(4, "big")
    return name + size + flags.to_bytes(2, "big") + body


def synchsafe(number: int) -> bytes:
    """Four times seven bits."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _synchsafe(data: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))
