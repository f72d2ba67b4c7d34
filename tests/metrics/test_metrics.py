"""Metrics against scikit-learn, with ties; undefined tags; the bootstrap against a plain loop."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, f1_score, mean_squared_error, roc_auc_score

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.metrics import clip_weights as kernels
from earmark.metrics import resampling


@st.composite
def tagged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0/1 labels with both classes in every tag, scores from few values (many ties), whole-number weights."""
    n_clips, n_tags = draw(st.integers(2, 25)), draw(st.integers(1, 4))
    labels = draw(hnp.arrays(np.float64, (n_clips, n_tags), elements=st.sampled_from([0.0, 1.0])))
    labels[0], labels[1] = 0, 1
    scores = draw(hnp.arrays(np.float64, (n_clips, n_tags), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])))
    weights = draw(hnp.arrays(np.int64, n_clips, elements=st.integers(0, 3)))
    weights[:2] += 1
    return labels, scores, weights


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tagged())
def test_roc_and_pr_auc_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, scores, _ = case
    for tag in range(labels.shape[1]):
        assert metrics.roc_auc(labels, scores)[tag] == pytest.approx(roc_auc_score(labels[:, tag], scores[:, tag]))
        expected = average_precision_score(labels[:, tag], scores[:, tag])
        assert metrics.pr_auc(labels, scores)[tag] == pytest.approx(expected)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tagged())
def test_a_clip_drawn_twice_counts_twice(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """The weighted kernels that the bootstrap uses, against scikit-learn on clips that are really repeated."""
    labels, scores, weights = case
    drawn = np.repeat(np.arange(len(labels)), weights)
    for name, oracle in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
        value = kernels.all_tags(name, labels, scores, weights[None].astype(float))[0]
        assert value == pytest.approx([oracle(labels[drawn, t], scores[drawn, t]) for t in range(labels.shape[1])])
        assert value == pytest.approx(
            [oracle(labels[:, t], scores[:, t], sample_weight=weights) for t in range(labels.shape[1])]
        )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tagged())
def test_thresholds_reach_the_best_f1(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, scores, _ = case
    thresholds, reached = metrics.best_f1_thresholds(labels, scores)
    for tag, threshold in enumerate(thresholds):
        truth, score = labels[:, tag], scores[:, tag]
        assert f1_score(truth, score >= threshold) == pytest.approx(reached[tag])
        assert reached[tag] == pytest.approx(max(f1_score(truth, score >= t) for t in np.unique(score)))


def test_rmse_is_the_root_of_the_mean_squared_error() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random((40, 3)), rng.random((40, 3))
    expected = np.sqrt(mean_squared_error(labels, scores, multioutput="raw_values"))
    assert metrics.rmse(labels, scores) == pytest.approx(expected)


def test_a_tag_with_one_class_is_undefined_and_listed() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]])
    scores = np.array([[0.9, 0.2, 0.3], [0.1, 0.3, 0.4], [0.8, 0.1, 0.9]])
    for metric in (metrics.roc_auc, metrics.pr_auc):
        values = metric(labels, scores)
        assert np.isnan(values).tolist() == [False, True, True]
        assert metrics.macro(values) == metrics.Macro(value=1.0, n_tags=1, undefined=(1, 2))
    thresholds, _ = metrics.best_f1_thresholds(labels, scores)
    assert np.isnan(thresholds).tolist() == [False, True, True]


def test_macro_of_nothing_defined_is_nan() -> None:
    result = metrics.macro([np.nan, np.nan])
    assert np.isnan(result.value)
    assert result.undefined == (0, 1)


def test_unlabelled_entries_are_left_out_of_their_tag_only() -> None:
    rng = np.random.default_rng(1)
    labels, scores = (rng.random((30, 2)) < 0.5).astype(float), rng.random((30, 2))
    masked = labels.copy()
    masked[::3, 1] = np.nan
    known = ~np.isnan(masked[:, 1])
    for name in ("roc_auc", "pr_auc", "rmse"):
        metric = getattr(metrics, name)
        whole, part = metric(labels, scores), metric(masked, scores)
        assert part[0] == whole[0]
        assert part[1] == metric(labels[known], scores[known])[1]
    nothing = np.full((30, 2), np.nan)
    assert all(np.isnan(getattr(metrics, name)(nothing, scores)).all() for name in ("roc_auc", "pr_auc", "rmse"))


def test_micro_is_the_metric_of_all_pairs() -> None:
    rng = np.random.default_rng(2)
    labels, scores = (rng.random((30, 4)) < 0.3).astype(float), rng.random((30, 4))
    assert metrics.micro("roc_auc", labels, scores) == pytest.approx(roc_auc_score(labels.ravel(), scores.ravel()))
    assert metrics.micro("pr_auc", labels, scores) == pytest.approx(
        average_precision_score(labels.ravel(), scores.ravel())
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "rmse"])
def test_bootstrap_agrees_with_a_plain_loop(name: str) -> None:
    """Another generator and real repetition of clips: the ends agree but for the noise of the draws."""
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 20, 80)
    labels = (rng.random((80, 3)) < 0.4).astype(float)
    scores = np.clip(0.3 * labels + 0.7 * rng.random((80, 3)), 0, 1)
    result = metrics.bootstrap(name, labels, scores, groups, seed=0, n_resamples=4000)
    loop = np.random.default_rng(99)
    names = np.unique(groups)
    drawn = []
    for _ in range(2000):
        clips = np.concatenate([np.flatnonzero(groups == g) for g in loop.choice(names, len(names))])
        drawn.append(getattr(metrics, name)(labels[clips], scores[clips]))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert result.low == pytest.approx(low, abs=0.015)
    assert result.high == pytest.approx(high, abs=0.015)
    macro_low, macro_high = np.quantile(np.mean(drawn, axis=1), [0.025, 0.975])
    assert (result.macro_low, result.macro_high) == pytest.approx((macro_low, macro_high), abs=0.015)
    assert result.n_groups == len(names)


def test_bootstrap_over_groups_is_wider_than_over_clips() -> None:
    """Ten copies of each clip carry no more evidence than one."""
    rng = np.random.default_rng(4)
    labels = np.repeat((rng.random((30, 1)) < 0.5).astype(float), 10, axis=0)
    scores = np.repeat(rng.random((30, 1)), 10, axis=0)
    by_group = metrics.bootstrap("roc_auc", labels, scores, np.repeat(np.arange(30), 10), seed=0)
    by_clip = metrics.bootstrap("roc_auc", labels, scores, np.arange(300), seed=0)
    assert by_group.macro_high - by_group.macro_low > 2 * (by_clip.macro_high - by_clip.macro_low)


def test_bootstrap_repeats_with_its_seed_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((12, 2))
    labels[:6, 0] = 1
    labels[0, 1] = 1  # one positive: about a third of the resamples have none
    scores = np.random.default_rng(5).random((12, 2))
    first = metrics.bootstrap("roc_auc", labels, scores, np.arange(12), seed=7)
    monkeypatch.setattr(resampling, "_MAX_WEIGHTS", 100)
    second = metrics.bootstrap("roc_auc", labels, scores, np.arange(12), seed=7)
    other = metrics.bootstrap("roc_auc", labels, scores, np.arange(12), seed=8)
    assert np.array_equal(first.low, second.low)
    assert np.array_equal(first.high, second.high)
    assert (first.low != other.low).any()
    assert 0.25 < first.n_undefined[1] / first.n_resamples < 0.45
    assert first.n_undefined[0] < 5
    assert not np.isnan([first.macro_low, *first.low]).any()


def test_a_thousand_resamples_of_a_test_split_take_seconds() -> None:
    rng = np.random.default_rng(6)
    labels, scores = (rng.random((70, 13)) < 0.4).astype(float), rng.random((70, 13))
    start = time.perf_counter()
    metrics.bootstrap("roc_auc", labels, scores, rng.integers(0, 24, 70), seed=0)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 1], [0.1, 0.2], r"\[:, None\]"),
        ([[0], [1]], [[0.1]], r"\(2, 1\) and \(1, 1\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "at least one clip"),
        ([[0], [1]], [[0.1], [np.nan]], "1 are NaN"),
        ([[0], [0.5]], [[0.1], [0.2]], "found 0.5; .* rmse"),
    ],
)
def test_bad_arrays_are_refused_with_their_cause(labels: object, scores: object, says: str) -> None:
    for metric in (metrics.roc_auc, metrics.pr_auc, metrics.best_f1_thresholds):
        with pytest.raises(DataError, match=says):
            metric(labels, scores)


def test_bad_ranges_names_and_groups_are_refused() -> None:
    labels, scores = np.array([[0.0], [1.0]]), np.array([[0.2], [0.4]])
    with pytest.raises(DataError, match=r"scores must be in 0\.\.1, found 0.2 to 1.4"):
        metrics.rmse(labels, scores + np.array([[0], [1]]))
    with pytest.raises(ConfigError, match=r"no metric 'auc'; .*metrics are accuracy, .*roc_auc"):
        metrics.micro("auc", labels, scores)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least two groups"):
        metrics.bootstrap("rmse", labels, scores, ["a", "a"], seed=0)
    with pytest.raises(DataError, match="got 1 for 2 clips"):
        metrics.bootstrap("rmse", labels, scores, ["a"], seed=0)
    with pytest.raises(ConfigError) as caught:
        metrics.bootstrap("rmse", labels, scores, ["a", "b"], seed=0, n_resamples=0, level=95)
    assert len(caught.value.problems) == 2
