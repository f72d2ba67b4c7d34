"""Differences between two models: against plain loops, against known answers, with several runs a side."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.metrics import resampling


def made(
    n_clips: int = 90, n_tags: int = 3, runs: int = 1, skill: float = 0.4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """labels, scores of some runs, groups. The labels and groups are the same for every skill and seed."""
    fixed, rng = np.random.default_rng(12), np.random.default_rng(seed)
    labels = (fixed.random((n_clips, n_tags)) < 0.4).astype(float)
    labels[:2] = [[0.0], [1.0]]
    groups = fixed.integers(0, 25, n_clips)
    return labels, skill * labels + (1 - skill) * rng.random((runs, n_clips, n_tags)), groups


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "rmse"])
def test_it_agrees_with_a_plain_loop(name: str) -> None:
    """Another generator, clips really repeated, three runs against one, runs drawn."""
    labels, a, groups = made(runs=3, skill=0.2)
    _, b, _ = made(runs=1, skill=0.5, seed=5)
    labels[3, 1] = np.nan
    result = metrics.paired_bootstrap(name, labels, a, b[0], groups, seed=0, n_resamples=3000)
    metric = getattr(metrics, name)
    per_run = np.array([metric(labels, run) for run in a])
    assert result.a == pytest.approx(per_run.mean(axis=0))
    assert result.difference == pytest.approx(metric(labels, b[0]) - per_run.mean(axis=0))
    assert result.macro_difference == pytest.approx(metric(labels, b[0]).mean() - per_run.mean())

    loop, names, drawn = np.random.default_rng(99), np.unique(groups), []
    for _ in range(1500):
        clips = np.concatenate([np.flatnonzero(groups == g) for g in loop.choice(names, len(names))])
        runs = loop.choice(3, 2)
        value_a = np.mean([metric(labels[clips], a[run][clips]) for run in runs], axis=0)
        drawn.append(metric(labels[clips], b[0][clips]) - value_a)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert result.low == pytest.approx(low, abs=0.02)
    assert result.high == pytest.approx(high, abs=0.02)
    macro_low, macro_high = np.quantile(np.mean(drawn, axis=1), [0.025, 0.975])
    assert (result.macro_low, result.macro_high) == pytest.approx((macro_low, macro_high), abs=0.02)
    assert (result.n_groups, result.n_runs_a, result.n_runs_b) == (len(names), 3, 1)


def test_sides_are_scikit_learns() -> None:
    labels, a, groups = made()
    _, b, _ = made(seed=1)
    result = metrics.paired_bootstrap("roc_auc", labels, a[0], b[0], groups, seed=0, n_resamples=10)
    assert result.macro_a == pytest.approx(roc_auc_score(labels, a[0]))
    assert result.macro_b == pytest.approx(roc_auc_score(labels, b[0]))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3))
def test_equal_sides_do_not_differ_and_swapped_sides_mirror(seed: int, n_a: int, n_b: int) -> None:
    labels, a, groups = made(n_clips=40, runs=n_a, seed=seed)
    _, b, _ = made(n_clips=40, runs=n_b, seed=seed + 1)
    one = metrics.paired_bootstrap("roc_auc", labels, a, b, groups, seed=seed, n_resamples=30)
    other = metrics.paired_bootstrap("roc_auc", labels, b, a, groups, seed=seed, n_resamples=30)
    assert one.macro_difference == pytest.approx(-other.macro_difference)
    if n_a == n_b == 1:  # no runs are drawn: the same resamples, mirrored
        assert one.low == pytest.approx(-other.high)
    same = metrics.paired_bootstrap("roc_auc", labels, a[0], a[0], groups, seed=seed, n_resamples=30)
    assert (same.macro_difference, same.macro_low, same.macro_high) == (0, 0, 0)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_order_of_clips_and_monotone_scores_change_nothing_seen(seed: int) -> None:
    labels, a, groups = made(n_clips=40, seed=seed)
    _, b, _ = made(n_clips=40, seed=seed + 1)
    order = np.random.default_rng(seed).permutation(40)
    one = metrics.paired_bootstrap("pr_auc", labels, a, b, groups, seed=3, n_resamples=20)
    shuffled = metrics.paired_bootstrap(
        "pr_auc", labels[order], a[:, order], 5 * b[:, order] - 2, groups[order], seed=3, n_resamples=20
    )
    for field in ("difference", "low", "high", "macro_low", "macro_high"):
        assert getattr(one, field) == pytest.approx(getattr(shuffled, field))


def test_pairing_is_narrower_than_two_intervals() -> None:
    labels, a, groups = made(n_clips=300)
    b = a + 0.02 * np.random.default_rng(3).random(a.shape)
    paired = metrics.paired_bootstrap("roc_auc", labels, a, b, groups, seed=0)
    single = metrics.bootstrap("roc_auc", labels, a, groups, seed=0)
    assert paired.macro_high - paired.macro_low < 0.3 * (single.macro_high - single.macro_low)


@pytest.mark.slow
def test_runs_that_scatter_widen_the_interval_as_much_as_theory_says() -> None:
    """Runs shifted by known amounts, on so many clips that these alone matter: sd of a mean of n runs, s / sqrt(n)."""
    rng = np.random.default_rng(0)
    labels = (rng.random((4000, 1)) < 0.5).astype(float)
    noise = rng.random((4000, 1))
    runs = np.stack([np.clip(skill * labels + (1 - skill) * noise, 0, 1) for skill in (0.05, 0.15, 0.25, 0.3)])
    values = [metrics.rmse(labels, run)[0] for run in runs]
    result = metrics.bootstrap("rmse", labels, runs, np.arange(4000), seed=0, n_resamples=2000, level=0.6827)
    assert (result.macro_high - result.macro_low) / 2 == pytest.approx(np.std(values, ddof=1) / 2, rel=0.1)
    alone = metrics.bootstrap("rmse", labels, runs[0], np.arange(4000), seed=0, n_resamples=500, level=0.6827)
    assert alone.macro_high - alone.macro_low < 0.2 * (result.macro_high - result.macro_low)


@pytest.mark.slow
def test_weighted_ends_are_those_of_the_weighted_mean() -> None:
    labels, scores, groups = made(n_tags=4)
    labels[:, 2] = 0
    labels[5, 2] = 1  # rare, undefined in some resamples
    result = metrics.bootstrap("roc_auc", labels, scores, groups, seed=0, n_resamples=2000)
    loop, names, drawn = np.random.default_rng(1), np.unique(groups), []
    for _ in range(800):
        clips = np.concatenate([np.flatnonzero(groups == g) for g in loop.choice(names, len(names))])
        drawn.append(metrics.weighted(metrics.roc_auc(labels[clips], scores[0][clips]), labels[clips]).value)
    ends = np.quantile(drawn, [0.025, 0.975])
    assert (result.weighted_low, result.weighted_high) == pytest.approx(ends, abs=0.015)
    assert np.isnan(metrics.bootstrap("rmse", labels, scores, groups, seed=0, n_resamples=5).weighted_low)


def test_decisions_can_be_resampled_too() -> None:
    labels, scores, groups = made()
    said = metrics.decide(scores[0], 0.5)
    result = metrics.bootstrap("f1", labels, said, groups, seed=0, n_resamples=200)
    value = metrics.macro(metrics.f1(labels, said)).value
    assert result.macro_low < value < result.macro_high


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, a, groups = made(runs=2)
    _, b, _ = made(runs=3, seed=1)
    first = metrics.paired_bootstrap("roc_auc", labels, a, b, groups, seed=7, n_resamples=200)
    monkeypatch.setattr(resampling, "_MAX_WEIGHTS", 700)
    second = metrics.paired_bootstrap("roc_auc", labels, a, b, groups, seed=7, n_resamples=200)
    assert np.array_equal(first.low, second.low)
    assert (first.macro_low, first.macro_high) == (second.macro_low, second.macro_high)


def test_undefined_tags_are_on_neither_side() -> None:
    labels, a, groups = made()
    labels[:, 1] = 1
    result = metrics.paired_bootstrap("roc_auc", labels, a, a[0] ** 2, groups, seed=0, n_resamples=50)
    assert np.isnan(result.difference[1])
    assert result.n_undefined.tolist() == [0, 50, 0]
    assert result.macro_a == pytest.approx(np.mean([result.a[0], result.a[2]]))
    with pytest.raises(DataError, match="nothing to compare"):
        metrics.paired_bootstrap("roc_auc", np.ones_like(labels), a, a, groups, seed=0)


def test_bad_input_is_refused() -> None:
    labels, a, groups = made()
    with pytest.raises(DataError, match="at least one run"):
        metrics.paired_bootstrap("roc_auc", labels, a[:0], a, groups, seed=0)
    with pytest.raises(DataError, match=r"\(90, 3\) and \(90, 2\)"):
        metrics.paired_bootstrap("roc_auc", labels, a, a[:, :, :2], groups, seed=0)
    with pytest.raises(ConfigError, match="level 95"):
        metrics.paired_bootstrap("roc_auc", labels, a, a, groups, seed=0, level=95)
    with pytest.raises(DataError, match="got 3 for 90"):
        metrics.paired_bootstrap("roc_auc", labels, a, a, groups[:3], seed=0)


@pytest.mark.slow
def test_a_paired_bootstrap_of_a_published_test_split_takes_seconds() -> None:
    rng = np.random.default_rng(6)
    labels = (rng.random((2000, 20)) < 0.1).astype(float)
    a, b = rng.random((2, 2000, 20))
    start = time.perf_counter()
    metrics.paired_bootstrap("roc_auc", labels, a, b, rng.integers(0, 200, 2000), seed=0)
    assert time.perf_counter() - start < 10
