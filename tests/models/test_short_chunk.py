"""Short-chunk CNN of Won et al. 2020, plain and residual: shapes, weights, limits."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model

CHANNELS = [128, 128, 256, 256, 256, 256, 512]
PLAIN = [(64, 115), (32, 57), (16, 28), (8, 14), (4, 7), (2, 3), (1, 1)]
RESIDUAL = [(64, 116), (32, 58), (16, 29), (8, 15), (4, 8), (2, 4), (1, 2)]


@pytest.fixture(params=[False, True], ids=["plain", "residual"], scope="module")
def model(request):
    torch.manual_seed(0)
    return create_model("short_chunk_cnn", 50, residual=request.param).eval()


@pytest.mark.slow
def test_blocks_have_the_published_shapes(model):
    residual = model.architecture_options["residual"]
    maps = model.features(torch.zeros(1, model.window_samples)).unsqueeze(1)
    assert (model.window_samples, model.sample_rate_hz, maps.shape) == (59_049, 16_000, (1, 1, 128, 231))
    with torch.inference_mode():
        maps = model.layers.norm(maps)
        for i, (channels, size) in enumerate(zip(CHANNELS, RESIDUAL if residual else PLAIN, strict=True), start=1):
            maps = model.layers.get_submodule(f"block{i}")(maps)
            assert maps.shape == (1, channels, *size)
        pooled = model.layers.pool(maps)
        torch.testing.assert_close(pooled, maps.amax(dim=(2, 3)))
        assert model.layers.head(pooled).shape == (1, 50)


def test_weights_are_those_of_the_published_layers(model):
    convolutions = norms = 0
    inputs = 1
    for outputs in CHANNELS:
        first, further = outputs * (inputs * 9 + 1), outputs * (outputs * 9 + 1)
        residual = model.architecture_options["residual"]
        convolutions += 2 * first + further if residual else first
        norms += (3 if residual else 1) * 2 * outputs
        inputs = outputs
    head = 512 * 513 + 2 * 512 + 50 * 513
    assert model.n_parameters == 2 + convolutions + norms + head
    assert model.n_parameters == (12_104_244 if model.architecture_options["residual"] else 3_687_348)


def test_a_residual_block_is_the_sum_of_branch_and_skip():
    block = create_model("short_chunk_cnn", 5, residual=True, width=0.1).layers.block3.eval()
    with torch.inference_mode():
        maps = torch.randn(2, 16, 9, 9)
        torch.testing.assert_close(block(maps), (block.branch(maps) + block.skip(maps)).relu())
    assert block.branch[0].stride == block.skip[0].stride == (2, 2)


def test_shortest_inputs():
    plain = create_model("short_chunk_cnn", 5, width=0.1).eval()
    residual = create_model("short_chunk_cnn", 5, width=0.1, residual=True).eval()
    assert (plain.min_samples, residual.min_samples) == (127 * 256, 257)
    for model in (plain, residual):
        assert model(torch.zeros(1, model.min_samples)).isfinite().all()
        with pytest.raises(ConfigError, match=f"takes {model.min_samples} or more"):
            model(torch.zeros(1, model.min_samples - 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frontend": {"n_mels": 96}}, "n_mels 96"),
        ({"window_samples": 16_000}, "window_samples 16000: this network needs at least 32512"),
        ({"dropout": -0.1}, "dropout"),
        ({"width": 0}, "width"),
    ],
)
def test_bad_values_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("short_chunk_cnn", 5, **options)


def test_the_residual_variant_takes_fewer_bands():
    model = create_model("short_chunk_cnn", 5, residual=True, width=0.1, frontend={"n_mels": 40}).eval()
    assert model(torch.zeros(1, 59_049)).shape == (1, 5)
