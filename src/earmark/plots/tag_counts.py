"""Clips per tag in each split (bristol, Figure 1)."""

from __future__ import annotations

import pandas as pd

from earmark.datasets import SPLITS, Dataset, label_matrix
from earmark.plots.binarize import LEAST_DEGREE, binarize_labels
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLUE, HALF_INCHES, ORANGE, SKY, WIDE_INCHES, house_style, new_figure, plain_text

_COLOURS = dict(zip(SPLITS, (BLUE, ORANGE, SKY), strict=True))
_MOST_IN_A_COLUMN = 26


def tag_counts(dataset: Dataset, *, least_degree: float = LEAST_DEGREE) -> pd.DataFrame:
    """Clips of each tag, most first; a regression tag applies from ``least_degree`` on.

    Columns: tag, kind, then one column per split that has clips, total. Ties are in the vocabulary's order.
    """
    counts = {
        split: binarize_labels(label_matrix(dataset.split(split)), least_degree=least_degree).sum(axis=0)
        for split in dataset.counts
    }
    table = pd.DataFrame({"tag": dataset.vocabulary.names, "kind": [tag.kind for tag in dataset.vocabulary], **counts})
    table["total"] = table[list(counts)].sum(axis=1)
    return table.sort_values("total", ascending=False, kind="stable", ignore_index=True)


@house_style()
def draw_tag_counts(table: pd.DataFrame, about: str, *, sizes: dict[str, int]) -> Drawing:
    """One bar per tag, as long as its number of clips, with the splits end to end.

    Args:
        table: of :func:`tag_counts`.
        about: the line under the title.
        sizes: all clips of each split, tagged or not.
    """
    n_columns = 1 if len(table) <= _MOST_IN_A_COLUMN else 2
    n_rows = -(-len(table) // n_columns)
    figure = new_figure(
        "Clips per tag",
        about,
        width_inches=HALF_INCHES if n_columns == 1 else WIDE_INCHES,
        height_inches=1.25 + 0.155 * n_rows,
    )
    all_axes = figure.subplots(1, n_columns, squeeze=False, sharex=True)[0]
    for number, axes in enumerate(all_axes):
        part = table.iloc[number * n_rows : (number + 1) * n_rows]
        places, start = range(len(part)), pd.Series(0, index=part.index)
        for split, n_clips in sizes.items():
            axes.barh(
                places,
                part[split],
                left=start,
                height=0.78,
                color=_COLOURS[split],
                label=f"{split} ({n_clips:,})",
            )
            start = start + part[split]
        axes.set_yticks(places, [plain_text(tag, 24) for tag in part.tag], fontsize=7)
        axes.set_ylim(n_rows - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel("clips")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3, columnspacing=1.0)
    return Drawing("clips-per-tag", figure, table)
