"""Lossless mono 16-bit FLAC of int16 values, read whole or in part."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt

from earmark.core.errors import AudioError

Values = npt.NDArray[np.int16]

FULL_SCALE = 32768
"""An int16 of this size would be a sample of 1.0."""

# The encoder's own choice at 16 kHz is blocks of 72 ms; longer ones decode a quarter faster and are 1 % smaller.
# Prediction from 32 samples instead of 8 saves 4 % and costs 2 ms in decoding half a minute; every FLAC decoder reads it,
# though it is beyond the subset that players in hardware keep to. Level 8 would save 0.5 % in twice the time.
_ENCODER = {
    "compression_level": "5",
    "frame_size": "4096",
    "max_prediction_order": "32",
    "lpc_coeff_precision": "15",
}


def quantise(samples: npt.NDArray[np.float32]) -> tuple[Values, float]:
    """Round samples to 16 bits, without dither.

    Args:
        samples: (n_samples,) float32, full scale -1..1; resampling may exceed it.

    Returns:
        values: (n_samples,) int16.
        gain: factor applied to the samples: 1, or less if a peak would not have fitted. Nothing is
            clipped. A sample is ``value / 32768 / gain``.
    """
    low, high = float(samples.min(initial=0.0)), float(samples.max(initial=0.0))
    gain = 1.0
    if round(high * FULL_SCALE) >= FULL_SCALE or round(low * FULL_SCALE) < -FULL_SCALE:
        gain = float(np.float32((FULL_SCALE - 1) / FULL_SCALE / max(high, -low)))
    values = np.rint(samples * np.float32(gain * FULL_SCALE)).clip(-FULL_SCALE, FULL_SCALE - 1)
    return values.astype(np.int16), gain


def scale_of(gain: float) -> float:
    """Factor from int16 values to samples, full scale -1..1; exact in float32."""
    return float(np.float32(1 / (FULL_SCALE * gain)))


def encode(values: Values, sample_rate_hz: int) -> bytes:
    """A FLAC file of (n_samples,) int16 values; the same values give the same bytes. Raises AudioError."""
    file = io.BytesIO()
    try:
        # bitexact: no version of FFmpeg in the file
        with av.open(file, "w", format="flac", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream("flac", rate=sample_rate_hz, options=_ENCODER)
            stream.codec_context.layout = "mono"
            stream.codec_context.format = "s16"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values[np.newaxis]), format="s16", layout="mono")
            frame.sample_rate = sample_rate_hz
            frame.pts = 0
            frame.time_base = Fraction(1, sample_rate_hz)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(f"cannot be written as FLAC at {sample_rate_hz} Hz ({error})") from error
    return file.getvalue()


def decode(file: BinaryIO | io.RawIOBase, start: int = 0, length: int | None = None) -> Values:
    """Values of a file that :func:`encode` made, (n,) int16.

    Args:
        file: open, seekable; only the needed part is read.
        start: first sample.
        length: how many, at least 1; None for all up to the end. Fewer are returned at the end of the file.

    Raises:
        AudioError: not mono FLAC of 16 bits, damaged, or nothing at ``start``.
    """
    parts: list[Values] = []
    stop = None if length is None else start + length
    begin: int | None = None
    at = 0
    try:
        with av.open(file, "r", format="flac") as container:
            stream = container.streams.audio[0]
            if start:
                try:
                    container.seek(start, stream=stream)  # to the last block that begins at or before it
                except av.FFmpegError:  # FFmpeg finds no way into some short files
                    file.seek(0)
                    return decode(file, 0, stop)[start:]
            for frame in container.decode(stream):
                if frame.format.name != "s16" or frame.layout.nb_channels != 1:
                    raise AudioError(f"not mono FLAC of 16 bits but {frame.layout.name} {frame.format.name}")
                if begin is None:
                    begin = at = frame.pts or 0
                parts.append(frame.to_ndarray()[0])
                at += frame.samples
                if stop is not None and at >= stop:
                    break
    except (av.FFmpegError, OSError, IndexError) as error:
        raise AudioError(f"not a FLAC file that can be decoded ({error})") from error
    if begin is None:
        raise AudioError(f"not a FLAC file that can be decoded from sample {start} on")
    if begin > start:
        raise AudioError(f"damaged: no FLAC block holds sample {start}")
    return np.concatenate(parts)[start - begin : None if stop is None else stop - begin]
