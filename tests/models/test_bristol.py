"""The Bristol replication: input and layer normalisation by hand, shapes at its 34,950 samples, averaged subclips."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.blocks import average_subclips, normalisation_layer
from earmark.models.bristol import InputNormalisation
from tests.helpers.layers import layer_shapes

TABLE_I = {  # length, stride -> frames of 34,950 samples, after each pooling of 4
    (1024, 1024): (34, 8, 2),
    (1024, 512): (67, 16, 4),
    (512, 512): (68, 17, 4),
    (512, 256): (135, 33, 8),
    (256, 256): (136, 34, 8),
    (256, 128): (272, 68, 17),
    (128, 128): (273, 68, 17),
}


@pytest.mark.parametrize(("pair", "frames"), TABLE_I.items())
def test_layers_of_table_1(pair, frames):
    length, stride = pair
    options = {"filter_samples": length, "stride_samples": stride, "normalisation": "none", "dropout": 0}
    model = create_model("bristol_raw", 50, **options)
    assert (model.sample_rate_hz, model.window_samples) == (12_000, 34_950)
    seen = layer_shapes(model)
    wanted = {
        "input": (1, 34_950),
        "strided": (32, frames[0]),
        "conv1": (32, frames[0]),
        "pool1": (32, frames[1]),
        "conv2": (32, frames[1]),
        "pool2": (32, frames[2]),
        "dense1": (100,),
        "dense2": (50,),
    }
    assert {name: seen[name] for name in wanted} == wanted
    n_parameters = 32 * (length + 1) + 2 * 32 * (32 * 8 + 1) + 100 * (32 * frames[2] + 1) + 50 * 101
    assert model.n_parameters == n_parameters
    normalised = create_model("bristol_raw", 50, **{**options, "normalisation": "group"})
    assert normalised.n_parameters == n_parameters + 2 * (32 + 32 + 32 + 100)


def test_a_clip_is_ten_subclips():
    assert 10 * create_model("bristol_raw", 50).window_samples == 29.125 * 12_000


@pytest.mark.parametrize(
    ("kind", "layer"), [("batch", "BatchNorm1d"), ("layer", "GroupNorm"), ("group", "GroupNorm"), ("none", None)]
)
def test_normalisation_stands_before_every_activation_but_the_last(kind, layer):
    model = create_model("bristol_raw", 50, normalisation=kind, dropout=0.2)
    order = [type(part).__name__ for part in model.layers if not isinstance(part, torch.nn.Identity)]
    norm = [layer] if layer else []
    conv = ["Dropout", "ZeroPad1d", "Conv1d", *norm, "ReLU", "MaxPool1d"]
    dense = ["Flatten", "Dropout", "Linear", *norm, "ReLU", "Dropout", "Linear"]
    assert order == ["InputNormalisation", "Conv1d", *norm, "ReLU", *conv, *conv, *dense]


def test_group_normalisation_has_8_groups_of_4_channels():
    layers = create_model("bristol_raw", 50).layers
    groups = [getattr(layers, name).num_groups for name in ("strided_norm", "norm1", "norm2", "norm3")]
    assert groups == [8, 8, 8, 5]
    for n, of_units in ((2, 2), (4, 4), (16, 10)):  # that the paper tried, too
        layers = create_model("bristol_raw", 50, n_groups=n).layers
        groups = [getattr(layers, name).num_groups for name in ("strided_norm", "norm1", "norm2", "norm3")]
        assert groups == [n, n, n, of_units]
    groups = create_model("bristol_raw", 50, normalisation="layer").layers
    assert [getattr(groups, name).num_groups for name in ("strided_norm", "norm1", "norm2", "norm3")] == [1] * 4


def test_group_and_layer_normalisation_by_hand():
    # Two groups of one channel each: 1, 3 -> -1, 1; 10, 30 -> -1, 1. All in one: mean 11, deviation sqrt(131.5).
    activations = torch.tensor([[[1.0, 3.0], [10.0, 30.0]]])
    wanted = torch.tensor([[[-1.0, 1.0], [-1.0, 1.0]]])
    group = normalisation_layer("group", 2, groups=2)
    torch.testing.assert_close(group(activations), wanted, rtol=1e-4, atol=1e-4)
    layer = normalisation_layer("layer", 2)
    torch.testing.assert_close(layer(activations), (activations - 11) / 131.5**0.5, rtol=1e-4, atol=1e-4)
    batch = normalisation_layer("batch", 2)
    torch.testing.assert_close(batch(activations), wanted, rtol=1e-4, atol=1e-4)
    assert normalisation_layer("none", 2)(activations) is activations


def test_input_normalisation_of_planted_waveforms():
    waveform = torch.tensor([[[-0.5, 0.0, 0.5, 1.0]], [[0.02, 0.02, 0.04, 0.04]]])
    assert torch.equal(InputNormalisation("none")(waveform), waveform)
    wanted = torch.tensor([[[0.0, 1 / 3, 2 / 3, 1.0]], [[0.0, 0.0, 1.0, 1.0]]])
    torch.testing.assert_close(InputNormalisation("min-max")(waveform), wanted)
    unit = 0.75 / 0.3125**0.5  # mean 0.25, variance 0.3125
    wanted = torch.tensor([[[-unit, -unit / 3, unit / 3, unit]], [[-1.0, -1.0, 1.0, 1.0]]])
    torch.testing.assert_close(InputNormalisation("standardise")(waveform), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["standardise", "min-max"])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, -1.0])
def test_constant_input_becomes_zeros(kind, level):
    constant = torch.full((1, 1, 1024), level, requires_grad=True)
    answer = InputNormalisation(kind)(constant)
    assert torch.equal(answer, torch.zeros(1, 1, 1024))
    model = create_model("bristol_raw", 5, input_normalisation=kind).train()
    loss = model(torch.full((2, model.window_samples), level)).sum()
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["standardise", "min-max"])
def test_loudness_does_not_matter_to_normalised_input(kind):
    torch.manual_seed(0)
    model = create_model("bristol_raw", 5, input_normalisation=kind).eval()
    waveform = torch.randn(1, model.window_samples) * 0.1
    with torch.inference_mode():
        torch.testing.assert_close(model(waveform), model(waveform * 0.01), rtol=1e-3, atol=1e-3)


def test_average_of_subclips_is_the_mean_of_probabilities():
    probabilities = torch.tensor([[[0.1, 0.5], [0.3, 0.9]], [[0.2, 1e-4], [0.2, 1 - 1e-4]]])
    averaged = average_subclips(probabilities.logit())
    torch.testing.assert_close(averaged.sigmoid(), torch.tensor([[0.2, 0.7], [0.2, 0.5]]))


def test_loss_on_averaged_subclips_is_that_of_the_averaged_prediction():
    torch.manual_seed(0)
    model = create_model("bristol_raw", 4, window_seconds=0.5, dropout=0)
    clips = torch.randn(3, 10, model.window_samples) * 0.1
    labels = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0]])
    logits = model(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
    loss = F.binary_cross_entropy_with_logits(average_subclips(logits), labels)
    torch.testing.assert_close(loss, F.binary_cross_entropy(logits.sigmoid().mean(dim=1), labels))
    loss.backward()
    assert all(parameter.grad.any() for parameter in model.parameters())


def test_average_of_certain_subclips_stays_finite():
    logits = torch.tensor([[[200.0, -200.0, 200.0], [200.0, -200.0, -200.0]]], requires_grad=True)
    averaged = average_subclips(logits)
    torch.testing.assert_close(averaged, torch.tensor([[200.0, -200.0, 0.0]]))
    averaged.sum().backward()
    assert logits.grad.isfinite().all()
    assert average_subclips(torch.tensor([[[1.5]]])).item() == pytest.approx(1.5)


@pytest.mark.parametrize("shape", [(2, 3), (2, 0, 3), (1, 2, 3, 4)])
def test_average_refuses_other_shapes(shape):
    with pytest.raises(ConfigError, match="clips, subclips, tags"):
        average_subclips(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_normalisation": "minmax"}, "'minmax'.*min-max"),
        ({"normalisation": "instance"}, "'instance'.*group"),
        ({"n_filters": 20}, "20 channels.*8 groups"),
        ({"n_groups": 5}, "32 channels.*5 groups"),
        ({"n_groups": 0}, "32 channels.*0 groups"),
        ({"dropout": -0.1}, "dropout"),
        ({"window_seconds": 0.3}, "at least 0.342"),
        ({"feature_pooling": "l2", "pool_filters": 5}, "pool_filters 5"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("bristol_raw", 5, **options)


def test_samplecnn_on_bristols_subclips():
    """VIII-B: the same subclips of 34,950 samples, which are no power of three."""
    options = {"normalisation": "group", "multi": False, "sample_rate_hz": 12_000, "n_samples": 34_950, "n_blocks": 8}
    model = create_model("samplecnn_basic", 50, width=0.1, **options)
    assert (model.sample_rate_hz, model.window_samples) == (12_000, 34_950)
    assert layer_shapes(model)["blocks.block8"] == (48, 1)
    assert not any(isinstance(module, torch.nn.BatchNorm1d) for module in model.modules())
