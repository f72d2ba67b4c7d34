"""One gradient-boosted model per tag on a table of features (pons2017, section 4: "predicting each tag individually").

Classification tags: log-loss, a probability. Regression tags: squared error, clipped to 0..1. The number of trees is
chosen on the validation clips, tag by tag. The paper gives no hyper-parameters; the defaults are our own: many small
trees at a low rate, each split among a part of the features.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import TagKind

_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class BaselineConfig:
    """Hyper-parameters of all trees.

    Attributes:
        learning_rate: share of each tree's output that is added, above 0 and at most 1.
        max_trees: largest number per tag.
        patience: stop when so many further trees did not lower the validation loss.
        trees_without_validation: how many where no validation clip is labelled for the tag.
        max_leaves: of a tree, at least 2.
        min_clips_in_leaf: smallest number of clips in a leaf.
        l2: regularisation of the leaves, 0 or more.
        feature_share: part of the features that each split chooses among, above 0 and at most 1.

    Raises:
        ConfigError: values out of range, all at once.
    """

    learning_rate: float = 0.05
    max_trees: int = 500
    patience: int = 50
    trees_without_validation: int = 100
    max_leaves: int = 8
    min_clips_in_leaf: int = 5
    l2: float = 1.0
    feature_share: float = 0.3

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be above 0 and at most 1, is {getattr(self, name)}"
            for name in ("learning_rate", "feature_share")
            if not 0 < getattr(self, name) <= 1
        ]
        least = {"max_trees": 1, "patience": 1, "trees_without_validation": 1, "max_leaves": 2, "min_clips_in_leaf": 1}
        problems += [
            f"{name} must be at least {low}, is {getattr(self, name)}"
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if not self.l2 >= 0:
            problems.append(f"l2 must be 0 or more, is {self.l2}")
        if problems:
            raise ConfigError(problems)

    def to_dict(self) -> dict[str, Any]:
        """All values by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class TagModel:
    """The trees of one tag.

    Attributes:
        kind: of the tag.
        n_train, n_validation: clips labelled for it; ``mean`` is that of the training labels.
        n_trees: number of trees; 0 for a constant.
        loss, constant_loss: validation loss of the trees and of always answering ``mean`` (log-loss, or mean squared
            error); None without labelled validation clips.
        note: why it is a constant, or how the trees were counted, where that is not the rule; else "".
    """

    kind: TagKind
    n_train: int
    n_validation: int
    mean: float
    n_trees: int
    loss: float | None
    constant_loss: float | None
    note: str
    estimator: Any = dataclasses.field(repr=False, default=None)

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Scores (n_clips,) in 0..1 for features (n_clips, n_features)."""
        if self.estimator is None:
            return np.full(len(features), self.mean)
        answers = _staged(self.estimator, self.kind, features)
        return next(itertools.islice(answers, self.n_trees - 1, None))


def fit_tag(
    kind: TagKind,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    validation_features: npt.NDArray[np.float32],
    validation_labels: npt.NDArray[np.float32],
    *,
    config: BaselineConfig,
    seed: int,
) -> TagModel:
    """Fit the trees of one tag.

    Args:
        kind: of the tag.
        features: (n_clips, n_features), finite.
        labels: (n_clips,) 0..1; clips with NaN are left out.
        validation_features, validation_labels: the same of the clips that decide how many trees; may be empty.
        config: hyper-parameters.
        seed: of the features that each split chooses among.

    Returns:
        Trees; or a constant where the training labels are all the same (or there are none: then 0), which is reported.
    """
    known, known_v = ~np.isnan(labels), ~np.isnan(validation_labels)
    x, y = features[known], labels[known].astype(np.float64)
    xv, yv = validation_features[known_v], validation_labels[known_v].astype(np.float64)
    mean = float(y.mean()) if len(y) else 0.0
    constant_loss = _loss(kind, yv, np.full(len(yv), mean)) if len(yv) else None
    about: dict[str, Any] = {
        "kind": kind,
        "n_train": len(y),
        "n_validation": len(yv),
        "mean": mean,
        "constant_loss": constant_loss,
    }
    if not len(y) or y.min() == y.max():
        reason = f"all {len(y)} training labels are {mean:g}" if len(y) else "no training labels"
        return TagModel(**about, n_trees=0, loss=constant_loss, note=f"constant {mean:g}: {reason}")
    if not len(yv):
        estimator = _estimator(kind, config, seed, min(config.trees_without_validation, config.max_trees)).fit(x, y)
        n_trees, note = estimator.n_iter_, "no validation labels: number of trees not chosen"
        return TagModel(**about, n_trees=n_trees, loss=None, note=note, estimator=estimator)
    estimator, losses = None, np.empty(0)
    while len(losses) < config.max_trees and len(losses) - _best(losses) < config.patience:
        size = min(len(losses) + config.patience, config.max_trees)
        if estimator is None:
            estimator = _estimator(kind, config, seed, size)
        else:
            estimator.set_params(max_iter=size)
        estimator.fit(x, y)
        losses = np.array([_loss(kind, yv, answer) for answer in _staged(estimator, kind, xv)])
    best = _best(losses)
    note = "" if losses[best - 1] < constant_loss else "no better than a constant on the validation clips"
    return TagModel(**about, n_trees=best, loss=float(losses[best - 1]), note=note, estimator=estimator)


def _best(losses: npt.NDArray[np.float64]) -> int:
    """How many trees have the lowest loss, the fewest where several do; 0 before there are any."""
    return int(losses.argmin()) + 1 if len(losses) else 0


def _estimator(kind: TagKind, config: BaselineConfig, seed: int, n_trees: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    of_kind = HistGradientBoostingClassifier if kind == "classification" else HistGradientBoostingRegressor
    return of_kind(
        learning_rate=config.learning_rate,
        max_iter=n_trees,
        max_leaf_nodes=config.max_leaves,
        min_samples_leaf=config.min_clips_in_leaf,
        l2_regularization=config.l2,
        max_features=config.feature_share,
        early_stopping=False,
        warm_start=True,
        random_state=seed,
    )


def _staged(estimator: Any, kind: TagKind, features: npt.NDArray[np.float32]) -> Any:
    """Scores after the first tree, the second, and so on."""
    if kind == "classification":
        return (answer[:, 1] for answer in estimator.staged_predict_proba(features))
    return (np.clip(answer, 0, 1) for answer in estimator.staged_predict(features))


def _loss(kind: TagKind, labels: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> float:
    if kind == "regression":
        return float(((labels - scores) ** 2).mean())
    p = np.clip(scores, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())


def fit_tags(
    kinds: tuple[TagKind, ...],
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    validation_features: npt.NDArray[np.float32],
    validation_labels: npt.NDArray[np.float32],
    *,
    config: BaselineConfig,
    seed: int,
    jobs: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> list[TagModel]:
    """Fit one model per tag; see :func:`fit_tag`.

    Args:
        kinds: of the tags.
        features, labels: (n_clips, n_features) and (n_clips, n_tags).
        validation_features, validation_labels: the same of the validation clips.
        config, seed: see :func:`fit_tag`; the same seed for every tag.
        jobs: threads; None for OpenMP's default.
        on_done: called with how many tags are done and how many there are.
    """
    from threadpoolctl import threadpool_limits

    models = []
    with threadpool_limits(jobs, user_api="openmp"):
        for place, kind in enumerate(kinds):
            models.append(
                fit_tag(
                    kind,
                    features,
                    labels[:, place],
                    validation_features,
                    validation_labels[:, place],
                    config=config,
                    seed=seed,
                )
            )
            if on_done is not None:
                on_done(place + 1, len(kinds))
    return models
