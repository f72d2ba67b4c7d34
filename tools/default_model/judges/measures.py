"""What is measured: each value with its 95 % interval (groups are drawn) and the number of songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from earmark.distillation.ranks import rank_correlations
from earmark.metrics import best_f1_thresholds, bootstrap, bootstrap_mean, decide, macro, micro
from earmark.metrics.tags import each_tag
from tools.default_model.judges.songs import Collection

Doubles = npt.NDArray[np.float64]
SEED, RESAMPLES = 0, 1000
LEVEL = 0.95
UNKNOWN = 0.0
"""The score, of every song, of a label that a model does not know: its ROC-AUC is .5."""


@dataclass(frozen=True)
class Value:
    """One measured number.

    Attributes:
        judge: the songs and their labels, e.g. "genres".
        measure: e.g. "ROC-AUC".
        value, low, high: the number and the ends of its interval; NaN where undefined.
        n_songs: songs that count; n_groups: artists (titles, files) that were drawn.
        n_labels: labels that count; 0 where none are compared.
        n_known: those of them that the model has a tag for.
        labels: the value of each label, None where it is undefined or not known.
    """

    judge: str
    measure: str
    value: float
    low: float
    high: float
    n_songs: int
    n_groups: int
    n_labels: int = 0
    n_known: int = 0
    labels: dict[str, float | None] = field(default_factory=dict)


def known_labels(values: Doubles) -> npt.NDArray[np.bool_]:
    """Of columns, (n_labels,): those of labels that the model knows, which are not NaN."""
    return np.asarray(~np.isnan(values).all(axis=0))


def frequent_labels(songs: Collection, labels: Sequence[str], least: int) -> list[str]:
    """The labels that at least so many songs have, and as many have not."""
    y = songs.matrix(labels)
    return [
        label
        for label, column in zip(labels, y.T, strict=True)
        if min((column == 1).sum(), (column == 0).sum()) >= least
    ]


def ranking(
    judge: str,
    songs: Collection,
    scores: Doubles,
    labels: Sequence[str],
    metric: str = "roc_auc",
    title: str = "ROC-AUC",
) -> list[Value]:
    """Mean over labels of a metric of rankings, over the labels that the model knows and over all.

    Args:
        judge: name.
        songs: with labels.
        scores: (n_songs, n_labels), NaN in the columns of labels that the model does not know.
        labels: their names.
        metric, title: of :mod:`earmark.metrics`, and for people.

    Returns:
        Both means; nothing where there are no labels.
    """
    if not labels:
        return []
    y = songs.matrix(labels)
    known = known_labels(scores)
    everything = np.where(known, scores, UNKNOWN)
    per_label = each_tag(metric, y, everything)
    found = {label: _json(v) if k else None for label, v, k in zip(labels, per_label, known, strict=True)}
    values = []
    for name, chosen in ((f"{title}, labels it knows", known), (title, np.ones(len(labels), bool))):
        ends = (np.nan, np.nan)
        if chosen.any() and len(set(songs.groups)) > 1:
            drawn = bootstrap(
                metric, y[:, chosen], everything[:, chosen], songs.groups, seed=SEED, n_resamples=RESAMPLES, level=LEVEL
            )
            ends = (drawn.macro_low, drawn.macro_high)
        mean = macro(per_label[chosen]).value if chosen.any() else np.nan
        values.append(
            Value(
                judge, name, mean, *ends, len(songs.songs), len(set(songs.groups)), len(labels), int(known.sum()), found
            )
        )
    return values


def correlations(judge: str, songs: Collection, scores: Doubles, labels: Sequence[str]) -> list[Value]:
    """Mean over degrees (e.g. emotions) of the rank correlation with the scores; one that is not known counts 0."""
    y = songs.matrix(labels)
    known = known_labels(scores)
    everything = np.where(known, scores, UNKNOWN)
    groups = np.array(songs.groups)
    members = [np.flatnonzero(groups == group) for group in sorted(set(songs.groups))]

    def each(rows: npt.NDArray[np.int64]) -> Doubles:
        return np.nan_to_num(rank_correlations(y[rows], everything[rows]))

    per_label = each(np.arange(len(y)))
    rng = np.random.default_rng(SEED)
    drawn = [
        each(np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])).mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    found = {label: _json(v) if k else None for label, v, k in zip(labels, per_label, known, strict=True)}
    name = "rank correlation"
    n = (len(y), len(members), len(labels), int(known.sum()))
    return [Value(judge, name, float(per_label.mean()), float(low), float(high), *n, found)]


def decisions(judge: str, title: str, parts: Sequence[tuple[Collection, Doubles, Sequence[str]]]) -> list[Value]:
    """Precision, recall and F1 over all pairs of song and label, of the labels that the model can say.

    Args:
        judge: name.
        title: how it was decided, e.g. "default output".
        parts: songs with labels 0 or 1; what is said of them, (n_songs, n_labels) of 0 and 1, NaN in the columns of labels
            that the model cannot say; names of the labels. Pairs of several parts count alike.

    Returns:
        The three; nothing where the model can say none of the labels.
    """
    truth: list[Doubles] = []
    stated: list[Doubles] = []
    groups: list[str] = []
    places: dict[str, list[int]] = {}
    n_known = 0
    for songs, said, labels in parts:
        matrix = songs.matrix(labels)
        for column in np.flatnonzero(known_labels(said)).tolist():
            places.setdefault(labels[column], []).append(len(truth))
            truth.append(matrix[:, column])
            stated.append(said[:, column])
            groups += [f"{songs.name} {group}" for group in songs.groups]
            n_known += 1
    if not truth:
        return []
    y, d = (np.concatenate(columns)[:, None] for columns in (truth, stated))
    n_songs = sum(len(songs.songs) for songs, _, _ in parts)
    n = (n_songs, len(set(groups)), sum(len(labels) for _, _, labels in parts), n_known)
    values = []
    for metric in ("precision", "recall", "f1"):
        ends = (np.nan, np.nan)
        if n[1] > 1:
            drawn = bootstrap(metric, y, d, groups, seed=SEED, n_resamples=RESAMPLES, level=LEVEL)
            ends = (drawn.macro_low, drawn.macro_high)
        of_labels = {
            label: _json(
                micro(metric, *(np.concatenate([columns[i] for i in at])[:, None] for columns in (truth, stated)))
            )
            for label, at in places.items()
        }
        values.append(Value(judge, f"{title}: {metric}", micro(metric, y, d), *ends, *n, of_labels))
    return values


def best_threshold(labels: Doubles, scores: Doubles) -> float:
    """The one threshold with the highest F1 over all pairs of song and label; NaN labels and columns do not count.

    >>> best_threshold(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.6, 0.4], [0.2, 0.1]]))
    0.15
    """
    counts = ~np.isnan(labels) & ~np.isnan(scores)
    thresholds, _ = best_f1_thresholds(labels[counts].reshape(-1, 1), scores[counts].reshape(-1, 1))
    return float(thresholds[0].round(6))


def over_threshold(scores: Doubles, threshold: float) -> Doubles:
    """Decisions, NaN where scores are."""
    return np.where(np.isnan(scores), np.nan, decide(np.nan_to_num(scores), threshold))


def share(judge: str, measure: str, songs: Collection, holds: npt.ArrayLike) -> Value:
    """In which share of the songs something holds: (n_songs,) of 0, 1 or NaN where a song does not count."""
    values = np.asarray(holds, dtype=np.float64)
    kept = ~np.isnan(values)
    groups = [group for group, keep in zip(songs.groups, kept, strict=True) if keep]
    n = (int(kept.sum()), len(set(groups)))
    if not kept.any():
        return Value(judge, measure, np.nan, np.nan, np.nan, *n)
    ends = (np.nan, np.nan)
    if n[1] > 1:
        ends = bootstrap_mean(values[kept], groups, seed=SEED, n_resamples=RESAMPLES, level=LEVEL)
    return Value(judge, measure, float(values[kept].mean()), *ends, *n)


def _json(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
