"""Threshold choice: what precision, recall and F1 of a tag would be from every score on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from earmark.evaluation.scores import ScoreTable
from earmark.metrics import best_f1_thresholds
from earmark.metrics.arrays import FloatArray

NEARLY = 0.95
"""F1 of at least this share of the highest counts as nearly as good."""


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """One classification tag on these clips.

    Attributes:
        tag: its name.
        n_clips, n_positives: clips labelled for it, and those that have it.
        thresholds: (n,) rising: each distinct score. A tag is said to hold from ``score >= threshold``.
        precision, recall, f1: (n,) at these.
        best: the threshold with the highest F1 here, half-way between two scores, see
            :func:`earmark.metrics.best_f1_thresholds`.
        best_f1: the F1 there.
        nearly_from, nearly_to: ends of the stretch about ``best`` in which F1 is at least 95 % of the highest. A wide
            stretch: the choice hardly matters. A narrow one: it is chance that decides.
        chosen: the threshold that is in use, a model's card for instance; None where none was given.
        chosen_precision, chosen_recall, chosen_f1: there; None without one, NaN where no clip reaches it (precision).
    """

    tag: str
    n_clips: int
    n_positives: int
    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    best: float
    best_f1: float
    nearly_from: float
    nearly_to: float
    chosen: float | None = None
    chosen_precision: float | None = None
    chosen_recall: float | None = None
    chosen_f1: float | None = None


def threshold_curves(table: ScoreTable, chosen: Mapping[str, float] | None = None) -> list[ThresholdCurve]:
    """A curve for each classification tag that some clips have and some have not.

    Args:
        table: labels and scores.
        chosen: tag -> threshold in use.
    """
    curves = []
    for place in table.vocabulary.indices("classification"):
        tag = table.vocabulary.names[place]
        known = ~np.isnan(table.labels[:, place])
        y, s = (values[known, place].astype(np.float64) for values in (table.labels, table.scores))
        if 0 < y.sum() < len(y):
            curves.append(_curve(tag, y, s, (chosen or {}).get(tag)))
    return curves


def threshold_frame(curves: list[ThresholdCurve]) -> pd.DataFrame:
    """A row for each tag and threshold; ``mark`` says which one is best here, and which one is in use."""
    parts = []
    for curve in curves:
        rows = pd.DataFrame(
            {
                "tag": curve.tag,
                "threshold": curve.thresholds,
                "precision": curve.precision,
                "recall": curve.recall,
                "f1": curve.f1,
                "mark": "",
            }
        )
        marked = [(curve.best, *_at(curve, curve.best), "best here")]
        if curve.chosen is not None:
            marked.append((curve.chosen, *_at(curve, curve.chosen), "in use"))
        extra = pd.DataFrame(
            [
                {"tag": curve.tag, "threshold": t, "precision": p, "recall": r, "f1": f, "mark": mark}
                for t, p, r, f, mark in marked
            ]
        )
        parts.append(pd.concat([rows, extra], ignore_index=True))
    if not parts:
        return pd.DataFrame(columns=["tag", "threshold", "precision", "recall", "f1", "mark"])
    return pd.concat(parts, ignore_index=True)


def _curve(tag: str, y: FloatArray, s: FloatArray, chosen: float | None) -> ThresholdCurve:
    order = np.argsort(-s, kind="stable")
    falling = s[order]
    ends = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])
    hits, said, n_positives = np.cumsum(y[order])[ends], ends + 1.0, y.sum()
    values = falling[ends]
    precision, recall, f1 = hits / said, hits / n_positives, 2 * hits / (said + n_positives)
    (best,), (best_f1,) = best_f1_thresholds(y[:, None], s[:, None])
    at = int(np.argmax(f1))
    enough = f1 >= NEARLY * best_f1
    first, last = at, at  # in falling order of scores
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(values) and enough[last + 1]:
        last += 1
    curve = ThresholdCurve(
        tag,
        len(y),
        int(n_positives),
        values[::-1],
        precision[::-1],
        recall[::-1],
        f1[::-1],
        float(best),
        float(best_f1),
        nearly_from=float(values[last]),
        nearly_to=float(values[first]),
    )
    if chosen is None:
        return curve
    precision_there, recall_there, f1_there = _at(curve, chosen)
    return dataclasses.replace(
        curve, chosen=chosen, chosen_precision=precision_there, chosen_recall=recall_there, chosen_f1=f1_there
    )


def _at(curve: ThresholdCurve, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1 from this threshold on."""
    place = int(np.searchsorted(curve.thresholds, threshold))  # the lowest score that reaches it
    if place == len(curve.thresholds):
        return math.nan, 0.0, 0.0
    return float(curve.precision[place]), float(curve.recall[place]), float(curve.f1[place])
