"""Statistics over the runs of a paper's rows: metrics with intervals, and whether the paper's orderings are found.

One bootstrap serves all rows: each resample draws artists (or songs, or clips) with replacement, the same for every
row, and runs (seeds) for each row on its own. So differences between rows are paired by clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems
from earmark.evaluation.compare import differences
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import FloatArray, list_metrics, metric_info
from earmark.metrics.arrays import checked_runs, group_members
from earmark.metrics.clip_weights import tag_kernels
from earmark.metrics.resampling import (
    CONFIDENCE_LEVEL,
    ends_of,
    mean_of_runs,
    mean_of_tags,
    resamples,
    run_shares,
)
from earmark.papers.tables import Claim, PaperTables

Verdict = Literal["holds", "reversed", "cannot be told apart"]


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether an advantage is significantly above 0, significantly below, or neither."""
        if math.isnan(self.low) or self.low <= 0 <= self.high:
            return "cannot be told apart"
        return "holds" if self.low > 0 else "reversed"


@dataclass(frozen=True)
class RowStatistics:
    """One row.

    Attributes:
        metrics: metric -> macro mean over tags, mean over runs.
        of_runs: metric -> the macro mean of each run.
    """

    metrics: dict[str, Estimate]
    of_runs: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class ClaimStatistics:
    """One claim on these data.

    Attributes:
        claim: what is claimed.
        metric: what it is measured by here.
        pairs: the advantage of the first row of each pair, above 0 where the claim holds.
        overall: the mean advantage over all pairs; of a "shrinking_gap" by how much the gap shrinks.
        paper: the same mean by the paper's own numbers; None where it gives none.
    """

    claim: Claim
    metric: str
    pairs: tuple[Estimate, ...]
    overall: Estimate
    paper: float | None


@dataclass(frozen=True)
class Statistics:
    """All rows and claims of a paper on one dataset.

    Attributes:
        rows: row -> statistics, of the rows that were run.
        claims: of the claims whose rows were all run.
        resampled: what the bootstrap drew: "artist", "song" or "clip"; runs are drawn in any case.
        n_clips, n_groups, n_resamples: of the bootstrap.
        differences: (better row, worse row) -> metric -> advantage, of the pairs of which a table shows by how much they
            differ, where both were run.
    """

    rows: dict[str, RowStatistics]
    claims: tuple[ClaimStatistics, ...]
    resampled: str
    n_clips: int
    n_groups: int
    n_resamples: int
    differences: dict[tuple[str, str], dict[str, Estimate]] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """All that was run of a paper.

    Attributes:
        tables: of the paper.
        dataset, protocol: what was trained and measured on.
        statistics: metrics and claims.
        runs: row -> what the done.json of each of its runs says.
        machine: what it was run on.
    """

    tables: PaperTables
    dataset: str
    protocol: str
    statistics: Statistics
    runs: dict[str, list[dict[str, Any]]]
    machine: str


def compute_statistics(
    tables: PaperTables,
    scores: Mapping[str, Sequence[ScoreTable]],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Statistics:
    """Statistics of the rows' runs.

    Args:
        tables: of the paper.
        scores: row -> the scores of its runs, all on the same clips.
        n_resamples, seed: of the bootstrap.

    Raises:
        DataError: no scores, or of different clips, tags or labels.
    """
    if not scores:
        raise DataError(f"{tables.key}: no row has been run yet")
    first = next(iter(scores.values()))[0]
    problems = [
        line
        for row, runs in scores.items()
        for number, table in enumerate(runs)
        for line in differences(first, table, "the first run", f"run {number} of {row}")
    ]
    raise_problems(f"{tables.key}: these runs cannot be compared", problems)
    resampled, members = first.groups()
    rows: dict[str, RowStatistics] = {row: RowStatistics({}, {}) for row in scores}
    drawn: dict[tuple[str, str], FloatArray] = {}
    for metric in list_metrics(decisions=False):
        places = list(first.vocabulary.indices(metric_info(metric).kind))
        if not places:
            continue
        names = [first.vocabulary.names[i] for i in places]
        for place, (row, runs) in enumerate(scores.items()):
            streams = (np.random.default_rng(seed), np.random.default_rng([seed, 1 + place]))  # clips alike, runs not
            observed, of_runs, of_draws = _macros(metric, first, runs, names, members, n_resamples, streams)
            if math.isnan(observed):
                continue
            low, high = ends_of(of_draws, CONFIDENCE_LEVEL)
            rows[row].metrics[metric] = Estimate(observed, float(low), float(high))
            rows[row].of_runs[metric] = of_runs
            drawn[row, metric] = of_draws
    claims = tuple(
        _claim(tables, claim, metric, rows, drawn)
        for claim in tables.claims
        for metric in _metrics_for(tables, claim)
        if all((row, metric) in drawn for pair in claim.pairs for row in pair)
    )
    wanted = [pair for table in tables.tables for pair in table.differences]
    differing = {
        pair: {
            metric: _advantage(pair, metric, rows, drawn)[0]
            for row, metric in drawn
            if row == pair[0] and (pair[1], metric) in drawn
        }
        for pair in wanted
        if all(row in rows for row in pair)
    }
    return Statistics(rows, claims, resampled, len(first.clips), len(set(members)), n_resamples, differing)


def _macros(
    metric: str,
    reference: ScoreTable,
    runs: Sequence[ScoreTable],
    tags: Sequence[str],
    members: Sequence[str],
    n_draws: int,
    streams: tuple[np.random.Generator, np.random.Generator],
) -> tuple[float, tuple[float, ...], FloatArray]:
    """The macro mean over tags: of all runs together, of each run, and (n_draws,) of the resamples.

    Clips, and so ``members``, are in the order of the reference, which is the same for all rows.
    """
    order = {clip: i for i, clip in enumerate(reference.clips)}
    stacked = []
    for run in runs:
        columns = [run.vocabulary.names.index(tag) for tag in tags]
        values = np.empty((len(run.clips), len(tags)))
        values[[order[clip] for clip in run.clips]] = run.scores[:, columns]
        stacked.append(values)
    labels = reference.labels[:, [reference.vocabulary.names.index(tag) for tag in tags]]
    y, checked = checked_runs(metric, labels, np.stack(stacked))
    member, n_groups = group_members(members, len(y))
    kernels = [tag_kernels(metric, y, run) for run in checked]
    even = np.ones((1, len(y)))
    of_runs = tuple(float(mean_of_tags(mean_of_runs([run], even, np.ones((1, 1))))[0]) for run in kernels)
    shares = run_shares(len(runs), n_draws, streams[1])
    values = np.empty((n_draws, len(tags)))
    for part, weights in resamples(member, n_groups, n_draws, streams[0]):
        values[part] = mean_of_runs(kernels, weights, shares[part])
    return float(np.mean(of_runs)), of_runs, mean_of_tags(values)


def _metrics_for(tables: PaperTables, claim: Claim) -> list[str]:
    """The claim's own metric; RMSE, too, where the paper makes all its claims by one metric."""
    others: list[str] = ["rmse"] if len({other.metric for other in tables.claims}) == 1 else []
    return [claim.metric, *(metric for metric in others if metric != claim.metric)]


def _claim(
    tables: PaperTables,
    claim: Claim,
    metric: str,
    rows: Mapping[str, RowStatistics],
    drawn: Mapping[tuple[str, str], FloatArray],
) -> ClaimStatistics:
    found = [_advantage(pair, metric, rows, drawn) for pair in claim.pairs]
    pairs = tuple(estimate for estimate, _ in found)
    values, draws = [pair.value for pair in pairs], np.stack([of_pair for _, of_pair in found], axis=1)
    if claim.kind == "shrinking_gap":
        value, total = values[0] - values[-1], draws[:, 0] - draws[:, -1]
    else:
        value, total = float(np.mean(values)), draws.mean(axis=1)
    overall_low, overall_high = ends_of(total, CONFIDENCE_LEVEL)
    paper = None
    if metric == claim.metric:
        said = [x for x in tables.paper_advantages(claim) if x is not None]
        if len(said) == len(claim.pairs):
            paper = said[0] - said[-1] if claim.kind == "shrinking_gap" else sum(said) / len(said)
    overall = Estimate(float(value), float(overall_low), float(overall_high))
    return ClaimStatistics(claim, metric, pairs, overall, paper)


def _advantage(
    pair: tuple[str, str],
    metric: str,
    rows: Mapping[str, RowStatistics],
    drawn: Mapping[tuple[str, str], FloatArray],
) -> tuple[Estimate, FloatArray]:
    """How much better the first row is by a metric that both have, above 0 where it is; and (n_draws,) of the resamples."""
    better, worse = pair
    sign = 1.0 if metric_info(metric).higher_is_better else -1.0
    value = sign * (rows[better].metrics[metric].value - rows[worse].metrics[metric].value)
    draws: FloatArray = sign * (drawn[better, metric] - drawn[worse, metric])
    low, high = ends_of(draws, CONFIDENCE_LEVEL)
    return Estimate(float(value), float(low), float(high)), draws
