"""Streams of frames, of MPEG audio and AC-3, that end inside a frame are reported."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.frame_headers import ac3_frame_bytes, mpeg_frame_bytes
from earmark.core.errors import TruncatedAudioError
from tests.helpers import sounds

KINDS = [
    ("mp2", 44_100, 2, 192),
    ("mp2", 48_000, 1, 64),
    ("mp2", 22_050, 1, 48),
    ("ac3", 44_100, 2, 192),
    ("ac3", 48_000, 2, 128),
    ("ac3", 32_000, 1, 64),
    ("eac3", 44_100, 2, 192),
    ("eac3", 48_000, 1, 96),
]


def frames(codec: str, rate_hz: int, n_channels: int, kbps: int) -> list[bytes]:
    """Two seconds of music."""
    samples = sounds.music(2, rate_hz, n_channels)
    layout = "mono" if n_channels == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=codec) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        stream.bit_rate = 1000 * kbps
        dtype, form = (np.int16, "s16") if codec == "mp2" else (np.float32, "fltp")
        data = (samples * 32767).astype(dtype) if codec == "mp2" else samples
        data = data.T.reshape(1, -1) if codec == "mp2" else data
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=form, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        packets = [*stream.encode(frame), *stream.encode(None)]
    return [bytes(packet) for packet in packets]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_frames_are_as_long_as_their_headers_say(kind: tuple[str, int, int, int]) -> None:
    length = mpeg_frame_bytes if kind[0] == "mp2" else ac3_frame_bytes
    for frame in frames(*kind):
        assert length(frame[:6]) == len(frame)


@pytest.mark.parametrize(
    ("head", "n_bytes"),
    [
        ("ff ff 10 00", 32),  # MPEG 1, layer I, 32 kbit/s at 44.1 kHz
        ("ff ff e4 00", 448 * 12_000 // 48_000 * 4),
        ("ff ff 92 00", 4 * (288 * 12_000 // 44_100 + 1)),
        ("ff f7 14 00", 32 * 12_000 // 24_000 * 4),  # MPEG 2
        ("ff f5 e4 00", 160 * 144_000 // 24_000),  # layer II
        ("ff f3 e4 00", 160 * 72_000 // 24_000),  # layer III
        ("ff ff 00 00", None),  # of a free bit rate
        ("ff ff f0 00", None),
        ("ff ff 1c 00", None),  # no sample rate
        ("ff f9 14 00", None),  # layer 0: ADTS
        ("ff ef 14 00", None),  # no version
        ("ff fb", None),
    ],
)
def test_headers_of_mpeg_audio(head: str, n_bytes: int | None) -> None:
    assert mpeg_frame_bytes(bytes.fromhex(head)) == n_bytes


@pytest.mark.parametrize("head", ["0b77000014", "0b770000ff40", "0b77000026ff", "0b7700002740", "00000000ff40"])
def test_what_is_no_header_of_ac3(head: str) -> None:
    assert ac3_frame_bytes(bytes.fromhex(head)) is None


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n_left", [0, 8, 0.5, -1])
def test_a_stream_that_ends_inside_a_frame(kind: tuple[str, int, int, int], n_left: float) -> None:
    """With some bytes left of it, a half, or all but one; 0: it ends between two frames."""
    *whole, last = frames(*kind)
    rest = last[: int(len(last) * n_left) if n_left == 0.5 else int(n_left)]
    stream = audio.stream(b"".join(whole) + rest, 16_000)
    if not rest:
        assert sum(map(len, stream)) / 16_000 == pytest.approx(2, abs=0.1)
        assert stream.warnings == []
    else:
        with pytest.raises(TruncatedAudioError, match=r"truncated: ends in the middle of a frame after [12]\.\d s"):
            list(stream)
