"""Chained Ogg files are read through to the end, whatever their links hold."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.ogg_links import find_links
from earmark.audio.seeking import CannotSeekError
from earmark.core.card import InputSpec
from tests.helpers import sounds

RATE_HZ = 16_000
NOTE = "chained: 2 streams of different formats, one after the other"


def flac(path: Path, samples: np.ndarray, rate_hz: int, *, bits: int = 16) -> Path:
    """FLAC in Ogg."""
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("flac", rate=rate_hz, layout=layout)
        stream.format = "s16" if bits == 16 else "s32"
        for start in range(0, samples.shape[1], 4096):
            part = np.ascontiguousarray(samples[:, start : start + 4096])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, float]]:
    """Streams and how long they last."""
    folder = tmp_path_factory.mktemp("links")
    made: dict[str, tuple[bytes, float]] = {}
    for name, suffix, rate_hz, n_channels, seconds in [
        ("vorbis", ".ogg", 44_100, 2, 3.0),
        ("vorbis mono", ".ogg", 44_100, 1, 2.0),
        ("vorbis slow", ".ogg", 22_050, 1, 2.0),
        ("opus", ".opus", 48_000, 2, 3.0),
        ("opus mono", ".opus", 48_000, 1, 2.0),
        ("opus 5.1", ".opus", 48_000, 6, 2.0),
    ]:
        path = folder / f"{name}{suffix}"
        made[name] = sounds.write(path, sounds.music(seconds, rate_hz, n_channels), rate_hz).read_bytes(), seconds
    for name, rate_hz, n_channels, bits in [
        ("flac", 44_100, 2, 16),
        ("flac 24", 44_100, 2, 24),
        ("flac mono", 48_000, 1, 16),
    ]:
        path = flac(folder / f"{name}.oga", sounds.music(2, rate_hz, n_channels), rate_hz, bits=bits)
        made[name] = path.read_bytes(), 2.0
    return made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("vorbis", "vorbis slow"),
        ("vorbis", "vorbis mono"),
        ("vorbis slow", "vorbis"),
        ("opus", "opus mono"),
        ("opus mono", "opus"),
        ("opus", "opus 5.1"),
        ("flac", "flac mono"),
        ("flac", "flac 24"),
        ("vorbis", "opus"),
        ("opus mono", "flac"),
    ],
)
def test_links_of_different_formats_are_all_heard(
    links: dict[str, tuple[bytes, float]], first: str, second: str, tmp_path: Path
) -> None:
    content = links[first][0] + links[second][0]
    path = tmp_path / "chained.ogg"
    path.write_bytes(content)
    stream = audio.stream(path, RATE_HZ)
    heard = np.concatenate(list(stream))
    alone = np.concatenate([audio.load(links[name][0], RATE_HZ) for name in (first, second)])
    assert stream.warnings == [NOTE]
    assert len(heard) == len(alone)
    at = round(
        links[first][1] * RATE_HZ
    )  # a resampler of one rate goes on, and links of the samples next to each other
    away = np.abs(np.arange(len(alone)) - at) > 600
    np.testing.assert_allclose(heard[away], alone[away], atol=1e-6)
    np.testing.assert_array_equal(audio.load(content, RATE_HZ), heard)
    assert len(heard) / RATE_HZ == pytest.approx(links[first][1] + links[second][1], abs=0.03)


@pytest.mark.parametrize("name", ["vorbis", "opus", "flac"])
def test_links_of_one_format_are_read_without_a_note(links: dict[str, tuple[bytes, float]], name: str) -> None:
    content, seconds = links[name]
    stream = audio.stream(content * 3, RATE_HZ)
    assert sum(map(len, stream)) / RATE_HZ == pytest.approx(3 * seconds, abs=0.1)
    assert stream.warnings == []


def test_links_that_cannot_be_read_are_named(links: dict[str, tuple[bytes, float]]) -> None:
    vorbis, opus = links["vorbis"][0], bytearray(links["opus"][0])
    opus[28:36] = b"NotThere"
    stream = audio.stream(vorbis + bytes(opus) + links["vorbis mono"][0], RATE_HZ)
    assert sum(map(len, stream)) / RATE_HZ == pytest.approx(5, abs=0.1)
    assert stream.warnings[1:] == ["chained: part 2 of 3 cannot be read to its end"]


def test_a_link_that_is_cut_off_does_not_end_the_chain(links: dict[str, tuple[bytes, float]]) -> None:
    vorbis = links["vorbis"][0]
    stream = audio.stream(vorbis[: len(vorbis) // 2] + links["vorbis slow"][0], RATE_HZ)
    assert 2.5 < sum(map(len, stream)) / RATE_HZ < 5
    assert stream.warnings == [NOTE]


def test_sparse_reading_leaves_chains_to_a_full_read(links: dict[str, tuple[bytes, float]]) -> None:
    for content in (links["opus"][0] * 8, (links["opus"][0] + links["opus mono"][0]) * 4):
        with pytest.raises(CannotSeekError, match="one after the other"):
            audio.sparse_windows(content, InputSpec(RATE_HZ, RATE_HZ, RATE_HZ), 3)


def test_positions_of_links(links: dict[str, tuple[bytes, float]]) -> None:
    parts = [links[name][0] for name in ("vorbis", "opus", "flac")]
    found = find_links(lambda: io.BytesIO(b"".join(parts)))
    ends = np.cumsum([len(part) for part in parts]).tolist()
    assert [(link.start, link.end) for link in found] == list(zip([0, *ends[:-1]], ends, strict=True))
    assert len({tuple(link.formats) for link in found}) == 3
