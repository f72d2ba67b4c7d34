"""Accuracy and decisions of classes that exclude each other, against scikit-learn and by counting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from earmark import metrics
from earmark.core.errors import DataError
from earmark.metrics.table import METRICS


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Labels (one class for each clip) and scores of 60 clips and 4 classes."""
    rng = np.random.default_rng(0)
    labels = np.eye(4)[rng.integers(0, 4, 60)]
    scores = labels + rng.normal(0, 0.8, labels.shape)
    return labels, scores


def test_accuracy_and_f1_are_those_of_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    truth, predicted = labels.argmax(axis=1), scores.argmax(axis=1)
    assert metrics.accuracy(labels, scores) == pytest.approx([accuracy_score(truth, predicted)])
    f1 = metrics.f1(labels, metrics.decide_class(scores))
    assert f1 == pytest.approx(f1_score(truth, predicted, average=None))


def test_clips_without_labels_do_not_count(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    some = labels.copy()
    some[::3] = np.nan
    known = np.arange(60) % 3 > 0
    assert metrics.accuracy(some, scores) == pytest.approx(metrics.accuracy(labels[known], scores[known]))
    assert np.isnan(metrics.accuracy(np.full((2, 3), np.nan), np.zeros((2, 3)))).all()


def test_of_equal_scores_the_first_class_counts() -> None:
    assert metrics.accuracy([[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]) == pytest.approx([0.5])
    assert metrics.decide_class([[0.5, 0.5]]).tolist() == [[1, 0]]


def test_intervals_are_those_of_a_mean_of_hits(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    groups = np.arange(60) // 2
    drawn = metrics.bootstrap("accuracy", labels, scores, groups, seed=3, n_resamples=300)
    hits = (labels.argmax(axis=1) == scores.argmax(axis=1)).astype(float)
    expected = metrics.bootstrap_mean(hits, groups, seed=3, n_resamples=300)
    assert (drawn.macro_low, drawn.macro_high) == pytest.approx(expected)
    assert (drawn.low, drawn.high) == (pytest.approx([expected[0]]), pytest.approx([expected[1]]))
    assert np.isnan(drawn.weighted_low)


def test_differences_are_paired(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    found = metrics.paired_bootstrap("accuracy", labels, scores, labels, np.arange(60), seed=0, n_resamples=200)
    assert found.b == pytest.approx([1])
    assert found.macro_difference == pytest.approx(1 - float(metrics.accuracy(labels, scores)[0]))
    hits = (labels.argmax(axis=1) == scores.argmax(axis=1)).astype(float)
    expected = metrics.bootstrap_mean(1 - hits, np.arange(60), seed=0, n_resamples=200)
    assert (found.macro_low, found.macro_high) == pytest.approx(expected)


def test_chance_is_the_most_frequent_class_of_the_training_clips() -> None:
    labels, train = np.eye(3)[[0, 0, 1, 2]], np.eye(3)[[1, 1, 1, 0, 2]]
    info = metrics.metric_info("accuracy")
    assert info.chance_levels(labels, train) == pytest.approx([0.25])
    assert info.chance_levels(labels, None) is None


@pytest.mark.parametrize(
    "labels",
    [[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[1, np.nan], [0, 1]], [[1], [0]]],
    ids=["two", "none", "half", "one"],
)
def test_labels_of_other_kinds_are_refused(labels: list[list[float]]) -> None:
    with pytest.raises(DataError, match="exactly one of two or more classes"):
        metrics.accuracy(labels, np.zeros(np.shape(labels)))


def test_one_class_is_no_choice() -> None:
    with pytest.raises(DataError, match="2 or more classes"):
        metrics.decide_class([[0.5]])


@pytest.fixture
def hit_rate() -> Iterator[str]:
    with METRICS.temporary():

        @metrics.register_metric("hit rate", of_classes=True)
        def hit_rate(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
            return np.array([np.mean(np.argmax(labels, axis=1) == np.argmax(scores, axis=1))])

        yield "hit_rate"


def test_a_metric_of_classes_needs_no_kernel(hit_rate: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    assert metrics.list_metrics(of_classes=True) == ("accuracy", "hit_rate")
    assert "hit_rate" not in metrics.list_metrics()
    found, known = (
        metrics.bootstrap(name, labels, scores, np.arange(60), seed=1, n_resamples=50)
        for name in (hit_rate, "accuracy")
    )
    assert (found.macro_low, found.macro_high) == pytest.approx((known.macro_low, known.macro_high))
