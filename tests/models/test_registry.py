"""Models by name: what is refused, and what is written down."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from earmark.core.errors import ConfigError
from earmark.models import TaggingModel, create_model, list_models, register_model
from earmark.models.registry import MODELS


class Mean(TaggingModel):
    """The smallest network on raw waveforms."""

    def __init__(self, n_tags: int, gain: float) -> None:
        super().__init__(n_tags=n_tags, window_samples=800, sample_rate_hz=8000, min_samples=100, variable_length=True)
        self.dense = torch.nn.Linear(1, n_tags)
        self.gain = gain

    def network(self, features: Tensor) -> Tensor:
        return self.dense(features.mean(dim=1, keepdim=True) * self.gain)


@pytest.fixture
def own_registry():
    """The registry may be added to; what is added is forgotten after the test."""
    with MODELS.temporary():
        yield


@pytest.fixture
def mean_model(own_registry):
    @register_model
    def mean_model(n_tags: int, *, gain: float = 1.0, sizes: tuple[int, ...] = (1, 2)) -> TaggingModel:
        return Mean(n_tags, gain)

    return mean_model


def test_name_is_the_functions_and_the_list_is_sorted(mean_model):
    assert "mean_model" in list_models()
    assert list_models() == sorted(list_models())
    assert {"ensemble_model1", "ensemble_model2"} <= set(list_models())


def test_options_are_written_down_resolved(mean_model):
    model = create_model("mean_model", 3, gain=2.0)
    assert model.architecture == "mean_model"
    assert model.architecture_options == {"gain": 2.0, "sizes": [1, 2]}


def test_front_end_is_written_out():
    model = create_model("ensemble_model1", 3, window_seconds=3, frontend={"n_fft": 2048})
    written = model.architecture_options["frontend"]
    assert written == model.frontend.config.to_dict()
    assert (written["n_fft"], written["window_samples"], written["hop_samples"]) == (2048, 2048, 787)
    again = create_model("ensemble_model1", 3, **json.loads(json.dumps(model.architecture_options)))
    assert again.architecture_options == model.architecture_options


def test_duplicates_are_refused(mean_model):
    with pytest.raises(ConfigError, match="already registered"):
        register_model(mean_model)


def test_signatures_without_defaults_are_refused(own_registry):
    def no_default(n_tags: int, *, gain: float) -> TaggingModel:
        return Mean(n_tags, gain)

    def positional(n_tags: int, gain: float = 1.0) -> TaggingModel:
        return Mean(n_tags, gain)

    def no_tags(*, gain: float = 1.0) -> TaggingModel:
        return Mean(1, gain)

    for function, message in ((no_default, "'gain'"), (positional, "'gain'"), (no_tags, "n_tags")):
        with pytest.raises(ConfigError, match=message):
            register_model(function)
        assert function.__name__ not in list_models()


def test_unknown_name_lists_the_near_ones():
    with pytest.raises(ConfigError, match="did you mean ensemble_model"):
        create_model("ensemble_model_1", 3)
    with pytest.raises(ConfigError, match=r"models are .*ensemble_model1"):
        create_model("zzz", 3)


def test_unknown_options_are_all_reported_with_the_allowed_ones(mean_model):
    with pytest.raises(ConfigError) as caught:
        create_model("mean_model", 3, gian=2.0, size=1)
    assert len(caught.value.problems) == 2
    assert "gain=1.0" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_options_that_json_does_not_know_are_refused(mean_model, value):
    with pytest.raises(ConfigError, match="JSON"):
        create_model("mean_model", 3, gain=value)


def test_unknown_front_end_keys_are_refused():
    with pytest.raises(ConfigError, match="unknown key 'hop'"):
        create_model("ensemble_model1", 3, frontend={"hop": 256})


def test_no_tags_are_refused(mean_model):
    with pytest.raises(ConfigError, match="n_tags 0"):
        create_model("mean_model", 0)


def test_networks_on_waveforms_take_what_they_claim(mean_model):
    model = create_model("mean_model", 3)
    assert model.frontend is None
    assert model(torch.zeros(2, 100)).shape == (2, 3)
    with pytest.raises(ConfigError, match="99 samples are too few"):
        model(torch.zeros(2, 99))
