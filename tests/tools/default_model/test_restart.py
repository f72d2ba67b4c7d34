"""Training goes on from a released file: the checkpoint answers as the file does, and its normalisations know the music."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from tools.default_model.__main__ import app
from torch import nn

from earmark.core.card import ModelCard
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, FORMAT
from earmark.export.onnx import export_onnx
from earmark.models import TaggingModel
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import load_recipe
from earmark.training.data_setup import build_model
from earmark.training.provenance import first_card
from tests.helpers.labelled_sets import write_tables

RECIPE = """
base: default/_base
name: small
model:
  name: compact_1d
  options: {width: 0.15, hidden: 16, level_dbfs: -18.0}
"""
N_EXAMPLES = 6


def write_sets(folder: Path) -> Path:
    write_tables(folder)
    rng = np.random.default_rng(0)
    for name in ("train", "validation"):
        shard = folder / name / "00000"
        shard.mkdir(parents=True)
        teacher = {"name": "t", "vocabulary": "mtat-50", "starts": [0], "sha256": "0" * 64}
        document = {"format": FORMAT, "teachers": [teacher], "teachers_by_window": []}
        (shard.parent / "set.json").write_text(json.dumps(document))
        np.save(shard / "audio.npy", rng.integers(-9000, 9000, (N_EXAMPLES, EXAMPLE_SAMPLES)).astype(np.int16))
        np.save(shard / "means.npy", rng.uniform(0.01, 0.9, (N_EXAMPLES, 1, 50)).astype(np.float16))
        np.save(shard / "windows.npy", np.empty((N_EXAMPLES, 0, 0, 50), np.float16))
        lines = [json.dumps({"parts": [{"song": f"song {k}"}]}) + "\n" for k in range(N_EXAMPLES)]
        (shard / "recipes.jsonl").write_text("".join(lines))
    return folder


def trained(recipe: Path, sets: Path) -> tuple[TaggingModel, ModelCard]:
    """A network with weights and statistics other than the initial ones."""
    given = load_recipe(recipe, [f"data.root={sets}"])
    dataset = load_dataset("labelled_set", sets)
    torch.manual_seed(0)
    model, _ = build_model(given, dataset)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.weight.data *= 0.05  # probabilities that are not 0 or 1
    return model.eval(), first_card(given, dataset, model)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Sets, a recipe, and the file of a network that has all tags but the first."""
    root = tmp_path_factory.mktemp("restart")
    sets, recipe = write_sets(root / "sets"), root / "small.yaml"
    recipe.write_text(RECIPE)
    model, card = trained(recipe, sets)
    from earmark.distillation.calibration import keep_outputs

    smaller = keep_outputs(model, card, range(1, len(card.vocabulary)))
    card = card.replace(vocabulary=type(card.vocabulary)(card.vocabulary.tags[1:]))
    windows = np.random.default_rng(1).normal(0, 0.1, (2, card.input.window_samples)).astype(np.float32)
    export_onnx(smaller, card, root / "small.onnx", windows, "float16")
    return sets, recipe, root / "small.onnx"


@pytest.mark.slow
def test_the_checkpoint_answers_as_the_file_and_learns_as_before(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    sets, recipe, file = folders
    command = ["checkpoint", str(file), "--recipe", str(recipe), "--sets", str(sets), "--out", str(tmp_path / "start")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    model, card = load_checkpoint(tmp_path / "start")
    audio = np.load(sets / "train" / "00000" / "audio.npy")[:, : card.input.window_samples].astype(np.float32) / 32767
    with torch.no_grad():
        answers = torch.sigmoid(model.eval()(torch.from_numpy(audio))).numpy()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    expected = session.run(["probabilities"], {"waveform": audio})[0]
    assert 0.05 < np.median(expected) < 0.95
    np.testing.assert_allclose(answers[:, 1:], expected, atol=2e-4)
    labels = np.stack([clip.labels for clip in load_dataset("labelled_set", sets).split("train")])
    np.testing.assert_allclose(answers[:, 0], labels[:, 0].mean(), rtol=1e-3)
    # The statistics are those of this audio, so that training goes on where it was.
    found = {
        name: module
        for name, module in model.layers.named_modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    }
    before = {name: (module.running_mean.clone(), module.running_var.clone()) for name, module in found.items()}
    for module in found.values():
        module.train()
        module.momentum = 1.0
    with torch.no_grad():
        model(torch.from_numpy(audio))
    for name, (mean, variance) in before.items():
        assert variance.min() > 0
        torch.testing.assert_close(found[name].running_mean, mean, rtol=0.01, atol=0.01, msg=name)
        torch.testing.assert_close(found[name].running_var, variance, rtol=0.02, atol=0.01, msg=name)


@pytest.mark.slow
def test_a_file_of_another_network_is_refused(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    sets, _recipe, file = folders
    other = tmp_path / "other.yaml"
    other.write_text(RECIPE.replace("0.15", "0.25"))
    command = ["checkpoint", str(file), "--recipe", str(other), "--sets", str(sets), "--out", str(tmp_path / "start")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "not the network of the recipe" in str(result.exception)
    assert not (tmp_path / "start").exists()
