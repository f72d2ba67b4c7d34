"""Heads: what they minimise, that they agree with scikit-learn, and that choices use no clip twice."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from earmark.datasets.folds import group_folds
from earmark.probes.choice import HeadConfig, choose, cross_entropy
from earmark.probes.features import WindowFeatures
from earmark.probes.head import Head, fit_heads

N_CLIPS, N_DIMS = 120, 6


@pytest.fixture(scope="module")
def clips() -> tuple[WindowFeatures, np.ndarray]:
    """Clips of one to three windows; three tags that depend on the dimensions, and a degree."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N_CLIPS, N_DIMS)) * [1, 2, 3, 1, 1, 1] + [0, 5, 0, 0, 0, 0]
    n_windows = rng.integers(1, 4, N_CLIPS)
    clip_of = np.repeat(np.arange(N_CLIPS), n_windows)
    values = (centres[clip_of] + 0.3 * rng.normal(size=(len(clip_of), N_DIMS))).astype(np.float32)
    weights = 1 / n_windows[clip_of]
    noisy = centres + 0.7 * rng.normal(size=centres.shape)
    which = noisy[:, [0, 3, 4]].argmax(axis=1)
    degree = 1 / (1 + np.exp(-noisy[:, 2]))
    return WindowFeatures(values, clip_of, weights, N_CLIPS), np.column_stack([np.eye(3)[which], degree])


@pytest.mark.parametrize("softmax", [(), (0, 1, 2)])
def test_a_linear_head_is_that_of_scikit_learn(
    clips: tuple[WindowFeatures, np.ndarray], softmax: tuple[int, ...]
) -> None:
    features, labels = clips
    strength = 0.01
    (head,) = fit_heads(features, labels[:, :3], [strength], softmax=softmax)
    weights = features.weights
    centre = np.average(features.values, axis=0, weights=weights)
    spread = np.sqrt(np.average((features.values - centre) ** 2, axis=0, weights=weights))
    scaled = (features.values - centre) / spread
    found = head(features.values)
    # scikit-learn's sum over examples with 1 / C is the mean over clips with strength.
    if softmax:
        theirs = LogisticRegression(C=1 / (strength * N_CLIPS), tol=1e-8, max_iter=1000)
        theirs.fit(scaled, labels[features.clip_of, :3].argmax(axis=1), sample_weight=weights)
        expected = theirs.predict_proba(scaled)
        np.testing.assert_allclose(found.sum(axis=1), 1)
    else:
        columns = []
        for tag in range(3):
            theirs = LogisticRegression(C=1 / (strength * N_CLIPS), tol=1e-8, max_iter=1000)
            theirs.fit(scaled, labels[features.clip_of, tag], sample_weight=weights)
            columns.append(theirs.predict_proba(scaled)[:, 1])
        expected = np.column_stack(columns)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_tags_do_not_change_each_other_and_gaps_do_not_count(clips: tuple[WindowFeatures, np.ndarray]) -> None:
    features, labels = clips
    gaps = labels.copy()
    gaps[:40, 0] = np.nan
    (alone,) = fit_heads(features.of_clips(np.arange(40, N_CLIPS)), labels[40:, :1], [0.1])
    (together,) = fit_heads(features, gaps, [0.1])
    x = features.values
    # Scaling differs a little, as that of all clips is used: the same tag by and large, and exactly without gaps.
    assert np.corrcoef(alone(x)[:, 0], together(x)[:, 0])[0, 1] > 0.999
    (one,), (all_,) = fit_heads(features, labels[:, 3:], [0.1]), fit_heads(features, labels, [0.1])
    np.testing.assert_allclose(one(x)[:, 0], all_(x)[:, 3], atol=1e-3)


def test_stronger_regularisation_shrinks(clips: tuple[WindowFeatures, np.ndarray]) -> None:
    features, labels = clips
    heads = fit_heads(features, labels, [1e-3, 10, 0.1])
    norms = [np.square(head.layers[0][0]).sum() for head in heads]
    assert norms[0] > norms[2] > norms[1]


@pytest.mark.slow
def test_a_hidden_layer_learns_what_a_linear_head_cannot() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(300, 2)).astype(np.float32)
    labels = (values[:, :1] * values[:, 1:] > 0).astype(float)  # exclusive or
    features = WindowFeatures(values, np.arange(300), np.ones(300), 300)
    (linear,), (deep,) = (fit_heads(features, labels, [1e-3], hidden=n) for n in (0, 16))
    hits = [np.mean((head(values) > 0.5) == labels) for head in (linear, deep)]
    assert hits[0] < 0.65 < 0.95 < hits[1]
    (again,) = fit_heads(features, labels, [1e-3], hidden=16)
    np.testing.assert_array_equal(again(values), deep(values))


def test_scores_of_a_clip_are_the_mean_of_its_windows() -> None:
    features = WindowFeatures(
        np.array([[0.0], [2.0], [5.0]], np.float32), np.array([0, 0, 1]), np.array([0.25, 0.75, 1]), 2
    )
    head = Head(((np.eye(1, dtype=np.float32), np.zeros(1, np.float32)),))
    expected = 0.25 * 0.5 + 0.75 / (1 + np.exp(-2))
    assert features.clip_means(head(features.values))[0, 0] == pytest.approx(expected)
    assert features.of_clips(np.array([1])).values.tolist() == [[5.0]]


@pytest.mark.slow
def test_the_choice_is_made_on_clips_that_were_held_out() -> None:
    """Labels are drawn by lot: whatever is learned is wrong, so the strongest regularisation is the best."""
    rng = np.random.default_rng(2)
    n = 90
    features = WindowFeatures(rng.normal(size=(n, 40)).astype(np.float32), np.arange(n), np.ones(n), n)
    labels = rng.integers(0, 2, (n, 2)).astype(float)
    folds = group_folds([str(i // 3) for i in range(n)], 5)
    found = choose(features, labels, folds, HeadConfig())
    assert found.strength >= 1
    assert found.losses[-1] == pytest.approx(np.log(2), abs=0.05)
    assert found.losses[0] > 1.5
    assert len(found.places) == n


def test_clips_outside_the_folds_are_learned_from_only() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 3)).astype(np.float32)
    labels = (values[:, :1] > 0).astype(float)
    features = WindowFeatures(values, np.arange(60), np.ones(60), 60)
    found = choose(features, labels, np.where(np.arange(60) < 40, -1, 0), HeadConfig())
    assert found.places.tolist() == list(range(40, 60))
    assert np.mean((found.scores > 0.5) == labels[40:]) > 0.9


def test_cross_entropy() -> None:
    labels = np.array([[1.0, 0.0, np.nan], [0.0, 1.0, np.nan]])
    scores = np.array([[0.8, 0.2, 0.5], [0.4, 0.6, 0.5]])
    assert cross_entropy(labels, scores, (0, 1)) == pytest.approx(-np.log([0.8, 0.6]).mean())
    assert cross_entropy(labels, scores) == pytest.approx(-np.log([0.8, 0.6]).mean())
