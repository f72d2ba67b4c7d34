"""The confusion matrix of classes that exclude each other: which class is predicted for clips of which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from earmark.core.errors import DataError
from earmark.evaluation.scores import ScoreTable
from earmark.plots.drawing import Drawing
from earmark.plots.style import (
    HALF_INCHES,
    ON_DARK,
    ON_PALE,
    PALE,
    SEQUENTIAL,
    WIDE_INCHES,
    house_style,
    new_figure,
    plain_text,
)

_MOST_NUMBERED = 16


@dataclass(frozen=True, eq=False)
class ClassConfusion:
    """Counts of clips.

    Attributes:
        classes: names, in the order of the table.
        counts: (n_classes, n_classes): clips of the row's class for which the column's class scores highest.
    """

    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of clips on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())


def class_confusion(table: ScoreTable) -> ClassConfusion:
    """Count predictions, as :func:`earmark.metrics.accuracy` does; clips that are not labelled are left out.

    Raises:
        DataError: no tags of the table exclude each other, or no clip is labelled.
    """
    places = [table.vocabulary.index(tag) for tag in table.exclusive]
    if not places:
        raise DataError("these scores have no classes that exclude each other; `earmark analyze confusion` is for tags")
    labels, scores = table.labels[:, places], table.scores[:, places]
    known = ~np.isnan(labels).any(axis=1)
    if not known.any():
        raise DataError("no clip is labelled with one of the classes")
    counts = np.zeros((len(places), len(places)), np.int64)
    np.add.at(counts, (labels[known].argmax(axis=1), scores[known].argmax(axis=1)), 1)
    return ClassConfusion(table.exclusive, counts)


def class_confusion_frame(found: ClassConfusion) -> pd.DataFrame:
    """One row per pair of classes with clips: class, predicted, clips, share of the class's clips."""
    sizes = found.counts.sum(axis=1)
    rows = [
        (found.classes[a], found.classes[b], int(found.counts[a, b]), found.counts[a, b] / sizes[a])
        for a, b in np.argwhere(found.counts > 0)
    ]
    return pd.DataFrame(rows, columns=["class", "predicted", "clips", "share"])


@house_style()
def draw_class_confusion(found: ClassConfusion, about: str) -> Drawing:
    """A matrix: rows are classes with their clips, columns what is predicted; numbers and colours are shares of a row."""
    n = len(found.classes)
    sizes = found.counts.sum(axis=1, keepdims=True)
    shares = np.divide(found.counts, sizes, out=np.full(found.counts.shape, np.nan), where=sizes > 0)
    width = HALF_INCHES if n <= 6 else WIDE_INCHES
    accuracy = f"accuracy {found.accuracy:.3f} on {int(sizes.sum()):,} clips"
    figure = new_figure(
        "Which class is predicted",
        f"{about}; {accuracy}" if about else accuracy,
        width_inches=width,
        height_inches=1.6 + 0.3 * n if n <= _MOST_NUMBERED else 0.9 + 0.8 * width,
    )
    axes = figure.add_subplot()
    edges = np.arange(n + 1) - 0.5
    image = axes.pcolormesh(edges, edges, np.ma.masked_invalid(shares), cmap=SEQUENTIAL, vmin=0, vmax=1, gid="cells")
    axes.invert_yaxis()
    axes.set_facecolor(PALE)
    names = [plain_text(name, 20) for name in found.classes]
    size = 7 if n <= 30 else 5.5
    axes.set_xticks(range(n), names, rotation=45, ha="right", fontsize=size)
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.set_yticks(
        range(n), [f"{name}  {int(count):,}" for name, count in zip(names, sizes[:, 0], strict=True)], fontsize=size
    )
    axes.set_ylabel("class (clips)")
    axes.set_xlabel("predicted")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if n <= _MOST_NUMBERED:
        for i, j in np.argwhere(found.counts > 0):
            colour = ON_PALE if shares[i, j] > 0.55 else ON_DARK
            axes.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    bar = figure.colorbar(image, ax=axes, pad=0.02, shrink=0.9)
    bar.set_label("share of the class's clips", fontsize=7)
    bar.outline.set_visible(False)
    hints = [
        f"{a}, predicted {b}: {found.counts[i, j]:,} of {int(sizes[i, 0]):,} clips"
        for i, a in enumerate(found.classes)
        for j, b in enumerate(found.classes)
    ]
    return Drawing("class-confusion", figure, class_confusion_frame(found), {"cells": hints})


def class_confusion_of(table: ScoreTable, about: str) -> Drawing:
    """The matrix of a scores table."""
    return draw_class_confusion(class_confusion(table), about)
