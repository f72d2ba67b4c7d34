"""Files that are cut off, of containers whose length in seconds says nothing of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.container_end import container_end
from earmark.core.errors import TruncatedAudioError
from tests.helpers import sounds, videos

RATE_HZ = 16_000
SECONDS = 6


def fragments(path: Path, flags: str = "frag_keyframe+empty_moov") -> Path:
    """MP4 as video sites send it, in fragments of a second."""
    options = {"movflags": flags, "frag_duration": "1000000"}
    with av.open(str(path), "w", format="mp4", container_options=options) as container:
        stream = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(sounds.music(SECONDS, RATE_HZ), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def film(path: Path) -> Path:
    """Its pictures go on behind the sound."""
    return videos.write(path, video_seconds=2 * SECONDS, sound_seconds=SECONDS)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "a.m4a": fragments,
    "dash.m4a": lambda path: fragments(path, "frag_keyframe+empty_moov+default_base_moof+dash"),
    "a.mkv": film,
    "a.webm": film,
    "a.avi": film,
}


@pytest.fixture(scope="module", params=WRITERS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("whole") / request.param)


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_file_that_its_container_goes_beyond_is_cut_off(whole: Path, tmp_path: Path, share: float) -> None:
    path = sounds.shorten(whole, share, tmp_path / whole.name)
    for source in (path, audio.AudioBytes.read(path)):
        with pytest.raises(TruncatedAudioError, match="truncated"):
            audio.load(source, RATE_HZ)


@pytest.mark.parametrize("behind", [b"", bytes(100_000), np.random.default_rng(0).bytes(100_000), b"TAG" + bytes(125)])
def test_a_whole_file_is_not_cut_off_whatever_is_behind_it(whole: Path, behind: bytes) -> None:
    content = whole.read_bytes()
    assert container_end(io.BytesIO(content)) == len(content)
    assert len(audio.load(audio.AudioBytes(content + behind, whole.name), RATE_HZ)) / RATE_HZ == pytest.approx(
        SECONDS, abs=0.1
    )


def test_a_stream_of_unknown_size_is_not_cut_off(tmp_path: Path) -> None:
    """As browsers record it."""
    path = sounds.write(tmp_path / "a.webm", sounds.music(2, 48_000), 48_000)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x18\x53\x80\x67") + 4
    content[at : at + 8] = b"\x01" + b"\xff" * 7
    assert container_end(io.BytesIO(content)) is None
    assert len(audio.load(bytes(content), RATE_HZ)) == pytest.approx(2 * RATE_HZ, abs=800)


def test_the_length_of_a_film_is_not_that_of_sound_that_begins_late(tmp_path: Path) -> None:
    """FFmpeg gives a stream of Matroska that it has not seen yet the length of the whole."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        sound = container.add_stream("flac", rate=RATE_HZ, layout="mono")
        for number in range(150):
            image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))
        tone = (sounds.music(3, RATE_HZ) * 2**15).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 10 * RATE_HZ, Fraction(1, RATE_HZ)
        container.mux([*sound.encode(frame), *sound.encode(None)])
    assert len(audio.load(path, RATE_HZ)) == 3 * RATE_HZ


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (b"FRM8" + (1000).to_bytes(8) + b"DSD ", 1012),
        (b"RIFF" + (100).to_bytes(4, "little") + b"AVI " + bytes(96) + b"RIFF" + (500).to_bytes(4, "little"), 616),
        (b"RIFF" + bytes(4) + b"AVI ", None),
        (b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\1mdat" + (2**33).to_bytes(8), 16 + 2**33),
        (b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\0mdat" + bytes(9), 16),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x41\x00", 11 + 256),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff", None),
        (b"\x1a\x45\xdf\xa3", None),
        (b"fLaC", None),
        (b"", None),
    ],
)
def test_ends_of_headers(content: bytes, end: int | None) -> None:
    assert container_end(io.BytesIO(content)) == end
