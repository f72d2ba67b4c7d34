"""Folds of cross-validation that keep groups (artists) together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError


def group_folds(groups: Sequence[str], n_folds: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """The fold of every clip: groups are dealt out at random, the large ones first, each to the smallest fold.

    Args:
        groups: (n_clips,) artist or the like; a group is in one fold.
        n_folds: at most; there are no more than groups.
        seed: of the division.

    Returns:
        (n_clips,) from 0.

    Raises:
        ConfigError: fewer than two groups.

    Example:
        >>> folds = group_folds(["a", "a", "b", "c", "c"], 2)
        >>> bool(folds[0] == folds[1]), sorted(set(folds.tolist()))
        (True, [0, 1])
    """
    names, places, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ConfigError("cross-validation needs clips of two groups (artists) or more")
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    totals, fold_of = np.zeros(min(n_folds, len(names))), np.zeros(len(names), np.int64)
    for group in order:
        fold_of[group] = int(np.argmin(totals))
        totals[fold_of[group]] += sizes[group]
    return fold_of[places]
