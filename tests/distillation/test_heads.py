"""Heads on a student's embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.distillation.heads import add_heads, fit_heads
from earmark.export.embedding import WithEmbedding
from earmark.models import create_model

N_SONGS, N_DIMS = 120, 40


@pytest.fixture
def songs() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Embeddings with an offset and unequal scales; two labels that follow from them, and one that is noise."""
    rng = np.random.default_rng(1)
    embeddings = 3 + rng.standard_normal((N_SONGS, N_DIMS)) * np.geomspace(0.01, 100, N_DIMS)
    scaled = (embeddings - 3) / np.geomspace(0.01, 100, N_DIMS)
    first, second = scaled[:, :4].sum(axis=1), scaled[:, 30]
    labels = np.stack([1 / (1 + np.exp(-first)), (second > 0.5) * 1.0, rng.random(N_SONGS)], axis=1)
    return embeddings, labels, [f"artist {k // 5}" for k in range(N_SONGS)]


def test_what_can_be_learned_differs_from_noise(songs: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    heads = fit_heads(*songs, ["a", "b", "noise"])
    assert heads.correlations[0] > 0.85
    assert heads.correlations[1] > 0.5
    assert abs(heads.correlations[2]) < 0.25
    fitted = songs[0] @ heads.weights.T + heads.biases
    assert np.corrcoef(fitted[:, 0], songs[1][:, 0])[0, 1] > 0.9


def test_songs_without_a_label_do_not_count(songs: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    embeddings, labels, groups = songs
    some = labels.copy()
    some[80:, 1] = np.nan
    heads = fit_heads(embeddings, some, groups, ["a", "b", "noise"])
    assert heads.n_songs.tolist() == [120, 80, 120]
    others = embeddings.copy()
    others[80:] = 1e3
    one, same = (fit_heads(x, some[:, 1:2], groups, ["b"]) for x in (embeddings, others))
    np.testing.assert_array_equal(one.weights, same.weights)
    assert one.correlations == same.correlations
    some[5:, 2] = np.nan
    with pytest.raises(ConfigError, match=r"fewer than 20 songs: noise \(5\)"):
        fit_heads(embeddings, some, groups, ["a", "b", "noise"])


def test_an_artist_is_never_on_both_sides() -> None:
    """Labels that only say who plays cannot be predicted for other artists."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(20), 6)
    embeddings = np.eye(20)[who] + 0.01 * rng.standard_normal((120, 20))
    labels = rng.random(20)[who][:, None]
    heads = fit_heads(embeddings, labels, [str(k) for k in who], ["a"])
    assert heads.correlations[0] < 0.3
    with pytest.raises(ConfigError, match="two groups"):
        fit_heads(embeddings, labels, ["one"] * 120, ["a"])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["compact_1d", "musicnn"])
def test_heads_become_outputs(architecture: str) -> None:
    torch.manual_seed(0)
    model = create_model(architecture, 7).eval()
    with_embedding = WithEmbedding(create_model(architecture, 7).eval())
    with_embedding.model.load_state_dict(model.state_dict())
    waveform = 0.1 * torch.randn(3, model.window_samples)
    with torch.inference_mode():
        _, embedding = with_embedding(waveform)
    rng = np.random.default_rng(0)
    n_dims = embedding.shape[1]
    heads = fit_heads(rng.random((40, n_dims)), rng.random((40, 2)), [str(k // 2) for k in range(40)], ["x", "y"])
    larger = add_heads(model, heads)
    with torch.inference_mode():
        before, after = model(waveform), larger(waveform)
    np.testing.assert_allclose(after[:, :7], before, atol=1e-5)
    np.testing.assert_allclose(after[:, 7:], embedding.numpy() @ heads.weights.T + heads.biases, atol=1e-3)
    wrong = fit_heads(rng.random((40, 5)), rng.random((40, 2)), [str(k // 2) for k in range(40)], ["x", "y"])
    with pytest.raises(ConfigError, match="do not fit"):
        add_heads(model, wrong)
