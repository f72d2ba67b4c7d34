"""musicnn, its VGG, FCN-4 and CRNN: sizes and shapes as published, and what their builders refuse."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.blocks import WON_FRONTEND, samples_for_frames
from earmark.models.musicnn import FORMS, PONS_FRONTEND, NormedConv


@pytest.mark.parametrize(
    ("name", "options", "n_parameters", "window_samples", "n_frames"),
    [
        ("musicnn", {}, 787_159, 48_128, 187),
        ("musicnn", {"variant": "won2020"}, 784_300, 48_000, 188),
        ("musicnn", {"head_units": 100}, 787_159 + 201 * 100 - 201 * 50 + 101 * 50, 48_128, 187),
        ("musicnn_vgg", {}, 605_748, 48_128, 187),
        ("fcn4", {}, 447_732, 464_000, 1813),
        ("crnn", {}, 394_100, 464_000, 1813),
    ],
)
def test_sizes_are_those_of_the_published_weights(name, options, n_parameters, window_samples, n_frames):
    model = create_model(name, 50, **options)
    assert model.n_parameters == n_parameters
    assert model.window_samples == window_samples
    assert model.features(torch.zeros(1, window_samples)).shape == (1, 96, n_frames)


def shapes(model, layers):
    """Output shapes of layers for one window."""
    seen = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape)))
        for layer in layers
    ]
    with torch.inference_mode():
        model.eval()(torch.randn(1, model.window_samples) * 0.1)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.slow
def test_shapes_of_fcn4():
    model = create_model("fcn4", 50)
    assert shapes(model, model.layers) == [
        (1, 64, 48, 453), (1, 128, 24, 113), (1, 128, 12, 28), (1, 128, 4, 5), (1, 64, 1, 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_shapes_of_crnn():
    model = create_model("crnn", 50)
    assert shapes(model, model.layers) == [(1, 64, 48, 906), (1, 128, 16, 302), (1, 128, 4, 75), (1, 128, 1, 18)]


def test_shapes_of_musicnn_vgg():
    model = create_model("musicnn_vgg", 50)
    assert shapes(model, model.layers) == [
        (1, 128, 48, 92), (1, 128, 24, 46), (1, 128, 12, 23), (1, 128, 6, 11), (1, 128, 1, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "timbral", "temporal", "n_frames"),
    [
        ("pons2019", [(1, 204, 59, 187), (1, 204, 30, 187)], [(1, 51, 96, 187)] * 3, 187),
        ("won2020", [(1, 204, 30, 188), (1, 204, 59, 188)], [(1, 51, 188)] * 3, 188),
    ],
)
def test_shapes_of_musicnn(variant, timbral, temporal, n_frames):
    model = create_model("musicnn", 50, variant=variant)
    rest = [model.residual1, model.residual2, model.residual3, model.dense, model.last]
    residual = [(1, 64, n_frames)] * 3
    assert shapes(model, [*model.timbral, *model.temporal, *rest]) == [
        *timbral, *temporal, *residual, (1, 200), (1, 50),
    ]  # fmt: skip


@pytest.mark.parametrize(("length", "in_front"), [(128, 63), (32, 15), (65, 32), (7, 3)])
def test_same_padding_of_even_lengths_is_tensorflows(length, in_front):
    """An impulse comes out where the kernel's weight that meets it lies."""
    layer = NormedConv(1, 1, (length,), FORMS["pons2019"]).eval()
    with torch.no_grad():
        layer.conv.weight.copy_(torch.arange(1.0, length + 1).reshape(1, 1, length))
        layer.conv.bias.zero_()
        impulse = torch.zeros(1, 1, 300)
        impulse[0, 0, 150] = 1
        out = layer(impulse)[0, 0] * (1 + 1e-3) ** 0.5  # undo batch norm, whose variance is 1
    assert out.shape == (300,)
    assert round(out[150].item(), 3) == in_front + 1


def test_windows_side_by_side_give_the_frames_of_the_whole_clip():
    """47,872 samples apart, windows of 48,128 see just what a spectrogram of the whole clip sees."""
    model = create_model("musicnn", 5, width=0.1)
    clip = torch.randn(1, 3 * 187 * 256 + 256) * 0.1
    whole = model.features(clip)
    for i in range(3):
        start = i * 187 * 256
        window = model.features(clip[:, start : start + model.window_samples])
        torch.testing.assert_close(window, whole[:, :, i * 187 : (i + 1) * 187], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", [WON_FRONTEND, PONS_FRONTEND])
def test_samples_for_frames_is_the_least(config):
    for n_frames in (3, 96, 1280):
        n_samples = samples_for_frames(config, n_frames)
        assert config.n_frames(n_samples) == n_frames
        assert config.n_frames(n_samples - 1) == n_frames - 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("musicnn", {"variant": "pons2017"}, "must be pons2019 or won2020"),
        ("musicnn", {"residual_channels": 0}, "must be at least 1"),
        ("musicnn", {"head_units": -1}, "must be 0, for none, or more"),
        ("musicnn", {"window_seconds": 0.01}, "needs at least 512"),
        ("musicnn", {"frontend": {"n_mels": 2}}, "needs at least 3"),
        ("musicnn_vgg", {"window_seconds": 1.0}, "needs at least 63 bands and 66 frames"),
        ("musicnn_vgg", {"frontend": {"n_mels": 62}}, "needs at least 63 bands and 66 frames"),
        ("fcn4", {"window_seconds": 20.0}, "needs at least 327424"),
        ("fcn4", {"frontend": {"n_mels": 95}}, "need at least 96"),
        ("crnn", {"window_seconds": 1.5}, "needs at least 24320"),
        ("crnn", {"frontend": {"n_mels": 192}}, "need 96 to 191"),
        ("crnn", {"units": 0}, "must be at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        create_model(name, 50, **options)


def test_the_least_that_the_vgg_takes():
    model = create_model("musicnn_vgg", 5, width=0.1, window_seconds=(65 * 256 + 512) / 16000, frontend={"n_mels": 63})
    assert model(torch.randn(2, model.window_samples)).shape == (2, 5)
