"""Pons et al. 2017: shapes and weights of both models, and parts that can be exchanged."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.pons2017 import Pons2017
from earmark.models.pons2017_layers import BackEnd, SharedNorm, SpectrogramFrontEnd, WaveformFrontEnd

WAVEFORM_LAYERS = {  # 15 s at 16 kHz
    "front.layers.norm0": (64, 80_000),
    "front.layers.norm1": (64, 79_998),
    "front.layers.pool1": (64, 26_666),
    "front.layers.pool2": (64, 8_888),
    "front.layers.pool3": (128, 2_962),
    "front.layers.pool4": (128, 986),
    "front.layers.pool5": (128, 328),
    "front.layers.pool6": (256, 108),
    "back.first": (512, 102),
    "back.second": (512, 102),
    "back.pool": (512, 51),
    "back.third": (512, 51),
    "back.dense.1": (500,),
    "back": (139,),
}
SPECTROGRAM_LAYERS = {
    "frontend": (90, 938),
    "front.timbral.0": (16, 10, 938),
    "front.timbral.1": (32, 10, 938),
    "front.timbral.2": (64, 10, 938),
    "front.timbral.3": (16, 55, 938),
    "front.timbral.4": (32, 55, 938),
    "front.timbral.5": (64, 55, 938),
    "front.temporal.0": (16, 938),
    "front.temporal.1": (32, 938),
    "front.temporal.2": (64, 938),
    "front.temporal.3": (128, 938),
    "front": (464, 938),
    "back.first": (512, 932),
    "back.second": (512, 932),
    "back.pool": (512, 466),
    "back.third": (512, 466),
    "back.dense.1": (500,),
    "back": (139,),
}


def shapes(model) -> dict[str, tuple[int, ...]]:
    """Output shape of every layer for one window, without the batch."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
        for name, module in model.named_modules()
        if name
    ]
    with torch.inference_mode():
        model.eval()(torch.zeros(1, model.window_samples))
    for hook in hooks:
        hook.remove()
    return seen


def all_weights(model) -> int:
    """Weights with running statistics, but without batch norm's counters of batches."""
    return sum(value.numel() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers"), [("pons2017_waveform", WAVEFORM_LAYERS), ("pons2017_spectrogram", SPECTROGRAM_LAYERS)]
)
@pytest.mark.parametrize("published", [False, True])
def test_layers_have_the_papers_shapes(name, layers, published):
    model = create_model(name, 139, published_batchnorm=published)
    assert (model.sample_rate_hz, model.window_samples, model.variable_length) == (16_000, 240_000, True)
    seen = shapes(model)
    assert {layer: seen[layer] for layer in layers} == layers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "authors", "trained", "by_channel"),
    [
        ("pons2017_spectrogram", 5_969_795, 5_966_839, 5_968_883),
        ("pons2017_waveform", 5_425_363, 5_421_671, 5_423_715),
    ],
)
def test_weights_are_those_of_the_authors(name, authors, trained, by_channel):
    """The authors' numbers count running statistics, and the batch norm as their code has it."""
    published = create_model(name, 139, published_batchnorm=True)
    assert all_weights(published) == authors
    assert published.n_parameters == trained
    own = create_model(name, 139)
    assert own.n_parameters == by_channel
    assert all_weights(own) - authors == 2 * (512 - 1) * 4  # two batch norms of 512 channels instead of one


@pytest.mark.slow
def test_timbral_and_temporal_filters_are_the_papers():
    front = create_model("pons2017_spectrogram", 5).front
    timbral = [filters[0].kernel_size for filters in front.timbral]
    assert timbral == [(81, 7), (81, 3), (81, 1), (36, 7), (36, 3), (36, 1)]  # bands, frames
    assert [filters[1].kernel_size for filters in front.temporal] == [(165,), (128,), (64,), (32,)]
    front = create_model("pons2017_spectrogram", 5, n_mels=96, k=4).front
    assert [filters[0].kernel_size[0] for filters in front.timbral] == [86] * 3 + [38] * 3
    assert front.channels == 116


@pytest.mark.parametrize(("index", "length"), list(enumerate((165, 128, 64, 32))))
def test_temporal_filters_are_padded_as_same_has_it(index, length):
    """Of an even length, one sample more is seen behind than in front."""
    filters = SpectrogramFrontEnd(10, 1).temporal[index]
    padding, convolution = filters[0], filters[1]
    with torch.inference_mode():
        convolution.weight.zero_()
        convolution.weight[..., -1] = 1
        line = torch.rand(1, 1, 200)
        answer = convolution(padding(line))
    assert answer.shape[-1] == 200
    torch.testing.assert_close(answer[0, 0, : 200 - length // 2], line[0, 0, length // 2 :])


@pytest.mark.slow
def test_batch_norm_stands_behind_the_relu():
    model = create_model("pons2017_waveform", 5)
    kinds = [type(layer).__name__ for layer in model.front.layers]
    assert kinds == ["Conv1d", "ReLU", "BatchNorm1d"] + ["Conv1d", "ReLU", "BatchNorm1d", "MaxPool1d"] * 6
    assert [type(layer).__name__ for layer in model.back.second] == ["Conv1d", "ReLU", "BatchNorm1d"]
    assert [type(layer).__name__ for layer in model.back.dense] == [
        *["Dropout", "Linear", "ReLU", "BatchNorm1d"],
        *["Dropout", "Linear"],
    ]
    assert [layer.p for layer in model.back.dense if type(layer).__name__ == "Dropout"] == [0.5, 0.5]


def test_shared_norm_takes_all_channels_together():
    torch.manual_seed(0)
    maps = torch.randn(4, 6, 20) * torch.arange(1, 7)[:, None] + 3
    normed = SharedNorm()(maps).detach()
    expected = (maps - maps.mean()) / (maps.var(unbiased=False) + 1e-3).sqrt()
    torch.testing.assert_close(normed, expected)
    assert normed.std(dim=(0, 2))[5] > 3 * normed.std(dim=(0, 2))[0]  # channels keep their sizes


def test_residual_layers_add_what_comes_in():
    torch.manual_seed(0)
    back = BackEnd(12, 3, width=0.05).eval()
    seen = {}
    back.pool.register_forward_hook(lambda _m, args, out: seen.update(pool_in=args[0], pool_out=out))
    back.dense.register_forward_hook(lambda _m, args, _out: seen.update(dense_in=args[0]))
    with torch.inference_mode():
        maps = torch.randn(2, 12, 20)
        back(maps)
        first = back.first(maps)
        torch.testing.assert_close(seen["pool_in"], first + back.second(first))
        last = seen["pool_out"] + back.third(seen["pool_out"])
        torch.testing.assert_close(seen["dense_in"], torch.cat([last.amax(2), last.mean(2)], 1))


def test_front_ends_and_back_ends_can_be_exchanged():
    torch.manual_seed(0)
    spectrogram = create_model("pons2017_spectrogram", 4, window_seconds=2.0, k=1, width=0.05)
    waveform = create_model("pons2017_waveform", 4, window_seconds=2.0, width=0.05)
    assert type(spectrogram.back) is type(waveform.back)
    for front, frontend, n_in in (
        (WaveformFrontEnd(0.1), None, WaveformFrontEnd(0.1).channels),
        (SpectrogramFrontEnd(90, 2), spectrogram.frontend.config, 58),
    ):
        model = Pons2017(
            n_tags=7,
            window_samples=32_000,
            min_samples=20_000,
            frontend=frontend,
            front=front,
            back=BackEnd(n_in, 7, width=0.05, published_batchnorm=True),
        )
        assert model.eval()(torch.zeros(1, 32_000)).shape == (1, 7)
    waveform.back = BackEnd(waveform.front.channels, 4, width=0.1)
    assert waveform.eval()(torch.zeros(1, 32_000)).shape == (1, 4)


@pytest.mark.parametrize("name", ["pons2017_waveform", "pons2017_spectrogram"])
def test_the_shortest_input_is_what_the_back_end_needs(name):
    model = create_model(name, 3, window_seconds=2.0, width=0.05).eval()
    frames = {}
    model.back.first.register_forward_hook(lambda _m, args, _out: frames.update(n=args[0].shape[2]))
    with torch.inference_mode():
        model(torch.zeros(1, model.min_samples))
        assert frames["n"] == BackEnd.MIN_FRAMES
        short = model.front(torch.zeros(1, model.min_samples - 1)) if model.frontend is None else None
    assert short is None or short.shape[2] == BackEnd.MIN_FRAMES - 1
    assert model.min_samples == (19_680 if name == "pons2017_waveform" else 7 * 256)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k 0"),
        ({"n_mels": 2}, "n_mels 2"),
        ({"n_mels": 64, "frontend": {"n_mels": 90}}, "n_mels 90: the option n_mels says 64"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"window_seconds": 0.1}, "window_samples 1600"),
    ],
)
def test_bad_values_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("pons2017_spectrogram", 5, **options)


def test_fresh_weights_keep_the_size_of_what_goes_through():
    torch.manual_seed(0)
    front = SpectrogramFrontEnd(90, 16)
    weight = front.timbral[0][0].weight.detach()
    assert weight.std() == pytest.approx((2 / (81 * 7)) ** 0.5, rel=0.05)
    assert weight.abs().max() <= 2 * (1.3 * 2 / (81 * 7)) ** 0.5
    assert not front.timbral[0][0].bias.any()
