"""Threshold choice: precision, recall and F1 of a tag at every threshold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from earmark.core.errors import DataError
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import best_f1_thresholds
from earmark.metrics.table import FloatArray
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

NEARLY = 0.95
"""F1 of at least this share of the highest counts as nearly as good."""


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """One classification tag on these clips.

    Attributes:
        tag: its name.
        n_clips, n_positives: clips labelled for it, and those that have it.
        thresholds: (n,) rising: each distinct score. A tag is predicted where ``score >= threshold``.
        precision, recall, f1: (n,) at these.
        best: the threshold with the highest F1 here, half-way between two scores, see
            :func:`earmark.metrics.best_f1_thresholds`.
        best_f1: the F1 there.
        nearly_from, nearly_to: ends of the range around ``best`` in which F1 is at least 95 % of the highest. In a wide
            range the choice hardly matters; in a narrow one chance decides.
        chosen: the threshold in use, e.g. from a model's card; None where none was given.
        chosen_precision, chosen_recall, chosen_f1: there; None without one, NaN where no clip reaches it (precision).
    """

    tag: str
    n_clips: int
    n_positives: int
    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    best: float
    best_f1: float
    nearly_from: float
    nearly_to: float
    chosen: float | None = None
    chosen_precision: float | None = None
    chosen_recall: float | None = None
    chosen_f1: float | None = None


def threshold_curves(table: ScoreTable, chosen: Mapping[str, float] | None = None) -> list[ThresholdCurve]:
    """A curve for each classification tag that some clips have and some do not.

    Args:
        table: labels and scores.
        chosen: tag -> threshold in use.
    """
    curves = []
    for place in table.vocabulary.indices("classification"):
        tag = table.vocabulary.names[place]
        known = ~np.isnan(table.labels[:, place])
        y, s = (values[known, place].astype(np.float64) for values in (table.labels, table.scores))
        if 0 < y.sum() < len(y):
            curves.append(_curve(tag, y, s, (chosen or {}).get(tag)))
    return curves


def threshold_frame(curves: list[ThresholdCurve]) -> pd.DataFrame:
    """One row per tag and threshold; ``mark`` shows which one is best here, and which one is in use."""
    parts = []
    for curve in curves:
        rows = pd.DataFrame(
            {
                "tag": curve.tag,
                "threshold": curve.thresholds,
                "precision": curve.precision,
                "recall": curve.recall,
                "f1": curve.f1,
                "mark": "",
            }
        )
        marked = [(curve.best, *_at(curve, curve.best), "best here")]
        if curve.chosen is not None:
            marked.append((curve.chosen, *_at(curve, curve.chosen), "in use"))
        extra = pd.DataFrame(
            [
                {"tag": curve.tag, "threshold": t, "precision": p, "recall": r, "f1": f, "mark": mark}
                for t, p, r, f, mark in marked
            ]
        )
        parts.append(pd.concat([rows, extra], ignore_index=True))
    if not parts:
        return pd.DataFrame(columns=["tag", "threshold", "precision", "recall", "f1", "mark"])
    return pd.concat(parts, ignore_index=True)


def _curve(tag: str, y: FloatArray, s: FloatArray, chosen: float | None) -> ThresholdCurve:
    order = np.argsort(-s, kind="stable")
    falling = s[order]
    ends = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])
    hits, said, n_positives = np.cumsum(y[order])[ends], ends + 1.0, y.sum()
    values = falling[ends]
    precision, recall, f1 = hits / said, hits / n_positives, 2 * hits / (said + n_positives)
    (best,), (best_f1,) = best_f1_thresholds(y[:, None], s[:, None])
    at = int(np.argmax(f1))
    enough = f1 >= NEARLY * best_f1
    first, last = at, at  # in falling order of scores
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(values) and enough[last + 1]:
        last += 1
    curve = ThresholdCurve(
        tag,
        len(y),
        int(n_positives),
        values[::-1],
        precision[::-1],
        recall[::-1],
        f1[::-1],
        float(best),
        float(best_f1),
        nearly_from=float(values[last]),
        nearly_to=float(values[first]),
    )
    if chosen is None:
        return curve
    precision_there, recall_there, f1_there = _at(curve, chosen)
    return dataclasses.replace(
        curve, chosen=chosen, chosen_precision=precision_there, chosen_recall=recall_there, chosen_f1=f1_there
    )


def _at(curve: ThresholdCurve, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1 from this threshold on."""
    place = int(np.searchsorted(curve.thresholds, threshold))  # the lowest score that reaches it
    if place == len(curve.thresholds):
        return math.nan, 0.0, 0.0
    return float(curve.precision[place]), float(curve.recall[place]), float(curve.f1[place])


@house_style()
def draw_thresholds(curves: list[ThresholdCurve], about: str, *, most: int | None = None) -> Drawing:
    """For every tag the threshold with the highest F1, the range around it that is nearly as good, and the one in use.

    Args:
        curves: as :func:`threshold_curves` gives them.
        about: the line under the title.
        most: tags drawn at most, those on most clips; None for all.

    Raises:
        DataError: no tag has a curve.
    """
    shown = sorted(sorted(curves, key=lambda curve: -curve.n_positives)[:most], key=lambda curve: curve.best)
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
    axes.plot(
        [curve.best for curve in shown],
        at,
        "o",
        color=BLUE,
        markersize=3.5,
        label="highest F1 on these clips",
        gid="best",
    )
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
    hints = [f"{curve.tag}: highest F1 {curve.best_f1:.3f} at {curve.best:.3f}" for curve in shown]
    return Drawing("thresholds", figure, table, {"best": hints})


@house_style()
def draw_threshold_curves(
    curves: list[ThresholdCurve], about: str, *, most: int = 12, tags: list[str] | None = None
) -> Drawing:
    """Precision, recall and F1 over the threshold, one panel per tag.

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
        plot_threshold_curve(axes, curve)
        axes.set_title(plain_text(curve.tag, 22), loc="left", fontsize=8, pad=3, color=BLACK)
        axes.set_title(f"{curve.n_positives:,} clips", loc="right", fontsize=6.5, pad=3, color=GREY)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    handles, labels = grid.ravel()[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if n_columns > 2 else 3)
    for axes in grid.ravel()[max(0, len(shown) - n_columns) : len(shown)]:
        axes.set_xlabel("threshold")
    return Drawing("threshold-curves", figure, threshold_frame(shown))


def plot_threshold_curve(axes: Axes, curve: ThresholdCurve, most_points: int = 10_000) -> None:
    """Precision (dotted), recall (dashed) and F1 of one tag over the threshold; vertical line: the threshold in use."""
    n = len(curve.thresholds)
    at = np.unique(np.linspace(0, n - 1, min(n, most_points)).round().astype(int))
    for values, colour, style, label in (
        (curve.precision, GREEN, (0, (1, 1)), "precision"),
        (curve.recall, GREY, (0, (4, 2)), "recall"),
        (curve.f1, BLUE, "-", "F1"),
    ):
        axes.plot(curve.thresholds[at], values[at], color=colour, linestyle=style, label=label)
    axes.plot(curve.best, curve.best_f1, "o", color=BLUE, label="highest F1")
    if curve.chosen is not None:
        axes.axvline(curve.chosen, color=VERMILLION, linewidth=1, label="in use")
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlim(min(0.0, float(curve.thresholds[0])), float(curve.thresholds[-1]) * 1.02)
    axes.locator_params(axis="x", nbins=4)
    axes.grid()
