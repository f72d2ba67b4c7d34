"""A tag behind the sound is no sound: pictures in it hold what looks like frames of MP3 and AAC."""

from __future__ import annotations

import io
import random
from pathlib import Path

import av
import numpy as np
import pytest

from earmark.audio import AudioStream
from earmark.audio.ape_tag import find_id3v1, old_tags_start, read_ape_tag, tags_start
from earmark.audio.seeking import read_parts
from earmark.core.errors import AudioError
from earmark.library.scan.content import read_content
from tests.helpers import sounds, tagged

FRAMES = {".mp3": b"\xff\xfb\x90\x64", ".aac": b"\xff\xf1\x50\x80\x02\x1f\xfc"}
V1 = b"TAG" + bytes(124) + b"\x11"


def tag(suffix: str) -> bytes:
    """With a picture of noise that begins like frames of the format."""
    dice = random.Random(suffix)
    noise = b"".join(FRAMES.get(suffix, b"") + dice.randbytes(n) for n in range(1, 400, 7)) + dice.randbytes(20_000)
    return tagged.ape_tag(
        tagged.ape_item("Title", b"From APE"),
        tagged.ape_item("Cover Art (Front)", b"front.png\0" + noise, tagged.BINARY),
    )


def song(path: Path) -> bytes:
    return tagged.without_ape_tag(tagged.make(path, 2).read_bytes())


def bare(path: Path) -> bytes:
    """A file of any format."""
    if path.suffix in tagged.APE_FORMATS:
        return song(path)
    if path.suffix in sounds.ENCODERS or path.suffix == ".ogg":
        return sounds.write(path, sounds.music(2, 48_000), 48_000).read_bytes()
    codec = {".mp4": "aac"}.get(path.suffix, "pcm_s16be")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sounds.music(2, 48_000), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for part in av.AudioResampler(stream.format, "mono", 48_000, frame_size=1_024).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path.read_bytes()


def read(source: Path | bytes) -> tuple[np.ndarray, list[str]]:
    stream = AudioStream(source, 16_000)
    return np.concatenate(list(stream)), stream.warnings


@pytest.mark.parametrize("suffix", [".mp3", *tagged.APE_FORMATS])
@pytest.mark.parametrize("behind", ["", "ID3v1"])
def test_sound_warnings_and_key_are_those_of_the_file_without_it(tmp_path: Path, suffix: str, behind: str) -> None:
    path = tmp_path / f"odd, name: 'x'{suffix}"
    content = song(path)
    path.write_bytes(content)
    samples, warnings = read(path)
    key = read_content(path).key
    whole = content + tag(suffix) + (V1 if behind else b"")
    path.write_bytes(whole)
    for source in (path, whole):
        tagged_samples, tagged_warnings = read(source)
        np.testing.assert_array_equal(tagged_samples, samples)
        assert tagged_warnings == warnings
    assert read_content(path).key == key
    assert read_content(path).title == "From APE"


def id3v2(n_bytes: int, *, footer: bool = False) -> bytes:
    """A tag of version 2.4 that says it has so many bytes, all of padding."""
    size = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"\4\0" + (b"\x10" if footer else b"\0") + size
    return b"ID3" + head + bytes(n_bytes) + (b"3DI" + head if footer else b"")


@pytest.mark.parametrize("suffix", [*sounds.ENCODERS, ".ogg", *tagged.APE_FORMATS, ".mp4", ".caf", ".au"])
@pytest.mark.parametrize("tags", [id3v2(60), id3v2(40_000, footer=True) + id3v2(200)])
def test_an_id3v2_tag_in_front_is_passed_over_in_every_format(tmp_path: Path, suffix: str, tags: bytes) -> None:
    """FFmpeg does it in some formats, and cannot open files of the others."""
    path = tmp_path / f"odd, name: 'x'{suffix}"
    content = bare(path)
    samples, warnings = read(content)
    path.write_bytes(tags + content)
    for source in (path, tags + content):
        with_tag, its_warnings = read(source)
        np.testing.assert_array_equal(with_tag, samples)
        assert its_warnings == warnings


@pytest.mark.parametrize("suffix", [".flac", ".wav", ".wv", ".m4a", ".mp3"])
def test_a_file_that_is_cut_off_is_reported_behind_an_id3v2_tag_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = bare(path)
    reasons = []
    for front in (b"", id3v2(40_000)):
        path.write_bytes(front + content[: len(content) // 2])
        with pytest.raises(AudioError) as caught:
            read(path)
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]


@pytest.mark.parametrize("content", [b"", id3v2(60)[:40], id3v2(60), id3v2(60) + b"text", id3v2(60) * 3])
def test_an_id3v2_tag_alone_is_no_audio(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(AudioError, match="empty" if not content else "not audio"):
            read(source)


def test_windows_are_sought_behind_an_id3v2_tag(tmp_path: Path) -> None:
    content = sounds.write(tmp_path / "bare.wav", sounds.music(8, 44_100), 44_100).read_bytes()
    (tmp_path / "tagged.wav").write_bytes(id3v2(60) + content)
    bare, other = (
        read_parts(tmp_path / f"{name}.wav", 16_000, 16_000, lambda _: (1_000, 50_000)) for name in ("bare", "tagged")
    )
    assert bare is not None
    assert other is not None
    np.testing.assert_array_equal(other.samples, bare.samples)


def test_parts_are_sought_as_in_the_file_without_it(tmp_path: Path) -> None:
    content = sounds.write(tmp_path / "bare.mp3", sounds.music(8, 44_100), 44_100).read_bytes()
    (tmp_path / "tagged.mp3").write_bytes(content + tag(".mp3"))
    bare, other = (
        read_parts(tmp_path / f"{name}.mp3", 16_000, 16_000, lambda _: (1_000, 50_000)) for name in ("bare", "tagged")
    )
    assert bare is not None
    assert other is not None
    assert other.duration_seconds == bare.duration_seconds
    np.testing.assert_array_equal(other.samples, bare.samples)


@pytest.mark.parametrize("suffix", [".mp3", *tagged.APE_FORMATS])
def test_an_id3v1_tag_alone_is_no_sound_either(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song{suffix}"
    content = song(path)
    path.write_bytes(content)
    samples, warnings = read(path)
    key = read_content(path).key
    path.write_bytes(content + V1)
    np.testing.assert_array_equal(read(path)[0], samples)
    assert read(path)[1] == warnings
    assert read_content(path).key == key


@pytest.mark.parametrize("n_kept", [0, 10, 31, 32, 40])
def test_a_tag_that_is_cut_off_in_front_is_left_where_it_is(n_kept: int) -> None:
    content = tagged.ape_tag(tagged.ape_item("Title", b"t"))[-n_kept:] if n_kept else b""
    if n_kept < 32:
        assert read_ape_tag(io.BytesIO(content)) is None
    else:
        with pytest.raises(ValueError, match="damaged"):
            read_ape_tag(io.BytesIO(content))
    assert tags_start(io.BytesIO(content), "mp3") is None


def test_a_file_that_is_a_tag_and_nothing_else_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "song.ape"
    path.write_bytes(tag(".ape"))
    assert read_content(path).key.startswith("bytes-")
    assert tags_start(io.BytesIO(tag(".ape")), "ape") is None


def lyrics3(text: bytes, n_bytes: int | None = None) -> bytes:
    block = b"LYRICSBEGIN" + text
    return block + b"%06dLYRICS200" % (len(block) if n_bytes is None else n_bytes)


@pytest.mark.parametrize("n_claimed", [None, 3, 25, 999_999])
def test_lyrics3_is_left_out_with_id3v1_where_its_size_is_right(n_claimed: int | None) -> None:
    lyrics = lyrics3(b"LYR00003la!", n_claimed)
    file = io.BytesIO(bytes(100) + lyrics + V1)
    assert tags_start(file, "wv") == (100 if n_claimed is None else 100 + len(lyrics))
    assert tags_start(io.BytesIO(V1), "wv") is None


def test_three_letters_in_an_apev2_tag_are_no_id3v1_tag() -> None:
    """Where ID3v1 would begin, 128 bytes before the end."""
    content = bytes(200) + tagged.ape_tag(tagged.ape_item("Title", b"x" * 200))
    content = content[:-128] + b"TAG" + content[-125:]
    file = io.BytesIO(content)
    assert find_id3v1(file) is None
    assert old_tags_start(file) == len(content)
    tag = read_ape_tag(file)
    assert tag is not None
    assert tag.end == len(content)
    assert b"TAG" in tag.items[0]


def test_labels_beside_one_that_is_not_utf8(tmp_path: Path) -> None:
    for suffix in (".mp3", *tagged.APE_FORMATS):
        path = tmp_path / f"song{suffix}"
        items = tagged.ape_item("Comment", b"\xe9"), tagged.ape_item("TITLE", b"t"), tagged.ape_item("Artist", b"a\0b")
        path.write_bytes(song(path) + tagged.ape_tag(*items))
        content = read_content(path)
        assert (content.title, content.artist) == ("t", "a; b")
