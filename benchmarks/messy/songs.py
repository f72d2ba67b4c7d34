"""Short songs in many formats, with tags as several programs write them."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import numpy.typing as npt
from mutagen.apev2 import BINARY, APEv2, APEValue
from mutagen.asf import ASFByteArrayAttribute
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, CHAP, COMM, CTOC, ID3, POPM, PRIV, TALB, TCON, TIT2, TPE1, TXXX, CTOCFlags
from mutagen.mp4 import MP4Cover, MP4FreeForm
from tests.helpers import hand_built

from earmark import audio

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
SECONDS = 3
COVER = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8 + b"\xff\xe0\xff\x00\x00"
ARTISTS = ["Ægir & Söhne", "夜の音楽"]
LOSSY = ("libmp3lame", "aac", "wmav2", "ac3")
FORMER = {"EARMARK_SCORES": ["rock=0.900"], "EARMARK_MODEL": ["earmark-1 1"]}


@dataclass(frozen=True)
class Format:
    """How a format is encoded and tagged.

    Attributes:
        suffix: of the file's name.
        codec: FFmpeg's name of the encoder; empty where it has none, and the file is built by hand: silence.
        tags: whose tags mutagen writes into it; "ffmpeg" for those that the muxer writes.
        rate_hz: sampling rate.
    """

    suffix: str
    codec: str
    tags: str = "ffmpeg"
    rate_hz: int = 44_100


FORMATS = {
    "MP3": Format(".mp3", "libmp3lame", "id3"),
    "FLAC": Format(".flac", "flac", "vorbis"),
    "Ogg Vorbis": Format(".ogg", "vorbis", "vorbis"),
    "Opus": Format(".opus", "libopus", "vorbis", 48_000),
    "AAC in M4A": Format(".m4a", "aac", "mp4"),
    "ALAC": Format(".m4a", "alac", "mp4"),
    "WAV": Format(".wav", "pcm_s16le", "chunk"),
    "AIFF": Format(".aiff", "pcm_s16be", "chunk"),
    "WMA": Format(".wma", "wmav2", "asf"),
    "WavPack": Format(".wv", "wavpack", "ape"),
    "Matroska": Format(".mka", "flac"),
    "AC-3": Format(".ac3", "ac3", rate_hz=48_000),
    "AU": Format(".au", "pcm_s16be"),
    "AAC": Format(".aac", "aac", "ape"),
    "Monkey's Audio": Format(".ape", "", "ape"),
    "Musepack": Format(".mpc", "", "ape"),
    "True Audio": Format(".tta", "tta"),
    "CAF": Format(".caf", "pcm_s16le"),
}


@dataclass(frozen=True)
class Style:
    """Which tags a file has before earmark sees it.

    Attributes:
        fields: title, artists, comment, ReplayGain, and some that nobody knows.
        genres: values of the genre.
        former: values that an earlier earmark wrote.
        cover, chapters: pictures; chapters where ID3 has them.
        id3: version of ID3v2 in MP3, WAV and AIFF; 0 for none.
        id3v1, ape: tags at the end of an MP3.
    """

    fields: bool = True
    genres: tuple[str, ...] = ()
    former: bool = False
    cover: bool = False
    chapters: bool = False
    id3: int = 4
    id3v1: bool = False
    ape: bool = False


STYLES = {
    "no tags": Style(fields=False, id3=0),
    "plain": Style(),
    "cover": Style(cover=True, id3=3),
    "several genres": Style(genres=("Jazz", "Chanson française"), id3v1=True),
    "former values": Style(genres=("Rock",), former=True),
    "ID3v1 only": Style(id3=0, id3v1=True),
    "APEv2 only": Style(id3=0, ape=True),
    "ID3v2.3, APEv2 and ID3v1": Style(genres=("Blues",), id3=3, id3v1=True, ape=True),
    "chapters": Style(chapters=True, cover=True),
    "one genre": Style(genres=("(17)",), id3=3),
}
"""Differences that a format cannot express make no difference there."""


class Music:
    """Excerpts of the example clips, all different."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.clips = [audio.load(path, 44_100) for path in sorted(CLIPS.iterdir())]

    def samples(self) -> npt.NDArray[np.float32]:
        """Stereo (2, n) float32 at 44.1 kHz."""
        clip = self.draw.choice(self.clips)
        n = SECONDS * 44_100
        start = self.draw.randrange(len(clip) - n)
        left = clip[start : start + n] * np.float32(self.draw.uniform(0.6, 0.9))
        return np.stack([left, np.roll(left, 441)])

    def encode(self, path: Path, kind: Format, metadata: dict[str, str] | None = None) -> None:
        """Write new music."""
        if kind.suffix in hand_built.MAKERS:  # told apart by their lengths
            path.write_bytes(hand_built.MAKERS[kind.suffix](self.draw.uniform(SECONDS, 4 * SECONDS)))
            return
        samples = self.samples()
        with av.open(str(path), "w", format="adts" if kind.suffix == ".aac" else None) as container:
            container.metadata.update(metadata or {})
            stream: Any = container.add_stream(kind.codec, rate=kind.rate_hz, layout="stereo")
            stream.codec_context.options = {"strict": "-2"}  # FFmpeg calls its Vorbis encoder experimental
            if kind.codec in LOSSY:
                stream.bit_rate = 128_000
            for start in range(0, samples.shape[1], 4096):
                part = np.ascontiguousarray(samples[:, start : start + 4096])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    def song(self, path: Path, kind: Format, style: Style, title: str) -> None:
        """Write new music with tags."""
        wanted = style.fields and (kind.tags == "ffmpeg" or kind.suffix == ".wav")
        self.encode(path, kind, {"title": title, "artist": ARTISTS[0]} if wanted else None)
        if kind.tags != "ffmpeg":
            _WRITERS[kind.tags](path, style, title)


# Tags ----------------------------------------------------------------------------------------------------


def _frames(style: Style, title: str) -> list[Any]:
    found: list[Any] = []
    if style.fields:
        found += [
            TIT2(encoding=1, text=title),
            TPE1(encoding=1, text=ARTISTS),
            TALB(encoding=0, text="An album"),
            COMM(encoding=1, lang="deu", desc="Notiz", text="é"),
            TXXX(encoding=1, desc="replaygain_track_gain", text="-3.2 dB"),
            PRIV(owner="somebody.example", data=b"\xff\xe0\x00\xff"),
            POPM(email="me@example.org", rating=200, count=3),
        ]
    if style.genres:
        found.append(TCON(encoding=1, text=list(style.genres)))
    if style.former:
        found += [TXXX(encoding=3, desc=name, text=values) for name, values in FORMER.items()]
    if style.cover:
        found += [
            APIC(encoding=0, mime="image/png", type=3, desc="front", data=COVER),
            APIC(encoding=1, mime="image/png", type=4, desc="back ü", data=COVER[::-1]),
        ]
    if style.chapters:
        times = {"start_offset": 0xFFFFFFFF, "end_offset": 0xFFFFFFFF}
        found += [
            CTOC(
                element_id="toc",
                flags=CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED,
                child_element_ids=["one", "two"],
                sub_frames=[TIT2(encoding=3, text="contents")],
            ),
            CHAP(element_id="one", start_time=0, end_time=1000, sub_frames=[TIT2(encoding=3, text="1")], **times),
            CHAP(element_id="two", start_time=1000, end_time=3000, sub_frames=[TIT2(encoding=3, text="2")], **times),
        ]
    return found


def _id3(path: Path, style: Style, title: str) -> None:
    ID3().delete(path)  # FFmpeg's
    if style.id3 or style.id3v1:
        tags = ID3()
        for frame in _frames(style, title):
            tags.add(frame)
        tags.save(path, v1=2 if style.id3v1 else 0, v2_version=style.id3 or 4, v23_sep=None)
        if not style.id3:
            tags.delete(path, delete_v1=False, delete_v2=True)
    if style.ape:
        _ape(path, style, title)


def _chunk(path: Path, style: Style, title: str) -> None:
    if not style.id3:
        return
    file: Any = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in _frames(style, title):
        file.tags.add(frame)
    file.save(v2_version=style.id3, v23_sep=None)


def _vorbis(path: Path, style: Style, title: str) -> None:
    file: Any = mutagen.File(path)
    if style.fields:
        file["TITLE"] = [title]
        file["Artist"] = ARTISTS
        file["odd key"] = ["a=b=c\nand more", ""]
        file["REPLAYGAIN_TRACK_GAIN"] = ["-3.2 dB"]
    if style.chapters:
        file["CHAPTER001"], file["CHAPTER001NAME"] = ["00:00:00.000"], ["1"]
    if style.genres:
        file["Genre"] = list(style.genres)
    if style.former:
        file.update(FORMER)
    if style.cover:
        picture = Picture()
        picture.data, picture.type, picture.mime, picture.desc = COVER, 3, "image/png", "front ü"
        if isinstance(file, FLAC):
            file.add_picture(picture)
        else:
            file["METADATA_BLOCK_PICTURE"] = [base64.b64encode(picture.write()).decode()]
    file.save()


def _mp4(path: Path, style: Style, title: str) -> None:
    file: Any = mutagen.File(path)
    if style.fields:
        file["\xa9nam"], file["\xa9ART"] = title, ARTISTS
        file["trkn"], file["cpil"] = [(3, 12)], True
        file["----:com.apple.iTunes:LABEL"] = [MP4FreeForm("ü".encode()), MP4FreeForm(b"\x00\x01", dataformat=0)]
    if style.genres:
        file["\xa9gen"] = list(style.genres)
    if style.former:
        for name, values in FORMER.items():
            file[f"----:com.earmark:{name}"] = [MP4FreeForm(value.encode()) for value in values]
    if style.cover:
        file["covr"] = [MP4Cover(COVER, MP4Cover.FORMAT_PNG)]
    file.save()


def _asf(path: Path, style: Style, title: str) -> None:
    file: Any = mutagen.File(path)
    if style.fields:
        file["Title"], file["Author"], file["WM/TrackNumber"] = title, ARTISTS, 3
        file["somebody/UNKNOWN"] = ["a", "b"]
    if style.genres:
        file["WM/Genre"] = list(style.genres)
    if style.former:
        file["EARMARK/SCORES"], file["EARMARK/MODEL"] = FORMER["EARMARK_SCORES"], FORMER["EARMARK_MODEL"]
    if style.cover:
        head = b"\x03" + struct.pack("<I", len(COVER)) + bytes(4)
        file["WM/Picture"] = ASFByteArrayAttribute(head + COVER)
    file.save()


def _ape(path: Path, style: Style, title: str) -> None:
    tags = APEv2()
    pairs: list[tuple[str, Sequence[str]]] = []
    if style.fields:
        pairs += [("Title", [title]), ("Artist", ARTISTS), ("odd key", ["a=b"])]
    if style.genres:
        pairs.append(("Genre", style.genres))
    if style.former:
        pairs += FORMER.items()
    for name, values in pairs:
        tags[name] = list(values)
    if style.cover:
        tags["Cover Art (Front)"] = APEValue(b"front.png\0" + COVER, BINARY)
    if tags:
        tags.save(path)


_WRITERS = {"id3": _id3, "chunk": _chunk, "vorbis": _vorbis, "mp4": _mp4, "asf": _asf, "ape": _ape}
