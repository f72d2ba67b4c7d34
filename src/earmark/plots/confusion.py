"""Confusion between tags: on clips that have tag A and not tag B, how high does B score?

Tags do not exclude each other, so there is no ordinary confusion matrix. Instead, for each pair of
classification tags, over the clips that are labelled for both and have A but not B:

    outranks    the share of them on which B scores higher than A
    score       the mean score of B on them
    drawn       how well B's scores separate them from the clips that have neither: their ROC-AUC. Above 0.5, B is drawn to A's
                clips; below, A keeps B away. It does not depend on how high B scores in general.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from earmark.core.errors import ConfigError, DataError
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import roc_auc
from earmark.metrics.table import FloatArray
from earmark.plots.drawing import Drawing
from earmark.plots.style import (
    BLUE,
    DIVERGING,
    HALF_INCHES,
    ON_DARK,
    ON_PALE,
    ORANGE,
    PALE,
    SEQUENTIAL,
    WIDE_INCHES,
    house_style,
    new_figure,
    plain_text,
)

Measure = Literal["outranks", "score", "drawn"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
_MOST_NUMBERED = 12
_BAR = {
    "outranks": "share on which the column scores higher",
    "score": "mean score of the column",
    "drawn": "ROC-AUC of the column against clips with neither",
}
_TITLE = {
    "outranks": "Which tags outrank the right one",
    "score": "What tags score on clips of another tag",
    "drawn": "Which tags are drawn to clips of another tag",
}


@dataclass(frozen=True, eq=False)
class Confusion:
    """All pairs of tags.

    Attributes:
        tags: classification tags that have labels.
        counts: (n_tags, n_tags) clips with the row's tag and without the column's; on the diagonal, clips with the tag.
        outranks, score, drawn: (n_tags, n_tags) see the module docstring; NaN on the diagonal of the first and the last, and where
            there are no such clips.
    """

    tags: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    outranks: FloatArray
    score: FloatArray
    drawn: FloatArray

    def measured(self, measure: Measure) -> FloatArray:
        """One of the three measures, by name. Raises ConfigError for another name."""
        if measure not in MEASURES:
            raise ConfigError(f"measure {measure!r}: must be one of {', '.join(MEASURES)}")
        values: FloatArray = getattr(self, measure)
        return values

    def worst(self, measure: Measure = "outranks", *, least_clips: int = 5) -> list[tuple[int, int]]:
        """Pairs (row, column), the most confused first; equal ones with more clips first.

        Args:
            measure: the measure to sort by.
            least_clips: pairs with fewer clips are left out: otherwise single odd clips would put them on top.
        """
        values = np.where(self.counts >= least_clips, self.measured(measure), np.nan)
        np.fill_diagonal(values, np.nan)
        pairs = np.argwhere(~np.isnan(values))
        order = np.lexsort((-self.counts[tuple(pairs.T)], -values[tuple(pairs.T)]))
        return [(int(a), int(b)) for a, b in pairs[order]]


def confusion(table: ScoreTable, *, drawn: bool = True) -> Confusion:
    """All pairs of a table's classification tags.

    Args:
        table: labels and scores.
        drawn: False leaves :attr:`Confusion.drawn` out (NaN): with hundreds of tags it takes most of the time.

    Raises:
        DataError: fewer than two classification tags.
    """
    places = list(table.vocabulary.indices("classification"))
    if len(places) < 2:
        raise DataError("confusion needs at least two classification tags; there are " + str(len(places)))
    y, s = table.labels[:, places].astype(np.float64), table.scores[:, places].astype(np.float64)
    n = len(places)
    has, lacks = y == 1, y == 0
    counts = has.T.astype(np.int64) @ lacks.astype(np.int64)
    np.fill_diagonal(counts, has.sum(axis=0))
    outranks, score, areas = (np.full((n, n), np.nan) for _ in range(3))
    for a in range(n):
        mine = has[:, a]
        if mine.any():
            score[a, a] = s[mine, a].mean()
        of_pair = mine[:, None] & lacks  # (n_clips, n_tags)
        size = of_pair.sum(axis=0)
        there = size > 0
        there[a] = False
        higher = (s > s[:, a, None]) + 0.5 * (s == s[:, a, None])  # equal scores count half
        outranks[a, there] = (of_pair * higher).sum(axis=0)[there] / size[there]
        score[a, there] = (of_pair * s).sum(axis=0)[there] / size[there]
        if not drawn:
            continue
        # Labels for this pair: 1 with A alone, 0 with neither, NaN for all other clips.
        pair_labels = np.where(of_pair, 1.0, np.where(lacks[:, a, None] & lacks, 0.0, np.nan))
        areas[a, there] = roc_auc(pair_labels, s)[there]
    return Confusion(tuple(table.vocabulary.names[i] for i in places), counts, outranks, score, areas)


def confusion_frame(found: Confusion) -> pd.DataFrame:
    """One row per pair of tags, the most outranked first."""
    rows = [
        {
            "tag": found.tags[a],
            "other": found.tags[b],
            "clips_with_tag_without_other": int(found.counts[a, b]),
            "other_outranks": found.outranks[a, b],
            "mean_score_of_other": found.score[a, b],
            "mean_score_of_tag": found.score[a, a],
            "other_drawn_roc_auc": found.drawn[a, b],
        }
        for a, b in found.worst(least_clips=1)
    ]
    return pd.DataFrame(rows)


def order_together(found: Confusion, most: int) -> list[int]:
    """Positions of at most ``most`` tags, those in the worst pairs, ordered so that confused tags are side by side.

    The order is that of the second eigenvector of the graph of tags, whose edges are how often they outrank each other.
    """
    taken: list[int] = []
    for a, b in found.worst(least_clips=1):
        taken += [i for i in (a, b) if i not in taken][: most - len(taken)]
        if len(taken) == most:
            break
    taken.sort()
    rates = np.nan_to_num(found.outranks[np.ix_(taken, taken)])
    weights = rates + rates.T
    if len(taken) < 3 or not weights.any():
        return taken
    laplacian = np.diag(weights.sum(axis=1)) - weights
    place = np.linalg.eigh(laplacian)[1][:, 1]
    place = place if place[0] <= 0 else -place  # the sign is free: the first tag is in the first half
    return [taken[i] for i in np.argsort(place, kind="stable")]


@house_style()
def draw_confusion(found: Confusion, about: str, *, measure: Measure = "outranks", most: int = 30) -> Drawing:
    """A matrix: rows are the tag that clips have, columns the tag that they do not have; confused tags are side by side.

    Args:
        found: as :func:`earmark.plots.confusion.confusion` gives it.
        about: the line under the title.
        measure: what the colour shows.
        most: tags drawn at most, those in the worst pairs.

    Raises:
        DataError: no clip has one tag without another.
    """
    shown = order_together(found, most)
    if len(shown) < 2:
        raise DataError("confusion: no clip has one tag without another")
    n = len(shown)
    values = found.measured(measure)[np.ix_(shown, shown)].copy()
    np.fill_diagonal(values, np.nan)
    width = HALF_INCHES if n <= 8 else WIDE_INCHES
    figure = new_figure(
        _TITLE[measure], about, width_inches=width, height_inches=1.9 + 0.3 * n if n <= 8 else 0.9 + 0.8 * width
    )
    axes = figure.add_subplot()
    diverging = measure == "drawn"
    highest = 1.0 if measure != "score" else max(0.1, float(np.nanmax(values)))
    image = axes.pcolormesh(
        np.arange(n + 1) - 0.5,
        np.arange(n + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap=DIVERGING if diverging else SEQUENTIAL,
        vmin=0,
        vmax=highest,
        gid="cells",
    )
    axes.invert_yaxis()
    axes.set_facecolor(PALE)
    names = [plain_text(found.tags[i], 20) for i in shown]
    size = 7 if n <= 30 else 5.5
    axes.set_xticks(range(n), names, rotation=45 if n <= 12 else 90, ha="right" if n <= 12 else "center", fontsize=size)
    if n <= 12:
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    axes.set_yticks(
        range(n), [f"{name}  {int(found.counts[i, i]):,}" for name, i in zip(names, shown, strict=True)], fontsize=size
    )
    axes.set_ylabel("clips that have this tag (how many) ...")
    axes.set_xlabel("... and have not this one")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if n <= _MOST_NUMBERED:
        for i, j in np.argwhere(~np.isnan(values)):
            pale = 0.3 < values[i, j] < 0.7 if diverging else values[i, j] > 0.55 * highest
            axes.text(
                j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=6.5, color=ON_PALE if pale else ON_DARK
            )
    bar = figure.colorbar(image, ax=axes, pad=0.02, shrink=0.9)
    bar.set_label(_BAR[measure], fontsize=7)
    bar.outline.set_visible(False)
    hints = [
        f"{found.tags[a]}, not {found.tags[b]} ({found.counts[a, b]:,} clips): {_BAR[measure]} {found.measured(measure)[a, b]:.2f}"
        for a in shown
        for b in shown
    ]
    name = "confusion" if measure == "outranks" else f"confusion-{measure}"
    return Drawing(name, figure, confusion_frame(found), {"cells": hints})


@house_style()
def draw_confused_pairs(found: Confusion, about: str, *, most: int = 15, least_clips: int = 5) -> Drawing:
    """The pairs in which the wrong tag most often scores higher, with the mean scores of both.

    Raises:
        DataError: no pair has so many clips.
    """
    pairs = [pair for pair in found.worst(least_clips=least_clips) if found.outranks[pair] > 0][:most]
    if not pairs:
        raise DataError(f"confusion: no tag outranks the right one on clips of a pair with {least_clips} clips or more")
    figure = new_figure(
        "Pairs of tags that are confused most", about, width_inches=WIDE_INCHES, height_inches=1.35 + 0.19 * len(pairs)
    )
    axes, scores = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
    at = np.arange(len(pairs))[::-1]
    rates = np.array([found.outranks[pair] for pair in pairs])
    axes.barh(at, rates, color=BLUE, height=0.65)
    names = [
        f"{plain_text(found.tags[a], 20)} → {plain_text(found.tags[b], 20)}  ({found.counts[a, b]:,})" for a, b in pairs
    ]
    axes.set_yticks(at, names, fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of clips with the first and without\nthe second on which the second scores higher")
    axes.set_ylabel("has → has not (clips)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    own, other = (np.array([found.score[a, i] for a, i in which]) for which in ([(a, a) for a, _ in pairs], pairs))
    scores.hlines(at, np.minimum(own, other), np.maximum(own, other), color="#BBBBBB", linewidth=1)
    scores.plot(own, at, "o", color=BLUE, label="the tag they have")
    scores.plot(other, at, "D", color=ORANGE, label="the tag they have not")
    scores.set_xlim(left=0)
    scores.set_xlabel("mean score")
    scores.tick_params(axis="y", length=0)
    scores.grid(axis="x")
    figure.legend(loc="outside lower right", ncols=2)
    table = confusion_frame(found)
    table = table[table["clips_with_tag_without_other"] >= least_clips].head(most)
    return Drawing("confusion-pairs", figure, table)
