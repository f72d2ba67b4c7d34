"""Means over tags, metrics of clips and of decisions, against scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as oracle

from earmark import metrics
from earmark.core.errors import ConfigError, DataError


@st.composite
def tagged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """0/1 labels with both classes in every tag and every clip, scores from few values (many ties)."""
    n_clips, n_tags = draw(st.integers(3, 20)), draw(st.integers(3, 6))
    labels = draw(hnp.arrays(np.float64, (n_clips, n_tags), elements=st.sampled_from([0.0, 1.0])))
    labels[:, 0], labels[:, 1] = 0, 1
    labels[0, :], labels[1, :] = 0, 1
    labels[0, 1], labels[1, 0] = 1, 0
    labels[2, :2] = 1, 0
    scores = draw(hnp.arrays(np.float64, (n_clips, n_tags), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])))
    return labels, scores


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tagged())
def test_means_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    for name, other in (("roc_auc", oracle.roc_auc_score), ("pr_auc", oracle.average_precision_score)):
        per_tag = getattr(metrics, name)(labels, scores)
        assert metrics.macro(per_tag).value == pytest.approx(other(labels, scores, average="macro"))
        assert metrics.weighted(per_tag, labels).value == pytest.approx(other(labels, scores, average="weighted"))
        assert metrics.micro(name, labels, scores) == pytest.approx(other(labels, scores, average="micro"))
        assert metrics.per_clip(name, labels, scores).mean() == pytest.approx(other(labels, scores, average="samples"))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tagged(), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_decisions_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    labels, scores = case
    said = metrics.decide(scores, threshold)
    for name in ("f1", "precision", "recall"):
        other = getattr(oracle, f"{name}_score")
        expected = other(labels, said, average=None, zero_division=np.nan if name == "precision" else 0)
        assert getattr(metrics, name)(labels, said) == pytest.approx(expected, nan_ok=True)
        expected = other(labels, said, average="micro", zero_division=np.nan if name == "precision" else 0)
        assert metrics.micro(name, labels, said) == pytest.approx(expected, nan_ok=True)


def test_a_weighted_mean_leaves_undefined_tags_out_and_lists_them() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1], [np.nan, 0, 1]])
    result = metrics.weighted([0.5, np.nan, 0.9], labels)
    assert result.value == pytest.approx((2 * 0.5 + 4 * 0.9) / 6)
    assert (result.n_tags, result.undefined) == (2, (1,))
    assert np.isnan(metrics.weighted([np.nan] * 3, labels).value)
    assert np.isnan(metrics.weighted([0.5], [[0.0]]).value), "no positives: nothing weighs"
    with pytest.raises(DataError, match=r"\(n_clips, 2\)"):
        metrics.weighted([0.5, 0.5], labels)


def test_clips_without_one_of_the_classes_are_undefined() -> None:
    labels = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [1, 0, np.nan]])
    scores = np.array([[0.2, 0.9, 0.1], [0.3, 0.2, 0.1], [0.3, 0.2, 0.1], [0.3, 0.2, 0.9]])
    assert metrics.per_clip("roc_auc", labels, scores) == pytest.approx([0.5, np.nan, np.nan, 1.0], nan_ok=True)
    assert metrics.per_clip("pr_auc", labels, scores) == pytest.approx([0.5, np.nan, np.nan, 1.0], nan_ok=True)
    assert metrics.per_clip("rmse", labels, scores)[3] == pytest.approx(np.sqrt((0.7**2 + 0.2**2) / 2))


def test_decisions_without_positives_are_undefined_and_unlabelled_clips_do_not_count() -> None:
    labels = np.array([[1, 0, 1], [0, 0, np.nan], [1, 0, 0]])
    said = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.f1(labels, said) == pytest.approx([0, np.nan, 1], nan_ok=True)
        assert metrics.recall(labels, said) == pytest.approx([0, np.nan, 1], nan_ok=True)
        assert metrics.precision(labels, said) == pytest.approx([np.nan, np.nan, 1], nan_ok=True)


def test_thresholds_are_one_or_one_a_tag() -> None:
    scores = np.array([[0.2, 0.7], [0.5, 0.5]])
    assert metrics.decide(scores, 0.5).tolist() == [[0, 1], [1, 1]]
    assert metrics.decide(scores, [0.2, 0.6]).tolist() == [[1, 1], [1, 0]]
    with pytest.raises(DataError, match=r"\(n_tags,\)"):
        metrics.decide(scores, [0.5, 0.5, 0.5])
    with pytest.raises(ConfigError, match="finite"):
        metrics.decide(scores, [0.5, np.nan])
    with pytest.raises(DataError, match=r"needs decisions, 0 or 1, found 0.2"):
        metrics.f1([[0, 1], [1, 0]], scores)


def test_best_thresholds_of_many_clips_fit_into_memory() -> None:
    """A table of every score against every clip would take gigabytes here."""
    rng = np.random.default_rng(0)
    labels = (rng.random((50_000, 1)) < 0.1).astype(float)
    thresholds, reached = metrics.best_f1_thresholds(labels, 0.3 * labels + 0.7 * rng.random((50_000, 1)))
    assert 0.3 < thresholds[0] < 0.8
    assert 0.4 < reached[0] < 0.9
