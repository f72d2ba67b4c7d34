"""Self-supervised training: the loss is as published, runs learn and resume, and the result is a trunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.evaluation.torch_model import TorchModel
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import load_recipe
from earmark.training.contrastive import nt_xent
from earmark.training.provenance import UNTRAINED
from earmark.training.run import train
from tests.helpers.training_runs import KIM, recipe, same_run, tones

PAIRS = {
    "training": {
        "epochs": 6,
        "batch_size": 8,
        "sampling": "pairs",
        "windows_per_clip": 2,
        "select": "validation_loss",
        "seed": 1,
    },
    "optimiser": {"name": "adam", "learning_rate": 3e-3, "momentum": 0.0, "nesterov": False, "schedule": "none"},
    "contrastive": {"temperature": 0.5, "projection_dims": 16},
    "augmentation": {"gain_db": 6.0, "noise_share": 0.5},
}


def test_the_loss_is_equation_1_of_simclr() -> None:
    """Term by term, as the paper writes it."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 3))
    vectors = np.concatenate([first, second])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    temperature, total = 0.5, 0.0
    for i in range(10):
        j = (i + 5) % 10
        others = sum(np.exp(vectors[i] @ vectors[k] / temperature) for k in range(10) if k != i)
        total -= np.log(np.exp(vectors[i] @ vectors[j] / temperature) / others)
    found = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    assert float(found) == pytest.approx(total / 10, abs=1e-6)


@pytest.mark.slow
def test_a_run_learns_without_labels_and_gives_a_trunk(tmp_path: Path) -> None:
    table = tones(tmp_path / "tones", 32)
    wanted = recipe(KIM, table, **PAIRS)
    result = train(wanted, tmp_path / "run", device="cpu")
    losses = [row["validation_loss"] for row in result.history]
    assert min(losses[1:]) < losses[0]  # type: ignore[type-var]
    model, card = load_checkpoint(result.checkpoint)
    assert UNTRAINED in card.limits
    assert card.metrics == ()
    assert card.thresholds == {}
    trunk = TorchModel(result.checkpoint)
    assert trunk.embedding_dims == model.head.dense2.in_features
    turned = table.read_text().replace(",0\n", ",2\n").replace(",1\n", ",0\n").replace(",2\n", ",1\n")
    table.write_text(turned)  # other labels, the same weights
    again = train(wanted, tmp_path / "again", device="cpu").checkpoint
    assert (again / "model.safetensors").read_bytes() == (result.checkpoint / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_run_that_is_resumed_ends_as_one_that_was_not(tmp_path: Path, one_thread: None) -> None:
    table = tones(tmp_path / "tones", 16)
    whole = recipe(KIM, table, **PAIRS)
    train(whole, tmp_path / "whole", device="cpu")

    class Stop:
        def decoding(self, done: int, total: int) -> None: ...
        def batch(self, *_: object) -> None: ...
        def epoch(self, row: dict[str, float]) -> None:
            if row["epoch"] == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(whole, tmp_path / "parts", device="cpu", progress=Stop())  # type: ignore[arg-type]
    train(whole, tmp_path / "parts", device="cpu", resume=True)
    same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("training", {"sampling": "random", "windows_per_clip": 1}, "pairs are what"),
        ("training", {"select": "skill"}, "must be validation_loss"),
        ("augmentation", {"mixup_alpha": 0.3}, "must be 0"),
        ("transfer", {"layer_decay": 0.5}, "not with contrastive"),
    ],
)
def test_contradictions(tmp_path: Path, section: str, values: dict[str, object], message: str) -> None:
    changes = {**PAIRS, section: {**PAIRS.get(section, {}), **values}}
    with pytest.raises(ConfigError, match=message):
        recipe(KIM, tmp_path, **changes)


def test_the_recipe_is_clmrs() -> None:
    found = load_recipe("clmr")
    assert found.model.options["n_samples"] == 59049
    assert (found.contrastive.temperature, found.contrastive.projection_dims) == (0.5, 128)
    assert (found.optimiser.name, found.optimiser.learning_rate, found.optimiser.weight_decay) == ("adam", 3e-4, 1e-6)
