"""From files to windows of samples: decode, mix to mono, resample, cut.

Everything is a stream: memory does not grow with the length of a file. Decoding is FFmpeg's (PyAV),
resampling is soxr's. All samples are float32, full scale is -1..1.
"""

from earmark.audio.chunker import (
    cut,
    load,
    resample,
    sparse_starts,
    sparse_windows,
    stream,
    window_starts,
    windows,
)
from earmark.audio.decoder import SILENCE_PEAK, SILENT, AudioBytes, AudioStream, Samples

__all__ = [
    "SILENCE_PEAK",
    "SILENT",
    "AudioBytes",
    "AudioStream",
    "Samples",
    "cut",
    "load",
    "resample",
    "sparse_starts",
    "sparse_windows",
    "stream",
    "window_starts",
    "windows",
]
