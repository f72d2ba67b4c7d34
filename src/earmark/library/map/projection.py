"""Places in a plane for vectors, so that near vectors are near each other.

A neighbour embedding (McInnes, Healy and Melville, "UMAP", 2018) in its plainest form: each point is drawn to its
nearest neighbours, which all count the same, and driven from points at random; both forces are those of UMAP for a = b = 1, all
points move at once, and the first two principal components are the start. Own code, because all maintained
implementations bring Numba, scikit-learn or PyTorch. docs/results/map.md: how much it keeps of the neighbourhoods, beside
principal components alone and scikit-learn's t-SNE.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.library.neighbours import unit_vectors

Floats = npt.NDArray[np.float32]

_NEIGHBOURS = 15
_STRANGERS = 8  # random points that drive a point away, in each step
_REPULSION = 3.0
_STEPS = 300
_STEP = 0.1
_MOMENTUM = 0.8
_FARTHEST_MOVE = 2.0
_BLOCK_ROWS = 128


def project(vectors: Floats, *, seed: int = 0) -> Floats:
    """Places in the plane by the cosine similarity of vectors.

    Args:
        vectors: ``(n, n_dims)``.
        seed: of the random numbers; the same gives the same map.

    Returns:
        ``(n, 2)``, both coordinates in -1..1, their middle at 0.

    Example:
        >>> project(np.eye(3, dtype=np.float32)).shape
        (3, 2)
    """
    unit = unit_vectors(np.asarray(vectors, np.float32))
    n = len(unit)
    if n < 2:
        return np.zeros((n, 2), np.float32)
    draw = np.random.default_rng(seed)
    places = principal_components(unit)
    places += draw.normal(scale=1e-3, size=places.shape)  # equal vectors would stay in one place
    if n > 3:
        places /= places.std()
        _relax(places, nearest_rows(unit, min(_NEIGHBOURS, n - 1)), draw)
    places -= (places.max(axis=0) + places.min(axis=0)) / 2
    scaled: Floats = (places / np.abs(places).max()).astype(np.float32)
    return scaled


def nearest_rows(unit: Floats, n: int) -> npt.NDArray[np.int64]:
    """``(n_rows, n)``: of each unit vector, the n others of highest cosine similarity, in any order."""
    nearest = np.empty((len(unit), n), np.int64)
    for start in range(0, len(unit), _BLOCK_ROWS):
        similarity = unit[start : start + _BLOCK_ROWS] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        nearest[start : start + _BLOCK_ROWS] = np.argpartition(-similarity, n - 1, axis=1)[:, :n]
    return nearest


def principal_components(vectors: Floats) -> npt.NDArray[np.float64]:
    """``(n, 2)``: the first two principal components of vectors."""
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]
    axes = axes * np.where(
        axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1
    )  # eigenvectors have no sign of their own
    components: npt.NDArray[np.float64] = (centred @ axes).astype(np.float64)
    return components


def _relax(places: npt.NDArray[np.float64], nearest: npt.NDArray[np.int64], draw: np.random.Generator) -> None:
    """Move points along their forces, all at once."""
    n, n_nearest = nearest.shape
    one, other = np.repeat(np.arange(n), n_nearest), nearest.ravel()
    speed = np.zeros_like(places)
    for step in range(_STEPS):
        apart = places[other] - places[one]
        pull = apart / (1 + (apart**2).sum(axis=1, keepdims=True))
        force = np.stack(
            [np.bincount(one, pull[:, axis], n) - np.bincount(other, pull[:, axis], n) for axis in (0, 1)], axis=1
        )
        apart = places[:, None] - places[draw.integers(n, size=(n, _STRANGERS))]
        squared = (apart**2).sum(axis=2, keepdims=True)
        push = (apart / ((0.01 + squared) * (1 + squared))).clip(-4, 4).mean(axis=1)
        speed = _MOMENTUM * speed + _STEP * (1 - step / _STEPS) * (force / n_nearest + _REPULSION * push)
        places += speed.clip(-_FARTHEST_MOVE, _FARTHEST_MOVE)
