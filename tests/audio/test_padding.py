"""Zeros, tags and anything else around the sound of a file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.ape_tag import tags_start
from earmark.audio.padding import MANY_ZEROS, bytes_in_front, sound_end, zeros_in_front
from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from tests.helpers import sounds
from tests.helpers.hand_built import musepack_8

RATE_HZ = 16_000
SPEC = InputSpec(sample_rate_hz=RATE_HZ, window_samples=RATE_HZ, hop_samples=RATE_HZ)
JUNK = np.random.default_rng(0).bytes(200_000)
V1 = b"TAG" + bytes(125)
V2 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
FOOTED_V2 = b"ID3\4\0\x10\0\0\0\7" + b"\0" * 7 + b"3DI\4\0\x10\0\0\0\7"


def ape(picture: bytes) -> bytes:
    item = struct.pack("<2I", len(picture), 2) + b"Cover Art (Front)\0" + picture

    def end(flag: int) -> bytes:
        return b"APETAGEX" + struct.pack("<4I", 2000, len(item) + 32, 1, flag) + bytes(8)

    return end(0xA000_0000) + item + end(0x8000_0000)


def transport_stream(path: Path) -> Path:
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mp2", rate=RATE_HZ, layout="mono")
        tone = (sounds.music(6, RATE_HZ) * 2**15).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.fixture(
    scope="module", params=[".mp3", ".aac", ".flac", ".ogg", ".opus", ".wv", ".mpc", ".ac3", ".ts", ".wav", ".m4a"]
)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / f"a{request.param}"
    if path.suffix == ".mpc":
        path.write_bytes(musepack_8(6))
    elif path.suffix == ".ts":
        transport_stream(path)
    elif path.suffix == ".ac3":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ac3", rate=48_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(sounds.music(6, 48_000), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux([*stream.encode(frame), *stream.encode(None)])
    else:
        sounds.write(path, sounds.music(6, 48_000), 48_000)
    return path


def heard(source: Path | audio.AudioBytes) -> tuple[np.ndarray, list[str]]:
    stream = audio.stream(source, RATE_HZ)
    return np.concatenate(list(stream)), stream.warnings


@pytest.mark.parametrize("n_zeros", [MANY_ZEROS, 1_000_000])
def test_zeros_in_front_and_behind_are_no_sound(whole: Path, tmp_path: Path, n_zeros: int) -> None:
    right, warnings = heard(whole)
    for name, content in (
        ("front", bytes(n_zeros) + whole.read_bytes()),
        ("behind", whole.read_bytes() + bytes(n_zeros)),
    ):
        path = tmp_path / (name + whole.suffix)
        path.write_bytes(content)
        for source in (path, audio.AudioBytes.read(path)):
            found, notes = heard(source)
            if whole.suffix == ".ac3" and name == "behind":  # FFmpeg joins the last frame with some of the zeros
                found, notes = np.append(found, right[len(found) :]), []
            assert notes == warnings
            assert (
                abs(len(found) - len(right)) <= 0.03 * RATE_HZ
            )  # some formats tell their encoder's delay by their end
            n = min(len(found), len(right)) - RATE_HZ // 10
            assert np.allclose(found[:n], right[:n], atol=1e-3)


def test_zeros_do_not_hinder_sparse_reading(tmp_path: Path) -> None:
    for suffix in (".mp3", ".ogg", ".flac"):
        path = sounds.write(tmp_path / f"a{suffix}", sounds.music(9, 48_000), 48_000)
        right = audio.sparse_windows(path, SPEC, 2)
        behind = bytes(100_000) if suffix == ".ogg" else b""  # else a part of them is a damaged packet
        path.write_bytes(bytes(100_000) + path.read_bytes() + behind)
        found = audio.sparse_windows(path, SPEC, 2)
        assert right is not None
        assert found is not None
        assert found.starts == right.starts
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found.samples, right.samples, strict=True))


@pytest.mark.parametrize("suffix", [".ogg", ".opus", ".ts"])
@pytest.mark.parametrize("between", [bytes(200_000), JUNK], ids=["zeros", "junk"])
def test_pages_are_read_behind_a_long_gap(suffix: str, between: bytes, tmp_path: Path) -> None:
    """One page, or packet, is lost; and nothing of what is behind the end is sound."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".ts":
        content = transport_stream(path).read_bytes()
    else:
        content = sounds.write(path, sounds.music(30, 48_000), 48_000).read_bytes()
    n_samples = len(audio.load(content, RATE_HZ))
    middle = len(content) // 376 * 188
    path.write_bytes(content[:middle] + between + content[middle:] + JUNK)
    for source in (path, audio.AudioBytes.read(path)):
        found, notes = heard(source)
        assert n_samples - 1.2 * RATE_HZ < len(found) <= n_samples
        assert all(note.startswith("damaged: ") for note in notes)
        assert notes or suffix == ".ts"


def test_the_end_of_an_ogg_file_is_found_in_front_of_anything(tmp_path: Path) -> None:
    content = sounds.write(tmp_path / "a.ogg", sounds.music(3, 48_000), 48_000).read_bytes()
    assert heard(audio.AudioBytes(content + JUNK, "a.ogg"))[1] == []
    cut_off = heard(audio.AudioBytes(content[:-2000] + JUNK, "a.ogg"))[1]
    assert any("cut off" in note for note in cut_off)


@pytest.mark.parametrize(
    ("behind", "n_read"),
    [
        (ape(JUNK) + ape(JUNK), 1000),
        (ape(JUNK) + V1 + ape(JUNK), 1000),
        (V1 + ape(JUNK), 1000),
        (ape(JUNK) + FOOTED_V2, 1000),
        (FOOTED_V2 + ape(JUNK) + V1, 1000),
        (V1 + V1, 1000),
        (V1, None),
        (b"", None),
    ],
)
def test_several_tags_behind_the_sound(behind: bytes, n_read: int | None) -> None:
    assert tags_start(io.BytesIO(b"\xff" * 1000 + behind), "mp3") == n_read


def test_pictures_in_several_tags_are_no_sound(tmp_path: Path) -> None:
    content = sounds.write(tmp_path / "a.mp3", sounds.music(3, 48_000), 48_000).read_bytes()
    picture = content[2000:20_000]  # with frames
    right = audio.load(content, RATE_HZ)
    for behind in (ape(picture) + ape(picture), ape(picture) + V1 + ape(picture)):
        assert np.array_equal(audio.load(content + behind, RATE_HZ), right)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (V2, "only a tag"),
        (V2 + V1, "only a tag"),
        (V1, "only a tag"),
        (bytes(1000) + V2, "only a tag"),
        (bytes(1000), "nothing but zeros"),
        (bytes(10 * MANY_ZEROS), "nothing but zeros"),
        (b"<html>404</html>" * 100, "not audio|no audio samples"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".ogg", ".flac"])
def test_why_there_is_no_audio(content: bytes, reason: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(AudioError, match=reason):
            audio.load(source, RATE_HZ)


def test_counts() -> None:
    assert zeros_in_front(io.BytesIO(bytes(70_000) + b"\1")) == 70_000
    assert zeros_in_front(io.BytesIO(b"")) == 0
    for head in (b"\0\0\0\x20ftypM4A ", b"\0\0\2\x20ftypM4A ", b"\0\0\1\xba", b"RIFF"):
        assert [zeros_in_front(io.BytesIO(bytes(n) + head)) for n in (0, 5, 70_000)] == [0, 5, 70_000]
    assert bytes_in_front(io.BytesIO(V2 + bytes(10) + V2 + b"fLaC")) == 2 * len(V2) + 10
    sound = b"\xff" * 5000
    assert sound_end(io.BytesIO(sound + bytes(MANY_ZEROS)), "flac") == 5000 + 4096
    assert sound_end(io.BytesIO(sound + bytes(MANY_ZEROS - 1)), "flac") is None
    assert sound_end(io.BytesIO(sound + bytes(MANY_ZEROS)), "wav") is None
