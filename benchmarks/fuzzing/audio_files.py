"""Small valid audio files of every container and codec for which PyAV has an encoder, and of some that it has none for;
signatures of the others."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from tests.helpers import hand_built

ENCODED: tuple[tuple[str, str, str, int, str, dict[str, str]], ...] = (
    # ending, muxer, codec, rate, layout, options
    (".mp3", "mp3", "libmp3lame", 44_100, "stereo", {}),
    (".mp3", "mp3", "libmp3lame", 16_000, "mono", {"write_xing": "0"}),
    (".mp2", "mp2", "mp2", 44_100, "stereo", {}),
    (".wav", "wav", "pcm_s16le", 16_000, "stereo", {}),
    (".wav", "wav", "pcm_f32le", 16_000, "mono", {}),
    (".wav", "wav", "pcm_s24le", 16_000, "mono", {}),
    (".wav", "wav", "pcm_u8", 16_000, "mono", {}),
    (".wav", "wav", "adpcm_ms", 16_000, "mono", {}),
    (".wav", "wav", "adpcm_ima_wav", 16_000, "mono", {}),
    (".wav", "wav", "pcm_mulaw", 16_000, "mono", {}),
    (".rf64", "wav", "pcm_s16le", 16_000, "mono", {"rf64": "always"}),
    (".w64", "w64", "pcm_s16le", 16_000, "mono", {}),
    (".flac", "flac", "flac", 44_100, "stereo", {}),
    (".ogg", "ogg", "libvorbis", 44_100, "stereo", {}),
    (".ogg", "ogg", "vorbis", 44_100, "stereo", {"strict": "-2"}),
    (".opus", "ogg", "libopus", 48_000, "stereo", {}),
    (".oga", "ogg", "flac", 16_000, "mono", {}),
    (".m4a", "ipod", "aac", 44_100, "stereo", {}),
    (".m4a", "mp4", "aac", 44_100, "mono", {"movflags": "frag_keyframe+empty_moov"}),
    (".m4a", "ipod", "alac", 44_100, "stereo", {}),
    (".mov", "mov", "pcm_s16be", 16_000, "mono", {}),
    (".aiff", "aiff", "pcm_s16be", 16_000, "stereo", {}),
    (".aifc", "aiff", "pcm_f32be", 16_000, "mono", {}),
    (".wma", "asf", "wmav2", 44_100, "stereo", {}),
    (".wma", "asf", "wmav1", 44_100, "mono", {}),
    (".aac", "adts", "aac", 44_100, "stereo", {}),
    (".mka", "matroska", "flac", 16_000, "mono", {}),
    (".mka", "matroska", "pcm_s16le", 16_000, "mono", {}),
    (".webm", "webm", "libopus", 48_000, "stereo", {}),
    (".wv", "wv", "wavpack", 16_000, "stereo", {}),
    (".tta", "tta", "tta", 16_000, "mono", {}),
    (".ac3", "ac3", "ac3", 44_100, "5.1", {}),
    (".ac3", "eac3", "eac3", 44_100, "stereo", {}),
    (".amr", "amr", "libopencore_amrnb", 8_000, "mono", {}),
    (".au", "au", "pcm_s16be", 16_000, "mono", {}),
    (".caf", "caf", "pcm_s16be", 16_000, "mono", {}),
    (".caf", "caf", "alac", 16_000, "mono", {}),
    (".voc", "voc", "pcm_u8", 16_000, "mono", {}),
    (".avi", "avi", "mp3", 44_100, "stereo", {}),
    (".ts", "mpegts", "aac", 44_100, "stereo", {}),
    (".mpg", "mpeg", "mp2", 44_100, "stereo", {}),
    (".rm", "rm", "ac3", 44_100, "stereo", {}),
    (".m4a", "ipod", "aac", 44_100, "7.1", {}),
    (".opus", "ogg", "libopus", 48_000, "7.1", {}),
    (".wv", "wv", "wavpack", 8_000, "hexadecagonal", {}),
)

SIGNATURES: tuple[tuple[str, bytes], ...] = (
    (".tak", b"tBaK\x01\x0a\0\0"),
    (".dts", b"\x7f\xfe\x80\x01\xfc\x3c\x3f\xf1\xb5\xe0"),
    (".oma", b"ea3\x03\0\0\0\0\0\0EA3\0\x60" + bytes(28)),
    (".shn", b"ajkg\x02\xfb\xb1"),
    (
        ".wav",
        b"RIFF\0\0\1\0XWMAfmt \x12\0\0\0\x61\x01\2\0\x44\xac\0\0\xb0\x1f\0\0\0\x10\0\0\0\0dpds\4\0\0\0\0\x10\0\0data",
    ),
    (".loas", b"\x56\xe0\x40\x20"),
)
"""Other containers without an encoder, by what their files begin with; the rest is random. They reach little more than the
demuxers' headers."""


def tone(seconds: float, rate_hz: int, n_channels: int) -> np.ndarray:
    """Decaying harmonic notes and noise, ``(n_channels, n)`` float32, peak below 0.8; no two seconds are alike."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch = 220 * 2 ** (np.floor(t * 3) * 7 % 12 / 12)
    wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in (1, 2, 3)) * np.exp(-4 * (t * 3 % 1))
    return (0.3 * np.tile(wave, (n_channels, 1)) + rng.normal(0, 0.01, (n_channels, len(t)))).astype(np.float32)


def encode(muxer: str, codec: str, rate_hz: int, layout: str, options: dict[str, str], seconds: float) -> bytes:
    """A file with a title, a genre and sound."""
    out = io.BytesIO()
    options = dict(options)
    codec_options = {name: options.pop(name) for name in ("strict",) if name in options}
    if codec == "aac":
        codec_options["aac_pns"] = "0"  # else the decoder draws noise, and no two readings are alike
    with av.open(out, "w", format=muxer, options=options) as container:
        container.metadata.update({"title": "Ænglisc", "genre": "Rock", "comment": "c" * 60})
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, options=codec_options)
        n_channels = stream.layout.nb_channels
        samples = tone(seconds, rate_hz, n_channels)
        for start in range(0, samples.shape[1], 1024):
            part = np.ascontiguousarray(samples[:, start : start + 1024].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def encoded_files(seconds: float, suffixes: Iterable[str] | None = None) -> list[tuple[str, bytes]]:
    """(ending, content) of the formats in ENCODED, less those for which this FFmpeg has no encoder, and of those built by hand."""
    built = [
        (".ape", hand_built.monkeys_audio(seconds)),
        (".mpc", hand_built.musepack_8(seconds)),
        (".mpc", hand_built.musepack_7(seconds)),
    ]
    made = [one for one in built if suffixes is None or one[0] in suffixes]
    for suffix, muxer, codec, rate_hz, layout, options in ENCODED:
        if suffixes is not None and suffix not in suffixes:
            continue
        try:
            made.append((suffix, encode(muxer, codec, rate_hz, layout, options, seconds)))
        except (av.FFmpegError, av.codec.codec.UnknownCodecError, ValueError):
            continue
    return made


def dsf(seconds: float) -> bytes:
    """A DSF file (one bit per sample, 2.8 MHz) of an idle pattern."""
    n_bytes = round(seconds * 2_822_400 / 8 / 4096) * 4096
    fmt = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, 2_822_400, 1, n_bytes * 8, 4096, 0)
    data = b"data" + struct.pack("<Q", 12 + n_bytes) + b"\x69" * n_bytes
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(fmt) + len(data), 0) + fmt + data


def dsdiff(seconds: float) -> bytes:
    """A DSDIFF file of an idle pattern."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack(">Q", len(content)) + content + b"\0" * (len(content) % 2)

    prop = b"SND " + chunk(b"FS  ", struct.pack(">I", 2_822_400)) + chunk(b"CHNL", struct.pack(">H4s", 1, b"C000"))
    prop += chunk(b"CMPR", b"DSD \x0enot compressed\0")
    body = b"DSD " + chunk(b"FVER", b"\1\5\0\0") + chunk(b"PROP", prop)
    body += chunk(b"DSD ", b"\x69" * round(seconds * 2_822_400 / 8))
    return chunk(b"FRM8", body)
