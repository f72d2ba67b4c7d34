"""Calibrated scores: a monotone map per tag, fitted on held-out clips (Platt 1999).

The parameters are in a model's card; :mod:`earmark.evaluation.platt` fits them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError

_LEAST = 1e-7  # 0 and 1 have no logit, and float32 has hardly a closer neighbour of 1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Platt:
    """calibrated = sigmoid(slope * logit(score) + offset). Rises with the score, stays in 0..1.

    Attributes:
        slope: above 0; below 1 for overconfident scores.
        offset: above 0 raises all scores.
    """

    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if not (math.isfinite(self.slope) and self.slope > 0):
            problems.append(f"slope {self.slope}: must be a number above 0, or higher scores would mean less")
        if not math.isfinite(self.offset):
            problems.append(f"offset {self.offset}: must be a finite number")
        if problems:
            raise ConfigError(problems)

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Calibrated scores of scores in 0..1, any shape."""
        return sigmoid(self.slope * logit(scores) + self.offset)

    def inverse(self) -> Platt:
        """The inverse map."""
        return Platt(1 / self.slope, -self.offset / self.slope)

    def after(self, first: Platt) -> Platt:
        """The map that applies ``first``, then this one."""
        return Platt(self.slope * first.slope, self.slope * first.offset + self.offset)


def logit(scores: npt.ArrayLike) -> Floats:
    """log(p / (1 - p)) of scores in 0..1; finite at both ends."""
    p: Floats = np.clip(np.asarray(scores, np.float64), _LEAST, 1 - _LEAST)
    return np.log(p) - np.log1p(-p)


def sigmoid(values: npt.ArrayLike) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    half: Floats = 0.5 * np.asarray(values, np.float64)
    out: Floats = 0.5 * (1 + np.tanh(half))
    return out


def calibrated(scores: npt.NDArray[Any], names: tuple[str, ...], maps: dict[str, Platt]) -> npt.NDArray[np.float32]:
    """Scores ``(..., n_tags)`` of tags with these names, each by its own map; tags without one are unchanged."""
    out = np.array(scores, np.float32)
    mapped = [i for i, name in enumerate(names) if name in maps]
    slopes, offsets = np.array([(maps[names[i]].slope, maps[names[i]].offset) for i in mapped]).reshape(-1, 2).T
    out[..., mapped] = sigmoid(slopes * logit(out[..., mapped]) + offsets)
    return out
