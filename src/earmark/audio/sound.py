"""Audio without its silences. All settings are in :class:`earmark.core.input_spec.Conditioning`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from earmark.audio.silence import Floats, SilenceMeter, energies_of, energy_of, fit_samples
from earmark.core.input_spec import Conditioning, InputSpec

_LONGEST_PAUSE_SECONDS = 0.5
_LEAST_LEVEL_SECONDS = 0.00125
_END_SECONDS = 0.005  # at both ends of a file, where resampling makes a click of an offset
_EDGE_SHARE = 0.01  # of the loudest step's RMS
_FORECAST_SECONDS = 0.00625
_FORECAST_DEGREE = 3
_LEAST_FORECAST = 10  # samples
# What resampling and encoders put before a beginning is softer than this, of the largest sample so soon behind it.
_ONSET_SHARE = 0.03
_ONSET_SECONDS = 0.015


_Step = tuple[Floats, float]  # samples, and their energy


class SoundStream:
    """Audio without its silences, so that windows are the same wherever silence is.

    Left out are silences (see :class:`earmark.core.input_spec.Conditioning`) at the beginning and the end, and those of
    half a second and more within, to the sample: up to where the waveform leaves the course of the silence, which may
    have an offset and rumble. What is silent is known from the audio so far and one window ahead; so memory does not grow with the length of the file. Of audio that
    is all silent its beginning is given, up to one window.

    Args:
        blocks: mono float32 at the model's rate, of any lengths.
        spec: the input of the model. Without conditioning the blocks are given as they are.

    Attributes:
        n_samples, n_given: length of the audio with its silences, and of what is given, so far.
        meter: measures what is given.

    Example:
        >>> from earmark.core.input_spec import Conditioning, InputSpec
        >>> spec = InputSpec(sample_rate_hz=1000, window_samples=2000, hop_samples=2000, conditioning=Conditioning())
        >>> music = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)
        >>> sound = SoundStream([np.zeros(500, np.float32), music], spec)
        >>> sum(len(block) for block in sound), sound.left_out().tolist()
        (3000, [[0, 500]])
    """

    def __init__(self, blocks: Iterable[Floats], spec: InputSpec) -> None:
        self.blocks, self.spec = blocks, spec
        self.n_samples = self.n_given = 0
        self.meter = SilenceMeter(spec)
        self._left_out: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Floats]:
        for block in self._counted() if self.spec.conditioning is None else self._sound(self.spec.conditioning):
            self.n_given += len(block)
            yield block

    def left_out(self) -> npt.NDArray[np.int64]:
        """First sample of each silence that was left out, and of what follows, ``(n, 2)``; in samples of the audio."""
        return np.array(self._left_out, np.int64).reshape(-1, 2)

    def at(self, samples: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Where samples of the sound are in the audio; those on a joint behind the silence."""
        left_out, samples = self.left_out(), np.asarray(samples, np.int64)
        lengths = np.diff(left_out, axis=1)[:, 0]
        joints = left_out[:, 1] - np.cumsum(lengths)
        found: npt.NDArray[np.int64] = (
            samples + np.append(0, np.cumsum(lengths))[np.searchsorted(joints, samples, "right")]
        )
        return found

    def silent_seconds(self) -> float:
        """Length of all that is silent."""
        return self._left_out_seconds() + self.meter.silent_seconds()

    def silences_seconds(self) -> npt.NDArray[np.float64]:
        """Begin and end of each silence that was left out, and of others of at least a second, ``(n, 2)``, rising."""
        rate = self.spec.sample_rate_hz
        others = self.at(np.round(self.meter.silences_seconds() * rate)) / rate
        return np.array(sorted([*(self.left_out() / rate).tolist(), *others.tolist()])).reshape(-1, 2)

    def warnings(self) -> list[str]:
        """What a user should know, at the end of the audio."""
        return self.meter.warnings(self._left_out_seconds())

    def _left_out_seconds(self) -> float:
        return float(np.diff(self.left_out()).sum() / self.spec.sample_rate_hz)

    def _counted(self) -> Iterator[Floats]:
        for block in self.blocks:
            self.n_samples += len(block)
            yield block

    def _sound(self, conditioning: Conditioning) -> Iterator[Floats]:
        rate, step = self.spec.sample_rate_hz, self.meter.block_samples
        silent_share = 10 ** (-conditioning.silence_range_db / 10)
        faintest = 10 ** (conditioning.silence_dbfs / 10)
        ahead: deque[_Step] = deque()
        n_ahead = 0
        loudest = 0.0
        splitter = _Splitter(rate)
        beginning: list[Floats] = []
        rest = np.zeros(0, np.float32)
        is_first, end = True, fit_samples(rate)  # what resampling makes of an offset at both ends does not count

        def judge(n_left: int) -> list[_Step]:
            nonlocal n_ahead
            found: list[_Step] = []
            while n_ahead > n_left:
                samples, energy = ahead.popleft()
                n_ahead -= len(samples)
                is_silent = loudest < faintest or energy < loudest * silent_share
                found += splitter.add((samples, energy), is_silent, math.sqrt(loudest) * _EDGE_SHARE)
            return found

        def add(steps: Floats, energies: Floats) -> list[_Step]:
            nonlocal n_ahead, loudest
            found: list[_Step] = []
            for samples, energy in zip(steps, energies.tolist(), strict=True):
                ahead.append((samples, energy))
                n_ahead += len(samples)
                loudest = max(loudest, energy)
                found += judge(self.spec.window_samples)
            return found

        for block in self._counted():
            if self.n_samples - len(block) < self.spec.window_samples:
                beginning.append(block)
            rest = np.concatenate([rest, block])
            n_whole = len(rest) // step * step
            steps = rest[:n_whole].reshape(-1, step)
            energies = energies_of(steps, end)
            if n_whole and is_first:
                energies[0], is_first = energies_of(steps[:1, end:], end)[0], False
            rest = rest[n_whole:]
            yield from self._measured(add(steps, energies))
        if ahead:
            samples, _ = ahead.pop()
            n_ahead -= len(samples)
            rest = np.concatenate([samples, rest])
        parts: list[_Step] = []
        if len(rest):
            first = end if is_first else 0
            inner = rest[first : len(rest) - end] if len(rest) > 2 * end else rest
            parts = add(rest[None], np.array([energy_of(inner, rate)], np.float32))
        yield from self._measured([*parts, *judge(0), *splitter.finish()])
        self._left_out = splitter.left_out
        if not self.n_given and beginning:
            given = np.concatenate(beginning)[: self.spec.window_samples]
            self._left_out = [(len(given), self.n_samples)] if len(given) < self.n_samples else []
            self.meter.add(given)
            yield given

    def _measured(self, parts: list[_Step]) -> Iterator[Floats]:
        """The parts in one; none where there are none."""
        for samples, energy in parts:
            self.meter.add_step(len(samples), energy)
        if parts:
            yield np.concatenate([samples for samples, _ in parts])


class _Splitter:
    """Takes steps in order, and gives back what is not left out; holds the last step of the sound, and pauses.

    Args:
        sample_rate_hz: of the samples.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.longest_pause = round(_LONGEST_PAUSE_SECONDS * sample_rate_hz)
        self.end = round(_END_SECONDS * sample_rate_hz)
        self.forecast = max(_LEAST_FORECAST, round(_FORECAST_SECONDS * sample_rate_hz))
        self.least_level = max(_LEAST_FORECAST + 4, round(_LEAST_LEVEL_SECONDS * sample_rate_hz))
        self.onset = round(_ONSET_SECONDS * sample_rate_hz)
        self.left_out: list[tuple[int, int]] = []
        self._position = 0
        self._held: _Step | None = None
        self._pause: list[_Step] = []
        self._silent_from: int | None = 0  # where the silence begins that is being left out
        self._before: Floats | None = None  # the last silent step
        self._least = 0.0

    def add(self, step: _Step, is_silent: bool, least: float) -> list[_Step]:
        """The next step, whether it is silent, and the least distance from a silence that is sound."""
        samples, energy = step
        begin, self._least = self._position, least
        self._position += len(samples)
        if is_silent:
            self._before = samples
            if self._silent_from is not None:
                return []
            self._pause.append(step)
            return self._end_sound() if self._pause_samples() >= self.longest_pause else []
        if self._silent_from is None:
            found = [*([] if self._held is None else [self._held]), *self._pause]
        else:
            found = []
            edge = self._n_silent(samples, self._before)
            if begin + edge > self._silent_from:
                self.left_out.append((self._silent_from, begin + edge))
            self._silent_from = None
            step = samples[edge:], energy
        self._held, self._pause = step, []
        return found

    def finish(self) -> list[_Step]:
        """The end of the audio."""
        found = [] if self._held is None else self._end_sound()
        if self._silent_from is not None and self._position > self._silent_from:
            self.left_out.append((self._silent_from, self._position))
        return found

    def _end_sound(self) -> list[_Step]:
        """The held step, up to where it is silent; what is held behind it is dropped."""
        assert self._held is not None
        samples, energy = self._held
        behind = self._pause[0][0][::-1] if self._pause else None
        end = len(samples) - self._n_silent(samples[::-1], behind)
        self._silent_from = self._position - self._pause_samples() - (len(samples) - end)
        self._held, self._pause = None, []
        return [(samples[:end], energy)]

    def _pause_samples(self) -> int:
        return sum(len(samples) for samples, _ in self._pause)

    def _n_silent(self, samples: Floats, before: Floats | None) -> int:
        """How many samples at the beginning go on as the silence before; 0 if all do.

        Without a silent step before, at an end of the file, it is where the waveform goes on as it began, behind what
        resampling makes of the end or not, or where it is near 0.
        """
        if before is not None:
            return self._edge(_forecast_errors(samples, before[-self.forecast :], self.forecast))
        for start in (self.end, 0):
            at = self._edge(_forecast_errors(samples[start:], samples[:0], self.forecast))
            if at >= self.least_level:
                return start + at
        return self._edge(samples)

    def _edge(self, samples: npt.NDArray[np.floating]) -> int:
        """The first sample of sound; 0 if there is none."""
        sizes = np.abs(samples)
        at = int(np.argmax(sizes >= self._least)) if len(sizes) else 0
        near = sizes[at : at + self.onset]
        return at + int(np.argmax(near >= _ONSET_SHARE * near.max())) if at else 0


def _forecast_errors(samples: Floats, before: Floats, most: int) -> npt.NDArray[np.float64]:
    """How far each sample is from the cubic through those before it, ``(n_samples,)``.

    It is a high-pass that knows nothing of what comes later: the first sample of a sound is left as it is. 20 Hz are damped by
    72 dB, 30 Hz by 58 dB.

    Args:
        samples: ``(n_samples,)``.
        before: what is in front of them.
        most: a cubic is through so many samples, through at least half as many as there are, and at least ten; the errors
            of the first ten are 0.
    """
    whole = np.concatenate([before, samples])
    n = max(_LEAST_FORECAST, min(len(before), most))
    errors = np.zeros(len(whole))
    while n < len(whole):
        size = min(n, most)
        end = len(whole) if size == most else min(2 * n, len(whole))
        errors[n:end] = np.correlate(whole[n - size : end], _forecast_filter(size), "valid")
        n = end
    return errors[len(before) :]


@lru_cache(maxsize=32)
def _forecast_filter(size: int) -> npt.NDArray[np.float64]:
    """Least squares: ``(size + 1,)``."""
    powers = np.polynomial.legendre.legvander(np.linspace(-1, 1, size), _FORECAST_DEGREE)
    following = np.polynomial.legendre.legvander(np.array([1 + 2 / (size - 1)]), _FORECAST_DEGREE)
    return np.append(-(following @ np.linalg.pinv(powers))[0], 1.0)


def silence_before(beginning: Iterable[Floats], spec: InputSpec) -> int | None:
    """Samples of silence in front of the sound, by the first blocks of audio.

    Args:
        beginning: of one window and two seconds, or all of the audio.
        spec: the input of the model.

    Returns:
        At most a second; None where it is longer.
    """
    sound = SoundStream(beginning, spec)
    n_given = sum(len(block) for block in sound)
    if spec.conditioning is None or not n_given:
        return 0
    first = int(sound.at(0))
    return first if first <= spec.sample_rate_hz and sound.meter.audible().any() else None
