"""Tags from people's labels: linear heads on a student's embedding.

Few songs have labels by people (listeners' emotions, a composer's list of instruments), too few to train a network, but
enough for one more output of its last layer: ridge regression from the embeddings of whole songs to the logits of the
labels. How strongly it is regularised is chosen by cross-validation over groups (artists), and so is measured what it is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from earmark.core.errors import ConfigError
from earmark.datasets.folds import group_folds
from earmark.models import TaggingModel, create_model

Doubles = npt.NDArray[np.float64]

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
N_FOLDS = 8
LEAST_SONGS = 20
_LEAST_LABEL = 0.02  # logits of 0 and 1 are infinite; two listeners in a hundred are none


@dataclass(frozen=True, eq=False)
class Heads:
    """Outputs that can be added to a network's last layer.

    Attributes:
        tags: their names.
        weights: (n_tags, n_dims), on embeddings as they are.
        biases: (n_tags,).
        correlations: (n_tags,) Spearman's rank correlation with the labels, of songs of groups that a head was fitted
            without; NaN where labels are constant.
        n_songs: (n_tags,) songs with a label.
        strength: of the regularisation, the same for all.
    """

    tags: tuple[str, ...]
    weights: Doubles
    biases: Doubles
    correlations: Doubles
    n_songs: npt.NDArray[np.int64]
    strength: float


def fit_heads(
    embeddings: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.floating[Any]],
    groups: Sequence[str],
    tags: Sequence[str],
    seed: int = 0,
) -> Heads:
    """Fit heads.

    Args:
        embeddings: (n_songs, n_dims), of whole songs.
        labels: (n_songs, n_tags) in 0..1; NaN where unknown.
        groups: (n_songs,) artist or the like; a group is never on both sides of the cross-validation.
        tags: names of the labels.
        seed: of the division of the groups.

    Raises:
        ConfigError: shapes that do not fit, fewer than two groups, or a tag with labels for fewer than
            :data:`LEAST_SONGS` songs.
    """
    x, y = np.asarray(embeddings, np.float64), np.asarray(labels, np.float64)
    if x.ndim != 2 or y.shape != (len(x), len(tags)) or len(groups) != len(x):
        raise ConfigError(f"embeddings {x.shape}, labels {y.shape}, {len(groups)} groups, {len(tags)} tags: do not fit")
    known = ~np.isnan(y)
    rare_tags = [f"{tag} ({n})" for tag, n in zip(tags, known.sum(axis=0), strict=True) if n < LEAST_SONGS]
    if rare_tags:
        raise ConfigError(f"labels of fewer than {LEAST_SONGS} songs: {', '.join(rare_tags)}")
    folds = group_folds(groups, N_FOLDS, seed)
    p = y.clip(_LEAST_LABEL, 1 - _LEAST_LABEL)
    targets = np.log(p) - np.log1p(-p)
    found = []
    for strength in STRENGTHS:
        predicted = np.empty_like(y)
        for fold in np.unique(folds):
            weights, biases = _ridge(x[folds != fold], targets[folds != fold], strength)
            predicted[folds == fold] = x[folds == fold] @ weights.T + biases
        found.append([_correlation(predicted[:, k], y[:, k]) for k in range(len(tags))])
    correlations = np.array(found)
    best = int(np.argmax(np.nan_to_num(correlations).mean(axis=1)))
    weights, biases = _ridge(x, targets, STRENGTHS[best])
    return Heads(tuple(tags), weights, biases, correlations[best], known.sum(axis=0), STRENGTHS[best])


def add_heads(model: TaggingModel, heads: Heads) -> TaggingModel:
    """The same network with the heads as further outputs, after its own.

    Args:
        model: a network whose last layer is dense, or a convolution of size 1, with a bias.
        heads: fitted on its embeddings.

    Raises:
        ConfigError: another last layer, or embeddings of another length.
    """
    larger = create_model(model.architecture, model.n_tags + len(heads.tags), **model.architecture_options)
    own, weights = larger.state_dict(), model.state_dict()
    n_changed = 0
    for name, value in weights.items():
        if own[name].shape == value.shape:
            continue
        added = heads.biases if value.ndim == 1 else heads.weights
        try:
            rows = torch.from_numpy(added).to(value.dtype).reshape(len(heads.tags), *value.shape[1:])
        except RuntimeError:
            raise ConfigError(
                f"{model.architecture}: its last layer has weights of shape {tuple(value.shape)}; heads for "
                f"{heads.weights.shape[1]} values do not fit"
            ) from None
        weights[name] = torch.cat([value, rows])
        n_changed += 1
    if n_changed != 2:
        raise ConfigError(f"{model.architecture}: its last layer is not one of weights and a bias for each tag")
    larger.load_state_dict(weights)
    return larger.eval()


def _ridge(x: Doubles, targets: Doubles, strength: float) -> tuple[Doubles, Doubles]:
    """Weights (n_tags, n_dims) and biases (n_tags,), with every dimension scaled to its deviation."""
    weights, biases = np.empty((targets.shape[1], x.shape[1])), np.empty(targets.shape[1])
    for k in range(targets.shape[1]):
        known = ~np.isnan(targets[:, k])
        centre, spread = x[known].mean(axis=0), x[known].std(axis=0).clip(1e-6)
        scaled = (x[known] - centre) / spread / np.sqrt(x.shape[1])
        mean = targets[known, k].mean()
        # As many equations as songs, which are fewer than dimensions.
        dual = np.linalg.solve(scaled @ scaled.T + strength * np.eye(len(scaled)), targets[known, k] - mean)
        weights[k] = scaled.T @ dual / spread / np.sqrt(x.shape[1])
        biases[k] = mean - weights[k] @ centre
    return weights, biases


def _correlation(predicted: Doubles, labels: Doubles) -> float:
    known = ~np.isnan(labels)
    if np.ptp(labels[known]) == 0 or np.ptp(predicted[known]) == 0:
        return float("nan")
    return float(spearmanr(predicted[known], labels[known]).statistic)
