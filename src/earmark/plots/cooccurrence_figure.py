"""The figure of tags that are given together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from earmark.plots.cooccurrence import Cooccurrence
from earmark.plots.drawing import Drawing
from earmark.plots.style import HALF_INCHES, SEQUENTIAL, WIDE_INCHES, house_style, new_figure, plain_text

_MOST_NUMBERED = 14


def pair_table(pairs: Cooccurrence) -> pd.DataFrame:
    """Columns: tag, other, clips (with both; of a tag with itself: with it), share of the tag's clips, 0..1."""
    shares = pairs.shares()
    n = len(pairs.tags)
    return pd.DataFrame(
        [
            (pairs.tags[i], pairs.tags[j], int(pairs.counts[i, j]), float(shares[i, j]))
            for i in range(n)
            for j in range(n)
        ],
        columns=["tag", "other", "clips", "share_of_tags_clips"],
    )


@house_style()
def draw_cooccurrence(pairs: Cooccurrence, about: str) -> Drawing:
    """A matrix of tags: colour is the share of the row's clips that have the column's tag; few tags also as numbers."""
    n = len(pairs.tags)
    numbered = n <= _MOST_NUMBERED
    width = HALF_INCHES if n <= 8 else 5.2 if n <= 20 else WIDE_INCHES
    figure = new_figure(
        "Tags that are given together",
        about,
        width_inches=width,
        height_inches=0.75 + width * 0.82 if n > 8 else 0.9 + max(1.6, 0.34 * n + 0.8),
    )
    axes = figure.add_subplot()
    shares = pairs.shares()
    np.fill_diagonal(shares, np.nan)  # a tag is always given with itself
    image = axes.imshow(np.ma.masked_invalid(shares), cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    names = [plain_text(tag, 24) for tag in pairs.tags]
    own = np.diag(pairs.counts)
    small = 7 if n <= 30 else 5.5
    axes.set_xticks(
        range(n), names, rotation=45 if n <= 20 else 90, ha="right" if n <= 20 else "center", fontsize=small
    )
    axes.set_yticks(range(n), [f"{name}  {count:,}" for name, count in zip(names, own, strict=True)], fontsize=small)
    if n <= 20:
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    if numbered:
        for i in range(n):
            for j in range(n):
                dark = not np.isnan(shares[i, j]) and shares[i, j] < 0.5
                axes.text(
                    j,
                    i,
                    f"{pairs.counts[i, j]:,}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white" if dark else "black",
                    fontweight="bold" if i == j else "normal",
                )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7 if n > 8 else 0.95, pad=0.02)
    bar.set_label("share of the row's clips")
    bar.outline.set_visible(False)
    return Drawing("tag-pairs", figure, pair_table(pairs))
