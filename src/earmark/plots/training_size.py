"""Metrics over the number of training clips, and the difference between two front-ends (pons2017, Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, NullLocator

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.datasets.base import raise_problems
from earmark.evaluation import ScoreTable, compare
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, PALETTE, house_style, new_figure, plain_text

Points = dict[tuple[str, int], list[ScoreTable]]
"""(series, training clips) -> the scores of its runs."""


@dataclass(frozen=True, eq=False)
class SizeTables:
    """Metrics over the number of training clips.

    Attributes:
        points: columns series, training_clips, metric, value, low, high, n_runs.
        gaps: columns training_clips, metric, a, b, difference (b minus a), low, high.
        about: dataset, protocol and split of the scores.
    """

    points: pd.DataFrame
    gaps: pd.DataFrame
    about: str

    @property
    def table(self) -> pd.DataFrame:
        """Both tables in one: a gap's series is "b - a"."""
        gaps = self.gaps.rename(columns={"difference": "value"})
        gaps.insert(0, "series", [f"{b} - {a}" for a, b in zip(gaps.a, gaps.b, strict=True)])
        return pd.concat([self.points, gaps.drop(columns=["a", "b"])], ignore_index=True)


def size_tables(
    points: Mapping[tuple[str, int], Sequence[ScoreTable]],
    pair: tuple[str, str] | None = None,
    *,
    groups: str | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> SizeTables:
    """Macro means with 95 % intervals, and the paired difference of two series where both have a point.

    Several runs of a point are drawn, too, see :func:`earmark.metrics.paired_bootstrap`.

    Args:
        points: scores of the runs.
        pair: the series (a, b) whose difference b - a is taken; None for the two with the most sizes in common.
        groups, n_resamples, seed: of the bootstrap.

    Raises:
        ConfigError: a series of the pair does not exist.
        DataError: no scores, or of different clips, tags or labels.
    """
    if not points:
        raise DataError("training-size: no scores")
    series = list(dict.fromkeys(name for name, _ in points))
    if pair is not None and (missing := [name for name in pair if name not in series]):
        raise ConfigError(f"no series {', '.join(map(repr, missing))}; there are: {', '.join(series)}")
    rows = []
    for (name, n_clips), runs in sorted(points.items(), key=lambda item: (series.index(item[0][0]), item[0][1])):
        for metric, value, low, high in _macros(runs, groups, n_resamples, seed):
            rows.append((name, n_clips, metric, value, low, high, len(runs)))
    chosen = pair or _natural_pair(points, series)
    gaps = []
    if chosen is not None:
        a, b = chosen
        for n_clips in sorted({size for _, size in points}):
            if (a, n_clips) in points and (b, n_clips) in points:
                found = compare(
                    points[a, n_clips],
                    points[b, n_clips],
                    names=(a, b),
                    groups=groups,
                    n_resamples=n_resamples,
                    seed=seed,
                )
                gaps += [
                    (n_clips, gap.metric, a, b, gap.difference, gap.low, gap.high)
                    for gap in found.gaps
                    if gap.tag is None
                ]
    first = next(iter(points.values()))[0]
    where = ", ".join(part for part in (first.protocol, first.split) if part)
    return SizeTables(
        pd.DataFrame(rows, columns=["series", "training_clips", "metric", "value", "low", "high", "n_runs"]),
        pd.DataFrame(gaps, columns=["training_clips", "metric", "a", "b", "difference", "low", "high"]),
        f"{first.dataset} ({where})" if where else first.dataset,
    )


@house_style()
def draw_training_size(found: SizeTables) -> Drawing:
    """One column per metric: at the top, every series; below, the difference of two, above the line where b is better."""
    shown = [name for name in metrics.list_metrics(decisions=False) if name in set(found.points.metric)]
    series = list(dict.fromkeys(found.points.series))
    with_gaps = not found.gaps.empty
    runs = sorted(set(found.points.n_runs))
    said = f"; mean of {runs[0]} runs" if len(runs) == 1 and runs[0] > 1 else ""
    figure = new_figure(
        "What more training clips are worth",
        f"{found.about}{said}; 95 % intervals",
        width_inches=max(3.4, 2.35 * len(shown)),
        height_inches=3.9 if with_gaps else 2.7,
    )
    grid = figure.subplots(
        2 if with_gaps else 1, len(shown), squeeze=False, sharex=True, height_ratios=[1.5, 1] if with_gaps else [1]
    )
    sizes = sorted(set(found.points.training_clips))
    for column, metric in enumerate(shown):
        axes = grid[0, column]
        of_metric = found.points[found.points.metric == metric]
        for i, name in enumerate(series):
            part = of_metric[of_metric.series == name]
            nudge = 1.04 ** (i - (len(series) - 1) / 2)  # so that intervals are side by side
            colour = PALETTE[i % len(PALETTE)]
            # Drawn ends, not lengths: the value may be outside a percentile interval.
            axes.vlines(part.training_clips * nudge, part.low, part.high, color=colour, lw=0.8)
            axes.plot(
                part.training_clips * nudge,
                part.value,
                "os^Dv"[i % 5] + ("-" if len(part) > 1 else ""),
                color=colour,
                ms=4,
                lw=1,
                label=plain_text(name),
            )
        axes.set_title(
            metrics.metric_label(metric)
            + ("" if metrics.metric_info(metric).higher_is_better else " (less is better)"),
            loc="left",
        )
        axes.set_xscale("log")
        axes.set_xlim(sizes[0] / 1.35, sizes[-1] * 1.35)
        axes.set_xticks(_apart(sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short_count(x)))
        axes.grid(axis="y")
        if with_gaps:
            gaps = found.gaps[found.gaps.metric == metric].astype({"difference": float, "low": float, "high": float})
            below = grid[1, column]
            below.axhline(0, color=BLACK, lw=0.6)
            below.vlines(gaps.training_clips, gaps.low, gaps.high, color=BLACK, lw=0.8)
            below.plot(gaps.training_clips, gaps.difference, "o-", color=BLACK, ms=4, lw=1)
            below.grid(axis="y")
            if column == 0:
                below.set_ylabel("\n− ".join(plain_text(name, 18) for name in (gaps.b.iloc[0], gaps.a.iloc[0])))
        grid[-1, column].set_xlabel("training clips")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=min(4, len(series)))
    return Drawing("training-size", figure, found.table)


def short_count(number: float) -> str:
    """A count, short enough for an axis.

    Example:
        >>> short_count(159), short_count(12_000), short_count(1_000_000)
        ('159', '12k', '1M')
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.0f}"


def _apart(sizes: Sequence[int]) -> list[int]:
    """Ticks at the sizes, except where their labels would overlap."""
    kept: list[int] = []
    for size in reversed(sizes):
        if not kept or size < kept[-1] / 1.3:
            kept.append(size)
    return kept[::-1]


def _macros(
    runs: Sequence[ScoreTable], groups: str | None, n_resamples: int, seed: int
) -> list[tuple[str, float, float, float]]:
    """(metric, macro mean, low, high) of the runs together."""
    first = runs[0]
    rows: list[tuple[str, float, float, float]] = []
    for metric in metrics.list_metrics(decisions=False):
        tags = [tag.name for tag in first.vocabulary if tag.kind == metrics.metric_info(metric).kind]
        if not tags:
            continue
        stacked = np.stack([_aligned(run, first, tags) for run in runs])
        labels = first.labels[:, [first.vocabulary.index(tag) for tag in tags]]
        drawn = metrics.bootstrap(metric, labels, stacked, first.groups(groups)[1], seed=seed, n_resamples=n_resamples)
        value = float(
            np.mean([metrics.macro(metrics.metric_info(metric).function(labels, run)).value for run in stacked])
        )
        rows.append((metric, value, drawn.macro_low, drawn.macro_high))
    return rows


def _aligned(run: ScoreTable, first: ScoreTable, tags: Sequence[str]) -> metrics.FloatArray:
    """(n_clips, n_tags) in the order of the first run. Raises DataError for other clips or tags."""
    row = {clip: i for i, clip in enumerate(run.clips)}
    problems = [f"clip {clip!r} is in one run and not in another" for clip in set(first.clips) ^ set(run.clips)]
    problems += [f"tag {tag!r} is not in every run" for tag in tags if tag not in run.vocabulary.names]
    raise_problems(f"{run.model}: runs of one point must be of the same clips and tags", sorted(problems))
    places = np.ix_([row[clip] for clip in first.clips], [run.vocabulary.index(tag) for tag in tags])
    return np.asarray(run.scores[places], dtype=np.float64)


def _natural_pair(points: Mapping[tuple[str, int], object], series: Sequence[str]) -> tuple[str, str] | None:
    sizes = {name: {size for other, size in points if other == name} for name in series}
    pairs = [(a, b) for i, a in enumerate(series) for b in series[i + 1 :] if sizes[a] & sizes[b]]
    return max(pairs, key=lambda pair: len(sizes[pair[0]] & sizes[pair[1]]), default=None)
