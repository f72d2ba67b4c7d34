"""The AUC of each clip over its tags, and which clips are best and worst (bristol, section VII)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from earmark import metrics
from earmark.core.errors import DataError
from earmark.evaluation import ScoreTable
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, BLUE, GREY, VERMILLION, house_style, new_figure, plain_text


def clip_aucs(table: ScoreTable, *, top: int = 3) -> pd.DataFrame:
    """Every clip with its ROC-AUC over classification tags, worst first.

    It is the share of pairs (tag that the clip has, tag that it does not have) in which the first has the higher score.

    Columns: clip, artist, song, auc, labels (its tags), n_labels, found (the ``top`` tags with the highest scores), both with
    "; " between. Of clips with the same AUC, the one with more tags is better. Clips that have none of the tags, or
    all, have no AUC and come last.

    Raises:
        DataError: fewer than two classification tags.
    """
    places = list(table.vocabulary.indices("classification"))
    if len(places) < 2:
        raise DataError(f"{table.model or 'scores'}: an AUC of clips needs two classification tags, has {len(places)}")
    names = np.array([table.vocabulary.names[i] for i in places])
    labels, scores = table.labels[:, places], table.scores[:, places]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    found = pd.DataFrame(
        {
            "clip": table.clips,
            "artist": table.artists,
            "song": table.songs,
            "auc": metrics.per_clip("roc_auc", labels, scores),
            "labels": ["; ".join(names[row == 1]) for row in labels],
            "found": ["; ".join(names[row]) for row in order],
        }
    )
    found["n_labels"] = (labels == 1).sum(axis=1)
    return found.sort_values(["auc", "n_labels"], kind="stable", ignore_index=True)


@house_style()
def draw_clip_aucs(found: pd.DataFrame, about: str, *, named: int = 4) -> Drawing:
    """The distribution of the clips' AUCs, and ``named`` clips at each end with their tags and the predicted ones."""
    shown = found[found.auc.notna()]
    if shown.empty:
        raise DataError("no clip has a defined AUC: each has none of the tags, or all")
    n = min(named, len(shown) // 2)
    figure = new_figure("ROC-AUC of each clip", about, height_inches=2.5 + 0.72 * n)
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.75, 0.25 + 0.72 * n])[:, 0]
    above, below = (part.add_subplot() for part in parts)
    low = np.floor(float(shown.auc.min()) * 20) / 20
    above.hist(
        shown.auc, bins=np.arange(low, 1.0001, 0.025 if len(shown) > 300 else 0.05), color=GREY, ec="white", lw=0.3
    )
    for value, word in ((float(shown.auc.median()), "median"), (float(shown.auc.mean()), "mean")):
        above.axvline(value, color=BLUE, lw=0.9, ls="-" if word == "median" else "--", label=f"{word} {value:.3f}")
    above.set_xlabel("ROC-AUC over the clip's tags")
    above.set_ylabel("clips (log scale)" if len(shown) > 300 else "clips")
    above.legend(loc="upper left")
    above.set_xlim(low, 1.005)
    if len(shown) > 300:
        above.set_yscale("log")
        above.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    below.set_axis_off()
    below.set_xlim(0, 1)
    below.set_ylim(2 * n + 0.7, 0)
    ends = [
        (shown.iloc[:n], VERMILLION, f"worst {n} of {len(shown):,}"),
        (shown.iloc[len(shown) - n :].iloc[::-1], BLUE, f"best {n}; {int((shown.auc == 1).sum()):,} clips have 1.00"),
    ]
    at = 0.0
    for part, colour, word in ends if n else ():
        lines = [(0.0, at, word, 7.0, colour, "bold")]
        at += 0.35
        for row in part.itertuples():
            lines += [
                (0.0, at, f"{row.auc:.2f}", 7.0, colour, "bold"),
                (0.1, at, _short(str(row.clip)), 6.0, BLACK, "bold"),
                (0.1, at + 0.31, plain_text(f"is: {row.labels.replace('; ', ', ')}", 62), 6.0, BLACK, "normal"),
                (0.1, at + 0.59, plain_text(f"found: {row.found.replace('; ', ', ')}", 62), 6.0, GREY, "normal"),
            ]
            at += 1
        for x, y, text, size, ink, weight in lines:
            below.text(x, y, text, fontsize=size, color=ink, fontweight=weight, va="top").set_in_layout(False)
    return Drawing("clip-auc", figure, found)


def _short(clip: str, most: int = 48) -> str:
    """A long name without its middle: folders and endings distinguish clips."""
    clip = clip.rsplit("/", 1)[-1]
    return plain_text(clip if len(clip) <= most else f"{clip[: most // 2]}…{clip[-(most // 2 - 1) :]}")
