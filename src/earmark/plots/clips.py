"""Single clips: where a model is right and where it is wrong, with scores beside labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from earmark.core.errors import ConfigError, DataError
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import metric_info, per_clip
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLUE, GREY, house_style, new_figure


@dataclass(frozen=True)
class TagOfClip:
    """One tag of one clip. ``label`` is None where the clip is not labelled for it."""

    tag: str
    kind: str
    label: float | None
    score: float


@dataclass(frozen=True)
class ClipRow:
    """One clip.

    Attributes:
        clip, artist, song: as in the scores file.
        value: the metric over its tags.
        said: classification tags to show, the highest score first: those it has, and as many of the highest scores.
        degrees: regression tags, the farthest from their label first.
    """

    clip: str
    artist: str | None
    song: str | None
    value: float
    said: tuple[TagOfClip, ...]
    degrees: tuple[TagOfClip, ...]


@dataclass(frozen=True)
class ClipList:
    """Clips from both ends.

    Attributes:
        metric: "roc_auc" (higher is better) or "rmse" (lower is better), over the tags of one clip.
        n_clips: clips for which it is defined.
        worst, best: from the end.
        values: (n_clips,) of all of them, rising.
    """

    metric: str
    n_clips: int
    worst: tuple[ClipRow, ...]
    best: tuple[ClipRow, ...]
    values: tuple[float, ...]


def clip_list(table: ScoreTable, *, n: int = 10, n_tags: int = 8) -> ClipList:
    """The clips on which a model does worst and best: by ROC-AUC over their tags, by RMSE where tags are degrees only.

    Of clips that score the same, those with the larger distance between scores and labels count as worse.

    Args:
        table: labels and scores.
        n: clips at each end; each clip is at one end at most.
        n_tags: tags shown of each kind at most, beyond those that a clip has.

    Raises:
        ConfigError: n below 1.
        DataError: the metric is undefined for all clips.
    """
    if n < 1:
        raise ConfigError(f"clips {n}: must be at least 1")
    binary, graded = (list(table.vocabulary.indices(kind)) for kind in ("classification", "regression"))
    metric = "roc_auc" if len(binary) > 1 else "rmse"
    places = binary if metric == "roc_auc" else graded or binary
    y, s = table.labels[:, places].astype(np.float64), table.scores[:, places].astype(np.float64)
    if metric == "rmse" and (s.min() < 0 or s.max() > 1):
        raise DataError("clips with one tag are judged by their error, and that needs scores in 0..1")
    values = per_clip(metric, y, s)
    known = ~np.isnan(y)
    distance = np.where(known, np.abs(np.nan_to_num(y) - s), 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    badness = -values if metric_info(metric).higher_is_better else values
    judged = np.flatnonzero(~np.isnan(values))
    if not len(judged):
        raise DataError("no clip can be judged: none has some of the tags and lacks others")
    order = judged[np.lexsort((-distance[judged], -badness[judged]))]  # the worst first
    n_each = min(n, (len(order) + 1) // 2)
    worst, best = order[:n_each], order[::-1][: min(n_each, len(order) - n_each)]
    worst_rows, best_rows = (
        tuple(_row(table, int(i), float(values[i]), n_tags) for i in part) for part in (worst, best)
    )
    return ClipList(metric, len(judged), worst_rows, best_rows, tuple(float(x) for x in np.sort(values[judged])))


def _row(table: ScoreTable, place: int, value: float, n_tags: int) -> ClipRow:
    def tag(i: int) -> TagOfClip:
        label = float(table.labels[place, i])
        one = table.vocabulary.tags[i]
        return TagOfClip(one.name, one.kind, None if np.isnan(label) else label, float(table.scores[place, i]))

    binary, graded = ([tag(i) for i in table.vocabulary.indices(kind)] for kind in ("classification", "regression"))
    binary.sort(key=lambda one: -one.score)
    n_positive = sum(one.label == 1 for one in binary)
    shown = [one for at, one in enumerate(binary) if one.label == 1 or at < max(n_positive, min(n_tags, 4))]
    graded.sort(key=lambda one: -abs((one.label if one.label is not None else one.score) - one.score))
    return ClipRow(
        table.clips[place],
        table.artists[place],
        table.songs[place],
        value,
        tuple(shown[: max(n_tags, n_positive)]),
        tuple(graded[:n_tags]),
    )


@house_style()
def draw_clip_values(found: ClipList, about: str) -> Drawing:
    """The metric of every clip, sorted: how many clips a model fails on."""
    metric, n = metric_info(found.metric), len(found.values)
    figure = new_figure(f"{metric.label} of each clip, sorted", about, height_inches=2.6)
    axes = figure.add_subplot()
    axes.plot(np.arange(1, n + 1), found.values, color=BLUE)
    if isinstance(metric.chance, float):
        axes.axhline(metric.chance, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    if metric.higher_is_better:
        axes.set_ylim(metric.low - 0.02, metric.high + 0.02)
    else:
        axes.set_ylim(bottom=metric.low)
    axes.set_xlim(0, n + 1)
    axes.set_xlabel("clips, sorted")
    axes.set_ylabel(metric.label + ("" if metric.higher_is_better else " (lower is better)"))
    axes.grid()
    return Drawing("clip-values", figure, pd.DataFrame({"place": np.arange(1, n + 1), found.metric: found.values}))
