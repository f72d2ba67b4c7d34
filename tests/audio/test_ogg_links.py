"""Chained Ogg files are read through to the end, whatever their links hold."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.ogg_links import _pages, count_pages, find_links, may_be_cut_off
from earmark.audio.seeking import CannotSeekError
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import Conditioning, InputSpec
from tests.helpers import sounds
from tests.helpers.ogg import ogg_checksum

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


@pytest.mark.slow
@pytest.mark.parametrize("conditioning", [None, Conditioning()], ids=["mean", "mixed"])
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
        ("flac 24", "flac"),
        ("vorbis", "flac"),
        ("flac", "vorbis"),
        ("vorbis", "opus"),
        ("opus mono", "flac"),
    ],
)
def test_links_of_different_formats_are_all_read(
    links: dict[str, tuple[bytes, float]],
    first: str,
    second: str,
    conditioning: Conditioning | None,
    tmp_path: Path,
) -> None:
    content = links[first][0] + links[second][0]
    path = tmp_path / "chained.ogg"
    path.write_bytes(content)
    stream = audio.stream(path, RATE_HZ, conditioning)
    decoded = np.concatenate(list(stream))
    alone = np.concatenate([audio.load(links[name][0], RATE_HZ, conditioning) for name in (first, second)])
    assert stream.warnings == [NOTE]
    assert len(decoded) == len(alone)
    # A resampler of one rate goes on, and links of the samples next to each other.
    near = np.abs(np.arange(len(alone)) - round(links[first][1] * RATE_HZ)) <= 600
    np.testing.assert_allclose(decoded[~near], alone[~near], atol=1e-6)
    np.testing.assert_allclose(decoded[near], alone[near], atol=np.abs(alone[near]).max())
    np.testing.assert_array_equal(audio.load(content, RATE_HZ, conditioning), decoded)
    assert len(decoded) / RATE_HZ == pytest.approx(links[first][1] + links[second][1], abs=0.03)


@pytest.mark.slow
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


def page_starts(content: bytes) -> list[int]:
    """Positions of the pages, and the end."""
    starts, at = [], 0
    while at < len(content):
        assert content[at : at + 5] == b"OggS\0"
        starts.append(at)
        n_segments = content[at + 26]
        at += 27 + n_segments + sum(content[at + 27 : at + 27 + n_segments])
    return [*starts, at]


@pytest.fixture(scope="module")
def long_links(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Twenty seconds each."""
    folder = tmp_path_factory.mktemp("long")
    music = sounds.music(20, 48_000)
    return {
        "vorbis": sounds.write(folder / "a.ogg", music, 48_000).read_bytes(),
        "opus": sounds.write(folder / "a.opus", music, 48_000).read_bytes(),
        "flac": flac(folder / "a.oga", music, 48_000).read_bytes(),
    }


CODECS = ["vorbis", "opus", "flac"]


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_pages_are_counted(long_links: dict[str, bytes], codec: str) -> None:
    content = long_links[codec]
    starts = page_starts(content)
    assert count_pages(lambda: io.BytesIO(content)) == (len(starts) - 1, 0)
    assert count_pages(lambda: io.BytesIO(content * 2)) == (2 * len(starts) - 2, 0)
    assert not may_be_cut_off(lambda: io.BytesIO(content))
    assert not may_be_cut_off(lambda: io.BytesIO(content + b"TAG, and OggS\0 " + bytes(112)))


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("byte", [0, 4, 5, 14, 18, 22, 26, 27, 28, -1], ids=lambda byte: f"byte {byte}")
def test_one_bad_byte_costs_a_page_and_is_reported(
    long_links: dict[str, bytes], codec: str, byte: int, tmp_path: Path
) -> None:
    """In the head of the page (capture pattern, version, flags, serial and page number, checksum, sizes), or its sound."""
    content = bytearray(long_links[codec])
    starts = page_starts(content)
    middle = len(starts) // 2
    content[starts[middle] + byte if byte >= 0 else starts[middle + 1] - 1] ^= 0xFF
    path = tmp_path / "a.ogg"
    path.write_bytes(content)
    longest = 2 * 20 / (len(starts) - 3)  # a packet may go on in the next page
    for source in (path, bytes(content)):
        stream = audio.stream(source, RATE_HZ)
        n_samples = sum(map(len, stream))
        assert 20 - longest - 0.1 < n_samples / RATE_HZ < 20
        assert stream.warnings == [f"damaged: 1 of {len(starts) - 1} Ogg pages are lost"]


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_missing_pages_are_reported(long_links: dict[str, bytes], codec: str) -> None:
    content = long_links[codec]
    starts = page_starts(content)
    n_pages, middle = len(starts) - 1, len(starts) // 2
    for n_missing in (1, 2):
        stream = audio.stream(content[: starts[middle]] + content[starts[middle + n_missing] :], RATE_HZ)
        assert sum(map(len, stream)) < 20 * RATE_HZ
        assert stream.warnings == [f"damaged: {n_missing} of {n_pages} Ogg pages are lost"]
    stream = audio.stream(content[: starts[5]] + content[starts[n_pages // 2 + 5] :], RATE_HZ)
    with pytest.raises(TruncatedAudioError, match=f"damaged: {n_pages // 2} of {n_pages} Ogg pages are lost"):
        list(stream)


@pytest.mark.parametrize("codec", CODECS)
def test_a_recording_that_begins_in_a_broadcast_lacks_nothing(long_links: dict[str, bytes], codec: str) -> None:
    content = long_links[codec]
    starts = page_starts(content)
    n_header = next(k for k, at in enumerate(starts) if any(content[at + 6 : at + 14]))
    stream = audio.stream(content[: starts[n_header]] + content[starts[n_header + 8] :], RATE_HZ)
    assert 5 < sum(map(len, stream)) / RATE_HZ < 20
    assert stream.warnings == []


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("byte", [0, 26, 27, -1])
def test_a_damaged_first_page_of_sound_is_reported(long_links: dict[str, bytes], codec: str, byte: int) -> None:
    content = bytearray(long_links[codec])
    starts = page_starts(content)
    first = next(k for k, at in enumerate(starts) if any(content[at + 6 : at + 14]))
    content[starts[first] + byte if byte >= 0 else starts[first + 1] - 1] ^= 0xFF
    stream = audio.stream(bytes(content), RATE_HZ)
    list(stream)
    assert stream.warnings == [f"damaged: 1 of {len(starts) - 1} Ogg pages are lost"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("byte", [0, 5, 22, 26, 27, -1])
def test_a_damaged_last_page_is_no_end(long_links: dict[str, bytes], codec: str, byte: int) -> None:
    content = bytearray(long_links[codec])
    content[page_starts(content)[-2] + byte if byte >= 0 else -1] ^= 0xFF
    stream = audio.stream(bytes(content), RATE_HZ)
    assert sum(map(len, stream)) < 20 * RATE_HZ
    assert stream.warnings == ["perhaps cut off: its last Ogg page is not marked as the end"]


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_a_damaged_header_is_named(long_links: dict[str, bytes], codec: str, tmp_path: Path) -> None:
    content = long_links[codec]
    starts = page_starts(content)
    last_of_header = next(at for k, at in enumerate(starts[1:]) if any(content[at + 6 : at + 14])) - 1
    path = tmp_path / "a.ogg"
    for at in (28, starts[1] + 28, last_of_header):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        for source in (path, bytes(damaged)):
            with pytest.raises(
                AudioError, match="damaged or cut off: the header of its Ogg stream cannot be read"
            ) as caught:
                audio.load(source, RATE_HZ)
            assert not isinstance(caught.value, TruncatedAudioError)


def test_a_vorbis_setup_header_without_sense_is_damage(long_links: dict[str, bytes]) -> None:
    """Written so, with the right checksum."""
    content = bytearray(long_links["vorbis"])
    start, end = page_starts(content)[1:3]
    setup = content.index(b"\x05vorbis", start)
    content[setup + 8 : end] = bytes(255 - byte for byte in content[setup + 8 : end])
    content[start + 22 : start + 26] = bytes(4)
    content[start + 22 : start + 26] = ogg_checksum(content[start:end]).to_bytes(4, "little")
    with pytest.raises(AudioError, match="damaged"):
        audio.load(bytes(content), RATE_HZ)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("whole", [True, False])
def test_no_page_that_begins_a_stream(long_links: dict[str, bytes], codec: str, whole: bool) -> None:
    """The flag is missing, though the checksum is right; the whole file, or nothing but that page."""
    content = bytearray(long_links[codec])
    end = page_starts(content)[1]
    content[5] = 0
    content[22:26] = bytes(4)
    content[22:26] = ogg_checksum(content[:end]).to_bytes(4, "little")
    if not whole:
        del content[end:]
    assert find_links(lambda: io.BytesIO(content)) == []
    with contextlib.suppress(AudioError):  # FFmpeg may read it or not
        assert np.isfinite(audio.load(bytes(content), RATE_HZ)).all()


def test_forged_pages_inside_each_other_are_not_read_again_and_again() -> None:
    """Each claims 65 kB, and begins 282 bytes behind the last."""
    content = (b"OggS\0" + bytes(21) + b"\xff" + b"\xff" * 255) * 15_000
    with io.BytesIO(content) as file:
        n_bytes = sum(len(page) for _, page in _pages(file))
    assert n_bytes < 3 * len(content) + 17e6
    assert count_pages(lambda: io.BytesIO(content)) == (0, 0)
