"""Where in a long file a tag is strongest: runs of windows in the taggram, with their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from earmark.core.clock import clock
from earmark.core.errors import ConfigError
from earmark.metrics.table import FloatArray
from earmark.plots.drawing import Drawing
from earmark.plots.style import GREY, WIDE_INCHES, house_style, new_figure, plain_text
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.taggram import set_time_ticks, taggram_cells

EVEN = 0.1
"""A tag whose highest score is less than this above its median is much the same throughout: it has no moments."""
_STRONGEST_SHARE = 0.1
_MOST_COLUMNS = 1400
_MOST_TICKS = 9

_Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Moment:
    """A run of windows in which a tag is strong.

    Attributes:
        tag: its name.
        rank: 1 for the strongest of the tag.
        start_seconds, end_seconds: from the first window's beginning to the last one's end, within the file.
        mean, peak: of the window scores in it, 0..1.
        peak_seconds: the centre of the window with the highest score.
    """

    tag: str
    rank: int
    start_seconds: float
    end_seconds: float
    mean: float
    peak: float
    peak_seconds: float


@dataclass(frozen=True)
class TagMoments:
    """One tag of a file.

    Attributes:
        tag: its name.
        strength: mean of the strongest tenth of the windows: so that a tag that applies for ten minutes of two hours is
            not lost, as it is in the mean.
        mean: the file's score.
        level: the window score that separates its moments from the rest; None where the tag is much the same throughout.
        moments: the strongest first; none where the tag is much the same throughout.
    """

    tag: str
    strength: float
    mean: float
    level: float | None
    moments: tuple[Moment, ...]


def find_moments(
    scores: TagScores, *, n_tags: int = 8, n_moments: int = 3, smooth_seconds: float | None = None
) -> list[TagMoments]:
    """The strongest tags of a file, and for each its strongest moments.

    Window scores are averaged over ``smooth_seconds`` first. A moment is a run of windows whose average is more than half-way
    between the tag's middle (median) and highest average; the one with the most area above that level is the strongest:
    a long strong moment ranks before a short one.

    Args:
        scores: of one file.
        n_tags: tags, those with the highest :attr:`TagMoments.strength`.
        n_moments: of each tag at most.
        smooth_seconds: 0 for none; never less than a window is averaged. None: a hundredth of the file,
            at least 10 s, or, of a file below 200 s, a twentieth.

    Raises:
        ConfigError: numbers out of range.
    """
    problems = [
        f"{name} {value}: must be at least 1"
        for name, value in (("tags", n_tags), ("stretches", n_moments))
        if value < 1
    ]
    if smooth_seconds is None:
        smooth_seconds = max(min(10.0, scores.duration_seconds / 20), scores.duration_seconds / 100)
    if not (np.isfinite(smooth_seconds) and smooth_seconds >= 0):
        problems.append(f"smooth {smooth_seconds}: must be 0 or more seconds")
    if problems:
        raise ConfigError(problems)
    n_windows = len(scores.taggram)
    n_strongest = max(1, round(n_windows * _STRONGEST_SHARE))
    strength = np.sort(scores.taggram, axis=0)[-n_strongest:].mean(axis=0, dtype=np.float64)
    found = []
    for place in np.argsort(-strength, kind="stable")[:n_tags]:
        tag = scores.tags[place]
        values = scores.taggram[:, place].astype(np.float64)
        smooth = _smooth(values, _n_smooth(scores, smooth_seconds))
        middle, highest = float(np.median(smooth)), float(smooth.max())
        if highest - middle < EVEN:
            found.append(TagMoments(tag, float(strength[place]), float(scores.scores[place]), None, ()))
            continue
        level = (middle + highest) / 2
        runs = _runs_above(scores, values, smooth, level)[:n_moments]
        ranked = tuple(Moment(tag, rank, *where) for rank, where in enumerate(runs, start=1))
        found.append(TagMoments(tag, float(strength[place]), float(scores.scores[place]), level, ranked))
    return found


def moments_frame(found: list[TagMoments]) -> pd.DataFrame:
    """One row per moment; a tag without one has a row with empty times."""
    rows = []
    for one in found:
        for moment in one.moments or (None,):
            rows.append(
                {
                    "tag": one.tag,
                    "rank": moment.rank if moment else None,
                    "start": clock(moment.start_seconds) if moment else "",
                    "end": clock(moment.end_seconds) if moment else "",
                    "start_seconds": moment.start_seconds if moment else None,
                    "end_seconds": moment.end_seconds if moment else None,
                    "mean_score": moment.mean if moment else None,
                    "peak_score": moment.peak if moment else None,
                    "peak_seconds": moment.peak_seconds if moment else None,
                    "file_score": one.mean,
                    "strongest_tenth": one.strength,
                }
            )
    frame = pd.DataFrame(rows)
    frame["rank"] = frame["rank"].astype("Int64")
    return frame


def thinned(edges: FloatArray, values: _Scores, most: int) -> tuple[FloatArray, _Scores, int]:
    """At most ``most`` columns, the highest of each few cells, so that no short moment is lost between two pixels.

    Args:
        edges: ``(n + 1,)`` of the cells in seconds.
        values: ``(n, n_tags)``; NaN for what was not used.
        most: columns.

    Returns:
        Edges and values of the columns, and how many cells each stands for.
    """
    step = -(-len(values) // most)
    if step == 1:
        return edges, values, 1
    starts = np.arange(0, len(values), step)
    return np.append(edges[starts], edges[-1]), np.fmax.reduceat(values, starts, axis=0), step


def _n_smooth(scores: TagScores, smooth_seconds: float) -> int:
    """The number of windows within so many seconds; odd, so that the average is centred."""
    if len(scores.taggram) < 2:
        return 1
    hop = float(np.median(np.diff(scores.window_starts_seconds)))
    n = max(1, int((smooth_seconds - scores.window_seconds) / hop) + 1) if hop > 0 else 1
    return min(n - 1 + n % 2, 2 * ((len(scores.taggram) - 1) // 2) + 1)


def _smooth(values: FloatArray, n: int) -> FloatArray:
    """Moving mean over n (odd) windows; at the ends over those that exist."""
    if n <= 1:
        return values
    ones = np.ones(n)
    smooth: FloatArray = np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")
    return smooth


def _runs_above(
    scores: TagScores, values: FloatArray, smooth: FloatArray, level: float
) -> list[tuple[float, float, float, float, float]]:
    """Start, end, mean, peak and the peak's time of each run above the level, the largest area first."""
    above = np.r_[False, smooth > level, False]
    first, end = np.flatnonzero(above[1:] & ~above[:-1]), np.flatnonzero(above[:-1] & ~above[1:])
    area = np.array([(smooth[a:b] - level).sum() for a, b in zip(first, end, strict=True)])
    starts, ends = scores.window_starts_seconds, scores.window_ends_seconds()
    found = []
    for at in np.argsort(-area, kind="stable"):
        a, b = int(first[at]), int(end[at])
        peak = a + int(np.argmax(values[a:b]))
        found.append(
            (
                float(starts[a]),
                min(float(ends[b - 1]), scores.duration_seconds),
                float(values[a:b].mean()),
                float(values[peak]),
                min(float(starts[peak]) + scores.window_seconds / 2, scores.duration_seconds),
            )
        )
    return found


@house_style()
def draw_moments(scores: TagScores, found: list[TagMoments]) -> Drawing:
    """One row per tag, the strongest first; frames mark its moments, numbered by rank, and the right margin names the first's
    time.

    Args:
        scores: of one file.
        found: as :func:`earmark.plots.moments.find_moments` gives them, of this file.
    """
    n = len(found)
    name = plain_text(scores.path.name if scores.path else "waveform", 60)
    windows = f"windows of {scores.window_seconds:.3g} s"
    edges, values = taggram_cells(scores)
    edges, columns, step = thinned(edges, values[:, [scores.vocabulary.index(one.tag) for one in found]], _MOST_COLUMNS)
    if step > 1:
        windows += f", the highest of each {step} drawn"
    figure = new_figure(
        f"Strongest moments: {name}",
        f"{clock(scores.duration_seconds)} long, model {plain_text(scores.model)}, {windows}",
        width_inches=WIDE_INCHES,
        height_inches=1.45 + 0.29 * n,
    )
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(edges, np.arange(n + 1), columns.T, cmap="cividis", vmin=0, vmax=1, rasterized=True)
    for row, one in enumerate(found):
        for moment in one.moments:
            width = moment.end_seconds - moment.start_seconds
            for colour, line in (("black", 2.2), ("white", 1.0)):
                axes.add_patch(
                    Rectangle(
                        (moment.start_seconds, row + 0.06), width, 0.88, fill=False, edgecolor=colour, linewidth=line
                    )
                )
            if width > 0.02 * scores.duration_seconds:
                axes.text(
                    moment.start_seconds + width / 2,
                    row + 0.52,
                    str(moment.rank),
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white",
                    path_effects=[withStroke(linewidth=1.8, foreground="black")],
                )
    axes.set_yticks(np.arange(n) + 0.5, [f"{plain_text(one.tag, 24)}  {one.strength:.2f}" for one in found])
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.arange(n) + 0.5, [_when(one) for one in found], fontsize=7)
    right.tick_params(length=0, colors=GREY)
    for side in (axes, right):
        side.spines[:].set_visible(False)
    axes.set_ylim(n, 0)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(set_time_ticks(axes, float(edges[-1]), _MOST_TICKS))
    bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", location="bottom", pad=0.03, aspect=50, shrink=0.5)
    bar.set_label("score of a window; beside each tag: mean of its strongest tenth", fontsize=7)
    bar.outline.set_visible(False)
    return Drawing("moments", figure, moments_frame(found))


def _when(one: TagMoments) -> str:
    if not one.moments:
        return "even throughout"
    first = one.moments[0]
    return f"{clock(first.start_seconds)} to {clock(first.end_seconds)}"
