"""Cut streams of samples into windows, all of them or only some. Nothing else cuts audio.

Files are decoded by :mod:`earmark.audio.decoder`. Memory does not grow with the length of a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from earmark.audio.decoder import SILENCE_PEAK, SILENT, AudioStream, Samples
from earmark.audio.seeking import CannotSeekError, FileParts, read_parts
from earmark.audio.sound import silence_before
from earmark.audio.source import AudioBytes, AudioSource
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning, InputSpec

__all__ = [
    "SILENCE_PEAK",
    "SILENT",
    "AudioBytes",
    "AudioSource",
    "AudioStream",
    "Samples",
    "cut",
    "load",
    "sparse_starts",
    "sparse_windows",
    "steps_per_window",
    "stream",
    "window_starts",
    "windows",
]

SHORT_WINDOWS = 12
"""Of audio that is repeated: with one, a difference of a few samples in where it begins changes scores by .2."""
_SHORTER_SECONDS = 0.0013

_Places = TypeVar("_Places", int, npt.NDArray[np.int64])


def stream(source: AudioSource, sample_rate_hz: int, conditioning: Conditioning | None = None) -> AudioStream:
    """A file's audio as blocks of mono float32 samples at ``sample_rate_hz``; see :class:`AudioStream`."""
    return AudioStream(source, sample_rate_hz, conditioning)


def load(source: AudioSource, sample_rate_hz: int, conditioning: Conditioning | None = None) -> Samples:
    """A whole file, mono float32, shape ``(n_samples,)``, at ``sample_rate_hz``. Raises AudioError."""
    blocks = list(stream(source, sample_rate_hz, conditioning))
    return np.concatenate(blocks)


def windows(blocks: Iterable[Samples], spec: InputSpec, steps: int = 1) -> Iterator[Samples]:
    """Cut a stream of mono blocks at the spec's rate into windows, each ``(window_samples,)``.

    Samples left over at the end get a window, or none, as ``spec.last_window`` says; all others are in at least one. A
    stream shorter than a window is padded with zeros. With conditioning, one of less than 1.25 windows is repeated to fill
    :data:`SHORT_WINDOWS` of them (:func:`repeated`). An empty stream gives no window. Window k starts at sample
    ``window_starts(n_samples, spec, steps)[k]``. With ``spec.lead_samples`` the first one starts before the stream, in
    its mirror image.

    Silence is not left out: the stream should be :class:`earmark.audio.sound.SoundStream`'s.

    Args:
        blocks: ``(n,)`` float32 each, of any lengths.
        spec: length and distance of the windows, in samples.
        steps: so many windows for each one of the spec, evenly spread between them; those of the spec are among them.

    Yields:
        ``(window_samples,)`` float32.

    Example:
        >>> from earmark.core.input_spec import InputSpec
        >>> spec = InputSpec(sample_rate_hz=16_000, window_samples=4, hop_samples=4, last_window="overlap")
        >>> [window.tolist() for window in windows([np.arange(6, dtype=np.float32)], spec)]
        [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    """
    size, hop = spec.window_samples, spec.hop_samples
    kept = np.empty(0, np.float32)  # begins at the next window's start; up to a window before it is kept too
    behind = 0  # samples of `kept` before the next window's start
    n_given = 0
    for block in _led(blocks, spec.lead_samples):
        kept = np.concatenate([kept, block])
        if not n_given and spec.repeats(len(kept)):
            continue
        while len(kept) - behind >= size:
            yield kept[behind : behind + size]
            n_given += 1
            behind += _step_start(n_given, hop, steps) - _step_start(n_given - 1, hop, steps)
        drop = max(0, behind - size)  # an overlapping last window reaches at most `size` back
        kept, behind = kept[drop:], behind - drop
    if not n_given and spec.repeats(len(kept)):
        yield from repeated(kept, spec)
        return
    next_start = _step_start(n_given, hop, steps)
    n_whole = -(-n_given // steps)  # of the spec's own windows
    n_all = next_start + len(kept) - behind
    if n_all <= ((n_whole - 1) * hop + size if n_given else 0):
        return
    if n_given and spec.last_window == "drop":
        return
    if n_given and spec.last_window == "overlap":
        if n_all > _step_start(n_given - 1, hop, steps) + size:
            yield kept[-size:]
    else:
        rest = kept[behind + n_whole * hop - next_start :]
        yield np.pad(rest, (0, size - len(rest)))


def repeated(sound: Samples, spec: InputSpec) -> Iterator[Samples]:
    """Windows full of short audio, one repetition after the other: :data:`SHORT_WINDOWS`, ``(window_samples,)`` each.

    They begin at evenly spread places, and each repeats 1.3 ms less than the one before, so that their mean hardly depends
    on where repetitions fall in the network's steps.

    Args:
        sound: ``(n_samples,)``, at least one.
        spec: of the windows.
    """
    n, less = len(sound), round(_SHORTER_SECONDS * spec.sample_rate_hz)
    for k in range(SHORT_WINDOWS):
        part = sound[: max(1, n // 2, n - k * less)]
        yield np.resize(np.roll(part, -(k * n // SHORT_WINDOWS)), spec.window_samples)


def _step_start(index: _Places, hop: int, steps: int) -> _Places:
    """First sample of a whole window, or of several, without a lead."""
    return index // steps * hop + index % steps * hop // steps


def _led(blocks: Iterable[Samples], lead_samples: int) -> Iterator[Samples]:
    """The stream with its first samples mirrored in front; the first sample itself is not repeated."""
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


def window_starts(n_samples: int, spec: InputSpec, steps: int = 1) -> npt.NDArray[np.int64]:
    """First sample of every window that :func:`windows` cuts from ``n_samples`` samples, ``(n_windows,)``, rising.

    Negative where a window starts in the mirror image in front.
    """
    if n_samples < 1:
        return np.empty(0, np.int64)
    if spec.repeats(n_samples):
        return np.arange(SHORT_WINDOWS, dtype=np.int64) * n_samples // SHORT_WINDOWS
    n_all = n_samples + spec.lead_samples
    n_whole = max(0, (n_all - spec.window_samples) // spec.hop_samples + 1)
    starts = _step_start(np.arange(n_whole * steps, dtype=np.int64), spec.hop_samples, steps)
    starts = starts[starts + spec.window_samples <= n_all]
    covered = (n_whole - 1) * spec.hop_samples + spec.window_samples if n_whole else 0
    if covered < n_all and not (n_whole and spec.last_window == "drop"):
        overlap = n_whole and spec.last_window == "overlap"
        last = n_all - spec.window_samples if overlap else n_whole * spec.hop_samples
        starts = np.append(starts[starts < last], last)
    return starts - spec.lead_samples


def steps_per_window(spec: InputSpec, step_seconds: float | None) -> int:
    """The least ``steps`` of :func:`windows` with which windows start at most ``step_seconds`` apart; 1 for None.

    Example:
        >>> from earmark.core.input_spec import InputSpec
        >>> steps_per_window(InputSpec(sample_rate_hz=16_000, window_samples=48_000, hop_samples=48_000), 2.0)
        2
    """
    return 1 if step_seconds is None else max(1, math.ceil(spec.hop_seconds / step_seconds - 1e-9))


def sparse_starts(n_samples: int, spec: InputSpec, n_windows: int) -> npt.NDArray[np.int64]:
    """First samples of ``n_windows`` of the windows that :func:`windows` cuts, spread evenly over the file.

    Only windows that are entirely inside the file are taken, without padding. Each is in the middle of its n-th part of
    the file.

    Returns:
        ``(n_windows,)`` int64; empty where the file has no more whole windows than that.
    """
    # Not from a list of all: a damaged header may declare a file of years.
    first = -(-spec.lead_samples // spec.hop_samples) * spec.hop_samples - spec.lead_samples
    n_whole = max(0, (n_samples - spec.window_samples - first) // spec.hop_samples + 1)
    if n_whole <= n_windows:
        return np.empty(0, np.int64)
    spread = [first + (2 * k + 1) * n_whole // (2 * n_windows) * spec.hop_samples for k in range(n_windows)]
    return np.array(spread, np.int64)


def sparse_windows(source: AudioSource, spec: InputSpec, n_windows: int) -> FileParts | None:
    """Read only ``n_windows`` of a file's windows, by seeking; see :func:`sparse_starts`.

    They equal the windows that :func:`windows` cuts from the whole file, to within float32 rounding. With conditioning,
    silence at the beginning is left out, as in a full read; that between the windows is not known.

    Returns:
        The windows; None for a file that has no more than that.

    Raises:
        CannotSeekError: of :mod:`earmark.audio.seeking`: the file has to be read in full.
    """
    begin = _begin_of_file(source, spec) if spec.conditioning is not None else 0
    return read_parts(
        source,
        spec.sample_rate_hz,
        spec.window_samples,
        lambda n: (begin + sparse_starts(n - begin, spec, n_windows)).tolist(),
        spec.conditioning,
    )


def _begin_of_file(source: AudioSource, spec: InputSpec) -> int:
    beginning: list[Samples] = []
    needed = spec.window_samples + 2 * spec.sample_rate_hz
    try:
        for block in stream(source, spec.sample_rate_hz, spec.conditioning):
            beginning.append(block)
            needed -= len(block)
            if needed <= 0:
                break
    except AudioError as error:
        raise CannotSeekError("something in it cannot be read") from error
    return begin_of_sound(beginning, spec)


def begin_of_sound(beginning: Iterable[Samples], spec: InputSpec) -> int:
    """First sample behind silence, by the first blocks of audio, as :func:`earmark.audio.sound.silence_before`.

    Raises:
        CannotSeekError: the silence is longer than a second.
    """
    begin = silence_before(beginning, spec)
    if begin is None:
        raise CannotSeekError("it begins with silence")
    return begin


def cut(samples: Samples, spec: InputSpec, steps: int = 1) -> Samples:
    """All windows of a waveform in memory, ``(n_windows, window_samples)``: :func:`windows` in one array."""
    cuts = list(windows([np.asarray(samples, np.float32)], spec, steps))
    if not cuts:
        return np.empty((0, spec.window_samples), np.float32)
    return np.stack(cuts)
