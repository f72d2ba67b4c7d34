"""Every row's recipe trains: an epoch of a few batches of its own kind, on a narrow network of its own architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.models.checkpoint import load_checkpoint
from earmark.models.registry import model_options
from earmark.papers.tables import list_papers, load_tables
from earmark.training.config import load_recipe
from earmark.training.run import train
from tests.helpers.sounds import write

RATE_HZ = 16_000
ROWS = [
    tables.recipe_name(row.row)
    for tables in map(load_tables, list_papers())
    for row in tables.rows.values()
    if row.kind == "recipe"
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of three seconds, of two kinds and with a degree, as a manifest."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    lines = ["path,split,low,high,calm [regression]"]
    for i in range(6):
        time = np.arange(3 * RATE_HZ) / RATE_HZ
        samples = 0.3 * np.sin(2 * np.pi * (220, 2200)[i % 2] * time) + 0.05 * rng.standard_normal(len(time))
        write(folder / f"{i}.wav", samples[np.newaxis].astype(np.float32), RATE_HZ)
        lines.append(f"{i}.wav,{'train' if i < 4 else 'validation'},{1 - i % 2},{i % 2},{0.2 + i / 10}")
    path = folder / "songs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ROWS)
def test_a_row_trains_for_a_few_steps(name: str, songs: Path, tmp_path: Path) -> None:
    changes: dict[str, object] = {
        "data": {"dataset": "manifest", "protocol": None, "root": str(songs), "train_share": 1.0},
        "training": {"epochs": 1, "batch_size": 2, "validate_every": 1, "accumulate_batches": 1},
    }
    if "width" in model_options(load_recipe(name).model.name):
        changes["model"] = {"options": {"width": 0.0625}}
    recipe = load_recipe(name, changes=changes)
    torch.set_num_threads(1)
    result = train(recipe, tmp_path / "run", device="cpu")
    last = {name: float(result.history[-1][name] or 0) for name in ("step", "train_loss")}
    assert last["step"] >= 2
    assert 0 < last["train_loss"] < np.inf
    model, card = load_checkpoint(result.checkpoint)
    assert card.architecture == recipe.model.name
    if name.endswith("-dataset"):
        options = {**card.architecture_options, **(card.architecture_options.get("frontend") or {})}
        assert options["standardise"] == "dataset"
        assert (options["mean"], options["std"]) != (0.0, 1.0), "computed from the training clips"
        assert model.frontend is None or model.frontend.config.std == options["std"]
