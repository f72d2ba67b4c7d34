"""From files to windows of samples: decode, mix to mono, resample, cut.

Files are read as streams: memory does not grow with their length. PyAV (FFmpeg) decodes, soxr resamples. All samples
are float32, full scale is -1..1.
"""

from earmark.audio.chunker import (
    cut,
    load,
    sparse_starts,
    sparse_windows,
    steps_per_window,
    stream,
    window_starts,
    windows,
)
from earmark.audio.decoder import SILENCE_PEAK, SILENT, AudioStream, Samples, declared_seconds
from earmark.audio.source import AudioBytes, AudioSource
from earmark.audio.waveform import resample

__all__ = [
    "SILENCE_PEAK",
    "SILENT",
    "AudioBytes",
    "AudioSource",
    "AudioStream",
    "Samples",
    "cut",
    "declared_seconds",
    "load",
    "resample",
    "sparse_starts",
    "sparse_windows",
    "steps_per_window",
    "stream",
    "window_starts",
    "windows",
]
