"""Sizes in headers: unknown ones are no sizes, cut files are reported; integers in wider containers."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio.chunks import PatchedFile, is_unknown, shortfall
from earmark.audio.header_patches import header_patches
from earmark.audio.seeking import CannotSeekError
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import InputSpec
from tests.helpers import sounds, videos

RATE_HZ = 16_000
SECONDS = 8
PCM = (np.clip(sounds.music(SECONDS, RATE_HZ)[0], -1, 1) * 32767).astype(np.int16)
W64 = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"


def wav(data: int, riff: int | None = None, magic: bytes = b"RIFF", before: bytes = b"") -> bytes:
    head = b"WAVE" + before + b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    head += b"data" + struct.pack("<I", data)
    riff = len(head) + data if riff is None else riff
    return magic + struct.pack("<I", riff) + head + PCM.astype("<i2").tobytes()


def rf64(data: int, riff: int, n_samples: int | None = None, short_data: int = 0xFFFF_FFFF) -> bytes:
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, riff, data, data // 2 if n_samples is None else n_samples, 0)
    return wav(short_data, 0xFFFF_FFFF, b"RF64", before=ds64)


def wave64(data: int, whole: int) -> bytes:
    head = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + struct.pack("<Q", whole) + b"wave" + W64
    head += b"fmt " + W64 + struct.pack("<QHHIIHH", 40, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    return head + b"data" + W64 + struct.pack("<Q", data) + PCM.astype("<i2").tobytes()


def au(data: int) -> bytes:
    return b".snd" + struct.pack(">IIIII", 24, data, 3, RATE_HZ, 1) + PCM.astype(">i2").tobytes()


def aiff(ssnd: int, form: int, frames: int) -> bytes:
    rate = struct.pack(">HQ", 16383 + 13, RATE_HZ << (63 - 13))
    head = b"AIFFCOMM" + struct.pack(">IHIH", 18, 1, frames, 16) + rate + b"SSND" + struct.pack(">III", ssnd, 0, 0)
    return b"FORM" + struct.pack(">I", form) + head + PCM.astype(">i2").tobytes()


def caf(data: int) -> bytes:
    head = b"caff\0\1\0\0desc" + struct.pack(">Qd4sIIIII", 32, RATE_HZ, b"lpcm", 2, 2, 1, 1, 16)
    return head + b"data" + struct.pack(">QI", data % 2**64, 0) + PCM.astype("<i2").tobytes()


N = PCM.nbytes
COMPLETE = {
    "wav": wav(N),
    "rf64": rf64(N, N + 72),
    "bw64": rf64(N, N + 72).replace(b"RF64", b"BW64", 1),
    "w64": wave64(N + 24, N + 104),
    "au": au(N),
    "aiff": aiff(N + 8, N + 46, N // 2),
    "caf": caf(N + 4),
}
UNKNOWN = {
    "sox": wav(0x7FFFF000, 0x7FFFF024),
    "int32 max": wav(0x7FFFFFFF, 0x7FFFFFFF),
    "int32 max less the header": wav(0x7FFFFFFF - 36, 0x7FFFFFFF),
    "arecord": wav(0x80000000, 0x80000024),
    "almost 4 GiB": wav(0xFFFFFFCC, 0xFFFFFFF0),
    "ffmpeg": wav(0xFFFFFFFF, 0xFFFFFFFF),
    "nothing": wav(0, 0),
    "an empty file's header": wav(0, 36),
    "only the data": wav(0x7FFFF000, N + 36),
    "only the file": wav(N, 0x7FFFF024),
    "rf64": rf64(0, 0),
    "rf64 of ones": rf64(2**64 - 1, 2**64 - 1),
    "w64": wave64(2**63 - 1, 2**64 - 1),
    "w64 of nothing": wave64(0, 0),
    "w64 of nothing but heads": wave64(24, 104),
    "au": au(0xFFFFFFFF),
    "au of nothing": au(0),
    "aiff of sox": aiff(0x7F000008, 0x7F00002E, 0x3F800000),
    "aiff": aiff(0, 0, 0),
    "aiff of nothing but heads": aiff(8, 46, 0),
    "aiff of ones": aiff(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    "caf": caf(-1),
    "rf64 of nothing in either place": rf64(0, 0, short_data=0),
    "rf64 of nothing in the long place": rf64(0, 0, short_data=N),
    **{f"rf64 of {n:x} samples": rf64(N, N + 72, n) for n in (2**63 - 1, 2**63, 2**64 - 1)},
    **{f"aiff of {n:x} samples": aiff(N + 8, N + 46, n) for n in (0, 0x7F000000, 2**31 - 1, 2**31, 2**32 - 1)},
}
for _size in (0, 0x7F00_0000, 0x7FFF_F000, 2**31 - 1, 2**31, 2**31 + 36, 2**32 - 36, 2**32 - 1):
    UNKNOWN[f"au of {_size:x}"] = au(_size)
    UNKNOWN[f"wav of {_size:x}"] = wav(_size, _size)
    UNKNOWN[f"aiff of {_size:x}"] = aiff(_size, _size, _size)
    UNKNOWN[f"aiff of {_size:x} in samples of 2 bytes"] = aiff(_size, _size, _size // 2)
for _size in (0, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1):
    UNKNOWN[f"rf64 of {_size:x}"] = rf64(_size, _size, _size)
    UNKNOWN[f"w64 of {_size:x}"] = wave64(_size, _size)
    UNKNOWN[f"caf of {_size:x}"] = caf(_size)


def decoded(source: bytes | Path) -> tuple[np.ndarray, list[str]]:
    stream = audio.stream(source, RATE_HZ)
    return np.concatenate(list(stream)), stream.warnings


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_files(name: str) -> None:
    samples, warnings = decoded(COMPLETE[name])
    np.testing.assert_array_equal(samples, PCM / np.float32(32768))
    assert warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_sizes_are_no_sizes(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.snd"
    path.write_bytes(UNKNOWN[name])
    for source in (UNKNOWN[name], path):
        samples, warnings = decoded(source)
        np.testing.assert_array_equal(samples, PCM / np.float32(32768))
        assert warnings == []


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_files_are_reported(name: str, share: float) -> None:
    content = COMPLETE[name]
    cut = content[: int(share * len(content))]
    stream = audio.stream(cut, RATE_HZ)
    n = 0
    with pytest.raises(TruncatedAudioError, match=rf"truncated: {len(cut)} bytes of the {len(content)} "):
        for block in stream:
            n += len(block)
    assert n / RATE_HZ == pytest.approx(share * SECONDS, abs=0.02)


@pytest.mark.parametrize("name", UNKNOWN)
def test_files_of_unknown_size_can_be_read_in_parts(name: str) -> None:
    try:
        found = audio.sparse_windows(UNKNOWN[name], InputSpec(RATE_HZ, RATE_HZ, RATE_HZ), 3)
    except CannotSeekError:
        return
    assert found is not None
    assert found.duration_seconds == SECONDS
    for start, samples in zip(found.starts, found.samples, strict=True):
        np.testing.assert_array_equal(samples, PCM[start : start + RATE_HZ] / np.float32(32768))


def test_sizes_that_are_known() -> None:
    assert not any(map(is_unknown, (1, 36, N, 2**30, 3 * 2**30, 2**31 - 2**20, 2**32 - 2**20, 2**40)))


@pytest.mark.parametrize(
    "magic", [b"RIFF", b"RF64", b"FORM", b"caff", b".snd", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"]
)
@pytest.mark.parametrize("n_bytes", [0, 4, 20, 200])
def test_short_and_senseless_headers_raise_only_audio_errors(magic: bytes, n_bytes: int) -> None:
    dice = np.random.default_rng(n_bytes)
    for form in (b"", b"WAVE", b"AIFF"):
        with pytest.raises(AudioError):
            decoded(magic + b"\xff\xff\xff\x7f" + form + dice.bytes(n_bytes))


def extensible(values: np.ndarray, bits: int, valid_bits: int, order: str = "<") -> bytes:
    """WAVE_FORMAT_EXTENSIBLE: integers of valid_bits, at the top of containers of bits."""
    n_bytes, n_channels = bits // 8, len(values)
    whole = values.T.reshape(-1).astype(np.int64) << (bits - valid_bits)
    raw = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :n_bytes].tobytes()
    kind = struct.pack(
        "<HHIIHH", 0xFFFE, n_channels, RATE_HZ, RATE_HZ * n_bytes * n_channels, n_bytes * n_channels, bits
    )
    kind += struct.pack("<HHI", 22, valid_bits, 0) + bytes.fromhex("0100000000001000800000aa00389b71")
    rest = b"WAVEfmt " + struct.pack("<I", len(kind)) + kind + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(rest)) + rest


@pytest.mark.parametrize(("bits", "valid_bits"), [(8, 16), (16, 20), (16, 24), (16, 32), (24, 32)])
def test_more_valid_bits_than_bits_are_as_many_as_bits(bits: int, valid_bits: int) -> None:
    """FFmpeg alone would read the file with the wider samples, as noise."""
    samples = sounds.music(1, RATE_HZ, n_channels=2)
    values = np.round(samples.astype(np.float64) * (2 ** (bits - 1) - 1)).astype(np.int64)
    content = extensible(values + (128 if bits == 8 else 0), bits, bits)
    content = content.replace(struct.pack("<HHI", 22, bits, 0), struct.pack("<HHI", 22, valid_bits, 0), 1)
    got = audio.load(content, RATE_HZ)
    np.testing.assert_allclose(got, (values / 2 ** (bits - 1)).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("valid_bits", "bits"),
    [(24, 32), (20, 32), (20, 24), (16, 32), (16, 24), (12, 16), (18, 24), (24, 24), (32, 32), (16, 16), (17, 32)],
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_integers_in_wider_containers(valid_bits: int, bits: int, n_channels: int, tmp_path: Path) -> None:
    samples = sounds.music(2, RATE_HZ, n_channels)
    values = np.round(samples.astype(np.float64) * (2 ** (valid_bits - 1) - 1)).astype(np.int64)
    path = tmp_path / "a.wav"
    path.write_bytes(extensible(values, bits, valid_bits))
    got, warnings = decoded(path)
    np.testing.assert_allclose(got, (values / 2 ** (valid_bits - 1)).mean(axis=0), atol=1e-6)
    assert warnings == []
    found = audio.sparse_windows(path, InputSpec(RATE_HZ, 4_000, 4_000), 2)
    assert found is not None
    np.testing.assert_array_equal(found.samples[0], got[found.starts[0] : found.starts[0] + 4_000])


INTEGERS = np.round(sounds.music(2, RATE_HZ)[0].astype(np.float64) * (2**23 - 1)).astype(np.int64)


def in_32_bits(values: np.ndarray, bits: int, *, is_extensible: bool, n_silent: int = 0) -> bytes:
    """WAV whose header has the bits that count, and 4 bytes for a sample."""
    raw = bytes(4 * n_silent) + values.astype("<i4" if values.dtype.kind == "i" else "<f4").tobytes()
    kind = struct.pack("<HHIIHH", 0xFFFE if is_extensible else 1, 1, RATE_HZ, 4 * RATE_HZ, 4, bits)
    if is_extensible:
        kind += struct.pack("<HHI", 22, bits, 0) + bytes.fromhex("0100000000001000800000aa00389b71")
    rest = b"WAVEfmt " + struct.pack("<I", len(kind)) + kind + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(rest)) + rest


@pytest.mark.parametrize("is_extensible", [True, False])
@pytest.mark.parametrize("bits", [20, 24])
@pytest.mark.parametrize("n_silent", [0, 40_000])
def test_integers_in_wider_containers_of_which_only_the_block_size_shows(
    is_extensible: bool, bits: int, n_silent: int
) -> None:
    values = INTEGERS >> (24 - bits) << (32 - bits)
    got, warnings = decoded(in_32_bits(values, bits, is_extensible=is_extensible, n_silent=n_silent))
    np.testing.assert_allclose(got, np.append(np.zeros(n_silent), values / 2**31), atol=1e-6)
    assert warnings == []


@pytest.mark.parametrize("n_silent", [0, 40_000])
def test_floats_of_cool_edit_in_the_same_header(n_silent: int) -> None:
    """Their full scale is 2 ** 23; those made of 16 bits have zeros at the end, as integers have."""
    for values in (INTEGERS + 0.3, (INTEGERS >> 8 << 8) * 1.0, np.append(-0.0, INTEGERS)):
        got, _ = decoded(in_32_bits(values, 24, is_extensible=False, n_silent=n_silent))
        np.testing.assert_allclose(got, np.append(np.zeros(n_silent), values / 2**23), atol=1e-6)


@pytest.mark.parametrize(("order", "flags"), [("<", 2), (">", 0)])
def test_integers_in_wider_containers_of_caf(order: str, flags: int) -> None:
    for bits, n_bytes in ((24, 4), (20, 4), (16, 4), (12, 2), (24, 3), (32, 4)):
        values = INTEGERS.astype(np.int64) << 8 >> (32 - bits) << (8 * n_bytes - bits)
        raw = values.astype(f"{order}i8").view(np.uint8).reshape(-1, 8)
        raw = raw[:, :n_bytes] if order == "<" else raw[:, -n_bytes:]
        head = struct.pack(">Qd4sIIIII", 32, RATE_HZ, b"lpcm", flags, n_bytes, 1, 1, bits)
        content = b"caff\0\1\0\0desc" + head + b"data" + struct.pack(">QI", raw.size + 4, 0) + raw.tobytes()
        got, warnings = decoded(content)
        np.testing.assert_allclose(got, values / 2 ** (8 * n_bytes - 1), atol=1e-6)
        assert warnings == []


def test_a_patched_file_reads_as_a_file() -> None:
    content = bytes(range(100))
    with PatchedFile(io.BytesIO(content), [(18, b"abcd")], start=10, end=90) as file:
        expected = content[10:18] + b"abcd" + content[22:90]
        assert file.read() == expected
        for at in range(0, 90, 7):
            assert file.seek(at) == at
            assert file.read(9) == expected[at : at + 9]
        assert file.seek(-5, 2) == 75
        assert file.read() == expected[75:]


def test_files_of_pyav_have_sizes_that_are_read(tmp_path: Path) -> None:
    for suffix in ("wav", "w64", "au", "aiff", "caf"):
        path = tmp_path / f"a.{suffix}"
        codec = "pcm_s16be" if suffix in ("au", "aiff") else "pcm_s16le"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=RATE_HZ, layout="mono")
            frame = av.AudioFrame.from_ndarray(PCM[np.newaxis], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        np.testing.assert_array_equal(decoded(path)[0], PCM / np.float32(32768))
        with pytest.raises(TruncatedAudioError, match="truncated"):
            decoded(path.read_bytes()[:-100_000])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "video_seconds", "sound_seconds"),
    [(".wmv", 14, 8), (".wmv", 4, 8), (".wmv", 8, 8), (".mp4", 14, 8), (".mkv", 14, 8), (".avi", 14, 8)],
)
def test_sound_may_be_shorter_than_the_picture(
    tmp_path: Path, suffix: str, video_seconds: float, sound_seconds: float
) -> None:
    path = videos.write(tmp_path / f"a{suffix}", video_seconds=video_seconds, sound_seconds=sound_seconds)
    for source in (path, path.read_bytes()):
        samples, warnings = decoded(source)
        assert len(samples) / RATE_HZ == pytest.approx(sound_seconds, abs=0.1)
        assert warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("video_seconds", [0, 4, 14])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_cut_asf_is_reported(tmp_path: Path, video_seconds: float, share: float) -> None:
    path = videos.write(tmp_path / "a.wmv", video_seconds=video_seconds, sound_seconds=12)
    with pytest.raises(TruncatedAudioError, match="truncated"):
        decoded(path.read_bytes()[: int(share * path.stat().st_size)])


def sparse(path: Path, head: bytes, n_bytes: int) -> Path:
    """A file of that size that takes no space on the disk: zeros behind the header."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(n_bytes)
    return path


GIB = 2**30


@pytest.mark.parametrize(
    ("declared", "present", "is_cut"),
    [
        (2 * GIB - 200_000, 2 * GIB - 200_000, False),
        (2 * GIB - 200_000, 2 * GIB - 300_000, True),
        (2 * GIB + 200_000, 2 * GIB - 200_000, True),
        (3 * GIB, 3 * GIB, False),
        (3 * GIB, 2 * GIB, True),
        (3 * GIB, 2 * GIB - 1, True),
        (4 * GIB - 200_000, 4 * GIB - 200_000, False),
        (4 * GIB - 200_000, 4 * GIB - 300_000, True),
        (0x7FFFF000, GIB, False),  # unknown
        (2**31 - 1, 3 * GIB, False),
        (2**31, 3 * GIB, False),
        (2**32 - 1, GIB, False),
        (2**32 - 1, 5 * GIB, False),
        (0, 5 * GIB, False),
    ],
)
def test_sizes_of_gigabytes(tmp_path: Path, declared: int, present: int, is_cut: bool) -> None:
    head = wav(declared, min(declared + 36, 2**32 - 1))[:44]
    path = sparse(tmp_path / "a.wav", head, 44 + present)
    reason = shortfall(lambda: path.open("rb"), present / (2 * RATE_HZ))
    assert (reason is not None) == is_cut
    if is_cut:
        assert reason == f"truncated: {44 + present} bytes of the {44 + declared} that its header declares"


@pytest.mark.parametrize("kind", ["rf64", "w64"])
def test_sizes_beyond_four_gigabytes(tmp_path: Path, kind: str) -> None:
    declared = 5 * GIB
    whole = rf64(declared, declared + 72) if kind == "rf64" else wave64(declared + 24, declared + 104)
    head = whole[: len(whole) - N]
    for present, is_cut in ((declared, False), (declared - 10**6, True), (2 * GIB, True), (4 * GIB - 1, True)):
        path = sparse(tmp_path / "a.wav", head, len(head) + present)
        assert (shortfall(lambda path=path: path.open("rb"), present / (2 * RATE_HZ)) is not None) == is_cut


@pytest.mark.parametrize(
    ("declared", "present"),
    [
        (0x7FFFF000, 3 * GIB),
        (2**31 - 1, 3 * GIB),
        (2**31, 5 * GIB),
        (2**32 - 52, 5 * GIB),
        (2**32 - 1, 5 * GIB),
        (0, 5 * GIB),
        (GIB, 5 * GIB),  # as many as fit into 32 bits
        (GIB, 9 * GIB),
        (3 * GIB, 3 * GIB),
        (2**31 - 20, 2**31 - 20),
    ],
)
def test_sound_behind_the_size_that_the_header_can_hold(tmp_path: Path, declared: int, present: int) -> None:
    """FFmpeg would look for chunks in it, in silence for minutes."""
    head = bytearray(wav(declared, min(declared + 36, 2**32 - 1))[:44])
    head[22:36] = struct.pack("<HIIHH", 8, 48_000, 48_000 * 32, 32, 32)
    path = sparse(tmp_path / "a.wav", bytes(head), 44 + present)
    with audio.AudioStream(path, RATE_HZ).open_container() as container:
        (source,) = container.streams.audio
        assert float(source.duration * source.time_base) == pytest.approx(present / (32 * 48_000), abs=0.001)
        container.seek(present // 32 - 48_000, stream=source)
        assert max(packet.pos + packet.size for packet in container.demux(source) if packet.size) >= present


def test_a_chunk_behind_the_sound_is_no_sound(tmp_path: Path) -> None:
    """Of a file that has by chance a size that otherwise means that it is unknown."""
    declared = 2**31 - 20
    path = sparse(tmp_path / "a.wav", wav(declared)[:44], 44 + declared)
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 1_000) + bytes(1_000))
    with path.open("rb") as opened:
        assert header_patches(opened) == []
