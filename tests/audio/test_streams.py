"""Which of a file's streams is read; what is protected; that pictures are not decoded."""

from __future__ import annotations

import base64
import io
import re
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from earmark import audio
from earmark.audio.seeking import CannotSeekError
from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from earmark.library.scan.content import read_content
from tests.helpers import sounds
from tests.helpers.tagged import synchsafe

RATE_HZ = 16_000
SPEC = InputSpec(RATE_HZ, RATE_HZ, RATE_HZ)


def two_streams(path: Path, default: int, codec: str = "aac", seconds: float = 8) -> Path:
    """Two streams of audio; stream 0 is silent, stream 1 is music; one is marked as the default."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=44_100, layout="mono") for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == default else Disposition(0)
        for number, stream in enumerate(streams):
            samples = sounds.music(seconds, 44_100) * number
            for start in range(0, samples.shape[1], 4096):
                part = np.ascontiguousarray(samples[:, start : start + 4096])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), [("mka", "aac"), ("mp4", "aac"), ("mka", "flac"), ("mp4", "alac")])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_stream_is_read(tmp_path: Path, suffix: str, codec: str, default: int) -> None:
    path = two_streams(tmp_path / f"a.{suffix}", default, codec)
    for source in (path, audio.AudioBytes.read(path)):
        stream = audio.stream(source, RATE_HZ)
        list(stream)
        assert (stream.peak > 0.1) == (default == 1)
        if suffix == "mp4":
            found = audio.sparse_windows(source, SPEC, 3)
            assert found is not None
            assert bool(np.abs(found.samples).max() > 0.1) == (default == 1)


@pytest.mark.slow
def test_the_key_of_a_file_is_that_of_the_stream_that_is_read(tmp_path: Path) -> None:
    keys = {read_content(two_streams(tmp_path / f"{default}.mka", default)).key for default in (0, 1)}
    assert len(keys) == 2


def boxes_with(content: bytes, entry: bytes) -> bytes:
    """An MP4 file with another sample entry."""
    at = content.index(b"mp4a", content.index(b"stsd"))
    return content[:at] + entry + content[at + 4 :]


@pytest.mark.parametrize("entry", [b"drms", b"enca", b"aavd"])
def test_protected_mp4s_are_named(tmp_path: Path, entry: bytes) -> None:
    path = tmp_path / "bought.m4p"
    whole = sounds.write(tmp_path / "a.m4a", sounds.music(8, 44_100), 44_100).read_bytes()
    path.write_bytes(boxes_with(whole, entry))
    for source in (path, audio.AudioBytes.read(path)):
        with pytest.raises(AudioError, match=r"protected \(DRM\)"):
            audio.load(source, RATE_HZ)
        with pytest.raises(CannotSeekError):
            audio.sparse_windows(source, SPEC, 3)


def test_mp4s_encrypted_by_ffmpeg_are_named(tmp_path: Path) -> None:
    """Common Encryption: FFmpeg shows the codec behind it, and no more than that."""
    path = tmp_path / "a.mp4"
    key = "00112233445566778899aabbccddeeff"
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
    samples = sounds.music(4, 44_100)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44_100, 0, Fraction(1, 44_100)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"protected \(DRM\)"):
        audio.load(path, RATE_HZ)


@pytest.mark.parametrize(
    "guid", ["fbb3112223bdd211b4b700a0c955fc6e", "14e68a292226174cb935dae07ee9289c", "338505438169e6499b74ad12cb86d58c"]
)
def test_protected_wma_is_named(tmp_path: Path, guid: str) -> None:
    content = sounds.write(tmp_path / "a.wma", sounds.music(4, 44_100), 44_100).read_bytes()
    n_bytes, n_objects = struct.unpack("<QI", content[16:28])
    more = bytes.fromhex(guid) + struct.pack("<Q", 40) + bytes(16)
    head = content[:16] + struct.pack("<QI", n_bytes + 40, n_objects + 1) + content[28:n_bytes]
    with pytest.raises(AudioError, match=r"protected \(DRM\)"):
        audio.load(head + more + content[n_bytes:], RATE_HZ)
    assert len(audio.load(content, RATE_HZ))


def png(side: int) -> bytes:
    """A black picture of side x side pixels."""
    # Rows are alike, so one is compressed, for all of them; the end of the zlib stream is the checksum of zeros.
    packer = zlib.compressobj(9, wbits=-15)
    row = packer.compress(bytes(1 + side * 4)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = b"\x78\x9c" + row * side + b"\x03\0" + struct.pack(">HH", side * (1 + side * 4) % 65_521, 1)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def with_cover(path: Path, picture: bytes) -> Path:
    """A file with a cover, by mutagen."""
    from mutagen.flac import FLAC, Picture
    from mutagen.id3 import APIC, ID3
    from mutagen.mp4 import MP4, MP4Cover
    from mutagen.oggvorbis import OggVorbis

    sounds.write(path, sounds.music(8, 44_100), 44_100)
    cover = Picture()
    cover.data, cover.type, cover.mime = picture, 3, "image/png"
    match path.suffix:
        case ".mp3":
            tags = ID3()
            tags.add(APIC(mime="image/png", type=3, data=picture))
            tags.save(path)
        case ".flac":
            flac = FLAC(path)
            flac.add_picture(cover)
            flac.save()
        case ".m4a":
            mp4 = MP4(path)
            mp4["covr"] = [MP4Cover(picture, MP4Cover.FORMAT_PNG)]
            mp4.save()
        case ".ogg":
            ogg = OggVorbis(path)
            ogg["metadata_block_picture"] = [base64.b64encode(cover.write()).decode()]
            ogg.save()
    return path


READ = """
import resource, sys
from earmark import audio
from earmark.core.input_spec import InputSpec
from earmark.library.scan.content import read_content
from pathlib import Path
audio.load(sys.argv[1], 16_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    audio.load(path, 16_000)
    audio.load(audio.AudioBytes.read(path), 16_000)
    audio.sparse_windows(path, InputSpec(16_000, 16_000, 16_000), 2)
    read_content(Path(path))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_covers_are_not_decoded(tmp_path: Path) -> None:
    picture = png(12_000)  # 576 MB as pixels, less than one as a file
    plain = sounds.write(tmp_path / "plain.mp3", sounds.music(8, 44_100), 44_100)
    covered = [with_cover(tmp_path / f"cover{suffix}", picture) for suffix in (".mp3", ".flac", ".m4a", ".ogg")]
    done = subprocess.run([sys.executable, "-c", READ, plain, *covered], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000  # kilobytes


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a", ".ogg"])
def test_covers_change_no_sample(tmp_path: Path, suffix: str) -> None:
    plain = audio.load(sounds.write(tmp_path / f"plain{suffix}", sounds.music(8, 44_100), 44_100), RATE_HZ)
    stream = audio.stream(with_cover(tmp_path / f"cover{suffix}", png(64)), RATE_HZ)
    assert np.array_equal(np.concatenate(list(stream)), plain)
    assert stream.warnings == []


def test_decoders_of_sound_are_all_allowed() -> None:
    from earmark.audio.frames import demuxer_options

    allowed = set(demuxer_options()["codec_whitelist"].split(","))
    assert {"mp3float", "aac", "vorbis", "opus", "flac", "alac", "ac3", "wmav2", "pcm_s16le", "ape", "tta"} <= allowed
    assert not {"png", "mjpeg", "h264", "bmp", "gif", "webp", "tiff"} & allowed


@pytest.mark.slow
def test_samples_beyond_the_scale_are_refused(tmp_path: Path) -> None:
    music = sounds.music(20, RATE_HZ, 2)
    music /= np.abs(music).max()
    for peak, cure in (
        (8.5, "divide by the peak"),
        (100, "divide by 128, the full scale of 8-bit integers, or by the peak"),
        (500, "divide by the peak"),
        (10_000, "divide by 32768, the full scale of 16-bit"),
        (2**23, "divide by 8388608, the full scale of 24-bit"),
        (2**31, "divide by 2147483648, the full scale of 32-bit"),
    ):
        path = sounds.write_float_wav(tmp_path / f"{peak}.wav", music * peak, RATE_HZ)
        for source in (path, audio.AudioBytes.read(path)):
            with pytest.raises(
                AudioError, match=rf"samples up to {re.escape(f'{peak:.7g}')}: must be floating point in -1..1; {cure}"
            ):
                audio.load(source, RATE_HZ)
            with pytest.raises(CannotSeekError):
                audio.sparse_windows(source, SPEC, 8)
        for waveform in (music * peak, (music * peak)[0], (music * peak).astype(np.float64)):
            with pytest.raises(AudioError, match=f"samples up to .* in -1..1; {cure}"):
                audio.resample(waveform, RATE_HZ, 8_000)
    for peak in (1, 1.5, 7.9):
        loud = audio.load(sounds.write_float_wav(tmp_path / "loud.wav", music * peak, RATE_HZ), RATE_HZ)
        np.testing.assert_allclose(loud, (music * peak).mean(axis=0), atol=1e-5)
        assert len(audio.resample(music * peak, RATE_HZ, RATE_HZ)) == music.shape[1]


def test_samples_beyond_the_scale_are_found_where_channels_cancel(tmp_path: Path) -> None:
    music = sounds.music(2, RATE_HZ)[0] * 30_000
    path = sounds.write_float_wav(tmp_path / "a.wav", np.stack([music, -music]), RATE_HZ)
    with pytest.raises(AudioError, match="samples up to"):
        audio.load(path, RATE_HZ)
    with pytest.raises(AudioError, match="samples up to"):
        audio.resample(np.stack([music, -music]), RATE_HZ, RATE_HZ)


def test_tags_around_the_music_change_nothing(tmp_path: Path) -> None:
    """MP3s and FLACs as they are found."""
    body = b"TIT2" + synchsafe(6) + b"\0\0\3Loose" + bytes(100)
    tag = b"ID3\4\0\0" + synchsafe(len(body)) + body
    old = b"TAG" + b"Loose".ljust(124, b"\0") + b"\x11"
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8)
    for suffix in (".mp3", ".flac"):
        plain = sounds.write(tmp_path / f"a{suffix}", sounds.music(4, 44_100), 44_100).read_bytes()
        if suffix == ".mp3":
            plain = plain[10 + int.from_bytes(plain[8:10]) % 128 + 128 * plain[8] :] if plain[:3] == b"ID3" else plain
        expected = audio.load(plain, RATE_HZ)
        for content in (
            tag + plain,
            plain + old,
            tag + plain + old,
            *([tag + tag + plain, plain + ape + old] if suffix == ".mp3" else []),
        ):
            stream = audio.stream(io.BytesIO(content), RATE_HZ)
            assert np.array_equal(np.concatenate(list(stream)), expected)
            assert stream.warnings == []


def plain_mp3(tmp_path: Path) -> bytes:
    """Without tags, ten seconds."""
    content = sounds.write(tmp_path / "a.mp3", sounds.music(10, 44_100), 44_100).read_bytes()
    assert content[:3] == b"ID3"
    return content[10 + content[8] * 128 + content[9] :]


@pytest.mark.slow
def test_mp3s_as_they_are_found(tmp_path: Path) -> None:
    """A tag at the end with a footer, Lyrics3, zeros behind a tag, sound in RIFF, junk in the middle."""
    plain = plain_mp3(tmp_path)
    frame = b"TIT2" + synchsafe(6) + b"\0\0\3Loose"
    tag = b"ID3\4\0\0" + synchsafe(len(frame)) + frame
    footer = b"3DI\4\0\x10" + synchsafe(len(frame))
    lyrics = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00009[00:01]la"
    lyrics += b"%06d" % len(lyrics) + b"LYRICS200"
    old = b"TAG" + b"Loose".ljust(124, b"\0") + b"\x11"
    half = len(plain) // 2
    junk = bytes((31 * i + 7) % 253 for i in range(383))
    riff = b"WAVEfmt " + struct.pack("<IHHIIHHHHIHHH", 30, 0x55, 1, 44_100, 16_000, 1, 0, 12, 1, 2, 417, 1, 1_105)
    riff += b"data" + struct.pack("<I", len(plain)) + plain + bytes(len(plain) % 2)
    expected = audio.load(plain, RATE_HZ)
    for name, content in {
        "tag at the end": plain + b"ID3\4\0\x10" + tag[6:] + footer,
        "lyrics": plain + lyrics + old,
        "zeros": tag + bytes(100_000) + plain,
        "riff": b"RIFF" + struct.pack("<I", len(riff)) + riff,
        "junk": plain[:half] + junk + plain[half:],
    }.items():
        path = tmp_path / f"{name}.mp3"
        path.write_bytes(content)
        for source in (path, content):
            stream = audio.stream(source, RATE_HZ)
            n_samples = sum(map(len, stream))
            assert n_samples == pytest.approx(len(expected), abs=0.1 * RATE_HZ), name
            if name == "junk":
                assert all(note.startswith("damaged: ") for note in stream.warnings)
            else:
                assert stream.warnings == [], name


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".aac", ".mp3"])
@pytest.mark.parametrize("n_bytes", [0, 300, 5_000])
def test_tags_at_the_end_are_no_damage(tmp_path: Path, suffix: str, n_bytes: int) -> None:
    plain = sounds.write(tmp_path / f"a{suffix}", sounds.music(6, 44_100), 44_100).read_bytes()
    expected = len(audio.load(plain, RATE_HZ))
    old = b"TAG" + b"Loose".ljust(124, b"\0") + b"\x11"
    text = b"TXXX" + synchsafe(n_bytes + 3) + b"\0\0\3a\0" + b"b" * n_bytes
    newer = b"ID3\4\0\x10" + synchsafe(len(text)) + text + b"3DI\4\0\x10" + synchsafe(len(text))
    item = struct.pack("<II", n_bytes, 0) + b"Title\0" + b"b" * n_bytes
    footer = struct.pack("<IIII", 2000, len(item) + 32, 1, 0xA0000000) + bytes(8)
    ape = b"APETAGEX" + footer + item + b"APETAGEX" + footer[:12] + struct.pack("<I", 0x80000000) + bytes(8)
    lyrics = b"LYRICSBEGININD0000200LYR" + b"%05d" % n_bytes + b"b" * n_bytes
    lyrics += b"%06d" % len(lyrics) + b"LYRICS200"
    for name, tag in {"old": old, "newer": newer, "ape": ape, "both": ape + old, "lyrics": lyrics + old}.items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(plain + tag)
        for source in (path, plain + tag):
            stream = audio.stream(source, RATE_HZ)
            assert sum(map(len, stream)) == pytest.approx(expected, abs=0.1 * RATE_HZ), name
            assert stream.warnings == [], name


def test_a_tag_that_claims_more_than_the_file_has_leaves_no_audio(tmp_path: Path) -> None:
    """As for every program that reads the tag first."""
    content = b"ID3\4\0\0" + synchsafe(2**27) + plain_mp3(tmp_path)
    with pytest.raises(AudioError, match="not audio, or in no format that can be decoded"):
        audio.load(content, RATE_HZ)
