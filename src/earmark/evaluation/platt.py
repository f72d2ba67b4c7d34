"""Calibration fitted on held-out clips: two numbers per tag on the logit of its score (Platt 1999; Guo et al. 2017,
section 4.1), as stored in a model's card.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import Platt, calibrated, logit, sigmoid
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.evaluation.report import best_thresholds
from earmark.evaluation.scores import ScoreTable

LEAST_CLIPS = 10
"""So many labelled clips with a tag, and so many without it, are needed to fit its map."""

LEAST_SLOPE = 0.05
"""For tags whose scores are uninformative or inverted: calibrated, they are all near the tag's share of the clips."""

_STEPS = 100


@dataclass(frozen=True)
class Calibration:
    """What was fitted.

    Attributes:
        maps: tag name -> its map.
        notes: tags without a map, and tags whose scores are uninformative, one line each.
    """

    maps: dict[str, Platt]
    notes: tuple[str, ...]


def fit_platt(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    usual: Platt | None = None,
    deviations: tuple[float, float] = (1.0, 1.0),
) -> Platt:
    """The map of highest likelihood, with Platt's smoothing of labels, which keeps it finite where labels separate.

    Args:
        labels: ``(n_clips,)`` 0 or 1, or shares between; NaN for clips that are not labelled.
        scores: ``(n_clips,)`` 0..1.
        usual: the map of a tag about which nothing is known, e.g. that of all tags together. The fit is then the most
            likely map when those of tags are normally distributed around it: few labels move it little. They are not
            smoothed.
        deviations: of slope and offset around ``usual``, above 0.

    Raises:
        ConfigError: shapes differ, no labelled clip, or values out of range.
    """
    if not all(value > 0 for value in deviations):
        raise ConfigError(f"deviations {deviations}: must be above 0")
    y, p = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ConfigError(f"labels {y.shape} and scores {p.shape}: must be (n_clips,) both")
    known = ~np.isnan(y)
    y, p = y[known], p[known]
    if not len(y) or not (0 <= y.min() <= y.max() <= 1) or not (np.isfinite(p).all() and 0 <= p.min() <= p.max() <= 1):
        raise ConfigError("labels and scores: must be 0..1, and at least one clip labelled")
    n_with = y.sum()
    n_without = len(y) - n_with
    x = logit(p)
    both = np.stack([x, np.ones_like(x)])
    if usual is not None:
        precisions = 1 / np.square(deviations)
        moved = _descend(both, y, usual.slope * x + usual.offset, precisions)
        return Platt(max(LEAST_SLOPE, float(usual.slope + moved[0])), float(usual.offset + moved[1]))
    target = y * (n_with + 1) / (n_with + 2) + (1 - y) / (n_without + 2)
    slope, offset = _descend(both, target, np.zeros_like(x))
    if slope < LEAST_SLOPE:
        slope = LEAST_SLOPE
        (offset,) = _descend(np.ones((1, len(x))), target, slope * x)
    return Platt(float(slope), float(offset))


def _descend(
    columns: npt.NDArray[np.float64],
    target: npt.NDArray[np.float64],
    fixed: npt.NDArray[np.float64],
    precisions: npt.ArrayLike = 0.0,
) -> npt.NDArray[np.float64]:
    """Newton's method for a logistic regression on columns ``(n_weights, n)``, with halved steps where it overshoots.

    ``precisions`` (n_weights,): weights are pulled towards 0, as if they were normally distributed around it.
    """
    weights = np.zeros(len(columns))
    pull = np.broadcast_to(np.asarray(precisions, np.float64), weights.shape)

    def loss(of: npt.NDArray[np.float64]) -> float:
        z = of @ columns + fixed
        return float((np.logaddexp(0, z) - target * z).sum() + 0.5 * (pull * of * of).sum())

    best = loss(weights)
    for _ in range(_STEPS):
        p = sigmoid(weights @ columns + fixed)
        gradient = columns @ (p - target) + pull * weights
        curvature = (columns * (p * (1 - p))) @ columns.T + np.diag(pull + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        while (now := loss(weights - step)) > best and np.abs(step).max() > 1e-10:
            step = step / 2
        if now > best:
            break
        weights, gained, best = weights - step, best - now, now
        if gained < 1e-10 * (1 + abs(best)):
            break
    return weights


def fit_calibration(table: ScoreTable, *, least_clips: int = LEAST_CLIPS) -> Calibration:
    """A map for each classification tag with enough labels. The model should not have been trained on these clips.

    Raises:
        ConfigError: least_clips below 1.
        DataError: scores outside 0..1.
    """
    if least_clips < 1:
        raise ConfigError(f"least_clips {least_clips}: must be at least 1")
    if not 0 <= float(table.scores.min()) <= float(table.scores.max()) <= 1:
        raise DataError("calibration needs scores in 0..1")
    maps, notes = {}, []
    for i in table.vocabulary.indices("classification"):
        name, y = table.vocabulary.names[i], table.labels[:, i]
        n_with, n_without = int((y == 1).sum()), int((y == 0).sum())
        if min(n_with, n_without) < least_clips:
            notes.append(
                f"{name}: not calibrated, {n_with} clips with it and {n_without} without: {least_clips} of each are needed"
            )
            continue
        maps[name] = fit_platt(y, table.scores[:, i])
        if maps[name].slope <= LEAST_SLOPE:
            notes.append(
                f"{name}: its scores are uninformative here; calibrated, they are all near {n_with / len(y):.2f}"
            )
    return Calibration(maps, tuple(notes))


def calibrated_card(
    card: ModelCard, table: ScoreTable, *, refit_thresholds: bool = False, least_clips: int = LEAST_CLIPS
) -> tuple[ModelCard, tuple[str, ...]]:
    """A card with calibrated scores, and notes on the fit, one line each. Classes of a softmax stay as they are.

    Args:
        card: of the model; where it is calibrated already, the new maps come after the old ones.
        table: scores that a tagger with this card gave, with labels.
        refit_thresholds: take thresholds of the highest F1 on this table for its tags. Otherwise those of the card move
            with the scores, so that the same tags hold as before.
        least_clips: see :func:`fit_calibration`.

    Raises:
        DataError: the table has no tag of the card that can be calibrated.
    """
    fitted = fit_calibration(table, least_clips=least_clips)
    names = set(card.vocabulary.names) - set(card.softmax)
    maps = {name: platt for name, platt in fitted.maps.items() if name in names}
    if not maps:
        raise DataError(
            "no tag of the model can be calibrated with this table: " + "; ".join(fitted.notes or ("no tag is shared",))
        )
    thresholds = {name: float(maps[name](limit)) if name in maps else limit for name, limit in card.thresholds.items()}
    if refit_thresholds:
        moved = ScoreTable(**{**vars(table), "scores": calibrated(table.scores, table.vocabulary.names, fitted.maps)})
        found = best_thresholds(moved)
        thresholds |= {name: limit for name, limit in found.items() if name in names}
    before = card.calibration
    both = before | {name: platt.after(before[name]) if name in before else platt for name, platt in maps.items()}
    return card.replace(calibration=both, thresholds=thresholds), fitted.notes
