"""The ensemble paper's Models 1 and 2, layer by layer as its Tables 1 and 2 have them."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model

TABLE_1 = {
    "conv1": (256, 589),
    "pool1": (256, 294),
    "conv2": (256, 291),
    "pool2": (256, 145),
    "conv3": (384, 142),
    "pool3": (384, 71),
    "last": (50, 1),
}
TABLE_2 = {
    "pair1.0": (128, 128, 592),
    "pair1": (128, 128, 592),
    "pool1": (128, 32, 148),
    "pair2.0": (256, 32, 148),
    "pair2": (256, 32, 148),
    "pool2": (256, 8, 37),
    "pair3": (256, 8, 37),
    "pool3": (256, 4, 18),
    "pair4.0": (512, 2, 18),
    "pair4": (512, 2, 16),
    "pool4": (512, 1, 8),
    "last": (50, 1, 1),
}
WITHIN_PAIRS = {"pair1.0", "pair2.0", "pair4.0"}  # a depthwise pair has its own inside


def shapes(model) -> dict[str, tuple[int, ...]]:
    """Output shape of every layer for one window, without the batch."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
        for name, module in model.layers.named_modules()
        if name
    ]
    with torch.inference_mode():
        model.eval()(torch.zeros(1, model.window_samples))
    for hook in hooks:
        hook.remove()
    return seen


def test_model_1_is_table_1():
    model = create_model("ensemble_model1", 50)
    assert (model.window_samples, model.sample_rate_hz, model.variable_length) == (465_600, 16_000, False)
    seen = shapes(model)
    assert {name: seen[name] for name in TABLE_1} == TABLE_1
    convolutions = 256 * (128 * 4 + 1) + 256 * (256 * 4 + 1) + 384 * (256 * 4 + 1) + 50 * (71 * 384 + 1)
    assert model.n_parameters == convolutions + 2 * 256 + 2 * 384 == 2_151_858


def test_model_1_has_its_layers_in_the_order_of_table_1():
    model = create_model("ensemble_model1", 50, window_seconds=10, dropout=0.1)
    block = ["Conv1d", "ReLU"]
    first, second = [*block, "MaxPool1d"], [*block, "BatchNorm1d", "MaxPool1d"]
    third = [*block, "MaxPool1d", "BatchNorm1d"]
    assert [type(layer).__name__ for layer in model.layers] == [*first, *second, *third, "Dropout", "Conv1d"]


@pytest.mark.slow
@pytest.mark.parametrize(("separable", "parameters"), [("spatial", 2_124_466), ("depthwise", 441_916)])
def test_model_2_is_table_2(separable, parameters):
    model = create_model("ensemble_model2", 50, separable=separable)
    seen = shapes(model)
    names = TABLE_2.keys() - (WITHIN_PAIRS if separable == "depthwise" else set())
    assert {name: seen[name] for name in names} == {name: TABLE_2[name] for name in names}
    assert model.n_parameters == parameters


def test_last_convolution_spans_the_time_left_of_shorter_windows():
    model = create_model("ensemble_model1", 13, window_seconds=10)
    assert model.layers.last.kernel_size == (22,)  # 204 frames -> 201 -> 100 -> 97 -> 48 -> 45 -> 22
    model = create_model("ensemble_model2", 13, window_seconds=10)
    assert model.layers.last.kernel_size == (1, 2)  # 204 frames -> 51 -> 12 -> 6 -> 4 -> 2


@pytest.mark.parametrize(("name", "shortest"), [("ensemble_model1", "1.38"), ("ensemble_model2", "6.25")])
def test_too_short_windows_are_refused_with_the_shortest_that_does(name, shortest):
    with pytest.raises(ConfigError, match=f"at least {shortest}"):
        create_model(name, 13, window_seconds=1.0, width=0.1)
    assert create_model(name, 13, window_seconds=float(shortest) + 0.01, width=0.1).window_samples


def test_width_and_dropout():
    narrow = create_model("ensemble_model1", 13, window_seconds=10, width=0.5, dropout=0.3)
    assert narrow.layers.conv1.out_channels == 128
    assert narrow.layers.conv3.out_channels == 192
    assert narrow.layers.dropout.p == 0.3


@pytest.mark.parametrize(
    "options",
    [{"width": 0}, {"dropout": 1.0}, {"window_seconds": 0}, {"separable": "no"}, {"frontend": {"n_mels": 64}}],
)
def test_bad_values_are_refused_by_name(options):
    (name,) = options.get("frontend", options)
    with pytest.raises(ConfigError, match=name):
        create_model("ensemble_model2", 13, **options)


@pytest.mark.parametrize("separable", ["spatial", "depthwise"])
def test_fresh_weights_keep_the_size_of_what_goes_through(separable):
    torch.manual_seed(0)
    model = create_model("ensemble_model2", 50, window_seconds=7, width=0.25, separable=separable).eval()
    with torch.inference_mode():
        logits = model(torch.randn(4, model.window_samples) * 0.1)
    assert 1e-3 < logits.std() < 10
