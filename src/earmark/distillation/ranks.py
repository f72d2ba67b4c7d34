"""Rank comparison of two tables of scores: is the order of clips the same, are the highest tags the same?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Doubles = npt.NDArray[np.float64]
Table = npt.NDArray[np.floating[Any]]

N_TOP = 5
"""Highest tags of a clip that are compared."""


def rank_correlations(a: Table, b: Table) -> Doubles:
    """Spearman's rank correlation of each column of two tables (n, n_tags); NaN where one is constant.

    Rows in which either is NaN do not count.
    """
    known = ~(np.isnan(a) | np.isnan(b))
    n = known.sum(axis=0)
    ranks = [rankdata(np.where(known, values, np.inf), axis=0) for values in (a, b)]  # unknown ones last
    centred = [np.where(known, rank - (n + 1) / 2, 0.0) for rank in ranks]
    norms = [np.sqrt((rank**2).sum(axis=0)) for rank in centred]
    product = norms[0] * norms[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Doubles = np.where(product > 0, (centred[0] * centred[1]).sum(axis=0) / product, np.nan)
    return out


def shared_tags(a: Table, b: Table, n_top: int = N_TOP) -> npt.NDArray[np.int64]:
    """How many of the highest tags of each row of two tables (n, n_tags) are the same, (n,)."""
    tops = [np.argsort(-values, axis=1, kind="stable")[:, :n_top] for values in (a, b)]
    return np.array([len(set(x) & set(y)) for x, y in zip(*tops, strict=True)], dtype=np.int64)
