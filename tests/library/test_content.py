"""The content key: the same before and after every change of metadata, another one for other audio."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TALB, TCON, TIT2, TPE1, TXXX
from mutagen.mp4 import MP4Cover

from earmark.core.errors import AudioError
from earmark.library.scan.content import Content, read_content
from tests.helpers import sounds, tagged

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 400
SUFFIXES = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aiff", ".wav", ".wma")
LABELS = {"title": "Täter", "artist": "A. Singer", "album": "First", "genre": "Jazz; Blues"}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for suffix in (*SUFFIXES, ".aac", ".mka"):
        rate_hz = 48_000 if suffix == ".opus" else 44_100
        sounds.write(folder / f"song{suffix}", sounds.music(4, rate_hz, 2), rate_hz)
    return folder


@pytest.fixture
def song(originals: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copy(originals / f"song{request.param}", tmp_path))


def write_labels(path: Path) -> None:
    """Title, artist, album, two genres and a picture, as mutagen writes them into each format."""
    file: Any = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    tags = file.tags
    if isinstance(tags, ID3):
        tags.add(TIT2(encoding=3, text=LABELS["title"]))
        tags.add(TPE1(encoding=3, text=LABELS["artist"]))
        tags.add(TALB(encoding=3, text=LABELS["album"]))
        tags.add(TCON(encoding=3, text=["Jazz", "Blues"]))
        tags.add(APIC(encoding=3, mime="image/jpeg", type=3, desc="front", data=PICTURE))
    elif path.suffix == ".m4a":
        tags["\xa9nam"], tags["\xa9ART"], tags["\xa9alb"] = LABELS["title"], LABELS["artist"], LABELS["album"]
        tags["\xa9gen"], tags["covr"] = ["Jazz", "Blues"], [MP4Cover(PICTURE)]
    elif path.suffix == ".wma":
        tags["Title"], tags["Author"], tags["WM/AlbumTitle"] = LABELS["title"], LABELS["artist"], LABELS["album"]
        tags["WM/Genre"] = ["Jazz", "Blues"]
    else:
        tags["TITLE"], tags["artist"], tags["Album"] = LABELS["title"], LABELS["artist"], LABELS["album"]
        tags["genre"] = ["Jazz", "Blues"]
        if path.suffix == ".flac":
            picture = Picture()
            picture.mime, picture.data = "image/jpeg", PICTURE
            file.add_picture(picture)
        else:
            tags["metadata_block_picture"] = "A" * 140_000
    file.save()


@pytest.mark.slow
@pytest.mark.parametrize("song", SUFFIXES, indirect=True)
def test_metadata_leave_the_key_alone(song: Path) -> None:
    before = read_content(song)
    assert before.key.startswith("audio-")
    content = song.read_bytes()
    write_labels(song)
    assert song.read_bytes() != content
    after = read_content(song)
    assert after == Content(before.key, **LABELS)
    file: Any = mutagen.File(song)
    file.delete()  # every tag, and the padding may change as well
    file.save()
    assert read_content(song).key == before.key
    assert read_content(song).title is None


@pytest.mark.slow
@pytest.mark.parametrize("song", [".mp3"], indirect=True)
def test_all_kinds_of_tags_of_an_mp3(song: Path) -> None:
    mutagen.id3.delete(song)
    bare = song.read_bytes()
    key = read_content(song).key
    old = b"TAG" + "Café".encode("latin-1").ljust(30, b"\0") + b"Me".ljust(90, b"\0") + b"\0" * 4 + bytes([17])
    song.write_bytes(bare + old)
    assert read_content(song) == Content(key, "Café", "Me", None, "Rock")
    tags = APEv2()
    tags["Title"] = "ape"
    tags.save(song)
    assert read_content(song).key == key
    for version in (3, 4):
        newer = ID3()
        newer.add(TIT2(encoding=1, text=f"version {version}"))
        newer.add(TXXX(encoding=1, desc="long", text="x" * 300_000))
        newer.save(song, v1=2, v2_version=version)
        assert read_content(song).key == key
        assert read_content(song).title == f"version {version}"


@pytest.mark.slow
@pytest.mark.parametrize("song", [".flac"], indirect=True)
def test_padding_of_a_flac(song: Path) -> None:
    key = read_content(song).key
    file = FLAC(song)
    file.save(padding=lambda _: 100_000)
    assert song.stat().st_size > 100_000
    assert read_content(song).key == key


@pytest.mark.slow
@pytest.mark.parametrize("song", [".wav"], indirect=True)
def test_chunks_of_a_wav(song: Path) -> None:
    content = song.read_bytes()
    data = content.index(b"data")
    notes = b"LIST" + (18).to_bytes(4, "little") + b"INFOINAM" + (6).to_bytes(4, "little") + b"Hello\0"
    size = (len(content) - 8 + len(notes)).to_bytes(4, "little")
    key = read_content(song).key
    for changed in (content[:data] + notes + content[data:], content + notes):
        song.write_bytes(b"RIFF" + size + changed[8:])
        assert read_content(song) == Content(key, title="Hello")


@pytest.mark.parametrize("song", [".m4a"], indirect=True)
def test_index_of_an_m4a_at_the_front(song: Path, tmp_path: Path) -> None:
    import av

    moved = tmp_path / "moved.m4a"
    with av.open(str(song)) as source, av.open(str(moved), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert moved.read_bytes().index(b"moov") < moved.read_bytes().index(b"mdat")
    assert song.read_bytes().index(b"moov") > song.read_bytes().index(b"mdat")
    assert read_content(moved).key == read_content(song).key


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".aac", ".mka"])
def test_other_audio_has_another_key(originals: Path, tmp_path: Path, suffix: str) -> None:
    samples = sounds.music(4, 44_100, 2)
    changed = samples.copy()
    changed[0, 100_000:100_300] += 0.05
    keys = {
        read_content(originals / f"song{suffix}").key,
        read_content(sounds.write(tmp_path / f"changed{suffix}", changed, 44_100)).key,
        read_content(sounds.write(tmp_path / f"faster{suffix}", samples, 48_000)).key,
        read_content(sounds.write(tmp_path / f"shorter{suffix}", samples[:, :-50_000], 44_100)).key,
    }
    assert len(keys) == 4


def test_what_is_no_audio_has_a_key_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"no music at all" * 100)
    (tmp_path / "b.mp3").write_bytes(b"no music at all" * 100)
    (tmp_path / "c.mp3").write_bytes(b"no music at ALL" * 100)
    keys = [read_content(tmp_path / f"{name}.mp3").key for name in "abc"]
    assert keys[0].startswith("bytes-")
    assert keys[0] == keys[1] != keys[2]


def test_labels_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    path = tagged.make(tmp_path / "song.mpc", 0.2)
    items = tagged.ape_item("Genre", b"\0\1", tagged.BINARY), tagged.ape_item("Title", b"t")
    path.write_bytes(path.read_bytes() + tagged.ape_tag(*items))
    assert read_content(path).key.startswith("audio-")


@pytest.mark.parametrize("song", SUFFIXES, indirect=True)
def test_damaged_files_have_keys_or_errors_of_ours(song: Path, tmp_path: Path) -> None:
    content = song.read_bytes()
    for kept in (1, 30, 200, len(content) // 2):
        song.write_bytes(content[:kept])
        if content[:kept].strip(b"\0"):
            assert read_content(song).key
        else:
            with pytest.raises(AudioError, match="nothing but zeros"):
                read_content(song)
    song.write_bytes(content[:100] + os.urandom(2000) + content[2100:])
    assert read_content(song).key


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read_content(tmp_path / "none.mp3")
    with pytest.raises(AudioError, match="is a folder"):
        read_content(tmp_path)
    (tmp_path / "empty.mp3").touch()
    with pytest.raises(AudioError, match="empty"):
        read_content(tmp_path / "empty.mp3")
