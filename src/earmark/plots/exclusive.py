"""Tags that exclude each other and fire together nevertheless (pons2017, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from earmark.core.errors import ConfigError, DataError
from earmark.evaluation import ScoreTable
from earmark.metrics import best_f1_thresholds
from earmark.plots.drawing import Drawing
from earmark.plots.style import PALETTE, house_style, new_figure, plain_text

THRESHOLDS = (*(step / 200 for step in range(2, 20)), *(step / 100 for step in range(10, 100)))
"""0.01 to 0.99, twice as close below 0.1."""

_OPPOSITES = (
    ("fast", "slow"),
    ("loud", "quiet"),
    ("loud", "soft"),
    ("happy", "sad"),
    ("male", "female"),
    ("man", "woman"),
    ("major", "minor"),
    ("vocal", "instrumental"),
    ("vocals", "instrumental"),
    ("female vocalists", "instrumental"),
    ("male vocalists", "instrumental"),
    ("voice", "instrumental"),
)


def find_pairs(tags: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of these tags that exclude each other by their names: "X" and "no X", "male X" and "female X", fast and
    slow, loud and quiet, and so on.

    >>> find_pairs(["vocals", "no vocals", "fast", "male voice", "slow", "female voice"])
    (('vocals', 'no vocals'), ('fast', 'slow'), ('male voice', 'female voice'))
    """
    found = []
    for tag in tags:
        if f"no {tag}" in tags:
            found.append((tag, f"no {tag}"))
        if tag.startswith("male ") and f"fe{tag}" in tags:
            found.append((tag, f"fe{tag}"))
        found += [pair for pair in _OPPOSITES if pair[0] == tag and pair[1] in tags]
    return tuple(found)


def exclusive_table(
    table: ScoreTable, pairs: Sequence[tuple[str, str]], *, thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """How often both tags of a pair reach a threshold.

    Args:
        table: scores; labels may all be missing.
        pairs: names of tags.
        thresholds: the same for both tags. The last row of a pair uses each tag's own threshold of best F1, where
            the labels give one; its threshold is empty.

    Returns:
        Columns: a, b, threshold, clips, a_fires, b_fires, either, both, share_of_either (both over either, NaN where
        neither fires), labelled_both, thresholds_of ("both tags" or "best F1").

    Raises:
        ConfigError: no pairs, an unknown tag, or a pair of a tag with itself.
    """
    if not pairs:
        raise ConfigError("no pairs: none of these tags exclude each other by their names; give pairs")
    problems = [f"pair {a!r}, {b!r}: must be two tags" for a, b in pairs if a == b]
    if problems:
        raise ConfigError(problems)
    rows = []
    for a, b in pairs:
        places = [table.vocabulary.index(a), table.vocabulary.index(b)]
        scores, labels = table.scores[:, places].astype(np.float64), table.labels[:, places]
        labelled = int((labels == 1).all(axis=1).sum())
        cuts: list[tuple[float, np.ndarray, str]] = [
            (float(cut), np.array([cut, cut]), "both tags") for cut in thresholds
        ]
        if np.isin(labels[~np.isnan(labels)], (0, 1)).all():
            own = best_f1_thresholds(labels, scores)[0]
            if not np.isnan(own).any():
                cuts.append((float("nan"), own, "best F1"))
        for threshold, cut, whose in cuts:
            fires = scores >= cut
            either, both = int(fires.any(axis=1).sum()), int(fires.all(axis=1).sum())
            share = both / either if either else float("nan")
            first, second = (int(n) for n in fires.sum(axis=0))
            rows.append((a, b, threshold, len(scores), first, second, either, both, share, labelled, whose))
    columns = ["a", "b", "threshold", "clips", "a_fires", "b_fires", "either", "both", "share_of_either"]
    return pd.DataFrame(rows, columns=[*columns, "labelled_both", "thresholds_of"])


@house_style()
def draw_exclusive(found: pd.DataFrame, about: str, *, most: int = 7) -> Drawing:
    """Of the clips for which a pair's tags fire at all, the share for which both do, over the threshold.

    The thresholds are on a logarithmic scale, as scores of rare tags are low throughout.

    Args:
        found: of :func:`exclusive_table`.
        about: the line under the title.
        most: pairs that are drawn, those with the most clips of both at some threshold; all are in the table.
    """
    if found.empty:
        raise DataError("no pairs")
    curves = found[found.thresholds_of == "both tags"]
    area = curves.groupby(["a", "b"], sort=False).share_of_either.mean().fillna(0.0)
    pairs = list(area.sort_values(ascending=False, kind="stable").index[:most])
    with_own = bool((found.thresholds_of == "best F1").any())
    figure = new_figure(
        "Opposite tags that fire together",
        f"{about}; {int(found.clips.iloc[0]):,} clips"
        + ("; in brackets: both of either, at each tag's threshold of best F1" if with_own else ""),
        height_inches=3.0 + 0.16 * len(pairs),
    )
    axes = figure.add_subplot()
    for i, (a, b) in enumerate(pairs):
        part = curves[(curves.a == a) & (curves.b == b)]
        own = found[(found.a == a) & (found.b == b) & (found.thresholds_of == "best F1")]
        said = ""
        if len(own):
            said = f" ({int(own.both.iloc[0]):,} of {int(own.either.iloc[0]):,})"
        axes.plot(
            part.threshold,
            100 * part.share_of_either,
            color=PALETTE[i % len(PALETTE)],
            ls=("-", "--")[i // len(PALETTE) % 2],
            label=plain_text(f"{a} / {b}{said}"),
        )
    axes.set_xscale("log")
    axes.set_xlim(0.01, 1)
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_xlabel("threshold of both tags")
    axes.set_ylabel("both, % of clips\nwith either")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left")
    return Drawing("exclusive-tags", figure, found)
