"""The edges of silences, to the sample."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from earmark.audio.silence import Floats

_LONGEST_PAUSE_SECONDS = 0.5
_LEAST_LEVEL_SECONDS = 0.00125
_END_SECONDS = 0.005  # at both ends of a file, where resampling makes a click of an offset
_FAINT_SHARE = 0.1  # of the least level, where half a second does not reach it
_FORECAST_SECONDS = 0.00625
_FORECAST_DEGREE = 3
_LEAST_FORECAST = 10  # samples
# What resampling and encoders put before a beginning is softer than this, of the largest sample so soon behind it.
_ONSET_SHARE = 0.03
_ONSET_SECONDS = 0.015

Step = tuple[Floats, float]
"""Samples, and their energy."""


class Splitter:
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
        self._last: Step | None = None
        self._pause: list[Step] = []
        self._faint: list[Step] = []  # steps behind a silence that may belong to it
        self._silent_from: int | None = 0  # where the silence begins that is being left out
        self._before: Floats | None = None  # the last silent step
        self._least = 0.0

    def add(self, step: Step, is_silent: bool, least: float) -> list[Step]:
        """The next step, whether it is silent, and the least distance from a silence that is sound."""
        samples, begin, self._least = step[0], self._position, least
        self._position += len(samples)
        if is_silent:
            self._before, self._faint = samples, []  # what is faint and short belongs to the silence
            if self._silent_from is not None:
                return []
            self._pause.append(step)
            return self._end_sound() if _n_samples(self._pause) >= self.longest_pause else []
        found: list[Step] = []
        if self._silent_from is None:
            found = [*([] if self._last is None else [self._last]), *self._pause]
        else:
            edge = self._n_silent(samples, self._faint[-1][0] if self._faint else self._before, least)
            steps = [step]
            if edge is None:
                self._faint.append(step)
                begin = self._position - _n_samples(self._faint)
                if self._position - begin < self.longest_pause:
                    return []
                steps = self._faint
                edge = self._n_silent(steps[0][0], self._before, least * _FAINT_SHARE) or 0
            if begin + edge > self._silent_from:
                self.left_out.append((self._silent_from, begin + edge))
            self._silent_from = None
            *found, step = [(steps[0][0][edge:], steps[0][1]), *steps[1:]]
        self._last, self._pause, self._faint = step, [], []
        return found

    @property
    def in_silence(self) -> bool:
        """Whether the next step follows what is left out."""
        return self._silent_from is not None

    def finish(self) -> list[Step]:
        """The end of the audio."""
        found = [] if self._last is None else self._end_sound()
        if self._silent_from is not None and self._position > self._silent_from:
            self.left_out.append((self._silent_from, self._position))
        return found

    def _end_sound(self) -> list[Step]:
        """The last step that was not returned yet, up to where it is silent; what waits behind it is dropped."""
        assert self._last is not None
        samples, energy = self._last
        behind = self._pause[0][0][::-1] if self._pause else None
        n_silent = self._n_silent(samples[::-1], behind, self._least)
        if n_silent is None:
            n_silent = self._n_silent(samples[::-1], behind, self._least * _FAINT_SHARE)
        end = 0 if n_silent is None else len(samples) - n_silent
        self._silent_from = self._position - _n_samples(self._pause) - (len(samples) - end)
        self._last, self._pause = None, []
        return [(samples[:end], energy)] if end else []

    def _n_silent(self, samples: Floats, before: Floats | None, least: float) -> int | None:
        """How many samples at the beginning go on as the silence before; None if all do.

        Without a silent step before, at an end of the file, it is where the waveform goes on as it began, behind what
        resampling makes of the end or not, or where it is near 0.
        """
        if before is not None:
            return self._edge(_forecast_errors(samples, before[-self.forecast :], self.forecast), least)
        for start in (self.end, 0):
            at = self._edge(_forecast_errors(samples[start:], samples[:0], self.forecast), least)
            if at is None or at >= self.least_level:
                return None if at is None else start + at
        return self._edge(samples, least)

    def _edge(self, samples: npt.NDArray[np.floating], least: float) -> int | None:
        """The first sample of sound; None if there is none."""
        sizes = np.abs(samples)
        above = np.flatnonzero(sizes >= least)
        if not len(above) or not above[0]:
            return 0 if len(above) else None
        near = sizes[above[0] : above[0] + self.onset]
        return int(above[0]) + int(np.argmax(near >= _ONSET_SHARE * near.max()))


def _n_samples(steps: list[Step]) -> int:
    return sum(len(samples) for samples, _ in steps)


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
    powers = np.vander(np.linspace(-1, 1, size), _FORECAST_DEGREE + 1)
    following = np.vander([1 + 2 / (size - 1)], _FORECAST_DEGREE + 1)
    return np.append(-(following @ np.linalg.pinv(powers))[0], 1.0)
