"""Figures of confusion between tags: a matrix, and the worst pairs by name."""

from __future__ import annotations

import numpy as np

from earmark.core.errors import DataError
from earmark.plots.confusion import Confusion, Measure, confusion_frame, order_together
from earmark.plots.drawing import Drawing
from earmark.plots.style import (
    BLUE,
    DIVERGING,
    HALF_INCHES,
    ORANGE,
    SEQUENTIAL,
    WIDE_INCHES,
    house_style,
    new_figure,
    plain_text,
)

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


@house_style()
def draw_confusion(found: Confusion, about: str, *, measure: Measure = "outranks", most: int = 30) -> Drawing:
    """A matrix: rows are the tag that clips have, columns the tag that they have not; tags that are confused side by side.

    Args:
        found: as :func:`earmark.plots.confusion.confusion` gives it.
        about: the line under the title.
        measure: what the colour says.
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
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=DIVERGING if diverging else SEQUENTIAL,
        vmin=0,
        vmax=highest,
        aspect="auto",
    )
    axes.set_facecolor("#DDDDDD")
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
                j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=6.5, color="black" if pale else "white"
            )
    bar = figure.colorbar(image, ax=axes, pad=0.02, shrink=0.9)
    bar.set_label(_BAR[measure], fontsize=7)
    bar.outline.set_visible(False)
    return Drawing("confusion" if measure == "outranks" else f"confusion-{measure}", figure, confusion_frame(found))


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
