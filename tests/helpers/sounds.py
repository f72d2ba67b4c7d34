"""Sounds and files that tests make for themselves."""

from __future__ import annotations

import wave
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import soundfile

ENCODERS = {
    ".mp3": "libmp3lame",
    ".flac": "flac",
    ".opus": "libopus",
    ".m4a": "aac",
    ".aac": "aac",
    ".wma": "wmav2",
    ".wav": "pcm_s16le",
    ".aiff": "pcm_s16be",
    ".mka": "flac",
    ".wv": "wavpack",
}
SUFFIXES = (*ENCODERS, ".ogg")
ENCODERS[".webm"] = "libopus"
QUICK = {".mp3": {"compression_level": "7"}, ".opus": {"compression_level": "0"}, ".m4a": {"aac_coder": "fast"}}
QUICK[".aac"] = QUICK[".m4a"]
"""Options with which encoders search less, and take half the time."""


def music(seconds: float, rate_hz: int, n_channels: int = 1, seed: int = 0) -> np.ndarray:
    """A few decaying harmonic notes and some noise, (n_channels, n) float32, peak near 0.5."""
    return _music(seconds, rate_hz, n_channels, seed).copy()


@lru_cache(maxsize=16)
def _music(seconds: float, rate_hz: int, n_channels: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    t = np.arange(n) / rate_hz
    out = np.zeros((n_channels, n))
    decay = np.exp(-4 * t[: 4 * rate_hz + 1])
    for start in np.arange(0, seconds, 0.4):
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        begin, end = np.searchsorted(t, [start, start + 4])  # then it is below 1e-7
        turns = pitch * t[begin:end]
        angle = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)  # small, so that float32 is exact enough
        sine, cosine = np.sin(angle), np.cos(angle)
        tone = sine * (1 + cosine + (3 - 4 * sine**2) / 3)  # sin x + sin 2x / 2 + sin 3x / 3
        tone *= np.exp(-4 * (t[begin] - start)) * decay[: end - begin]
        out[:, begin:end] += tone * rng.uniform(0.5, 1, (n_channels, 1))
    out += rng.normal(0, 0.01, out.shape)
    return (0.5 * out / max(np.abs(out).max(), 1e-9)).astype(np.float32)


def hum(seconds: float, rate_hz: int) -> np.ndarray:
    """A sine, ``(1, n)``: of lossless formats a small file, in which nothing is silent."""
    return 0.2 * np.sin(2 * np.pi * 100 / rate_hz * np.arange(round(seconds * rate_hz)))[None]


def write(path: Path, samples: np.ndarray, rate_hz: int, kbps: int = 128) -> Path:
    """Encode (n_channels, n) or (n,) float samples into the format that the name's ending asks for.

    Args:
        path: the file.
        samples: full scale -1..1.
        rate_hz: their sample rate.
        kbps: of MP3, AAC, WMA and Opus.
    """
    samples = np.atleast_2d(samples).astype(np.float32)
    if path.suffix == ".ogg":  # PyAV's FFmpeg has no Vorbis encoder
        with soundfile.SoundFile(path, "w", rate_hz, len(samples), format="OGG", subtype="VORBIS") as file:
            for start in range(0, samples.shape[1], 4096):
                file.write(samples[:, start : start + 4096].T)
        return path
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            ENCODERS[path.suffix], rate=rate_hz, layout=layout, options=QUICK.get(path.suffix, {})
        )
        if path.suffix in (".mp3", ".m4a", ".aac", ".wma", ".opus"):
            stream.bit_rate = 1000 * kbps
        for start in range(0, max(samples.shape[1], 1), 4096):
            part = np.ascontiguousarray(samples[:, start : start + 4096])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate = rate_hz
            frame.pts = start
            frame.time_base = Fraction(1, rate_hz)
            if part.shape[1]:
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_float_wav(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """32-bit float WAV, (n_channels, n), byte by byte: it can hold NaN and infinity."""
    samples = np.atleast_2d(samples).astype("<f4")
    data = samples.T.tobytes()
    n_channels = len(samples)
    head = b"WAVEfmt " + (16).to_bytes(4, "little") + (3).to_bytes(2, "little") + n_channels.to_bytes(2, "little")
    head += rate_hz.to_bytes(4, "little") + (rate_hz * 4 * n_channels).to_bytes(4, "little")
    head += (4 * n_channels).to_bytes(2, "little") + (32).to_bytes(2, "little")
    head += b"data" + len(data).to_bytes(4, "little")
    path.write_bytes(b"RIFF" + (len(head) + len(data)).to_bytes(4, "little") + head + data)
    return path


def write_int_wav(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """16-bit WAV by the standard library: an encoder that is not ours and not FFmpeg's."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


def shorten(path: Path, share: float, out: Path) -> Path:
    """The first `share` of a file's bytes."""
    content = path.read_bytes()
    out.write_bytes(content[: int(len(content) * share)])
    return out
