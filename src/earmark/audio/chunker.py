"""From streams to windows: the only chunker. The only decoder is :mod:`earmark.audio.decoder`.

Everything is a stream: memory does not grow with the length of a file. Decoding is FFmpeg's (PyAV),
resampling is soxr's. All samples are float32, full scale is -1..1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from earmark.audio.decoder import SILENCE_PEAK, SILENT, AudioBytes, AudioStream, Samples
from earmark.audio.seeking import Segments, read_segments
from earmark.core.card import InputSpec
from earmark.core.errors import AudioError

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


def stream(source: str | Path | AudioBytes, sample_rate_hz: int) -> AudioStream:
    """A file's audio as blocks of mono float32 samples at ``sample_rate_hz``; see :class:`AudioStream`."""
    return AudioStream(source, sample_rate_hz)


def load(source: str | Path | AudioBytes, sample_rate_hz: int) -> Samples:
    """A whole file, mono float32, shape ``(n_samples,)``, at ``sample_rate_hz``. Raises AudioError."""
    blocks = list(stream(source, sample_rate_hz))
    return np.concatenate(blocks)


def resample(samples: npt.ArrayLike, from_hz: int, to_hz: int) -> Samples:
    """A waveform in memory as mono float32 at another rate, by the same rules as a file.

    Args:
        samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1.
        from_hz: its sample rate.
        to_hz: the rate wanted.

    Raises:
        AudioError: integers, wrong shape, no samples, NaN or infinite samples, a rate below 1.
    """
    array = np.asarray(samples)
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"samples of type {array.dtype}: must be floating point in -1..1 (int16: divide by 32768)")
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"samples of shape {array.shape}: must be (n_channels, n_samples): transpose them")
    if array.ndim not in (1, 2):
        raise AudioError(f"samples of shape {array.shape}: must be (n_samples,) or (n_channels, n_samples)")
    if from_hz < 1 or to_hz < 1:
        raise AudioError(f"sample rates {from_hz} Hz to {to_hz} Hz: must be at least 1 Hz")
    if array.size == 0:
        raise AudioError("holds no audio samples")
    mono: Samples = (array if array.ndim == 1 else array.mean(axis=0)).astype(np.float32)
    if not np.isfinite(mono).all():
        at = int(np.argmin(np.isfinite(mono))) / from_hz
        raise AudioError(f"holds NaN or infinite samples, the first at {at:.2f} s")
    if from_hz == to_hz:
        return mono
    out: Samples = soxr.resample(mono, from_hz, to_hz, quality="HQ")
    return out


def windows(blocks: Iterable[Samples], spec: InputSpec) -> Iterator[Samples]:
    """Cut a stream of mono blocks at the spec's rate into windows, each ``(window_samples,)``.

    Every sample lies in at least one window. What is left at the end gets a window as
    ``spec.last_window`` says; a stream shorter than a window is filled up with zeros; an empty stream
    gives none. The k-th window starts at sample ``window_starts(n_samples, spec)[k]``; with
    ``spec.lead_samples`` the first begins before the stream, on its mirror image.
    """
    size, hop = spec.window_samples, spec.hop_samples
    kept = np.empty(0, np.float32)  # begins at the next window's start; up to a window before it is kept too
    behind = 0  # samples of `kept` that lie before the next window's start
    n_given = 0
    for block in _led(blocks, spec.lead_samples):
        kept = np.concatenate([kept, block])
        while len(kept) - behind >= size:
            yield kept[behind : behind + size]
            n_given += 1
            behind += hop
        drop = max(0, behind - size)  # an overlapping last window reaches at most `size` back
        kept, behind = kept[drop:], behind - drop
    unheard = len(kept) - behind - (size - hop if n_given else 0)
    if unheard <= 0:
        return
    if n_given and spec.last_window == "overlap":
        yield kept[-size:]
    else:
        yield np.pad(kept[behind:], (0, size - (len(kept) - behind)))


def _led(blocks: Iterable[Samples], lead_samples: int) -> Iterator[Samples]:
    """The stream with the mirror image of its first samples in front; the first sample itself is not doubled."""
    waiting = np.empty(0, np.float32)
    parts = iter(blocks)
    if lead_samples:
        for block in parts:
            waiting = np.concatenate([waiting, block])
            if len(waiting) > lead_samples:
                break
        if len(waiting):
            yield np.pad(waiting, (lead_samples, 0), mode="reflect" if len(waiting) > 1 else "edge")
    yield from parts


def window_starts(n_samples: int, spec: InputSpec) -> npt.NDArray[np.int64]:
    """First sample of every window that :func:`windows` cuts from ``n_samples`` samples, ``(n_windows,)``.

    Negative where a window begins on the mirror image in front.
    """
    if n_samples < 1:
        return np.empty(0, np.int64)
    n_all = n_samples + spec.lead_samples
    n_whole = max(0, (n_all - spec.window_samples) // spec.hop_samples + 1)
    starts = np.arange(n_whole, dtype=np.int64) * spec.hop_samples
    heard = starts[-1] + spec.window_samples if n_whole else 0
    if heard < n_all:
        overlap = n_whole and spec.last_window == "overlap"
        starts = np.append(starts, n_all - spec.window_samples if overlap else n_whole * spec.hop_samples)
    return starts - spec.lead_samples


def sparse_starts(n_samples: int, spec: InputSpec, n_windows: int) -> npt.NDArray[np.int64]:
    """First samples of ``n_windows`` of the windows that :func:`windows` cuts, spread evenly; empty where there are
    no more whole ones than that.

    Only windows that lie wholly in the file are taken: what is filled up at its ends is little heard music. Each stands
    in the middle of its n-th part of the file.
    """
    starts = window_starts(n_samples, spec)
    on_grid = (starts + spec.lead_samples) % spec.hop_samples == 0
    whole = starts[on_grid & (starts >= 0) & (starts + spec.window_samples <= n_samples)]
    if len(whole) <= n_windows:
        return np.empty(0, np.int64)
    spread: npt.NDArray[np.int64] = whole[(2 * np.arange(n_windows) + 1) * len(whole) // (2 * n_windows)]
    return spread


def sparse_windows(source: str | Path | AudioBytes, spec: InputSpec, n_windows: int) -> Segments | None:
    """``n_windows`` of a file's windows without the rest of it, found by seeking: see :func:`sparse_starts`.

    They are the very windows that :func:`windows` cuts from the whole file, to within the rounding of float32.

    Returns:
        The windows; None for a file that has no more than that.

    Raises:
        CannotSeekError: of :mod:`earmark.audio.seeking`: the file has to be read in full.
    """
    return read_segments(
        source, spec.sample_rate_hz, spec.window_samples, lambda n: sparse_starts(n, spec, n_windows).tolist()
    )


def cut(samples: Samples, spec: InputSpec) -> Samples:
    """All windows of a waveform in memory, ``(n_windows, window_samples)``: :func:`windows` in one array."""
    cuts = list(windows([np.asarray(samples, np.float32)], spec))
    if not cuts:
        return np.empty((0, spec.window_samples), np.float32)
    return np.stack(cuts)
