"""Optimisers, plateaus with and without restarts, the log for TensorBoard, progress on a terminal, combiners."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from earmark.cli.train.progress import TerminalWatcher
from earmark.core.errors import ConfigError, DataError
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import OptimiserSection
from earmark.training.run import train
from earmark.training.schedule import Plateau, make_optimiser
from earmark.training.tensorboard import _TITLES
from tests.helpers.training_runs import BRISTOL, KIM, log_of, recipe, state_of, tones


def planted(config: OptimiserSection, losses: list[float]) -> tuple[Plateau, list[dict[str, float]]]:
    """A network of one weight that is moved by 1 in each epoch; what there is after each validation."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    optimiser = make_optimiser(layer, config)
    trainer: Any = SimpleNamespace(optimizers=[optimiser])
    plateau, seen = Plateau(config), []
    for loss in losses:
        layer.weight.grad = torch.full((1, 1), -1.0)
        optimiser.step()  # so that there is momentum
        with torch.no_grad():
            layer.weight.copy_(torch.full((1, 1), float(len(seen) + 1)))
        plateau.after_validation(trainer, layer, loss)
        seen.append(
            {
                "weight": layer.weight.item(),
                "rate": optimiser.param_groups[0]["lr"],
                "stage": plateau.stage,
                "finished": plateau.finished,
                "momentum": len(optimiser.state),
            }
        )
    return plateau, seen


def sgd(**values: Any) -> OptimiserSection:
    given = {"learning_rate": 1.0, "momentum": 0.9, "nesterov": True, "plateau_factor": 0.5, "plateau_patience": 2}
    return OptimiserSection(name="sgd", **{**given, **values})


def test_a_plateau_with_restarts_goes_back_to_the_best_weights() -> None:
    #        best       best             stage best       stage best       stage best          finished
    losses = [1.0, 1.1, 0.9, 0.95, 0.92, 0.94, 0.95, 0.94, 0.8, 0.85, 0.8, 0.82, 0.83, 0.84]
    plateau, seen = planted(sgd(schedule="plateau_restart", plateau_stages=4), losses)
    assert [row["stage"] for row in seen] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4]
    assert [row["rate"] for row in seen] == [1] * 4 + [0.5] * 3 + [0.25] * 3 + [0.125] * 4
    # The weight after epoch n is n. Behind epoch 5 it is that of epoch 3; behind epoch 8 that of epoch 6, the best of the
    # second stage, which is worse than the best of the first; behind epoch 11 that of epoch 9.
    assert [row["weight"] for row in seen] == [1, 2, 3, 4, 3, 6, 7, 6, 9, 10, 9, 12, 13, 14]
    assert [row["momentum"] for row in seen] == [1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1]
    assert [row["finished"] for row in seen] == [0] * 13 + [1]

    other = Plateau(plateau.config)
    other.load_state_dict(plateau.state_dict())
    assert (other.stage, other.finished, other.stale, other.best_loss) == (4, True, 0, 0.82)
    assert other.state_dict()["best_weights"]["weight"].item() == 12


def test_a_plain_plateau_lowers_the_rate_alone_and_never_ends() -> None:
    losses = [1.0, 1.1, 1.2, 1.3, 1.4, 0.9, float("nan"), 0.9]
    _, seen = planted(sgd(schedule="plateau", plateau_stages=2), losses)
    assert [row["rate"] for row in seen] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert [row["weight"] for row in seen] == list(range(1, 9))
    assert all(row["momentum"] == 1 and not row["finished"] for row in seen)
    _, seen = planted(sgd(schedule="none"), losses)
    assert {row["rate"] for row in seen} == {1}


def test_weight_decay_goes_where_the_recipe_says() -> None:
    model = create_model("samplecnn_rese2", 3, n_samples=243, width=0.0625)
    kernels = {name for name, layer in model.named_modules() if isinstance(layer, nn.Conv1d)}
    names = {id(weight): name for name, weight in model.named_parameters()}
    for of, wanted in (
        ("convolutions", {f"{name}.weight" for name in kernels}),
        ("matrices", {name for name, weight in model.named_parameters() if weight.ndim > 1}),
    ):
        optimiser = make_optimiser(model, sgd(weight_decay=1e-4, weight_decay_of=of))
        found = {group["weight_decay"]: {names[id(w)] for w in group["params"]} for group in optimiser.param_groups}
        assert found[1e-4] == wanted
        assert found[0.0] == set(names.values()) - wanted
        assert all(group["nesterov"] and group["momentum"] == 0.9 for group in optimiser.param_groups)
    assert "head.dense1.weight" not in {f"{name}.weight" for name in kernels}
    for parameter in model.head.parameters():
        parameter.requires_grad_(False)
    held = {id(w) for group in make_optimiser(model, sgd()).param_groups for w in group["params"]}
    assert held.isdisjoint(map(id, model.head.parameters())), "what is frozen does not move"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs, the last two behind a stop that the log for TensorBoard did not see coming."""
    out = tmp_path_factory.mktemp("run") / "run"

    class Stop(TerminalWatcher):
        def batch(self, epoch: int, *rest: Any) -> None:
            if epoch == 3:
                raise InterruptedError

    four = recipe(BRISTOL, root, training={"epochs": 4, "validate_every": 2})
    with pytest.raises(InterruptedError):
        train(four, out, device="cpu", tensorboard=True, progress=Stop(4, quiet=True))
    from earmark.training.tensorboard import TensorBoardLogger

    torn = TensorBoardLogger(
        out / "tensorboard", 3
    )  # as if it had been killed between the board and the state of epoch 3
    torn.add({"epoch": 3, "train_loss": 99.0, "validation_loss": 99.0})
    torn.close()
    train(four, out, resume=True, device="cpu", tensorboard=True)
    return out


@pytest.mark.slow
def test_tensorboard_has_what_the_log_has_once(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    with (run / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for column, title in _TITLES.items():
        expected = [(int(row["epoch"]), float(row[column])) for row in rows if row[column]]
        if not expected:
            assert title not in events.Tags()["scalars"]
            continue
        found = [(event.step, event.value) for event in events.Scalars(title)]
        assert [step for step, _ in found] == [step for step, _ in expected], title
        assert [value for _, value in found] == pytest.approx([value for _, value in expected], rel=1e-4), title


@pytest.mark.slow
def test_the_seed_is_in_card_and_recipe(run: Path) -> None:
    assert load_checkpoint(run / "checkpoint")[1].training["recipe"]["training"]["seed"] == 2
    assert "  seed: 2\n" in (run / "recipe.yaml").read_text()
    assert "root" not in load_checkpoint(run / "checkpoint")[1].training["recipe"]["data"]


@pytest.mark.slow
def test_a_terminal_shows_loss_auc_speed_and_time_left(root: Path, tmp_path: Path) -> None:
    watcher = TerminalWatcher(2)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=150, highlight=False)
    watcher = TerminalWatcher(2, console=console)
    shown = []

    class Seen:
        """Passes on, and keeps what the bars say."""

        decoding, epoch = watcher.decoding, watcher.epoch

        def batch(self, *what: Any) -> None:
            watcher.batch(*what)
            with console.capture() as capture:
                console.print(watcher.progress.get_renderable())
            shown.append(capture.get())

    with watcher:
        result = train(recipe(BRISTOL, root, training={"epochs": 2}), tmp_path / "run", device="cpu", progress=Seen())
        watcher.finished(result)
    assert "epoch 1  loss 0." in shown[0]
    assert "1/10" in shown[0]
    assert "windows/s" in shown[0]
    assert "ROC-AUC" not in shown[0]
    assert f"ROC-AUC {result.history[0]['roc_auc']:.4f}" in shown[-1]
    assert "epoch 2  loss 0." in shown[-1]
    assert "10/10" in shown[-1]
    assert "0:00:00" in shown[-1]
    for epoch in (1, 2):
        assert f"epoch   {epoch}/2  loss {result.history[epoch - 1]['train_loss']:.4f}  val " in screen.getvalue()
    assert f"best epoch {result.best_epoch}, skill" in screen.getvalue()


@pytest.mark.slow
def test_a_combiner_learns_on_frozen_members(root: Path, tmp_path: Path) -> None:
    path = tones(tmp_path / "tones", 64)
    members = []
    for name, document in (("kim", KIM), ("bristol", BRISTOL)):
        train(recipe(document, path, training={"epochs": 2}), tmp_path / name, device="cpu")
        members.append(str(tmp_path / name / "checkpoint"))
    combiner = {
        "name": "both",
        "data": {"dataset": "manifest", "train_split": "validation"},
        "model": {"name": "ensemble_combiner", "options": {"width": 0.0625}, "members": members},
        "training": {"epochs": 3, "batch_size": 4, "sampling": "segments"},
    }
    train(recipe(combiner, path), tmp_path / "both", device="cpu")
    model, card = load_checkpoint(tmp_path / "both" / "checkpoint")
    weights = model.state_dict()
    for place, folder in enumerate(members):
        member, member_card = load_checkpoint(folder)
        for name, value in member.state_dict().items():
            assert torch.equal(weights[f"members.{place}.{name}"], value), "running statistics included"
        assert card.training["members"][place] == {
            "name": member_card.name,
            "weights_sha256": member_card.weights_sha256,
        }
    assert str(tmp_path) not in card.to_json(), "nothing of this machine"
    counts = card.training["clips"]
    assert counts["train"] + counts["validation"] == 16
    state = state_of(tmp_path / "both")
    n_moved = sum(len(group["params"]) for group in state["optimizer_states"][0]["param_groups"])
    assert n_moved == 6, "weights and biases of three dense layers"
    rows = log_of(tmp_path / "both")
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])

    with pytest.raises(ConfigError, match="its tags are not those of swapped in the same order"):
        swapped = tmp_path / "tones" / "swapped.csv"
        swapped.write_text(path.read_text().replace("high,whistle", "whistle,high", 1))
        train(recipe(combiner, swapped), tmp_path / "no", device="cpu")
    with pytest.raises((ConfigError, DataError), match=r"model\.options"):
        changed = {**combiner, "model": {**combiner["model"], "options": {"depth": 3}}}
        train(recipe(changed, path), tmp_path / "no", device="cpu")
