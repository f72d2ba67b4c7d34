"""Embeddings of files: the same as those beside scores, any layer, pooled over time or not."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest

from earmark.core.errors import AudioError, ConfigError, ModelError
from earmark.tagging.embedder import Embedding, load_embedder
from earmark.tagging.layer_pooling import Pool, Unit, channels_last, pooled
from earmark.tagging.onnx_layers import layer_operators, layer_shapes, with_output
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tagger import load_tagger
from tests.helpers import sounds

RATE = 16_000
LAYER = "relu_9"
"""Of the bundled model: (channels, time), the last one before time is pooled."""


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    silence = np.zeros((1, 3 * RATE))
    parts = [sounds.music(14, RATE), silence, sounds.music(9, RATE, seed=1)]
    return sounds.write(tmp_path_factory.mktemp("songs") / "song.flac", np.hstack(parts), RATE)


@pytest.mark.slow
def test_the_mean_is_the_embedding_beside_the_scores(song: Path) -> None:
    expected = load_tagger(embeddings=True).tag(song)
    found = load_embedder().embed(song)
    assert expected.embedding is not None
    np.testing.assert_array_equal(found.values, expected.embedding[None])
    assert (found.path, found.duration_seconds) == (song, expected.duration_seconds)
    assert found.starts_seconds.tolist() == [0]


@pytest.mark.slow
def test_rows_are_windows_with_their_place_in_the_file(song: Path) -> None:
    scores = load_tagger().tag(song)
    found = load_embedder(layer="probabilities", pool="none").embed(song)
    assert found.values.shape == scores.taggram.shape
    np.testing.assert_array_equal(found.starts_seconds, scores.window_starts_seconds)
    np.testing.assert_allclose(found.values, scores.uncalibrated, atol=1e-6)


@pytest.mark.slow
def test_steps_give_more_rows_and_keep_those_of_the_card(song: Path) -> None:
    plain = load_embedder(pool="none").embed(song)
    fine = load_embedder(pool="none", step_seconds=2).embed(song)
    of_card = np.isin(fine.starts_seconds.round(6), plain.starts_seconds.round(6))
    assert len(fine.values) > 2 * len(plain.values)
    assert of_card.sum() == len(plain.values)
    np.testing.assert_allclose(fine.values[of_card], plain.values, atol=1e-6)


@pytest.mark.slow
def test_frames_of_a_layer_follow_each_other_within_a_window(song: Path) -> None:
    n_channels, n_frames = layer_shapes(find_model().read_bytes())[LAYER]
    embedder = load_embedder(layer=LAYER, unit="frame", pool="none")
    frames, windows = embedder.embed(song), load_embedder(layer=LAYER, pool="none").embed(song)
    assert embedder.n_dims == n_channels
    assert frames.values.shape == (len(windows.values) * n_frames, n_channels)
    steps = np.diff(frames.starts_seconds[:n_frames])
    np.testing.assert_allclose(steps, embedder.card.input.window_seconds / n_frames)
    means = frames.values.reshape(len(windows.values), n_frames, n_channels).mean(axis=1)
    np.testing.assert_allclose(means, windows.values, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["window", "frame"])
def test_pools_are_of_the_rows(unit: Unit) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * load_tagger().card.input.window_samples)

    def embedded(pool: Pool) -> np.ndarray:
        return load_embedder(layer=LAYER, unit=unit, pool=pool).embed_waveform(noise, RATE).values

    rows = embedded("none").astype(np.float64)
    np.testing.assert_allclose(embedded("mean+std")[0], [*rows.mean(axis=0), *rows.std(axis=0)], atol=1e-5)
    np.testing.assert_array_equal(embedded("max")[0], rows.max(axis=0).astype(np.float32))


def test_files_and_waveforms_are_alike(song: Path) -> None:
    import soundfile

    samples, rate = soundfile.read(song)
    embedder = load_embedder(pool="max")
    np.testing.assert_allclose(embedder.embed_waveform(samples, rate).values, embedder.embed(song).values, atol=1e-5)


def test_a_file_that_fails_is_an_error_in_its_place(song: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("no audio")
    embedder = load_embedder()
    found = list(embedder.embed_many([text, song], jobs=2, errors="return"))
    assert isinstance(found[0], AudioError)
    assert isinstance(found[1], Embedding)
    with pytest.raises(AudioError):
        list(embedder.embed_many([text]))


def test_sparse_windows_are_those_of_the_whole(song: Path) -> None:
    found = load_embedder(pool="none", windows=1).embed(song)
    assert found.values.shape[0] == 1 or found.warnings


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load_embedder(pool="median", unit="bar", windows=99, step_seconds=2)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 5
    with pytest.raises(ConfigError, match="one vector per window"):
        load_embedder(unit="frame")
    with pytest.raises(ConfigError, match="time_axis 3"):
        load_embedder(layer=LAYER, time_axis=3)
    with pytest.raises(ModelError, match="did you mean relu_"):
        load_embedder(layer="relu9")


def test_axes_of_layers() -> None:
    values = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(channels_last(values, None), values.mean(axis=2).swapaxes(1, 2))
    np.testing.assert_array_equal(channels_last(values, 2), values.mean(axis=3).swapaxes(1, 2))
    np.testing.assert_array_equal(channels_last(values, 1), values.mean(axis=2))  # (batch, time, ..., channels)
    np.testing.assert_array_equal(channels_last(values[:, :, 0, 0], None), values[:, None, :, 0, 0])


def test_weights_of_pools() -> None:
    rows = np.array([[1.0], [2.0], [9.0]], np.float32)
    weights = np.array([1.0, 3.0, 0.0])
    assert pooled(rows, "mean", weights).tolist() == [1.75]
    assert pooled(rows, "max", weights).tolist() == [2]
    assert pooled(rows, "mean+std", weights)[1] == pytest.approx(np.sqrt(0.1875))
    assert pooled(rows, "max", np.zeros(3)).tolist() == [9]  # a silent file: all alike


def test_layers_are_those_that_onnx_finds() -> None:
    content = find_model().read_bytes()
    graph = onnx.load_from_string(content).graph
    assert layer_operators(content) == {out: node.op_type for node in graph.node for out in node.output if out}
    added = onnx.load_from_string(with_output(content, LAYER))
    assert [item.name for item in added.graph.output] == [*(item.name for item in graph.output), LAYER]
    with pytest.raises(ModelError, match="not an ONNX file"):
        layer_operators(content[:1000])


def test_a_model_with_a_layer_is_pickled_with_it() -> None:
    windows = np.zeros((1, load_tagger().card.input.window_samples), np.float32)
    model = OnnxModel(find_model(), layer=LAYER)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.layer_values(windows), model.layer_values(windows))
