"""The length that a file declares, read without decoding it."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio import AudioBytes, declared_seconds
from earmark.core.errors import AudioError
from tests.helpers import sounds

SECONDS = 3.0


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return sounds.music(SECONDS, 48_000)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".opus", ".m4a", ".wav", ".aiff", ".mka", ".wma", ".ogg"])
def test_as_it_is_decoded(tmp_path: Path, music: np.ndarray, suffix: str) -> None:
    path = sounds.write(tmp_path / f"song{suffix}", music, 48_000)
    assert declared_seconds(path) == pytest.approx(SECONDS, abs=0.2)
    assert declared_seconds(path.read_bytes()) == declared_seconds(path)


def test_none_where_it_is_only_estimated(tmp_path: Path, music: np.ndarray) -> None:
    assert declared_seconds(sounds.write(tmp_path / "song.aac", music, 48_000)) is None
    bare = tmp_path / "bare.mp3"
    with av.open(str(bare), "w", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(music, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert declared_seconds(bare) is None


def test_none_of_what_cannot_be_opened(tmp_path: Path, music: np.ndarray) -> None:
    song = sounds.write(tmp_path / "song.opus", music, 48_000)
    chained = song.read_bytes() * 2  # its last page counts from the beginning of the last part
    for source in (chained, tmp_path / "none.mp3", tmp_path, b"", b"no audio" * 100, song.read_bytes()[:60]):
        assert declared_seconds(source) is None


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "rate_hz"), [(0x1234, 16_000), (1, 1), (1, 999), (1, 0)])
def test_none_where_it_cannot_be_decoded(codec: int, rate_hz: int) -> None:
    """A codec that nobody knows, and rates at which no sound is stored."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, codec, 1, rate_hz, 2 * rate_hz, 2, 16)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", 32_000) + bytes(32_000)
    content = b"RIFF" + struct.pack("<I", len(body)) + body
    assert declared_seconds(content) is None
    with pytest.raises(AudioError):
        audio.load(AudioBytes(content), 16_000)
