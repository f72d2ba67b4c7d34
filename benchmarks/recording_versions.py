"""Encodings of a recording, and other versions of it, which are no duplicates."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

RATE_HZ = 44_100
EXCERPT_SECONDS = 60
SKIPPED_SECONDS = 20

# name, ending, encoder, kbit/s, sample rate, gain in dB, seconds cut off at the beginning and at the end
ENCODINGS = (
    ("MP3 64 kbit/s", "mp3", "libmp3lame", 64, 44_100, 0, 0, 0),
    ("MP3 128 kbit/s", "mp3", "libmp3lame", 128, 44_100, 0, 0, 0),
    ("MP3 320 kbit/s", "mp3", "libmp3lame", 320, 44_100, 0, 0, 0),
    ("MP3 32 kbit/s, mono, 22 kHz", "mp3", "libmp3lame", 32, 22_050, 0, 0, 0),
    ("Ogg Vorbis", "ogg", "soundfile", None, 44_100, 0, 0, 0),
    ("Opus 48 kbit/s", "opus", "libopus", 48, 48_000, 0, 0, 0),
    ("AAC 96 kbit/s", "m4a", "aac", 96, 44_100, 0, 0, 0),
    ("WMA 96 kbit/s", "wma", "wmav2", 96, 44_100, 0, 0, 0),
    ("FLAC, 96 kHz", "flac", "flac", None, 96_000, 0, 0, 0),
    ("MP3 128 kbit/s, -20 dB", "mp3", "libmp3lame", 128, 44_100, -20, 0, 0),
    ("Opus 96 kbit/s, +6 dB, clipped", "opus", "libopus", 96, 48_000, 6, 0, 0),
    ("AAC 128 kbit/s, first second cut off", "m4a", "aac", 128, 44_100, 0, 1, 0),
    ("MP3 192 kbit/s, last two seconds cut off", "mp3", "libmp3lame", 192, 44_100, 0, 0, 2),
)


def equalised(samples: np.ndarray, _other: np.ndarray) -> np.ndarray:
    """+3 dB below 200 Hz and above 4 kHz."""
    for kind, edge_hz in (("low", 200), ("high", 4_000)):
        samples = samples + 0.41 * sosfilt(butter(1, edge_hz, kind, fs=RATE_HZ, output="sos"), samples)
    return samples


def compressed(samples: np.ndarray, _other: np.ndarray) -> np.ndarray:
    """2:1 above -30 dB of full scale, within 0.15 s."""
    power = sosfilt(butter(1, 1, "low", fs=RATE_HZ, output="sos"), (samples**2).mean(axis=0)).clip(1e-12)
    return samples * np.minimum(1, 10 ** ((-30 - 10 * np.log10(power)) / 40))


def with_another_voice(samples: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Another song on top, 9 dB below this one, as a voice is on top of an instrumental version."""
    voice = np.resize(other[0], samples.shape[1])
    return samples + voice * np.sqrt((samples**2).mean() / max(1e-12, (voice**2).mean())) * 10 ** (-9 / 20)


def faster(samples: np.ndarray, _other: np.ndarray) -> np.ndarray:
    """By one percent, and higher."""
    places = np.arange(0, samples.shape[1] - 1, 1.01)
    return np.stack([np.interp(places, np.arange(len(channel)), channel) for channel in samples])


VERSIONS = (
    ("another master: equalised", equalised),
    ("another master: compressed", compressed),
    ("another song 9 dB below it on top", with_another_voice),
    ("one percent faster", faster),
)


def excerpt(song: Path) -> np.ndarray:
    """``(2, n)``, peak 0.8."""
    resampler, blocks, n = av.AudioResampler("fltp", "stereo", RATE_HZ), [], 0
    with av.open(str(song), metadata_errors="replace") as container:
        for frame in container.decode(audio=0):
            for block in resampler.resample(frame):
                blocks.append(block.to_ndarray())
                n += block.samples
            if n > (SKIPPED_SECONDS + EXCERPT_SECONDS) * RATE_HZ:
                break
    samples = np.concatenate(blocks, axis=1)
    if n > (SKIPPED_SECONDS + 30) * RATE_HZ:
        samples = samples[:, SKIPPED_SECONDS * RATE_HZ :]
    samples = samples[:, : EXCERPT_SECONDS * RATE_HZ].astype(np.float64)
    return samples / max(1e-6, float(np.abs(samples).max())) * 0.8


def encode(samples: np.ndarray, path: Path, encoder: str, kbps: int | None, rate_hz: int = RATE_HZ) -> None:
    """``(2, n)`` samples as a file; as mono at 22 kHz."""
    layout = "mono" if rate_hz == 22_050 else "stereo"
    samples = np.ascontiguousarray(samples.clip(-1, 1), np.float32)
    if encoder == "soundfile":  # PyAV's FFmpeg has no good Vorbis encoder
        with soundfile.SoundFile(path, "w", rate_hz, 2, format="OGG", subtype="VORBIS") as file:
            for start in range(0, samples.shape[1], 4096):
                file.write(samples[:, start : start + 4096].T)
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=rate_hz, layout=layout)
        if kbps:
            stream.bit_rate = kbps * 1000
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
