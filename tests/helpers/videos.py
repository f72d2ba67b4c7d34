"""Videos, with and without sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.helpers import sounds

_AUDIO = {".webm": "libopus", ".mkv": "libopus", ".avi": "libmp3lame", ".wmv": "wmav2"}
_PICTURES = {".webm": "libvpx", ".wmv": "wmv2"}


def write(path: Path, *, video_seconds: float = 10, sound_seconds: float | None = 10) -> Path:
    """A grey picture at 5 per second, with music or, for None, without a sound track; the ending decides the format."""
    rate_hz, n_pictures = 48_000, round(5 * video_seconds)
    with av.open(str(path), "w") as container:
        if n_pictures:
            picture = container.add_stream(_PICTURES.get(path.suffix, "mpeg4"), rate=5)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        if sound_seconds is not None:
            codec = _AUDIO.get(path.suffix, "aac")
            sound = container.add_stream(codec, rate=rate_hz, layout="mono")
            if codec == "wmav2":
                sound.bit_rate = 128_000
        for k in range(n_pictures):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k % 256, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        if n_pictures:
            container.mux(picture.encode(None))
        if sound_seconds is not None:
            samples = sounds.music(sound_seconds, rate_hz)
            sample_format = sound.codec_context.format.name
            for start in range(0, samples.shape[1], 960):
                part = np.ascontiguousarray(samples[:, start : start + 960])
                audio = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                audio.sample_rate, audio.pts = rate_hz, start
                if sample_format != "fltp":
                    audio = av.AudioResampler(sample_format, "mono", rate_hz).resample(audio)[0]
                container.mux(sound.encode(audio))
            container.mux(sound.encode(None))
    return path
