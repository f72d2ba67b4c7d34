"""Clips of every tag as sorted bars, with its AUC beside (bristol, Figure 4)."""

from __future__ import annotations

import pandas as pd

from earmark import metrics
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLUE, GREY, PALE, SKY, WIDE_INCHES, house_style, new_figure, plain_text


@house_style()
def draw_tag_auc_bars(found: pd.DataFrame, about: str, *, metric: str = "roc_auc", counted: str = "") -> Drawing:
    """Every tag by name, that with the most clips first: a bar for its clips, and a point for its AUC with its interval.

    A tag whose AUC is undefined has no point.

    Args:
        found: of :func:`earmark.plots.tag_auc.tag_aucs`.
        about: the line under the title.
        metric: which AUC it is.
        counted: of what clips ``clips`` are, e.g. "training".
    """
    shown = found.sort_values("clips", ascending=False, kind="stable", ignore_index=True)
    label = metrics.metric_label(metric)
    figure = new_figure(
        f"Clips and {label} of each tag", about, width_inches=WIDE_INCHES, height_inches=1.1 + 0.15 * len(shown)
    )
    bars, points = figure.subplots(1, 2, sharey=True)
    places = range(len(shown))
    bars.barh(places, shown.clips, height=0.78, color=SKY)
    bars.set_yticks(places, [plain_text(str(tag), 30) for tag in shown.tag], fontsize=7)
    bars.set_ylim(len(shown) - 0.4, -0.6)
    bars.set_xlabel(f"{counted} clips with the tag".strip())
    points.hlines(places, shown.low, shown.high, color=PALE, lw=1.0, zorder=1)
    points.plot(shown.auc, places, "o", ms=3.5, color=BLUE, mec="white", mew=0.3, zorder=3, gid="tags")
    mean = float(shown.auc.mean())
    points.axvline(mean, color=GREY, lw=0.8, ls="--", zorder=1, label=f"mean {mean:.3f}")
    points.set_xlabel(f"{label}, 95 % interval")
    points.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    for axes in (bars, points):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    hints = [f"{row.tag}: {row.auc:.3f}, {row.clips:,} clips" for row in shown.itertuples()]
    return Drawing("tag-auc-bars", figure, shown, {"tags": hints})
