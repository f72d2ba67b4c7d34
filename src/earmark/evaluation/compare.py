"""Compare two models on the same clips: which is better, by how much, and how certain that is."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.datasets.base import raise_problems
from earmark.evaluation.metric_values import known
from earmark.evaluation.scores import Floats, ScoreTable

COMPARISON_FORMAT = 1


@dataclass(frozen=True)
class Gap:
    """One metric of both models and their difference.

    Attributes:
        metric: one of those of scores, see :func:`earmark.metrics.list_metrics`.
        tag: a tag's name, or None for the macro mean over the tags where both are defined (of accuracy, the accuracy).
        a, b: the metric, mean over runs; None where undefined.
        difference: b minus a; see :func:`earmark.metrics.metric_info` for whether more is better.
        low, high: ends of its interval; None where undefined.
    """

    metric: str
    tag: str | None
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def better(self) -> Literal["a", "b"] | None:
        """The side that is better with an interval that excludes 0; None where they cannot be told apart."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return "b" if (self.low > 0) == metrics.metric_info(self.metric).higher_is_better else "a"


@dataclass(frozen=True)
class Comparison:
    """Two models, a and b, compared on the same clips.

    Attributes:
        a, b: their names.
        n_runs_a, n_runs_b: runs (trainings that differ in their seed) of each; where more than one, the bootstrap
            draws runs, too.
        gaps: for each metric the macro mean, then every tag.
        undefined: metric -> tags that are left out of the means, because the metric is undefined on one side or both.
        dataset, protocol, split: of all tables.
        resampled: what the bootstrap drew: "artist", "song" or "clip".
        n_clips, n_groups, n_resamples, level, seed: of the bootstrap.
    """

    a: str
    b: str
    n_runs_a: int
    n_runs_b: int
    gaps: tuple[Gap, ...]
    undefined: dict[str, tuple[str, ...]]
    dataset: str
    protocol: str
    split: str
    resampled: str
    n_clips: int
    n_groups: int
    n_resamples: int
    level: float
    seed: int

    def find(self, metric: str, tag: str | None = None) -> Gap:
        """One difference. Raises KeyError where it was not measured."""
        for gap in self.gaps:
            if (gap.metric, gap.tag) == (metric, tag):
                return gap
        raise KeyError((metric, tag))

    def sentence(self, metric: str, tag: str | None = None) -> str:
        """The verdict as text, e.g. "B is better by 0.0120 [0.0030, 0.0210]"."""
        gap = self.find(metric, tag)
        if gap.difference is None or gap.low is None or gap.high is None:
            return "undefined"
        if gap.better is None:
            return f"cannot be told apart: {gap.difference:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
        low, high = sorted((abs(gap.low), abs(gap.high)))
        name = self.b if gap.better == "b" else self.a
        return f"{name} is better by {abs(gap.difference):.4f} [{low:.4f}, {high:.4f}]"

    def to_json(self) -> str:
        """All of it, indented; every gap with its verdict ("a", "b" or null)."""
        document = {"format": COMPARISON_FORMAT, **dataclasses.asdict(self)}
        document["gaps"] = [{**dataclasses.asdict(gap), "better": gap.better} for gap in self.gaps]
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def compare(
    a: Sequence[ScoreTable],
    b: Sequence[ScoreTable],
    *,
    names: tuple[str, str] | None = None,
    groups: str | None = None,
    n_resamples: int = 1000,
    level: float = metrics.CONFIDENCE_LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same clips under the same protocol.

    Args:
        a, b: the scores of each model: one table, or several of runs that differ in their seed. Clips and tags may
            be in any order.
        names: what to call them; None for the model names of the tables.
        groups: what the bootstrap draws, see :meth:`ScoreTable.groups`.
        n_resamples, level, seed: of the bootstrap, see :func:`earmark.metrics.paired_bootstrap`.

    Raises:
        ConfigError: a side without tables, or options of the bootstrap out of range.
        DataError: dataset, protocol, split, clips, tags or labels differ between the tables, a run is there twice, or
            all clips are of one group; all differences at once.
    """
    if not a or not b:
        raise ConfigError("compare: each side needs at least one scores table")
    names = names or (a[0].model or "A", b[0].model or "B")
    if names[0] == names[1]:
        names = f"{names[0]} (A)", f"{names[1]} (B)"
    called = [*_called(names[0], len(a)), *_called(names[1], len(b))]
    first, others = a[0], [*a[1:], *b]
    problems = [
        line
        for table, name in zip(others, called[1:], strict=True)
        for line in differences(first, table, called[0], name)
    ]
    raise_problems("these scores cannot be compared", problems)
    scores = [_aligned(first, table) for table in (first, *others)]
    raise_problems(
        "these scores cannot be compared",
        [*_twice(scores[: len(a)], called), *_twice(scores[len(a) :], called[len(a) :])],
    )
    resampled, members = first.groups(groups)
    if len(set(members)) < 2:
        raise DataError(f"all clips are of one {resampled}: there is nothing to draw, compare over groups 'clip'")

    gaps: list[Gap] = []
    undefined: dict[str, tuple[str, ...]] = {}
    classes = [first.vocabulary.index(tag) for tag in first.exclusive]
    for metric in (*metrics.list_metrics(decisions=False), *(metrics.list_metrics(of_classes=True) if classes else ())):
        info = metrics.metric_info(metric)
        places = classes if info.of_classes else list(first.vocabulary.indices(info.kind))
        tags = [] if info.of_classes else [first.vocabulary.names[i] for i in places]
        if not places or not _any_defined(metric, first.labels[:, places]):
            if places:
                undefined[metric] = tuple(tags)
            continue
        of_tags = np.stack(scores)[:, :, places]
        found = metrics.paired_bootstrap(
            metric,
            first.labels[:, places],
            of_tags[: len(a)],
            of_tags[len(a) :],
            members,
            seed=seed,
            n_resamples=n_resamples,
            level=level,
        )
        rows = [(None, found.macro_a, found.macro_b, found.macro_difference, found.macro_low, found.macro_high)]
        if tags:
            rows += zip(tags, found.a, found.b, found.difference, found.low, found.high, strict=True)
        gaps += [Gap(metric, tag, *(known(value) for value in values)) for tag, *values in rows]
        undefined[metric] = tuple(tag for tag, x in zip(tags, found.difference, strict=bool(tags)) if math.isnan(x))
    return Comparison(
        *names,
        n_runs_a=len(a),
        n_runs_b=len(b),
        gaps=tuple(gaps),
        undefined=undefined,
        dataset=first.dataset,
        protocol=first.protocol,
        split=first.split,
        resampled=resampled,
        n_clips=len(first.clips),
        n_groups=len(set(members)),
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )


def differences(one: ScoreTable, other: ScoreTable, name: str, other_name: str) -> list[str]:
    """Why these two tables cannot be compared, one line each; empty where they can."""
    lines = [
        f"{word}: {name} is of {getattr(one, word)!r}, {other_name} of {getattr(other, word)!r}"
        for word in ("dataset", "protocol", "split")
        if getattr(one, word) != getattr(other, word)
    ]
    lines += one_sided("clip", one.clips, other.clips, name, other_name)
    lines += one_sided("tag", _kinds(one), _kinds(other), name, other_name)
    if not lines and not np.allclose(one.labels, _aligned(one, other, labels=True), atol=1e-6, equal_nan=True):
        wrong = ~np.isclose(one.labels, _aligned(one, other, labels=True), atol=1e-6, equal_nan=True)
        clip, tag = (int(i) for i in np.argwhere(wrong)[0])
        lines.append(
            f"labels: {int(wrong.sum())} differ between {name} and {other_name}, e.g. clip {one.clips[clip]!r}, "
            f"tag {one.vocabulary.names[tag]!r}"
        )
    return lines


def _called(name: str, n_runs: int) -> list[str]:
    return [name] if n_runs == 1 else [f"{name} run {i}" for i in range(1, n_runs + 1)]


def _kinds(table: ScoreTable) -> list[str]:
    return [tag.name if tag.kind == "classification" else f"{tag.name} [{tag.kind}]" for tag in table.vocabulary]


def one_sided(what: str, one: Sequence[str], other: Sequence[str], name: str, other_name: str) -> list[str]:
    """Text: which clips or tags are in only one of two tables."""
    lines = []
    for mine, theirs, here, there in ((one, other, name, other_name), (other, one, other_name, name)):
        known = set(theirs)
        if only := [item for item in mine if item not in known]:
            shown = ", ".join(map(repr, only[:3])) + (" ..." if len(only) > 3 else "")
            lines.append(f"{what}s: {len(only)} of {len(mine)} in {here} are not in {there}: {shown}")
    return lines


def _aligned(first: ScoreTable, table: ScoreTable, *, labels: bool = False) -> Floats:
    """Scores (or labels) of a table in the order of clips and tags of another with the same ones."""
    row = {clip: i for i, clip in enumerate(table.clips)}
    column = {tag: i for i, tag in enumerate(table.vocabulary.names)}
    rows, columns = [row[clip] for clip in first.clips], [column[tag] for tag in first.vocabulary.names]
    values: Floats = (table.labels if labels else table.scores)[np.ix_(rows, columns)]
    return values


def _twice(scores: list[Floats], called: list[str]) -> list[str]:
    """Runs of one side with exactly the same scores: one file named twice would count as a second training."""
    return [
        f"{called[i]} and {called[j]} have the very same scores: name each run once"
        for j in range(len(scores))
        for i in range(j)
        if np.array_equal(scores[i], scores[j])
    ]


def _any_defined(metric: str, labels: Floats) -> bool:
    return not np.isnan(metrics.metric_info(metric).function(labels, np.zeros_like(labels))).all()
