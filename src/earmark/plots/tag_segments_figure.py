"""The figure of a long file: its taggram, with each tag's strongest stretches marked and their times named."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from earmark.plots.drawing import Drawing
from earmark.plots.style import GREY, WIDE_INCHES, house_style, new_figure, plain_text
from earmark.plots.tag_segments import TagMoments, clock, moments_frame, thinned
from earmark.tagging.tagger import TagScores

_MOST_COLUMNS = 1400
_STEPS_SECONDS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 9


@house_style()
def draw_moments(scores: TagScores, found: list[TagMoments]) -> Drawing:
    """A row a tag, the strongest first; frames mark its stretches, numbered by rank, and the right margin names the first's
    time.

    Args:
        scores: of one file.
        found: as :func:`earmark.plots.tag_segments.moments` gives them, of this file.
    """
    n = len(found)
    name = plain_text(scores.path.name if scores.path else "waveform", 60)
    windows = f"windows of {scores.window_seconds:.3g} s"
    columns, step = thinned(scores.taggram[:, [scores.vocabulary.index(one.tag) for one in found]], _MOST_COLUMNS)
    if step > 1:
        windows += f", the highest of each {step} drawn"
    figure = new_figure(
        f"Strongest moments: {name}",
        f"{clock(scores.duration_seconds)} long, model {plain_text(scores.model)}, {windows}",
        width_inches=WIDE_INCHES,
        height_inches=1.45 + 0.29 * n,
    )
    axes = figure.add_subplot()
    edges = np.append(scores.window_starts_seconds[::step], max(scores.duration_seconds, 1e-3))
    mesh = axes.pcolormesh(edges, np.arange(n + 1), columns.T, cmap="cividis", vmin=0, vmax=1, rasterized=True)
    for row, one in enumerate(found):
        for stretch in one.stretches:
            width = stretch.end_seconds - stretch.start_seconds
            for colour, line in (("black", 2.2), ("white", 1.0)):
                axes.add_patch(
                    Rectangle(
                        (stretch.start_seconds, row + 0.06), width, 0.88, fill=False, edgecolor=colour, linewidth=line
                    )
                )
            if width > 0.02 * scores.duration_seconds:
                axes.text(
                    stretch.start_seconds + width / 2,
                    row + 0.52,
                    str(stretch.rank),
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
    axes.xaxis.set_major_locator(_ticks(scores.duration_seconds))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.set_xlabel("time (h:mm:ss)" if scores.duration_seconds >= 3600 else "time (m:ss)")
    bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", location="bottom", pad=0.03, aspect=50, shrink=0.5)
    bar.set_label("score of a window; beside each tag: mean of its strongest tenth", fontsize=7)
    bar.outline.set_visible(False)
    return Drawing("moments", figure, moments_frame(found))


def _when(one: TagMoments) -> str:
    if not one.stretches:
        return "even throughout"
    first = one.stretches[0]
    return f"{clock(first.start_seconds)} to {clock(first.end_seconds)}"


def _ticks(duration_seconds: float) -> Locator:
    """Ticks at whole minutes or hours, as people count time."""
    for step in _STEPS_SECONDS:
        if duration_seconds / step <= _MOST_TICKS:
            return MultipleLocator(step)
    return MaxNLocator(_MOST_TICKS, integer=True)
