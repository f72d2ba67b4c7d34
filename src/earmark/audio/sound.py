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

    def _steps(self) -> Iterator[list[Step]]:
        """The audio in steps of 0.1 s, and their energies, as blocks come in; the last step is up to twice as long.

        Both ends of the audio are left out of the energies, as resampling makes clicks of an offset there.
        """
        rate, step = self.spec.sample_rate_hz, self.meter.block_samples
        end = fit_samples(rate)
        rest = np.zeros(0, np.float32)
        is_first = True
        for block in self._counted():
            rest = np.concatenate([rest, block])
            n_whole = max(0, len(rest) // step - 1) * step
            steps = rest[:n_whole].reshape(-1, step)
            energies = energies_of(steps, end)
            if n_whole and is_first:
                energies[0], is_first = energies_of(steps[:1, end:], end)[0], False
            rest = rest[n_whole:]
            yield list(zip(steps, energies.tolist(), strict=True))
        if len(rest):
            end = min(end, len(rest) // 4)
            yield [(rest, energy_of(rest[end if is_first else 0 : len(rest) - end], rate))]

    def _sound(self, conditioning: Conditioning) -> Iterator[Floats]:
        silent_share = 10 ** (-conditioning.silence_range_db / 10)
        faintest = 10 ** (conditioning.silence_dbfs / 10)
        ahead: deque[Step] = deque()
        n_ahead = n_begun = 0
        loudest = 0.0
        splitter = Splitter(self.spec.sample_rate_hz)
        beginning: list[Step] = []  # one window

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

        for steps in self._steps():
            found: list[Step] = []
            for samples, energy in steps:
                if n_begun < self.spec.window_samples:
                    beginning.append((samples[: self.spec.window_samples - n_begun], energy))
                    n_begun += len(beginning[-1][0])
                ahead.append((samples, energy))
                n_ahead += len(samples)
                loudest = max(loudest, energy)
                found += judge(self.spec.window_samples)
            yield from self._measured(found)
        yield from self._measured([*judge(0), *splitter.finish()])
        self._left_out = splitter.left_out
        if not self.n_given and beginning:
            self._left_out = [(n_begun, self.n_samples)] if n_begun < self.n_samples else []
            yield from self._measured(beginning)

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
