"""Inputs that benchmarks/fuzz.py found: damage that cost memory, or gave other samples by seeking."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio, load_tagger
from earmark.audio import chunks
from earmark.audio.header_patches import header_patches
from earmark.audio.protection import is_protected
from earmark.audio.seeking import CannotSeekError
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import InputSpec
from earmark.library.scan.content import read_content
from tests.helpers import hand_built, sounds
from tests.helpers.ogg import ogg_checksum


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content


def wav(*chunks: bytes) -> bytes:
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
    body = b"WAVE" + fmt + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


SOUND = chunk(b"data", (sounds.music(0.5, 16_000)[0] * 32_767).astype("<i2").tobytes())


@pytest.mark.parametrize("from_disk", [True, False])
def test_a_text_that_claims_more_than_the_file_has_is_not_allocated(tmp_path: Path, from_disk: bool) -> None:
    """FFmpeg allocates and clears what the text claims, here two gigabytes."""
    claims = chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"hello", size=0x7FFFFFF0), size=0x7FFFFFFF)
    content = wav(claims, SOUND)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(
        AudioError, match=f"a text in its INFO list claims 2147483632 bytes, the file has {len(content)}"
    ):
        audio.load(path if from_disk else audio.AudioBytes(content), 16_000)


def test_lists_as_they_should_be_are_read(tmp_path: Path) -> None:
    texts = chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"hi") + chunk(b"IGNR", b"Rock\0\0"))
    for content in (wav(texts, SOUND), wav(SOUND, texts), wav(chunk(b"LIST", b"adtl"), SOUND, chunk(b"id3 ", b"ID3"))):
        assert len(audio.load(audio.AudioBytes(content), 16_000)) == 8000


def test_silence_in_a_wav_of_unknown_length_is_not_taken_for_chunks() -> None:
    content = wav(chunk(b"data", bytes(2_000_000), size=0))
    tracemalloc.start()
    stream = audio.AudioStream(audio.AudioBytes(content), 16_000)
    assert sum(map(len, stream)) == 1_000_000
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_compressed_wav_is_read_in_full_since_its_positions_follow_from_a_bit_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("adpcm_ms", rate=16_000, layout="mono")
        samples = (sounds.music(4, 16_000) * 32_767).astype(np.int16)
        for start in range(0, samples.shape[1], 1000):
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 1000], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    at = content.index(b"fmt ") + 16
    content[at : at + 4] = bytes(4)  # bytes per second: seeking ends 120 samples beside the place
    path.write_bytes(content)
    assert audio.load(path, 16_000).size > 60_000
    with pytest.raises(CannotSeekError, match="compressed WAV"):
        audio.sparse_windows(path, InputSpec(16_000, 6_000, 6_000), 3)


def test_seeking_notices_that_the_number_of_channels_changes(tmp_path: Path) -> None:
    """A FIFO of two channels that was given a frame of one read beyond it, and could end the process."""
    parts = []
    for n_channels in (2, 1, 2):
        path = sounds.write(tmp_path / f"{len(parts)}.mp3", sounds.music(2, 44_100, n_channels), 44_100)
        parts.append(path.read_bytes())
    path = tmp_path / "joined.mp3"
    path.write_bytes(b"".join(parts))
    with pytest.raises(CannotSeekError, match="its sample format changes"):
        audio.sparse_windows(path, InputSpec(16_000, 6_000, 6_000), 3)


def test_windows_of_a_file_at_a_very_low_rate_equal_those_of_a_full_read(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.wav", sounds.music(40, 1_000), 1_000)
    whole = audio.load(path, 16_000)
    found = audio.sparse_windows(path, InputSpec(16_000, 6_000, 6_000), 3)
    assert found is not None
    for start, part in zip(found.starts, found.samples, strict=True):
        np.testing.assert_allclose(part, whole[start : start + 6_000], atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "layout", "n_channels"),
    [
        ("a.m4a", "aac", "7.1", 8),
        ("a.opus", "libopus", "7.1", 8),
        ("a.wv", "wavpack", "7.1", 8),
        ("a.wv", "wavpack", "hexadecagonal", 16),
    ],
)
def test_eight_and_more_channels_in_planes(tmp_path: Path, name: str, codec: str, layout: str, n_channels: int) -> None:
    """PyAV counts the planes of a frame up to a null that is not there: such files ended the process."""
    path, music = tmp_path / name, sounds.music(2, 48_000)[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout=layout)
        for start in range(0, len(music), 960):
            part = np.repeat(music[start : start + 960], n_channels)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = audio.load(path, 48_000)
    assert len(samples) == pytest.approx(len(music), abs=1_100)  # AAC's encoder begins and ends with more
    assert np.abs(samples).max() == pytest.approx(np.abs(music).max(), rel=0.2)
    if codec == "wavpack":
        np.testing.assert_allclose(samples, music, atol=1 / 128)  # the encoder takes 8 bits


def test_seeking_is_refused_where_positions_in_an_ogg_contradict_its_length(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.opus", sounds.music(12, 48_000), 48_000)
    content = path.read_bytes()
    start, end = [at for at in range(len(content)) if content[at : at + 5] == b"OggS\0"][2:4]
    page = bytearray(content[start:end])
    assert int.from_bytes(page[6:14], "little") < 10**6
    page[6:14] = (10**7).to_bytes(8, "little")  # the position of its last sample
    page[22:26] = bytes(4)
    page[22:26] = ogg_checksum(page).to_bytes(4, "little")
    path.write_bytes(content[:start] + page + content[end:])
    with pytest.raises(CannotSeekError):
        audio.sparse_windows(path, InputSpec(16_000, 6_000, 6_000), 3)


@pytest.mark.slow
@pytest.mark.parametrize(("from_second", "to_second"), [(7, 20), (0, 12), (7, 12)])
def test_a_flac_that_was_cut_without_its_header_is_shorter_than_it_declares(
    tmp_path: Path, from_second: float, to_second: float
) -> None:
    """As by `ffmpeg -ss N -t N -c copy`: it cannot be distinguished from one that is cut off, and `--damaged tag` tags it."""
    whole = sounds.write(tmp_path / "whole.flac", sounds.music(20, 16_000), 16_000)
    path = tmp_path / "cut.flac"
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size and from_second <= float(packet.pts * packet.time_base) < to_second:
                packet.stream = stream
                out.mux(packet)
    seconds = to_second - from_second
    for one in (path, audio.AudioBytes.read(path)):
        read = audio.stream(one, 16_000)
        blocks = []
        with pytest.raises(TruncatedAudioError, match=r"truncated or damaged: \d+\.\d s decode of the 20.0 s"):
            blocks.extend(read)
        assert sum(map(len, blocks)) / 16_000 == pytest.approx(seconds, abs=0.3)
        with pytest.raises(CannotSeekError):
            audio.sparse_windows(one, InputSpec(16_000, 6_000, 6_000), 3)
    result = load_tagger(damaged="tag").tag(path)
    assert result.duration_seconds == pytest.approx(seconds, abs=0.3)
    assert result.warnings[0].startswith("truncated or damaged")


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_big_endian_wav_is_named_with_the_cure(tmp_path: Path, bits: int) -> None:
    """FFmpeg reads its samples as little-endian ones: as noise."""
    values = (sounds.music(2, 16_000)[0].astype(np.float64) * (2 ** (bits - 1) - 1)).astype(np.int64)
    raw = values.astype(">i8").view(np.uint8).reshape(-1, 8)[:, -bits // 8 :].tobytes()
    head = b"WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 1, 16_000, 2_000 * bits, bits // 8, bits)
    body = head + b"data" + struct.pack(">I", len(raw)) + raw
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFX" + struct.pack(">I", len(body)) + body)
    for source in (path, audio.AudioBytes.read(path)):
        with pytest.raises(AudioError, match=r"big-endian WAV \(RIFX\), which is not read; convert it"):
            audio.load(source, 16_000)
        with pytest.raises(CannotSeekError):
            audio.sparse_windows(source, InputSpec(16_000, 6_000, 6_000), 3)


FAR = (2**44, 2**61, 2**63, 2**64 - 40)
"""Sizes that no file has: beyond them seeking is an error of the system (from 16 TiB on ext4), or of Python."""


def damaged_sizes(kind: str, size: int) -> bytes:
    """A file of which a chunk, object or box before the sound claims a size."""
    little, big = size.to_bytes(8, "little"), size.to_bytes(8)
    if kind == "asf":
        return bytes.fromhex("3026B2758E66CF11A6D900AA0062CE6C") + little + bytes(4096)
    if kind == "w64":
        riff, wave = chunks._W64_RIFF, b"wave" + chunks._W64_TAIL
        return riff + bytes(8) + wave + b"junk" + chunks._W64_TAIL + little + bytes(4096)
    if kind == "caf":
        return b"caff\0\1\0\0" + b"free" + big + bytes(4096)
    if kind == "rf64":
        sizes = chunk(b"ds64", little + little + bytes(12))
        return b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + wav(SOUND)[12:]
    ftyp = struct.pack(">I4s4sI4s", 20, b"ftyp", b"M4A ", 0, b"mp42")
    return ftyp + struct.pack(">I4s", 1, b"free") + big + bytes(4096)


@pytest.mark.parametrize("size", FAR)
@pytest.mark.parametrize("kind", ["asf", "w64", "caf", "rf64", "m4a"])
def test_sizes_that_lead_out_of_every_file(tmp_path: Path, kind: str, size: int) -> None:
    """On disk: files in memory may be sought anywhere."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(damaged_sizes(kind, size))
    with path.open("rb") as file:
        header_patches(file)
    assert not is_protected(lambda: path.open("rb"), "mov,mp4" if kind == "m4a" else kind, 0)
    assert read_content(path).key
    if kind == "rf64" and chunks.is_unknown(size):
        assert len(audio.load(path, 16_000)) == 8_000
        return
    with pytest.raises(AudioError, match=r"not audio|no audio|truncated"):
        audio.load(path, 16_000)


def test_ffmpeg_may_seek_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    with chunks.PatchedFile(path.open("rb"), start=10) as file:
        assert file.seek(2**63) == 2**63
        assert file.read(10) == b""
        assert file.seek(-5, 2) == 85
        assert len(file.read(10)) == 5


@pytest.mark.parametrize("start", [5_000, 2**31 - 1, 2**32 - 1])
def test_au_whose_sound_begins_behind_its_end(tmp_path: Path, start: int) -> None:
    """Of unknown size, which is then taken from the file."""
    path = tmp_path / "a.au"
    path.write_bytes(b".snd" + struct.pack(">5I", start, 0, 3, 16_000, 1) + bytes(2_000))
    for source in (path, path.read_bytes()):
        with pytest.raises(AudioError):
            audio.load(source, 16_000)
    assert read_content(path).key.startswith("bytes-")


@pytest.mark.slow
def test_a_rate_that_is_refused_is_refused_in_windows_too(tmp_path: Path) -> None:
    """At 1 Hz, a window is some samples, and resampling them to 16 kHz would take any memory."""
    form = struct.pack("<HHIIHH", 1, 1, 1, 2, 2, 16)
    data = np.arange(20_000).astype("<i2").tobytes()
    path = tmp_path / "a.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", len(data) + 36) + b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", data)
    )
    with pytest.raises(AudioError, match="sample rate of 1 Hz"):
        audio.load(path, 16_000)
    with pytest.raises(CannotSeekError):
        audio.sparse_windows(path, InputSpec(16_000, 100, 100), 3)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
@pytest.mark.parametrize("n_pages", [1, 3])
@pytest.mark.parametrize("added", [2**45, 2**60])
def test_a_length_of_years(tmp_path: Path, suffix: str, n_pages: int, added: int) -> None:
    """One damaged position at the end of an Ogg file, and a list of all windows was gigabytes."""
    path = sounds.write(tmp_path / f"a{suffix}", sounds.music(40, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    starts, at = [], 0
    while at < len(content):
        starts.append(at)
        at += 27 + content[at + 26] + sum(content[at + 27 : at + 27 + content[at + 26]])
    for start, end in zip(starts[-n_pages:], [*starts[-n_pages:], len(content)][1:], strict=True):
        position = int.from_bytes(content[start + 6 : start + 14], "little") + added
        content[start + 6 : start + 14] = position.to_bytes(8, "little")
        content[start + 22 : start + 26] = bytes(4)
        content[start + 22 : start + 26] = ogg_checksum(bytes(content[start:end])).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(CannotSeekError):
            audio.sparse_windows(path, InputSpec(16_000, 16_000, 16_000), 3)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("n_samples", [2**21 + 1, 2**27, 2**31 - 1])
@pytest.mark.parametrize("field", ["every frame", "last frame"])
@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\0\x14" + bytes(20)])
def test_frames_that_claim_too_many_samples_are_not_decoded(
    tmp_path: Path, n_samples: int, field: str, tag: bytes
) -> None:
    """FFmpeg gives as many samples as a frame of Monkey's Audio claims: 134 million took 3 GB."""
    content = bytearray(hand_built.monkeys_audio(1.0))
    at = int.from_bytes(content[8:12], "little") + (4 if field == "every frame" else 8)
    assert len(audio.load(tag + bytes(content), 16_000)) == 16_000
    content[at : at + 4] = n_samples.to_bytes(4, "little")
    path = tmp_path / "a.ape"
    path.write_bytes(tag + content)
    for source in (path, path.read_bytes()):
        stream = audio.AudioStream(source, 16_000)
        if field == "last frame":
            assert sum(map(len, stream)) == round(4 * 9_216 * 160 / 441)
            assert "damaged: 1 of 5 packets skipped" in stream.warnings
        else:
            with pytest.raises(AudioError, match=r"truncated or damaged: 0\.2 s decode"):
                list(stream)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_integers_of_64_bits_are_read(tmp_path: Path, n_channels: int) -> None:
    expected = sounds.music(1, 16_000, n_channels).astype(np.float64)
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s64le", rate=16_000, layout={1: "mono", 2: "stereo"}[n_channels])
        frame = av.AudioFrame.from_ndarray(expected.T.reshape(1, -1), format="dbl", layout=stream.layout.name)
        frame.sample_rate = 16_000
        for converted in [*av.AudioResampler("s64", stream.layout, 16_000).resample(frame), None]:
            container.mux(stream.encode(converted))
    read = np.concatenate(list(audio.AudioStream(path, 16_000)))
    np.testing.assert_allclose(read, expected.mean(axis=0), atol=1e-6)


def test_samples_whose_sums_are_infinite_are_refused_and_given_as_finite(tmp_path: Path) -> None:
    samples = sounds.music(1, 16_000).astype(np.float32)
    samples[0, 100:200] = 3.3e38
    stream = audio.AudioStream(sounds.write_float_wav(tmp_path / "a.wav", samples, 16_000), 44_100)
    with pytest.raises(AudioError, match=r"samples up to 3.3e\+38"):
        for block in stream:
            assert np.isfinite(block).all()
