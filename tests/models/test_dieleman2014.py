"""Dieleman & Schrauwen 2014: layer shapes of every window/hop pair, non-linearities and poolings by hand."""

from __future__ import annotations

import math

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.dieleman2014_layers import FeaturePool, LogCompression
from tests.helpers.layers import layer_shapes

PAIRS = {  # length, stride -> frames of 48,000 samples, after each pooling of 4
    (1024, 1024): (46, 11, 2),
    (1024, 512): (92, 23, 5),
    (512, 512): (93, 23, 5),
    (512, 256): (186, 46, 11),
    (256, 256): (187, 46, 11),
}


def trunk(n_frames: int, first: int, second: int) -> dict[str, tuple[int, ...]]:
    """What the trunk's layers give: 32 filters, poolings of 4, 100 units, 50 tags."""
    return {
        "conv1": (32, n_frames),
        "pool1": (32, first),
        "conv2": (32, first),
        "pool2": (32, second),
        "flat": (32 * second,),
        "dense1": (100,),
        "dense2": (50,),
    }


def subset(seen, wanted):
    return {name: seen[name] for name in wanted}


@pytest.mark.parametrize(("pair", "frames"), PAIRS.items())
def test_raw_layers(pair, frames):
    length, stride = pair
    model = create_model("dieleman2014_raw", 50, filter_samples=length, stride_samples=stride)
    assert (model.sample_rate_hz, model.window_samples, model.frontend) == (16_000, 48_000, None)
    wanted = {"strided": (32, frames[0]), **trunk(*frames)}
    assert subset(layer_shapes(model), wanted) == wanted
    convolutions = 32 * (length + 1) + 2 * 32 * (32 * 8 + 1)
    assert model.n_parameters == convolutions + 100 * (32 * frames[2] + 1) + 50 * 101


@pytest.mark.parametrize(("pair", "frames"), PAIRS.items())
def test_spectrogram_layers(pair, frames):
    length, stride = pair
    model = create_model("dieleman2014_spectrogram", 50, frame_samples=length, hop_samples=stride)
    assert model.window_samples == 48_000
    config = model.frontend.config
    assert (config.n_mels, config.n_fft, config.window_samples, config.hop_samples) == (128, length, length, stride)
    assert (config.compression, config.compression_c, config.sample_rate_hz) == ("log1p", 10_000, 16_000)
    assert config.n_frames(48_000) == frames[0]
    wanted = trunk(*frames)
    assert subset(layer_shapes(model), wanted) == wanted
    convolutions = 32 * (128 * 8 + 1) + 32 * (32 * 8 + 1)
    assert model.n_parameters == convolutions + 100 * (32 * frames[2] + 1) + 50 * 101


def test_layers_stand_in_the_papers_order():
    model = create_model("dieleman2014_raw", 50, feature_pooling="l2", pool_filters=2, dropout=0.5)
    order = [type(layer).__name__ for layer in model.layers if not isinstance(layer, torch.nn.Identity)]
    block = ["ZeroPad1d", "Conv1d", "ReLU", "MaxPool1d"]
    dense = ["Flatten", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert order == ["Conv1d", "FeaturePool", "ReLU", *block, *block, *dense]


@pytest.mark.parametrize(("kind", "size"), [("l2", 2), ("l2", 4), ("max", 2), ("max", 4)])
def test_pooling_leaves_fewer_filters(kind, size):
    model = create_model("dieleman2014_raw", 50, feature_pooling=kind, pool_filters=size)
    seen = layer_shapes(model)
    assert seen["strided"] == (32, 187)
    assert seen["feature_pool"] == (32 // size, 187)
    assert model.layers.conv1.weight.shape == (32, 32 // size, 8)


def test_log_nonlinearities_by_hand():
    values = torch.tensor([-1.0, -1e-4, 0.0, 1e-4, 0.01, 1.0])
    square = LogCompression(square=True)(values)
    wanted = [math.log(10_001), math.log(1.0001), 0.0, math.log(1.0001), math.log(2), math.log(10_001)]
    torch.testing.assert_close(square, torch.tensor(wanted), rtol=1e-5, atol=1e-6)
    log = LogCompression(square=False)(values)
    wanted = [0.0, 0.0, 0.0, math.log(2), math.log(101), math.log(10_001)]
    torch.testing.assert_close(log, torch.tensor(wanted), rtol=1e-5, atol=1e-6)


def test_feature_pools_of_planted_activations():
    # Four filters, two moments; neighbours make a pool.
    activations = torch.tensor([[[3.0, -1.0], [-4.0, -2.0], [0.0, 5.0], [0.0, 12.0]]])
    torch.testing.assert_close(FeaturePool("l2", 2)(activations), torch.tensor([[[5.0, 5**0.5], [1e-6, 13.0]]]))
    torch.testing.assert_close(FeaturePool("l2", 4)(activations), torch.tensor([[[5.0, 174**0.5]]]))
    assert FeaturePool("max", 2)(activations).tolist() == [[[3.0, -1.0], [0.0, 12.0]]]
    assert FeaturePool("max", 4)(activations).tolist() == [[[3.0, 12.0]]]


def test_l2_pool_of_silence_has_a_finite_gradient():
    silence = torch.zeros(1, 4, 3, requires_grad=True)
    FeaturePool("l2", 4)(silence).sum().backward()
    assert silence.grad.isfinite().all()


def planted(**options):
    """A raw network whose strided filters give a window's first sample times 1, -1, 2 and -2."""
    model = create_model("dieleman2014_raw", 3, n_filters=4, filter_samples=8, stride_samples=8, **options).eval()
    with torch.no_grad():
        model.layers.strided.weight.zero_()
        model.layers.strided.weight[:, 0, 0] = torch.tensor([1.0, -1.0, 2.0, -2.0])
    waveform = torch.zeros(1, model.window_samples)
    waveform[:, ::8] = 0.5
    with torch.inference_mode():
        front = model.layers[: list(dict(model.layers.named_children())).index("strided_activation") + 1]
        return front(waveform.unsqueeze(1))[0, :, 7]


def test_what_reaches_the_trunk():
    expected = {
        (): [0.5, 0.0, 1.0, 0.0],
        (("nonlinearity", "log"),): [math.log(5001), 0.0, math.log(10_001), 0.0],
        (("nonlinearity", "log_square"),): [math.log(2501)] * 2 + [math.log(10_001)] * 2,
        (("nonlinearity", "none"),): [0.5, -0.5, 1.0, -1.0],
        (("feature_pooling", "l2"), ("pool_filters", 2)): [0.5**0.5, 2**0.5],
        (("feature_pooling", "max"), ("pool_filters", 4)): [1.0],
        (("feature_pooling", "max"), ("pool_filters", 2), ("nonlinearity", "log")): [math.log(5001), math.log(10_001)],
    }
    for options, values in expected.items():
        torch.testing.assert_close(planted(**dict(options)), torch.tensor(values), rtol=1e-5, atol=1e-6)


def test_spectrogram_and_raw_frames_start_together():
    """A click in one frame changes that frame of the spectrogram alone."""
    model = create_model("dieleman2014_spectrogram", 3, frame_samples=512, hop_samples=512)
    waveform = torch.zeros(1, model.window_samples)
    waveform[0, 512 * 7 + 256] = 1.0
    changed = model.features(waveform)[0].amax(dim=0).nonzero().flatten()
    assert changed.tolist() == [7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter_samples": 0}, "filter_samples 0"),
        ({"stride_samples": 0}, "stride_samples 0"),
        ({"stride_samples": 257}, "stride_samples 257"),
        ({"n_filters": 0}, "n_filters 0"),
        ({"nonlinearity": "tanh"}, "'tanh'.*log_square"),
        ({"feature_pooling": "mean"}, "'mean'.*l2"),
        ({"pool_filters": 2}, "pool_filters 2.*choose"),
        ({"feature_pooling": "l2"}, "pool_filters 1.*at least 2"),
        ({"feature_pooling": "max", "pool_filters": 3}, "pool_filters 3.*divide"),
        ({"dropout": 1.0}, "dropout"),
        ({"window_seconds": 0.25}, "15 frames.*at least 0.256"),
    ],
)
def test_raw_refuses(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("dieleman2014_raw", 50, **options)


def test_the_shortest_window_it_names_works():
    assert create_model("dieleman2014_raw", 50, window_seconds=0.256).window_samples == 16 * 256
    spectrogram = create_model("dieleman2014_spectrogram", 50, window_seconds=0.256)
    assert layer_shapes(spectrogram)["pool2"] == (32, 1)
    with pytest.raises(ConfigError, match=r"at least 0\.256"):
        create_model("dieleman2014_spectrogram", 50, window_seconds=0.255)


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        create_model("dieleman2014_raw", 50, n_filters=0, nonlinearity="tanh")
    assert len(error.value.problems) == 2


def test_spectrogram_options():
    centred = create_model("dieleman2014_spectrogram", 5, frontend={"centred": True, "n_mels": 40, "power": 1.0})
    assert layer_shapes(centred)["conv1"] == (32, centred.frontend.config.n_frames(48_000)) == (32, 188)
    for changes in ({"n_fft": 512}, {"hop_samples": 128}):
        with pytest.raises(ConfigError, match="frame_samples"):
            create_model("dieleman2014_spectrogram", 5, frontend=changes)
