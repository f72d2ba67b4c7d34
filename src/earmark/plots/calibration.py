"""Calibration: mean scores, and the shares of clips that have the tag, in bins of the score."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from earmark.core.errors import DataError
from earmark.plots.drawing import Drawing
from earmark.plots.reliability import Reliability, reliability_frame
from earmark.plots.style import BLUE, GREY, HALF_INCHES, PALE, WIDE_INCHES, house_style, new_figure, plain_text

SHARE_LABELS = {"classification": "share that have the tag", "regression": "mean degree in the labels"}
"""What stands beside the axis of shares, by kind of tag."""


@house_style()
def draw_calibration(one: Reliability, about: str) -> Drawing:
    """The curve of one tag or of all, with intervals, and how many clips are in each bin."""
    of = "all tags" if one.tag is None else plain_text(one.tag, 40)
    graded = one.kind == "regression"
    figure = new_figure(
        f"Calibration, {of}" + (" of degrees" if graded and one.tag is None else ""),
        about,
        width_inches=HALF_INCHES,
        height_inches=4.1,
    )
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    plot_reliability(axes, one)
    axes.set_ylabel(SHARE_LABELS[one.kind])
    axes.set_title("\n".join(_said(one)), loc="left", fontsize=7, pad=4)
    below.bar(
        one.low_edges,
        one.counts,
        one.high_edges - one.low_edges,
        align="edge",
        color=PALE,
        edgecolor="white",
        linewidth=0.5,
    )
    below.set_yscale("log")
    below.set_ylim(0.7, max(10, int(one.counts.max()) * 2))
    below.set_ylabel("clips" if one.tag else "clip-tag pairs")
    below.set_xlabel("score")
    figure.align_ylabels()
    name = "calibration-degrees" if graded else "calibration"
    return Drawing(name, figure, reliability_frame([one]), {"curve": bin_hints(one)})


@house_style()
def draw_calibration_tags(
    found: list[Reliability], about: str, *, most: int = 12, tags: list[str] | None = None
) -> Drawing:
    """A small curve for each of the tags with the largest calibration errors.

    Args:
        found: as :func:`earmark.plots.reliability.reliabilities` gives them.
        about: the line under the title.
        most: tags drawn at most.
        tags: these tags instead, in this order.

    Raises:
        DataError: none of these tags has labels.
    """
    by_name = {one.tag: one for one in found if one.tag is not None}
    shown = (
        [by_name[tag] for tag in tags if tag in by_name]
        if tags
        else sorted(by_name.values(), key=lambda one: -one.error)[:most]
    )
    if not shown:
        raise DataError("calibration: no such tag has labels")
    n_columns = min(4, len(shown))
    n_rows = -(-len(shown) // n_columns)
    width = WIDE_INCHES if n_columns > 2 else HALF_INCHES
    title = "Calibration of single tags" + ("" if tags or len(shown) == len(by_name) else ", the largest errors first")
    figure = new_figure(title, about, width_inches=width, height_inches=0.7 + 1.75 * n_rows)
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, one in zip(grid.ravel(), shown, strict=False):
        plot_reliability(axes, one, small=True)
        axes.set_title(plain_text(one.tag or "", 24), loc="left", fontsize=8, pad=3)
        axes.text(0.04, 0.96, f"error {one.error:.3f}", transform=axes.transAxes, va="top", fontsize=6.5, color=GREY)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    figure.supxlabel("score", fontsize=8)
    figure.supylabel(
        SHARE_LABELS[shown[0].kind] if len({one.kind for one in shown}) == 1 else "share with the tag, or mean degree",
        fontsize=8,
    )
    return Drawing("calibration-tags", figure, reliability_frame(shown))


def bin_hints(one: Reliability) -> list[str]:
    """What is shown over each point of the curve."""
    return [f"score {x:.3f}: {y:.3f} of {n:,}" for x, y, n in zip(one.mean_scores, one.shares, one.counts, strict=True)]


def plot_reliability(axes: Axes, one: Reliability, *, small: bool = False) -> None:
    """The calibration curve with its intervals, and the diagonal of perfect calibration."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    ends = np.vstack([np.fmax(one.shares - one.low, 0), np.fmax(one.high - one.shares, 0)])
    bars = axes.errorbar(
        one.mean_scores,
        one.shares,
        yerr=np.nan_to_num(ends),
        color=BLUE,
        marker="o",
        markersize=2.5 if small else 4,
        linewidth=1.0,
        elinewidth=0.8,
        capsize=1.5 if small else 2,
    )
    bars.lines[0].set_gid("curve")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1] if small else np.linspace(0, 1, 6))
    axes.set_yticks([0, 0.5, 1] if small else np.linspace(0, 1, 6))
    if one.kind == "classification":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid()


def _said(one: Reliability) -> list[str]:
    lines = [f"expected calibration error {one.error:.3f}"]
    if one.chance is not None:
        lines.append(f"by chance alone {one.chance:.3f} (95 % below {one.chance_high:.3f})")
    return [*lines, "dashed: scores that mean what they say"] if one.chance is None else lines
