"""The AUC of each tag over how many clips have it (bristol, Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from earmark import metrics
from earmark.core.errors import DataError
from earmark.evaluation import ScoreTable
from earmark.metrics.tags import each_tag
from earmark.plots.axes import log_axis
from earmark.plots.drawing import Drawing
from earmark.plots.label_placement import name_points
from earmark.plots.style import BLUE, GREY, PALE, VERMILLION, house_style, new_figure


def tag_aucs(
    table: ScoreTable,
    *,
    metric: str = "roc_auc",
    counts: Mapping[str, int] | None = None,
    groups: str | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every classification tag with its AUC, the ends of its 95 % interval, and its clips, worst first.

    Args:
        table: labels and scores.
        metric: which AUC.
        counts: clips of each tag, e.g. in training; None for the clips of the table itself.
        groups, n_resamples, seed: of the bootstrap, see :meth:`earmark.evaluation.ScoreTable.groups`.

    Returns:
        Columns: tag, clips, positives (in the table), auc, low, high. Tags whose AUC is undefined come last.

    Raises:
        DataError: no classification tags.
    """
    places = list(table.vocabulary.indices("classification"))
    if not places:
        raise DataError(f"{table.model or 'scores'}: no classification tags, and so no AUC")
    names = [table.vocabulary.names[i] for i in places]
    labels, scores = table.labels[:, places], table.scores[:, places]
    positives = np.nansum(labels, axis=0).astype(int)
    drawn = metrics.bootstrap(metric, labels, scores, table.groups(groups)[1], seed=seed, n_resamples=n_resamples)
    found = pd.DataFrame(
        {
            "tag": names,
            "clips": positives if counts is None else [counts.get(name, 0) for name in names],
            "positives": positives,
            "auc": each_tag(metric, labels, scores),
            "low": drawn.low,
            "high": drawn.high,
        }
    )
    return found.sort_values("auc", kind="stable", ignore_index=True)


@house_style()
def draw_tag_aucs(
    found: pd.DataFrame, about: str, *, metric: str = "roc_auc", counted: str = "", named: int = 5
) -> Drawing:
    """One point per tag, with its interval; the worst and the best are named.

    Args:
        found: of :func:`tag_aucs`.
        about: the line under the title.
        metric: which AUC it is.
        counted: of what clips ``clips`` are, e.g. "training".
        named: how many at each end.
    """
    shown = found[found.auc.notna() & (found.clips > 0)]
    if shown.empty:
        raise DataError("no tag has a defined AUC")
    figure = new_figure(f"{metrics.metric_label(metric)} of each tag, by its clips", about, height_inches=3.3)
    axes = figure.add_subplot()
    n = min(named, len(shown) // 2)
    worst, best = shown.iloc[:n], shown.iloc[len(shown) - n :].iloc[::-1]
    middle = shown.iloc[n : len(shown) - n]
    axes.vlines(shown.clips, shown.low, shown.high, color=PALE, lw=0.8, zorder=1)
    hints = {}
    for gid, part, colour in (("others", middle, GREY), ("worst", worst, VERMILLION), ("best", best, BLUE)):
        axes.plot(part.clips, part.auc, "o", ms=3.5, color=colour, mec="white", mew=0.3, zorder=3, gid=gid)
        hints[gid] = [f"{row.tag}: {row.auc:.3f}, {row.clips:,} clips" for row in part.itertuples()]
    mean = float(shown.auc.mean())
    axes.axhline(mean, color=GREY, lw=0.8, ls="--", zorder=1)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.06 * (top - bottom))  # space for names
    log_axis(axes, "x", float(shown.clips.min()), float(shown.clips.max()))
    axes.set_xlabel(f"{counted} clips with the tag".strip())
    axes.set_ylabel(metrics.metric_label(metric))
    axes.grid(axis="y")
    axes.annotate(
        f"mean {mean:.3f}",
        (0, mean),
        xycoords=("axes fraction", "data"),
        xytext=(3, 2),
        textcoords="offset points",
        fontsize=6.5,
        color=GREY,
    )
    chosen = pd.concat([worst, best])
    name_points(
        axes,
        chosen.clips.to_numpy(float),
        chosen.auc.to_numpy(float),
        [f"{tag} {auc:.2f}" for tag, auc in zip(chosen.tag, chosen.auc, strict=True)],
        colours=[VERMILLION] * len(worst) + [BLUE] * len(best),
        others=middle[["clips", "auc"]].to_numpy(float),
    )
    return Drawing("tag-auc", figure, found, hints)
