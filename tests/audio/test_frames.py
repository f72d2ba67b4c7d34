"""A file read by FFmpeg's graph gives what it gives packet by packet (as a file in memory is read), good or damaged."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio import frames
from earmark.audio.integrity import PacketLog
from earmark.core.errors import AudioError
from tests.helpers import sounds

RATE_HZ = 16_000
SMALL_FRAMES = [".mp3", ".m4a", ".aac", ".opus", ".ogg"]


def song(path: Path, seconds: float = 6.0, n_channels: int = 2) -> Path:
    rate_hz = 48_000 if path.suffix == ".opus" else 44_100
    return sounds.write(path, sounds.music(seconds, rate_hz, n_channels), rate_hz)


def fail() -> NoReturn:
    raise AssertionError("opened again")


def decode(source: Path | audio.AudioBytes) -> tuple[np.ndarray, str, list[str], float]:
    """Samples, error, warnings, peak."""
    stream = audio.stream(source, RATE_HZ)
    blocks, reason = [np.empty(0, np.float32)], ""
    try:
        blocks.extend(stream)
    except AudioError as error:
        reason = f"{type(error).__name__}: {error.reason}"
    return np.concatenate(blocks), reason, stream.warnings, stream.peak


def assert_same_both_ways(path: Path) -> str:
    """The reason for which both refuse it."""
    by_graph, by_packet = decode(path), decode(audio.AudioBytes.read(path))
    assert by_graph[1:] == by_packet[1:]
    if by_packet[1][:10] != "AudioError":  # before it a graph may have given a little more
        assert np.array_equal(by_graph[0], by_packet[0])
    return by_packet[1]


@pytest.fixture
def packet_by_packet(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Samples that had been given when a file went on packet by packet."""
    n_given: list[int] = []
    by_packet = frames._by_packet

    def counted(container: Any, source: Any, log: PacketLog, n: int) -> Any:
        n_given.append(n)
        return by_packet(container, source, log, n)

    monkeypatch.setattr(frames, "_by_packet", counted)
    return n_given


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SMALL_FRAMES)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_good_files_are_read_by_the_graph(
    tmp_path: Path, suffix: str, n_channels: int, packet_by_packet: list[int]
) -> None:
    path = song(tmp_path / f"a{suffix}", n_channels=n_channels)
    samples, reason, _, _ = decode(path)
    assert not packet_by_packet
    assert not reason
    assert len(samples) / RATE_HZ == pytest.approx(6, abs=0.1)
    assert_same_both_ways(path)


@pytest.mark.slow
def test_frames_are_joined(tmp_path: Path) -> None:
    path = song(tmp_path / "a.mp3")
    with av.open(str(path)) as container:
        sizes = [
            frame.samples
            for frame in frames.joined_frames(container, str(path), PacketLog(), lambda: path.open("rb"), fail)
        ]
    assert sizes[:-1] == [frames.JOINED_SAMPLES] * (len(sizes) - 1)
    assert sum(sizes) == pytest.approx(6 * 44_100, abs=3000)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SMALL_FRAMES)
def test_damage_is_reported_as_packet_by_packet(tmp_path: Path, suffix: str, packet_by_packet: list[int]) -> None:
    whole = song(tmp_path / f"whole{suffix}").read_bytes()
    dice = random.Random(suffix)
    reasons = set()
    for number in range(40):
        damaged = bytearray(whole)
        at = dice.randrange(len(whole))
        match number % 4:
            case 0:
                damaged = damaged[: max(200, at)]
            case 1:
                damaged[at : at + 2000] = bytes(min(2000, len(whole) - at))
            case 2:
                damaged[at:at] = dice.randbytes(3000)
            case 3:
                for _ in range(30):
                    damaged[dice.randrange(len(whole))] = dice.randrange(256)
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(damaged)
        reasons.add(assert_same_both_ways(path))
    assert len(reasons) > 1
    if suffix == ".mp3":
        assert len(packet_by_packet) < 40 + 5  # once each in memory; of those on disk hardly one
    if suffix == ".m4a":  # some were met by the graph after it had given something
        assert any(packet_by_packet)


@pytest.mark.slow
@pytest.mark.parametrize("second", [(48_000, 2), (44_100, 1)])
def test_a_stream_that_changes_its_format(tmp_path: Path, second: tuple[int, int], packet_by_packet: list[int]) -> None:
    path = tmp_path / "both.mp3"
    other = sounds.write(tmp_path / "2.mp3", sounds.music(3, *second), second[0])
    path.write_bytes(song(tmp_path / "1.mp3").read_bytes() + other.read_bytes())
    assert_same_both_ways(path)
    assert packet_by_packet[0] > 0


@pytest.fixture(scope="module")
def long_mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return song(tmp_path_factory.mktemp("long") / "a.mp3", seconds=20).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("behind", [b"", b"TAG" + bytes(125), bytes(3_000), bytes(100_000), b"some words"])
@pytest.mark.parametrize("cut_bytes", [0, 100])
def test_ends_of_mp3s(tmp_path: Path, long_mp3: bytes, behind: bytes, cut_bytes: int) -> None:
    """An MP3's end is looked at without the rest of its packets: what is behind it does not change what is found."""
    path = tmp_path / "a.mp3"
    path.write_bytes(long_mp3[: len(long_mp3) - cut_bytes] + behind)
    assert path.stat().st_size > 200_000
    reason = assert_same_both_ways(path)
    if not behind:
        assert ("truncated: ends in the middle" in reason) == bool(cut_bytes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "by_packet"),
    [
        ('it\'s [a] "song", 50 % = %d; x:y\\z.mp3', False),
        ("http:song.mp3", False),
        ("a\nb.mp3", False),
        (" песня 曲 🎵 .mp3", False),
        (os.fsdecode(b"caf\xe9\xff.mp3"), True),  # no UTF-8
    ],
)
def test_odd_names(tmp_path: Path, name: str, by_packet: bool, packet_by_packet: list[int]) -> None:
    song(tmp_path / "plain.mp3").rename(tmp_path / name)
    _, reason, _, _ = decode(tmp_path / name)
    assert not reason
    assert len(packet_by_packet) == by_packet


def test_an_unknown_codec(tmp_path: Path) -> None:
    path = song(tmp_path / "a.m4a")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"xp4a").replace(b"esds", b"xsds"))
    assert "cannot be read" in assert_same_both_ways(path)


@pytest.mark.slow
def test_the_first_of_several_streams(tmp_path: Path, packet_by_packet: list[int]) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=44_100, layout="stereo") for _ in range(2)]
        for number, stream in enumerate(streams):
            samples = sounds.music(4, 44_100, 2, seed=number)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate = 44_100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert not assert_same_both_ways(path)
    assert len(packet_by_packet) == 1  # of the file in memory


@pytest.mark.slow
def test_many_channels(tmp_path: Path) -> None:
    path = song(tmp_path / "a.opus", n_channels=6)
    by_packet = decode(audio.AudioBytes.read(path))[0]  # another length of blocks: sums of six are rounded otherwise
    np.testing.assert_allclose(decode(path)[0], by_packet, atol=1e-6)


@pytest.mark.slow
def test_what_the_graph_takes_for_the_end_is_no_end(
    tmp_path: Path, packet_by_packet: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads less than there is: as where a disk fails for a moment, or a file grows."""
    path = song(tmp_path / "a.ogg", seconds=12)
    whole = decode(path)[0]
    assert not packet_by_packet
    by_graph = frames.graph_frames
    monkeypatch.setattr(frames, "graph_frames", lambda *arguments: islice(by_graph(*arguments), 3))
    again, reason, _, _ = decode(path)
    assert not reason
    assert packet_by_packet == [3 * frames.JOINED_SAMPLES]
    assert np.array_equal(again, whole)


def test_stopping_early_leaves_no_file_open(tmp_path: Path) -> None:
    path = song(tmp_path / "a.mp3")
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    blocks = iter(audio.stream(path, RATE_HZ))
    next(blocks)
    del blocks
    assert len(list(Path("/proc/self/fd").iterdir())) == n_open


@pytest.mark.slow
def test_a_long_tag_behind_the_music_makes_it_no_shorter(tmp_path: Path, long_mp3: bytes) -> None:
    """FFmpeg guesses the length from the bit rate then, though the file says it."""
    tag = b"APETAGEX" + (2000).to_bytes(4, "little") + (120_032).to_bytes(4, "little") + bytes(120_000 + 16)
    path = tmp_path / "a.mp3"
    path.write_bytes(long_mp3 + tag)
    assert not assert_same_both_ways(path)
    path.write_bytes(long_mp3[: len(long_mp3) // 2] + tag)
    assert "truncated" in assert_same_both_ways(path)


def test_a_file_that_cannot_be_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing disk looks to FFmpeg's graph like the end of the file."""

    class Failing(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            raise OSError(5, "Input/output error")

    path = song(tmp_path / "a.mp3")
    monkeypatch.setattr(Path, "open", lambda *_: Failing())
    with pytest.raises(AudioError, match="cannot be read"):
        audio.load(path, RATE_HZ)


def test_a_stream_that_appears_later(tmp_path: Path) -> None:
    """PyAV raises an IndexError at a packet of a stream that it does not know, as damaged MPEG-TS may hold one."""

    class Growing:
        def __init__(self, container: Any) -> None:
            self.streams, self.demux_all = container.streams, container.demux

        def demux(self, source: Any) -> Iterator[Any]:
            yield from islice(self.demux_all(source), 20)
            raise IndexError("list index out of range")

    path = song(tmp_path / "a.flac")
    with av.open(str(path)) as container, pytest.raises(OSError, match="a stream appears"):
        list(frames.joined_frames(Growing(container), None, PacketLog(), fail, fail))  # type: ignore[arg-type]
