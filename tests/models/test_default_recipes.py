"""Students that come as recipes: what they cost with as many tags as earmark-2 has, and that they take a window."""

from __future__ import annotations

import pytest
import torch

from earmark.models import create_model
from earmark.models.summary import count_macs, count_weights
from earmark.training.config import list_recipes, load_recipe

N_TAGS = 153
FRONTEND_MB = 0.7
"""Beside the weights an ONNX file holds the Fourier transform and the bands: earmark-1 has 1.29 M weights and 3.3 MB."""
RECIPES = [name for name in list_recipes() if name.startswith("default/")]


def test_there_is_a_choice() -> None:
    assert {f"default/{name}" for name in ("compact-1d-wide", "compact-2d-wide", "mn")} <= {*RECIPES}
    assert {"default/compact-1d-large", "default/compact-2d-large"} <= {*RECIPES}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_student_is_within_its_limits(name: str) -> None:
    recipe = load_recipe(name)
    model = create_model(recipe.model.name, N_TAGS, **recipe.model.options).eval()
    assert model.sample_rate_hz == 16_000
    assert (model.level is None) == (name == "default/model1")
    most_gmac, most_mb = (3.0, 12.0) if name.endswith("-large") else (0.35, 6.0)
    gmac = count_macs(model) * 10 / (model.window_samples / model.sample_rate_hz) / 1e9
    megabytes = 2 * count_weights(model)[1] / 1e6 + FRONTEND_MB
    assert gmac <= most_gmac
    assert megabytes <= most_mb
    with torch.inference_mode():
        logits = model(0.1 * torch.randn(2, model.window_samples))
    assert logits.shape == (2, N_TAGS)
    assert torch.isfinite(logits).all()
