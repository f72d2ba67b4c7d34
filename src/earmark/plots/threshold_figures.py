"""Figures of threshold choice: every tag's best threshold and how much it matters, and the curves of single tags."""

from __future__ import annotations

import numpy as np

from earmark.core.errors import DataError
from earmark.plots.drawing import Drawing
from earmark.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    HALF_INCHES,
    PALE,
    VERMILLION,
    WIDE_INCHES,
    house_style,
    new_figure,
    plain_text,
)
from earmark.plots.thresholds import ThresholdCurve, threshold_frame


@house_style()
def draw_thresholds(curves: list[ThresholdCurve], about: str) -> Drawing:
    """For every tag the threshold with the highest F1, the stretch about it that is nearly as good, and the one in use."""
    shown = sorted(curves, key=lambda curve: curve.best)
    if not shown:
        raise DataError("thresholds: no classification tag that some clips have and some have not")
    figure = new_figure(
        "Thresholds with the highest F1",
        about,
        width_inches=HALF_INCHES,
        height_inches=(1.5 if len(shown) > 8 else 2.1) + 0.15 * len(shown),
    )
    axes = figure.add_subplot()
    at = np.arange(len(shown))
    for y, curve in zip(at, shown, strict=True):
        axes.plot([curve.nearly_from, curve.nearly_to], [y, y], color=PALE, linewidth=4, solid_capstyle="butt")
    axes.plot([], [], color=PALE, linewidth=4, label="F1 within 5 % of the highest")
    axes.plot([curve.best for curve in shown], at, "o", color=BLUE, markersize=3.5, label="highest F1 on these clips")
    in_use = [(curve.chosen, y) for y, curve in zip(at, shown, strict=True) if curve.chosen is not None]
    if in_use:
        axes.plot(
            *zip(*in_use, strict=True), "d", color=VERMILLION, markerfacecolor="none", markersize=4.5, label="in use"
        )
    size = 6 if len(shown) > 20 else 7
    axes.set_yticks(at, [plain_text(curve.tag, 24) for curve in shown], fontsize=size)
    right = axes.secondary_yaxis("right")
    right.set_yticks(at, [f"{curve.best_f1:.2f}" for curve in shown], fontsize=size)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    axes.annotate(
        "F1", xy=(1, 1), xycoords="axes fraction", xytext=(6, 2), textcoords="offset points", fontsize=7, color=GREY
    )
    axes.set_ylim(-0.8, len(shown) - 0.2)
    lowest = min(0.0, *(curve.nearly_from for curve in shown))
    highest = max(*(curve.nearly_to for curve in shown), *(x for x, _ in in_use), 0.0)
    axes.set_xlim(lowest, 1.0 if 0.4 < highest <= 1 else None)
    axes.set_xlabel("threshold on the score")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=1 if len(shown) < 8 else 2, handlelength=1.2, columnspacing=1)
    frame = threshold_frame(shown)
    table = frame[frame["mark"] != ""].copy()
    ends = {curve.tag: (curve.nearly_from, curve.nearly_to) for curve in shown}
    table["nearly_as_good_from"] = [ends[tag][0] for tag in table["tag"]]
    table["nearly_as_good_to"] = [ends[tag][1] for tag in table["tag"]]
    return Drawing("thresholds", figure, table)


@house_style()
def draw_threshold_curves(
    curves: list[ThresholdCurve], about: str, *, most: int = 12, tags: list[str] | None = None
) -> Drawing:
    """Precision, recall and F1 over the threshold, a panel a tag.

    Args:
        curves: as :func:`earmark.plots.thresholds.threshold_curves` gives them.
        about: the line under the title.
        most: tags drawn at most, those on most clips.
        tags: these tags instead, in this order.

    Raises:
        DataError: none of these tags has a curve.
    """
    by_name = {curve.tag: curve for curve in curves}
    shown = (
        [by_name[tag] for tag in tags if tag in by_name]
        if tags
        else sorted(curves, key=lambda curve: -curve.n_positives)[:most]
    )
    if not shown:
        raise DataError("thresholds: no such classification tag that some clips have and some have not")
    n_columns = min(4, len(shown))
    n_rows = -(-len(shown) // n_columns)
    left_out = len(shown) < len(by_name) and not tags
    figure = new_figure(
        "Precision, recall and F1 over the threshold" + (", the most frequent tags" if left_out else ""),
        about,
        width_inches=WIDE_INCHES if n_columns > 2 else HALF_INCHES,
        height_inches=1.0 + 1.65 * n_rows,
    )
    grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    for axes, curve in zip(grid.ravel(), shown, strict=False):
        for values, colour, style, label in (
            (curve.precision, GREEN, (0, (1, 1)), "precision"),
            (curve.recall, GREY, (0, (4, 2)), "recall"),
            (curve.f1, BLUE, "-", "F1"),
        ):
            axes.plot(curve.thresholds, values, color=colour, linestyle=style, label=label)
        axes.plot(curve.best, curve.best_f1, "o", color=BLUE, label="highest F1")
        if curve.chosen is not None:
            axes.axvline(curve.chosen, color=VERMILLION, linewidth=1, label="in use")
        axes.set_title(plain_text(curve.tag, 22), loc="left", fontsize=8, pad=3, color=BLACK)
        axes.set_title(f"{curve.n_positives:,} clips", loc="right", fontsize=6.5, pad=3, color=GREY)
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.5, 1])
        axes.set_xlim(min(0.0, float(curve.thresholds[0])), float(curve.thresholds[-1]) * 1.02)
        axes.locator_params(axis="x", nbins=4)
        axes.grid()
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    handles, labels = grid.ravel()[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if n_columns > 2 else 3)
    for axes in grid.ravel()[max(0, len(shown) - n_columns) : len(shown)]:
        axes.set_xlabel("threshold")
    return Drawing("threshold-curves", figure, threshold_frame(shown))
