"""Moving averages of weights: what they are, that they are what is validated and kept, and that they survive a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from earmark.core.errors import ConfigError
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import Recipe
from earmark.training.run import train
from earmark.training.schedule import averaged_weights
from tests.helpers.training_runs import BRISTOL, KIM, log_of, recipe, same_run, state_of, tones

DECAY = 0.8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("tones"))


def averaging(root: Path, **training: Any) -> Recipe:
    """KIM's network, which has batch norm, for four epochs of several steps, with a warm-up and a cosine."""
    changes = {"epochs": 4, "batch_size": 8, "ema_decay": DECAY, **training}
    optimiser = {"schedule": "cosine", "warmup_epochs": 1, "gradient_clip": 1.0}
    return recipe(KIM, root, training=changes, optimiser=optimiser)


def test_weights_and_statistics_are_averaged_over_steps() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = averaged_weights(layers, DECAY)
    expected: dict[str, torch.Tensor] = {}
    for step in range(30):
        layers(torch.randn(8, 3) + step)  # moves the statistics
        with torch.no_grad():
            layers[0].weight.add_(torch.randn(4, 3))
        average.update_parameters(layers)
        kept = min(DECAY, (1 + step) / (10 + step)) if step else 0.0
        for name, value in layers.state_dict().items():
            before = expected.get(name, torch.zeros_like(value))
            expected[name] = kept * before + (1 - kept) * value if value.is_floating_point() else value.clone()
    found = average.module.state_dict()
    assert found["1.num_batches_tracked"] == 30
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)
    assert not any(weight.requires_grad for weight in average.parameters())


@pytest.mark.slow
def test_the_average_is_validated_and_kept(root: Path, tmp_path: Path) -> None:
    result = train(averaging(root), tmp_path / "run", device="cpu")
    plain = train(averaging(root, ema_decay=None), tmp_path / "plain", device="cpu")
    state, other = state_of(tmp_path / "run")["state_dict"], state_of(tmp_path / "plain")["state_dict"]
    trained = {name: value for name, value in state.items() if name.startswith("model.")}
    assert all(torch.equal(value, other[name]) for name, value in trained.items())  # learning itself is the same
    rows, plain_rows = log_of(tmp_path / "run"), log_of(tmp_path / "plain")
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in plain_rows]
    assert [row["validation_loss"] for row in rows] != [row["validation_loss"] for row in plain_rows]
    assert (result.best_epoch, plain.best_epoch) == (4, 4)
    kept = load_checkpoint(result.checkpoint)[0].state_dict()
    for name, value in kept.items():
        assert torch.equal(value, state[f"average.module.{name}"]), name
    differing = [name for name, value in kept.items() if not torch.equal(value, state[f"model.{name}"])]
    assert any("running_mean" in name for name in differing)
    assert any(name.endswith("weight") for name in differing)


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_average_rate_and_order(root: Path, tmp_path: Path) -> None:
    class Stop:
        def decoding(self, done: int, total: int) -> None:
            pass

        def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
            if (epoch, done) == (3, 2):
                raise KeyboardInterrupt

        def epoch(self, row: Any) -> None:
            pass

    train(averaging(root), tmp_path / "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(averaging(root), tmp_path / "stopped", device="cpu", progress=Stop())
    resumed = train(averaging(root), tmp_path / "stopped", resume=True, device="cpu")
    assert resumed.resumed_after == 2
    same_run(tmp_path / "stopped", tmp_path / "whole")
    rates = [float(row["learning_rate"]) for row in log_of(tmp_path / "stopped")]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_plateaus_with_restarts_cannot_be_averaged(root: Path) -> None:
    with pytest.raises(ConfigError, match="not with plateau_restart"):
        recipe(KIM, root, training={"ema_decay": DECAY})
    with pytest.raises(ConfigError, match=r"training\.ema_decay 1\.0: must be below 1"):
        recipe(BRISTOL, root, training={"ema_decay": 1.0})
    assert "ema_decay" not in recipe(BRISTOL, root).to_document()["training"]  # so that runs from before can go on
