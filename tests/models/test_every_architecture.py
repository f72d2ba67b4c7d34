"""What every registered model must do. A new architecture is tested by being registered."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.export import add_embedding, check_signals, export_onnx
from earmark.models import create_model, list_models
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.tagging.runtime import OnnxModel
from tests.helpers.onnx_files import without_embedding

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL_OPTIONS: dict[str, list[dict]] = {
    "bristol_raw": [
        {"window_seconds": 1.0},
        {"window_seconds": 1.0, "filter_samples": 512, "input_normalisation": "standardise", "normalisation": "layer"},
        {"window_seconds": 1.0, "input_normalisation": "none", "normalisation": "batch", "dropout": 0.0},
    ],
    "dieleman2014_raw": [
        {"window_seconds": 1.0},
        {"window_seconds": 1.0, "nonlinearity": "log_square", "feature_pooling": "l2", "pool_filters": 4},
        {"window_seconds": 1.0, "filter_samples": 512, "nonlinearity": "log", "dropout": 0.5},
        {"window_seconds": 1.0, "nonlinearity": "none", "feature_pooling": "max", "pool_filters": 2},
    ],
    "dieleman2014_spectrogram": [
        {"window_seconds": 1.0},
        {"window_seconds": 1.1, "frame_samples": 1024, "hop_samples": 1024, "dropout": 0.5},
    ],
    "compact_1d": [{"window_seconds": 1.0, "width": 0.1, "hidden": 8}],
    "compact_2d": [
        {"window_seconds": 1.0, "width": 0.5, "hidden": 8},
        {"window_seconds": 0.5, "width": 0.5, "hidden": 8, "excite": False, "frontend": {"n_mels": 33}},
    ],
    "crnn": [{"window_seconds": 3.1, "width": 0.1, "units": 8}],
    "efficientat_mn": [
        {"window_seconds": 1.0, "width": 0.2},
        {"window_seconds": 1.0, "width": 0.1, "dropout": 0.0, "frontend": {"n_mels": 40}},
    ],
    "ensemble_model1": [{"window_seconds": 2.0, "width": 0.1}],
    "ensemble_model2": [
        {"window_seconds": 6.4, "width": 0.1},
        {"window_seconds": 6.4, "width": 0.1, "separable": "depthwise", "dropout": 0.2},
    ],
    "ensemble_model3": [{"window_seconds": 1.0, "width": 0.1}],
    "ensemble_combiner": [
        {
            "members": [
                {"architecture": "ensemble_model1", "options": {"window_seconds": 2.0, "width": 0.1}},
                {"architecture": "ensemble_model3", "options": {"window_seconds": 0.7, "width": 0.1}},
            ],
            "width": 0.1,
        }
    ],
    "fcn4": [{"window_seconds": 20.5, "width": 0.1}],
    "harmonic_cnn": [{"width": 0.1, "n_harmonics": 2, "filters_per_semitone": 2}],
    "multi_level_multi_scale": [
        {"window_seconds": 2.0, "width": 0.1, "segment_frames": [18, 54]},
        {"window_seconds": 1.0, "width": 0.1, "segment_frames": [27], "dropout": 0.0, "frontend": {"n_mels": 32}},
    ],
    "musicnn": [
        {"window_seconds": 1.0, "width": 0.1},
        {"window_seconds": 1.0, "width": 0.1, "variant": "won2020"},
        {"window_seconds": 1.0, "width": 0.1, "head_units": 7},
    ],
    "musicnn_vgg": [{"window_seconds": 1.5, "width": 0.1}],
    "pons2017_spectrogram": [
        {"window_seconds": 2.0, "k": 2, "n_mels": 32, "width": 0.1},
        {"window_seconds": 2.0, "k": 2, "n_mels": 32, "width": 0.1, "published_batchnorm": True},
    ],
    "pons2017_waveform": [{"window_seconds": 2.0, "width": 0.1}],
    "timbre_cnn": [{"window_seconds": 1.0, "width": 0.2}, {"window_seconds": 0.3, "width": 0.2, "dropout": 0.5}],
    "samplecnn_basic": [
        {"n_samples": 729, "width": 0.1},
        {"n_samples": 800, "n_blocks": 4, "width": 0.1, "normalisation": "group", "multi": False},
    ],
    "samplecnn_se": [{"n_samples": 729, "width": 0.1, "alpha": 2}],
    "samplecnn_res1": [{"n_samples": 729, "width": 0.1, "multi": False}],
    "samplecnn_res2": [{"n_samples": 729, "width": 0.1}],
    "samplecnn_rese1": [{"n_samples": 729, "width": 0.1, "alpha": 2, "normalisation": "group"}],
    "samplecnn_rese2": [{"n_samples": 729, "width": 0.1, "alpha": 0.5}],
    "short_chunk_cnn": [{"width": 0.1}, {"width": 0.1, "residual": True}],
}
"""Option sets with which an architecture is small enough to be tested in seconds, and shows its variants.
An architecture that is not named here is tested with its defaults."""

N_TAGS = 5
TAGS = Vocabulary.of([f"tag {i}" for i in range(N_TAGS)])
CASES = [(name, options) for name in list_models() for options in SMALL_OPTIONS.get(name, [{}])]


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{json.dumps(options)}" for name, options in CASES])
def model(request):
    """A model in eval mode whose running statistics are no longer the fresh ones."""
    name, options = request.param
    torch.manual_seed(0)
    built = create_model(name, N_TAGS, **options)
    with torch.no_grad():
        for _ in range(3):
            built(noise(built, 4))
    return built.eval()


def noise(model, batch: int, n_samples: int | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, n_samples or model.window_samples, generator=generator) * 0.1


def logits(model, waveform: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(waveform)


def test_small_options_name_registered_models():
    assert set(SMALL_OPTIONS) <= set(list_models())
    assert CASES


@pytest.mark.slow
def test_description_has_the_input(model):
    assert model.sample_rate_hz >= 1
    assert 1 <= model.min_samples <= model.window_samples
    assert model.n_tags == N_TAGS
    if not model.variable_length:
        assert model.min_samples == model.window_samples
    if model.frontend is not None:
        assert model.frontend.config.sample_rate_hz == model.sample_rate_hz


@pytest.mark.slow
def test_its_options_rebuild_it(model):
    again = create_model(model.architecture, N_TAGS, **json.loads(json.dumps(model.architecture_options)))
    assert again.architecture_options == model.architecture_options
    shapes = {name: value.shape for name, value in again.state_dict().items()}
    assert shapes == {name: value.shape for name, value in model.state_dict().items()}


def test_output_is_logits_of_every_tag(model):
    answer = logits(model, noise(model, 2))
    assert answer.shape == (2, N_TAGS)
    assert answer.dtype == torch.float32
    assert answer.isfinite().all()


@pytest.mark.slow
def test_every_parameter_that_is_not_frozen_gets_a_gradient(model):
    torch.manual_seed(0)
    model.train()
    try:
        labels = (torch.arange(4 * N_TAGS).reshape(4, N_TAGS) % 2).float()
        torch.nn.functional.binary_cross_entropy_with_logits(model(noise(model, 4)), labels).backward()
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert trained
        for name, parameter in trained.items():
            assert parameter.grad is not None, f"no gradient for {name}"
            assert parameter.grad.isfinite().all(), f"gradient of {name} is not finite"
            assert parameter.grad.any(), f"gradient of {name} is zero"
    finally:
        model.zero_grad()
        model.eval()


@pytest.mark.slow
def test_answer_does_not_depend_on_the_rest_of_the_batch(model):
    waveform = noise(model, 3)
    waveform[1] *= 10
    together = logits(model, waveform)
    alone = torch.cat([logits(model, row[None]) for row in waveform])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_output_depends_on_the_input(model):
    answer = logits(model, torch.from_numpy(check_signals(make_card(model, name="x", vocabulary=TAGS).input)))
    assert (answer[:-1] - answer[1:]).abs().amax(dim=1).gt(1e-6).all()


def test_other_lengths_work_where_claimed_and_are_refused_where_not(model):
    if model.variable_length:
        for n_samples in (model.min_samples, model.min_samples + 1, model.window_samples * 2 + 7):
            assert logits(model, noise(model, 1, n_samples)).shape == (1, N_TAGS)
        with pytest.raises(ConfigError, match=f"it takes {model.min_samples} or more"):
            model(noise(model, 1, model.min_samples - 1))
    else:
        for n_samples in (model.window_samples - 1, model.window_samples + 1):
            with pytest.raises(ConfigError, match=f"windows of {model.window_samples} samples"):
                model(noise(model, 1, n_samples))


def test_other_shapes_and_types_are_refused(model):
    for waveform in (
        torch.zeros(model.window_samples),
        torch.zeros(1, 1, model.window_samples),
        torch.zeros(1, model.window_samples, dtype=torch.int16),
        torch.zeros(1, model.window_samples, dtype=torch.float64),
    ):
        with pytest.raises(ConfigError, match=model.architecture):
            model(waveform)


@pytest.mark.slow
def test_silent_and_half_empty_input_is_finite(model):
    n = model.window_samples
    waveform = noise(model, 5).clamp(-1, 1)
    waveform[0] = 0
    waveform[1, n // 2 :] = 0
    waveform[2, 1:] = 0
    waveform[3] = 1
    waveform[4] *= 1e-30
    assert logits(model, waveform).isfinite().all()
    model.train()
    try:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        assert model(waveform[:2]).isfinite().all()
    finally:
        model.load_state_dict(state)
        model.eval()


@pytest.mark.slow
def test_saved_and_loaded_it_answers_the_same(model, tmp_path):
    save_checkpoint(tmp_path, model, make_card(model, name="x", vocabulary=TAGS))
    loaded, _ = load_checkpoint(tmp_path)
    waveform = noise(model, 2)
    assert torch.equal(logits(loaded, waveform), logits(model, waveform))


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    card = make_card(model, name="x", vocabulary=TAGS)
    return export_onnx(model, card, tmp_path_factory.mktemp("onnx") / "x.onnx", check_signals(card.input))


@pytest.mark.slow
def test_onnx_runtime_answers_the_same(model, exported):
    assert exported.max_abs_difference < 1e-4
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    waveform = noise(model, 3)
    (scores,) = session.run(["probabilities"], {"waveform": waveform.numpy()})
    np.testing.assert_allclose(scores, logits(model, waveform).sigmoid().numpy(), atol=1e-4)


@pytest.mark.slow
def test_it_gives_embeddings_and_they_are_what_goes_into_its_last_layer(model, exported):
    calls = []
    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
    layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_hook(lambda *call: calls.append(call)) for layer in layers]
    waveform = noise(model, 3)
    answer = logits(model, waveform)
    for hook in hooks:
        hook.remove()
    layer, (given,), out = calls[-1]
    assert out.shape[1] == N_TAGS, "the last layer with weights must be the one that gives the tags"
    expected = given if given.ndim == 2 else given.flatten(2).mean(dim=2)
    runtime = OnnxModel(exported.path)
    scores, embeddings = runtime.with_embedding(waveform.numpy())
    assert embeddings.shape == (3, runtime.embedding_dims)
    assert runtime.embedding_dims == runtime.card.embedding_dims == ModelCard.read(exported.card_path).embedding_dims
    np.testing.assert_allclose(embeddings, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(scores, answer.sigmoid().numpy(), atol=1e-4)
    assert (np.ptp(embeddings, axis=0) > 0).any()  # different windows, different embeddings
    if isinstance(layer, torch.nn.Linear):  # nothing is left to average: the tags follow from the embedding
        follows = layer(torch.from_numpy(embeddings)).sigmoid()
        np.testing.assert_allclose(follows.detach().numpy(), scores, atol=1e-4)


@pytest.mark.slow
def test_a_file_without_embeddings_can_be_given_them(model, exported, tmp_path):
    without = without_embedding(exported.path, tmp_path / "without.onnx")
    assert add_embedding(without, tmp_path / "again.onnx").embedding_dims == OnnxModel(exported.path).embedding_dims
    waveform = noise(model, 3).numpy()
    scores, embeddings = OnnxModel(tmp_path / "again.onnx").with_embedding(waveform)
    expected_scores, expected = OnnxModel(exported.path).with_embedding(waveform)
    assert np.array_equal(scores, expected_scores)
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
