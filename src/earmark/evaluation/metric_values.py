"""The values of one metric: of every tag, of means over tags, of clips, and of a model that knows nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark import metrics
from earmark.evaluation.scores import Floats
from earmark.metrics.tags import each_tag

_MOST_CLIPS = 10


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval; None where undefined or not resampled."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bootstrap:
    """What is drawn and how often: groups (n_clips,), see :func:`earmark.metrics.bootstrap`."""

    groups: Sequence[str]
    n_resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class TagValues:
    """One metric of all tags.

    Attributes:
        values: (n_tags,) NaN where undefined.
        intervals: the same with their intervals.
        undefined: positions of the tags that are.
        thin: position of a tag -> resamples in which it is undefined, of the tags that are defined on all clips.
        bootstrap: what it found; None without one.
    """

    values: metrics.FloatArray
    intervals: tuple[Interval, ...]
    undefined: tuple[int, ...]
    thin: dict[int, int]
    bootstrap: metrics.Intervals | None


@dataclass(frozen=True)
class ClipValues:
    """One metric of single clips.

    Attributes:
        n_clips: clips where it is defined: those with some but not all of the tags.
        best, worst: up to ten clips with their values, from the end; ties in the order of the clips.
    """

    n_clips: int
    best: tuple[tuple[str, float], ...]
    worst: tuple[tuple[str, float], ...]


def tag_values(name: str, labels: Floats, scores: Floats, draw: Bootstrap | None) -> TagValues:
    """Every tag with its interval."""
    values = each_tag(name, labels, scores)
    undefined = metrics.macro(values).undefined
    if draw is None or len(undefined) == len(values):
        return TagValues(values, tuple(Interval(known(x)) for x in values), undefined, {}, None)
    drawn = metrics.bootstrap(
        name, labels, scores, draw.groups, seed=draw.seed, n_resamples=draw.n_resamples, level=draw.level
    )
    intervals = tuple(_interval(*ends) for ends in zip(values, drawn.low, drawn.high, strict=True))
    thin = {i: int(n) for i, n in enumerate(drawn.n_undefined) if n and i not in undefined}
    return TagValues(values, intervals, undefined, thin, drawn)


def averages_of(
    name: str, labels: Floats, scores: Floats, of_tags: TagValues, draw: Bootstrap | None
) -> dict[str, Interval]:
    """Macro, micro and, except for RMSE, weighted by positives."""
    drawn = of_tags.bootstrap
    macro_ends = (drawn.macro_low, drawn.macro_high) if drawn else (math.nan, math.nan)
    averages = {"macro": _interval(metrics.macro(of_tags.values).value, *macro_ends)}
    micro_ends = (math.nan, math.nan)
    value = metrics.micro(name, labels, scores)
    if draw is not None and not math.isnan(value):
        _, group = np.unique(np.asarray(draw.groups), return_inverse=True)
        pairs = metrics.bootstrap(
            name,
            labels.reshape(-1, 1),
            scores.reshape(-1, 1),
            np.repeat(group, labels.shape[1]),
            seed=draw.seed,
            n_resamples=draw.n_resamples,
            level=draw.level,
        )
        micro_ends = (pairs.macro_low, pairs.macro_high)
    averages["micro"] = _interval(value, *micro_ends)
    if metrics.metric_info(name).kind == "classification":
        ends = (drawn.weighted_low, drawn.weighted_high) if drawn else (math.nan, math.nan)
        averages["weighted"] = _interval(metrics.weighted(of_tags.values, labels).value, *ends)
    return averages


def clip_values(
    name: str, clips: Sequence[str], labels: Floats, scores: Floats, draw: Bootstrap | None
) -> tuple[Interval, ClipValues]:
    """The mean over clips, and the clips at both ends."""
    values = metrics.per_clip(name, labels, scores)
    ends = (math.nan, math.nan)
    if draw is not None and not np.isnan(values).all():
        ends = metrics.bootstrap_mean(
            values, draw.groups, seed=draw.seed, n_resamples=draw.n_resamples, level=draw.level
        )
    rising = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    falling = [int(i) for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])]
    n = min(_MOST_CLIPS, (len(rising) + 1) // 2)
    best, worst = (tuple((clips[i], float(values[i])) for i in order[:n]) for order in (falling, rising))
    return _interval(metrics.macro(values).value, *ends), ClipValues(len(rising), best, worst)


def baselines_of(
    name: str, names: list[str], labels: Floats, train_labels: npt.NDArray[np.float32] | None
) -> dict[str, float]:
    """The score of a model that knows nothing, by tag and (key "") as the mean over tags."""
    values = metrics.metric_info(name).chance_levels(labels, train_labels)
    if values is None:
        return {}
    by_tag = {tag: float(x) for tag, x in zip(names, values, strict=True) if not math.isnan(x)}
    return {"": float(np.mean(list(by_tag.values()))), **by_tag} if by_tag else {}


def known(value: float) -> float | None:
    """None for NaN."""
    return None if math.isnan(value) else float(value)


def _interval(value: float, low: float, high: float) -> Interval:
    return Interval(known(value), known(low), known(high))
