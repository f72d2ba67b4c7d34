"""ID3 tags: frames, sizes and genres of all kinds, and what stands around the tag."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import taglib
import tinytag
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, TCON, TIT2, TXXX

from earmark.audio import load
from earmark.library.tagfiles.formats.base import FIELDS
from earmark.library.tagfiles.write import Target, read_state
from tests.helpers import tagged
from tests.helpers.tag_writing import VALUES, ours, take_back, write
from tests.helpers.tagged import synchsafe


@pytest.mark.slow
@pytest.mark.parametrize("version", [3, 4])
def test_id3_frames_of_others_stay_byte_for_byte(songs: dict[str, Path], tmp_path: Path, version: int) -> None:
    body = b""
    body += tagged.id3_frame(b"TIT2", b"\x01\xff\xfeT\x00", version)
    body += tagged.id3_frame(b"COMM", b"\x00engsame\x00first", version)
    body += tagged.id3_frame(b"COMM", b"\x00engsame\x00second, of the same name", version)
    body += tagged.id3_frame(b"ZZZZ", b"nobody knows this frame", version)
    body += tagged.id3_frame(b"APIC", b"\x09 damaged", version)
    body += tagged.id3_frame(b"TXXX", b"\x00Mine\x00one", version)
    body += tagged.id3_frame(b"TXXX", b"\x00Mine\x00two", version)
    body += tagged.id3_frame(b"TALB", b"\x00read-only", version, 0x2000 if version == 3 else 0x1000)
    body += tagged.id3_frame(b"TYER", b"\x001999", version)
    body += tagged.id3_frame(b"APIC", b"\x00image/png\x00\x03\x00" + tagged.PICTURE, version)
    path = tmp_path / "song.mp3"
    audio = songs[".mp3"].read_bytes()
    audio = audio[10 + int.from_bytes(audio[8:10], "big") :]
    path.write_bytes(tagged.id3_tag(version, body) + audio)
    before = tagged.id3_frames(path.read_bytes())
    log = write(path)
    assert path.read_bytes()[3] == version
    assert path.read_bytes().endswith(audio)
    after = tagged.id3_frames(path.read_bytes())
    assert after[: len(before)] == before
    assert {header[:4] for header, _ in after[len(before) :]} == {b"TCON", b"TMOO", b"TBPM", b"TKEY", b"TXXX"}
    assert len(after) == len(before) + len(VALUES)
    bodies = {header[:4]: body for header, body in after[len(before) :]}
    if version == 4:
        assert bodies[b"TCON"].rstrip(b"\0") == "\x03Chanson française\0Rock".encode()
    else:  # latin-1 where it can be, UTF-16 where not: there is no UTF-8 in this version
        assert bodies[b"TCON"].rstrip(b"\0") == "\0Chanson française\0Rock".encode("latin-1")
        assert bodies[b"TMOO"][0] == 1
    with taglib.File(str(path)) as file:
        assert file.tags["GENRE"] == list(VALUES["genre"])
        assert file.tags["MOOD"] == list(VALUES["mood"])
    take_back(log)
    assert tagged.id3_frames(path.read_bytes()) == before


def test_id3_unsynchronised_tags_stay_readable(songs: dict[str, Path], tmp_path: Path) -> None:
    audio = songs[".mp3"].read_bytes()
    audio = audio[10 + int.from_bytes(audio[8:10], "big") :]
    for version in (3, 4):
        picture = b"\x00image/png\x00\x03\x00" + tagged.PICTURE
        if version == 3:  # the whole tag, and sizes are those of before
            body = tagged.id3_frame(b"APIC", picture, 3) + tagged.id3_frame(b"TIT2", b"\x01\xff\xfeT\x00", 3)
            body = _unsynchronised(body)
        else:  # frame by frame
            body = tagged.id3_frame(b"APIC", _unsynchronised(picture), 4)
            body += tagged.id3_frame(b"TIT2", _unsynchronised(b"\x01\xff\xfeT\x00"), 4)
        path = tmp_path / f"{version}.mp3"
        path.write_bytes(tagged.id3_tag(version, body, flags=0x80) + audio)
        write(path)
        tags = ID3(path)
        assert tags["APIC:"].data == tagged.PICTURE
        assert str(tags["TIT2"]) == "T"
        assert tags["TCON"].genres == list(VALUES["genre"])
        assert tinytag.TinyTag.get(path, image=True).images.front_cover.data == tagged.PICTURE


def _unsynchronised(data: bytes) -> bytes:
    out = bytearray()
    for i, byte in enumerate(data):
        out.append(byte)
        if byte == 0xFF and (i + 1 == len(data) or data[i + 1] >= 0xE0 or data[i + 1] == 0):
            out.append(0)
    return bytes(out)


def test_id3_sizes_of_old_itunes(songs: dict[str, Path], tmp_path: Path) -> None:
    """It wrote plain sizes into ID3v2.4: our frames must not be lost behind them."""
    audio = songs[".mp3"].read_bytes()
    body = tagged.id3_frame(b"APIC", b"\x00image/png\x00\x03\x00" + tagged.PICTURE, 3)
    body += tagged.id3_frame(b"TIT2", b"\x00" + b"long" * 50, 3)
    path = tmp_path / "song.mp3"
    path.write_bytes(tagged.id3_tag(4, body) + audio[10 + int.from_bytes(audio[8:10], "big") :])
    write(path)
    with taglib.File(str(path)) as file:
        assert file.tags["TITLE"] == ["long" * 50]
        assert file.tags["GENRE"] == list(VALUES["genre"])
    assert ID3(path)["APIC:"].data == tagged.PICTURE


def test_id3v1_is_kept_and_only_its_genre_follows(songs: dict[str, Path], tmp_path: Path) -> None:
    v1 = b"TAG" + "Пesня".encode("cp1251").ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b" ")
    v1 += b"1999" + b"a comment of its own".ljust(28, b"\0") + b"\0\x07" + b"\x11"
    assert len(v1) == 128
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    path.write_bytes(path.read_bytes() + v1)
    assert read_state(path).values["genre"] == ("Rock",)
    log = write(path, {"genre": Target(("Jazz", "Rock"))})
    assert path.read_bytes()[-128:] == v1[:-1] + b"\x08"
    take_back(log)
    assert path.read_bytes()[-128:] == v1
    write(path, {"genre": Target(("No such genre there",))})
    assert path.read_bytes()[-1] == 255


YEARS = [b"abcd", b"n/a ", b"????", b"    ", b"\0\0\0\0", b"0000", b"99\0\0", b"19\xff\x01", b"1999"]


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("other", [b"", b" ", b"x", b"\x01\x02", b"caf\xe9", b"'99"])
def test_odd_fields_of_id3v1_are_in_nobodys_way(
    songs: dict[str, Path], tmp_path: Path, year: bytes, other: bytes
) -> None:
    """A year that is no number has no frame in an ID3v2 tag."""
    fill = other[:1] if other == b"x" else b"\0"
    v1 = b"TAG" + b"".join(other.ljust(30, fill) for _ in range(3)) + year + other.ljust(28, b"\0") + b"\0\x07\x11"
    audio = songs[".mp3"].read_bytes()
    path = tmp_path / "song.mp3"
    path.write_bytes(audio[10 + int.from_bytes(audio[8:10], "big") :] + v1)
    before = path.read_bytes()
    log = write(path)
    assert ours(path) == VALUES
    assert path.read_bytes()[-128:-1] == v1[:-1]
    assert take_back(log)
    assert path.read_bytes() == before


def test_a_file_with_id3v1_alone_keeps_its_title_for_all_players(songs: dict[str, Path], tmp_path: Path) -> None:
    v1 = b"TAG" + b"The title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b"\0")
    v1 += b"1999" + b"comment".ljust(28, b"\0") + b"\0\x07" + b"\xff"
    audio = songs[".mp3"].read_bytes()
    path = tmp_path / "song.mp3"
    path.write_bytes(audio[10 + int.from_bytes(audio[8:10], "big") :] + v1)
    before = path.read_bytes()
    assert "ID3v1" in read_state(path).notes[0]
    log = write(path)
    read_by_ffmpeg = tagged.ffmpeg_metadata(path)
    assert (read_by_ffmpeg["TITLE"], read_by_ffmpeg["ARTIST"], read_by_ffmpeg["TRACK"]) == ("The title", "Artist", "7")
    take_back(log)
    assert path.read_bytes() == before


def test_ape_tags_at_the_end_of_an_mp3_stay(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    ape = APEv2()
    ape["Title"] = "From APE"
    ape["Mood"] = ["Wild", "Free"]
    ape["REPLAYGAIN_TRACK_GAIN"] = "-1 dB"
    ape.save(path)
    tail = path.read_bytes()[-150:]
    assert read_state(path).values["mood"] == ("Wild", "Free")  # so that it is not taken for empty
    assert any("APEv2 tag stays as it is" in note for note in read_state(path).notes)
    write(path)
    assert path.read_bytes()[-150:] == tail
    assert list(APEv2(path)["Mood"]) == ["Wild", "Free"]


def test_moods_where_some_programs_write_them(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TXXX(encoding=3, desc="mood", text=["Wild"]))
    tags.save(path)
    assert read_state(path).values["mood"] == ("Wild",)
    log = write(path, {"mood": Target(("Wild", "Calm"))})
    assert ID3(path).getall("TMOO") == []
    assert [frame.text for frame in ID3(path).getall("TXXX") if frame.desc.upper() == "MOOD"] == [["Wild", "Calm"]]
    take_back(log)
    assert ID3(path)["TXXX:mood"].text == ["Wild"]


def test_numeric_genres_are_read_as_names_and_come_back_as_numbers(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TCON(encoding=0, text="(17)(13)Own"))
    tags.save(path, v2_version=3)
    assert read_state(path).values["genre"] == ("Rock", "Pop", "Own")
    log = write(path, {"genre": Target(("Jazz",))})
    assert ID3(path)["TCON"].text == ["Jazz"]
    take_back(log)
    assert ID3(path, translate=False)["TCON"].text == ["(17)(13)Own"]


def test_nothing_wanted_is_nothing_changed(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TIT2(encoding=3, text="t"))
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=tagged.PICTURE))
    tags.save(path)
    before = tagged.id3_frames(path.read_bytes())
    write(path, {name: Target(()) for name in FIELDS})
    assert tagged.id3_frames(path.read_bytes()) == before


def found(name: str, song: bytes) -> bytes:
    """A song with tags around it as some programs leave them."""
    if song[:3] == b"ID3":
        song = song[10 + song[8] * 128 + song[9] :]
    title = tagged.id3_frame(b"TIT2", b"\x03Loose", 4)
    front = tagged.id3_tag(4, title + bytes(64))
    old = b"TAG" + b"Loose".ljust(124, b"\0") + b"\xff"
    lyrics = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00009[00:01]la"
    lyrics += b"%06d" % len(lyrics) + b"LYRICS200"
    return {
        "in front": front + song,
        "in front and behind": front + song + old,
        "two": front + tagged.id3_tag(4, title + bytes(300)) + song,
        "at the end": song + b"ID3\4\0\x10" + synchsafe(len(title)) + title + b"3DI\4\0\x10" + synchsafe(len(title)),
        "lyrics": song + lyrics + old,
        "zeros": front + bytes(100_000) + song,
        "junk": song[: len(song) // 2] + bytes((31 * i + 7) % 253 for i in range(383)) + song[len(song) // 2 :],
    }[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        *((".flac", name) for name in ("in front", "in front and behind")),
        *((".mp3", name) for name in ("in front and behind", "two", "at the end", "lyrics", "zeros", "junk")),
    ],
)
def test_tags_as_they_are_found_and_undone(songs: dict[str, Path], tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = found(name, songs[suffix].read_bytes())
    path.write_bytes(content)
    samples = load(path, 16_000)
    log = write(path)
    assert ours(path) == VALUES
    np.testing.assert_array_equal(load(path, 16_000), samples)
    take_back(log)
    assert set(ours(path).values()) == {()}
    np.testing.assert_array_equal(load(path, 16_000), samples)
    assert path.read_bytes() == content
