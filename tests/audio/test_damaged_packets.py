"""A packet that a decoder refuses is skipped and counted, whatever the codec and whatever the error."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.frames import joined_frames
from earmark.audio.integrity import PacketLog
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import InputSpec
from tests.helpers import sounds

RATE_HZ = 16_000
CODECS = [
    ("aac", "m4a", "fltp"),
    ("alac", "m4a", "s16p"),
    ("ac3", "ac3", "fltp"),
    ("eac3", "mka", "fltp"),
    ("mp2", "mp2", "s16"),
    ("libmp3lame", "mp3", "fltp"),
    ("flac", "flac", "s16"),
    ("libopus", "opus", "flt"),
    ("wmav2", "wma", "fltp"),
    ("aac", "aac", "fltp"),
    ("aac", "mka", "fltp"),
    ("alac", "mka", "s16p"),
    ("wavpack", "wv", "fltp"),
    ("tta", "tta", "s16"),
]


def encode(path: Path, codec: str, form: str, seconds: float = 8, rate_hz: int = 48_000) -> Path:
    samples = sounds.music(seconds, rate_hz)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        stream.bit_rate = 128_000
        resampler = av.AudioResampler(format=form, layout="mono", rate=rate_hz)
        for start in range(0, samples.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + 4096]), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            for one in resampler.resample(frame):
                container.mux(stream.encode(one))
        container.mux(stream.encode(None))
    return path


def packets(path: Path) -> list[tuple[int, int]]:
    """Positions and sizes of the packets."""
    with av.open(str(path)) as container:
        return [(one.pos, one.size) for one in container.demux(audio=0) if one.size and one.pos is not None]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "suffix", "form"), CODECS)
def test_one_bad_byte_costs_no_more_than_its_packet(tmp_path: Path, codec: str, suffix: str, form: str) -> None:
    path = encode(tmp_path / f"whole.{suffix}", codec, form)
    whole, n_samples = path.read_bytes(), len(audio.load(path, RATE_HZ))
    places = packets(path)
    bad = tmp_path / f"bad.{suffix}"
    inner = places[2 : max(3, len(places) - 3)]
    for number in range(60):
        position, size = inner[number * len(inner) // 60]
        content = bytearray(whole)
        content[position + min(size - 1, 8 + number * (size - 9) // 60)] ^= 0xFF
        bad.write_bytes(content)
        stream = audio.stream(bad, RATE_HZ)
        if suffix == "wv" and number == 0:  # the head of a block: FFmpeg does not find the next one
            with pytest.raises(TruncatedAudioError, match="damaged: cannot be read beyond"):
                list(stream)
            continue
        n_decoded = sum(map(len, stream))  # raises nothing
        assert n_decoded > 0.7 * n_samples
        assert all("damaged" in warning or "cut off" in warning for warning in stream.warnings), stream.warnings


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "suffix", "form"), [CODECS[0], CODECS[1], ("ac3", "mka", "fltp")])
def test_one_bad_packet_is_noted_and_many_are_an_error(tmp_path: Path, codec: str, suffix: str, form: str) -> None:
    path = encode(tmp_path / f"whole.{suffix}", codec, form, rate_hz=48_000)
    places = packets(path)
    for n_bad in (1, len(places) // 4):
        content = bytearray(path.read_bytes())
        for position, size in places[3 : 3 + n_bad]:
            content[position + 5 : position + size] = b"\xff" * (size - 5)
        for source in (audio.AudioBytes(bytes(content), path.name), tmp_path / f"bad.{suffix}"):
            if isinstance(source, Path):
                source.write_bytes(content)
            stream = audio.stream(source, RATE_HZ)
            if n_bad == 1:
                assert sum(map(len, stream)) > 7 * RATE_HZ
                assert [warning.startswith("damaged: 1 of ") for warning in stream.warnings] == [True]
            else:
                with pytest.raises(TruncatedAudioError, match="damaged"):
                    list(stream)


def test_one_bad_packet_of_half_a_second_is_noted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "alac", "s16p", rate_hz=8_000)
    position, size = packets(path)[5]
    content = bytearray(path.read_bytes())
    content[position + 5 : position + size] = b"\xff" * (size - 5)
    stream = audio.stream(bytes(content), RATE_HZ)
    list(stream)
    assert stream.duration_seconds == pytest.approx(8 - 4096 / 8_000, abs=0.01)
    assert stream.warnings == ["damaged: 1 of 16 packets skipped"]


ERRORS = [
    av.PermissionError(1, "Operation not permitted"),
    av.PatchWelcomeError(1, "Not yet implemented"),
    av.InvalidDataError(1, "Invalid data"),
    av.EOFError(1, "End of file"),
    av.MemoryError(12, "Cannot allocate memory"),
    av.ArgumentError(22, "Invalid argument"),
    av.UnknownError(1, "Unknown"),
    av.ExternalError(1, "External"),
    av.BugError(1, "Bug"),
    av.FFmpegError(16976906, "Error number -16976906 occurred"),
]


class Refusing:
    """A container of which the decoder refuses some packets."""

    def __init__(
        self, container: Any, error: Exception, *, every: int = 0, flush: bool = False, read: bool = False
    ) -> None:
        self.streams, self.container = container.streams, container
        self.error, self.every, self.flush, self.read = error, every, flush, read

    def demux(self, source: Any) -> Iterator[Any]:
        for number, packet in enumerate(self.container.demux(source), 1):
            if self.read and number == 20:
                raise self.error
            refused = self.flush if not packet.size else self.every and number % self.every == 0
            yield RefusedPacket(packet, self.error) if refused else packet


class RefusedPacket:
    def __init__(self, packet: Any, error: Exception) -> None:
        self.size, self.pos, self.error = packet.size, packet.pos, error
        self.duration, self.time_base = packet.duration, packet.time_base

    def decode(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", [{"every": 10}, {"flush": True}], ids=["packet", "flush"])
def test_every_error_of_a_decoder_is_a_damaged_packet(tmp_path: Path, error: Exception, where: dict[str, Any]) -> None:
    path = sounds.write(tmp_path / "a.flac", sounds.music(6, 44_100), 44_100)
    log = PacketLog()
    with av.open(str(path)) as container:
        refusing: Any = Refusing(container, error, **where)
        n = sum(one.samples for one in joined_frames(refusing, None, log, lambda: path.open("rb"), lambda: container))
    assert n > 5 * 44_100
    assert log.n_damaged == (log.n_packets // 10 if "every" in where else 0)


@pytest.mark.parametrize(("rate_hz", "n_damaged"), [(8_000, 2), (44_100, 0)])
def test_a_long_packet_of_which_a_part_is_decoded_is_damaged_unless_it_is_the_last(
    tmp_path: Path, rate_hz: int, n_damaged: int
) -> None:
    """Musepack's decoder gives what is before an error. Short packets may be answered later, with the next one."""

    class Part(RefusedPacket):
        def decode(self) -> list[Any]:
            return []

    class Parts(Refusing):
        def demux(self, source: Any) -> Iterator[Any]:
            packets = [packet for packet in self.container.demux(source) if packet.size]
            for number, packet in enumerate(packets):
                yield Part(packet, self.error) if number in (2, 4, len(packets) - 1) else packet

    path = encode(tmp_path / "a.m4a", "alac", "s16p", rate_hz=rate_hz)
    log = PacketLog()
    with av.open(str(path)) as container:
        parts: Any = Parts(container, ERRORS[0])
        list(joined_frames(parts, None, log, lambda: path.open("rb"), lambda: container))
    assert log.n_damaged == n_damaged
    assert log.damaged_seconds == pytest.approx(n_damaged * 4096 / 8_000)


@pytest.mark.parametrize("error", [*ERRORS[:3], av.OSError(5, "Input/output error"), OSError(5, "Input/output error")])
def test_errors_of_reading_stay_errors_and_are_not_about_permission(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sounds.write(tmp_path / "a.flac", sounds.music(6, 44_100), 44_100)

    class Unreadable(Refusing):
        def __enter__(self) -> Unreadable:
            return self

        def __exit__(self, *_: object) -> None:
            self.container.close()

        @property
        def format(self) -> Any:
            return self.container.format

    opened = audio.AudioStream.open_container
    monkeypatch.setattr(audio.AudioStream, "open_container", lambda self: Unreadable(opened(self), error, read=True))
    with pytest.raises(AudioError) as caught:
        audio.load(path, RATE_HZ)
    assert "permission" not in caught.value.reason


def test_a_file_that_ffmpeg_does_not_know_is_not_about_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg returns -1, the system's number for "not permitted", where no stream has a format."""

    def refuse(*_: object, **__: object) -> None:
        raise av.PermissionError(1, "Operation not permitted")

    path = sounds.write(tmp_path / "a.flac", sounds.music(1, 44_100), 44_100)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(AudioError, match="not audio"):
        audio.load(path, RATE_HZ)


@pytest.mark.slow
def test_sparse_reading_reads_a_damaged_file_in_full(tmp_path: Path) -> None:
    from earmark.audio.seeking import CannotSeekError

    path = encode(tmp_path / "a.m4a", "alac", "s16p", seconds=24)
    content = bytearray(path.read_bytes())
    for position, size in packets(path):
        content[position + 5 : position + size] = b"\xff" * (size - 5)
    path.write_bytes(content)
    with pytest.raises(CannotSeekError):
        audio.sparse_windows(path, InputSpec(RATE_HZ, 2 * RATE_HZ, 2 * RATE_HZ), 3)


def test_loud_bursts_of_damage_are_clipped(tmp_path: Path) -> None:
    """Damaged packets of lossy codecs may decode to anything: here to what no encoder is given."""
    samples = sounds.music(6, 44_100)
    for n_loud, is_error in ((2_000, False), (200_000, True)):
        samples[:, 20_000 : 20_000 + n_loud] *= 100
        path = sounds.write(tmp_path / f"{n_loud}.ogg", samples, 44_100)
        stream = audio.stream(path, 44_100)
        if is_error:
            with pytest.raises(AudioError, match="must be floating point"):
                list(stream)
            continue
        decoded = np.concatenate(list(stream))
        assert np.abs(decoded).max() == stream.peak == 1
        assert [warning.startswith("damaged: samples up to ") for warning in stream.warnings] == [True]
