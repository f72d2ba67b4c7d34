"""Rank correlations, and highest tags that are shared."""

from __future__ import annotations

import math

import numpy as np
import pytest

from earmark.distillation.ranks import rank_correlations, shared_tags


def test_ranks_say_what_is_ordered_alike() -> None:
    a = np.array([[1.0, 5, 1, 0], [2, 4, 1, 1], [3, 3, 1, 0]])
    b = np.array([[0.1, 0.2, 3, 0], [0.2, 0.3, 2, 1], [0.9, 0.4, 1, 0]])
    found = rank_correlations(a, b)
    assert found[:2] == pytest.approx([1, -1])
    assert math.isnan(found[2])  # one says always the same
    assert found[3] == pytest.approx(1)
    assert shared_tags(a, b, n_top=2).tolist() == [1, 0, 1]
    assert shared_tags(a, a, n_top=2).tolist() == [2, 2, 2]


def test_unknown_values_do_not_count_in_ranks() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 40, 3))
    a += b
    a[5:20, 0], b[30:, 0], b[:, 2] = np.nan, np.nan, np.nan
    known = [*range(5), *range(20, 30)]
    found = rank_correlations(a, b)
    assert found[0] == pytest.approx(rank_correlations(a[known, :1], b[known, :1])[0])
    assert found[1] == pytest.approx(rank_correlations(a[:, 1:2], b[:, 1:2])[0])
    assert math.isnan(found[2])
