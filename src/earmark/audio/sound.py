"""Audio without its silences. All settings are in :class:`earmark.core.input_spec.Conditioning`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from earmark.audio.silence import Floats, SilenceMeter, energies_of, energy_of, fit_samples
from earmark.audio.splitter import Splitter, Step
from earmark.core.input_spec import Conditioning, InputSpec

_EDGE_SHARE = 0.01  # of the loudest step's RMS


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
        ahead: deque[Step] = deque()
        n_ahead = 0
        loudest = 0.0
        splitter = Splitter(rate)
        beginning: list[Floats] = []
        rest = np.zeros(0, np.float32)
        is_first, end = True, fit_samples(rate)  # what resampling makes of an offset at both ends does not count

        def judge(n_left: int) -> list[Step]:
            nonlocal n_ahead
            found: list[Step] = []
            while ahead:
                samples, energy = ahead[0]
                is_silent = loudest < faintest or energy < loudest * silent_share
                # What begins softly is compared with what comes later, or what is in the silence would be as loud as it.
                if n_ahead <= (2 * n_left if splitter.in_silence and not is_silent else n_left):
                    break
                ahead.popleft()
                n_ahead -= len(samples)
                found += splitter.add((samples, energy), is_silent, math.sqrt(loudest) * _EDGE_SHARE)
            return found

        def add(steps: Floats, energies: Floats) -> list[Step]:
            nonlocal n_ahead, loudest
            found: list[Step] = []
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
        parts: list[Step] = []
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

    def _measured(self, parts: list[Step]) -> Iterator[Floats]:
        """The parts in one; none where there are none."""
        for samples, energy in parts:
            self.meter.add_step(len(samples), energy)
        if parts:
            yield np.concatenate([samples for samples, _ in parts])


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
