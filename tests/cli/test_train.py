"""A whole run on tones that the test makes: it learns, is killed and resumed, exported and evaluated."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.evaluation import evaluate, read_scores
from earmark.export import check_signals, export_onnx
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import Recipe, recipe_from
from earmark.training.run import train
from tests.helpers.command import earmark_here
from tests.helpers.training_runs import command_there, log_of, start, wait_for_epochs, wait_for_state

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

RATE = 8000
EPOCHS = 40
RECIPE: dict[str, Any] = {
    "name": "tones",
    "data": {"dataset": "manifest"},
    "model": {
        "name": "ensemble_model1",
        "options": {
            "window_seconds": 0.5,
            "width": 0.0625,
            "dropout": 0.2,
            "frontend": {"sample_rate_hz": RATE, "n_fft": 256, "hop_samples": 128, "n_mels": 32},
        },
    },
    "training": {"epochs": EPOCHS, "batch_size": 8, "windows_per_clip": 4, "seed": 1},
    "optimiser": {"learning_rate": 3e-3, "schedule": "cosine", "warmup_epochs": 1},
    "augmentation": {"gain_db": 3.0, "mixup_alpha": 0.2, "mask_bands": 2, "mask_frames": 3},
}


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 60 clips of 0.3 to 1.6 s: low or high tones, with or without a whistle, in more or less noise."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        high, whistle, noise = i % 2, int(rng.random() < 0.5), float(rng.random())
        n_samples = int(rng.uniform(0.3, 1.6) * RATE)
        hz = rng.uniform(1500, 2500) if high else rng.uniform(200, 400)
        sound = 0.3 * np.sin(2 * np.pi * hz * np.arange(n_samples) / RATE + rng.uniform(0, 6))
        sound += 0.2 * noise * rng.standard_normal(n_samples)
        if whistle:
            sound += 0.2 * np.sin(2 * np.pi * 3400 * np.arange(n_samples) / RATE)
        soundfile.write(folder / f"{i}.wav", sound.clip(-1, 1), RATE)
        split = ("train", "train", "train", "validation", "test")[i // 2 % 5]
        rows.append([f"{i}.wav", split, f"artist {i // 4}", high, 1 - high, whistle, round(noise, 3)])
    with (folder / "tones.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "artist", "high", "low", "whistle", "noise"])
        writer.writerows(rows)
    return folder / "tones.csv"


def recipe(tones: Path, **changes: Any) -> Recipe:
    document = json.loads(json.dumps(RECIPE))
    document["data"]["root"] = str(tones)
    for section, values in changes.items():
        document.setdefault(section, {}).update(values)
    return recipe_from(document)


def command(tones: Path, recipe_file: Path, out: Path, *more: str) -> list[str]:
    return ["train", str(recipe_file), "--root", str(tones), "--out", str(out), *more]


@pytest.fixture(scope="module")
def whole(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = train(recipe(tones), out, device="cpu")
    assert result.resumed_after == 0
    assert len(result.history) == EPOCHS
    return out


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    state = torch.load(out / "state.ckpt", weights_only=True)
    return state["state_dict"]  # type: ignore[no-any-return]


def test_it_learns(whole: Path) -> None:
    model, card = load_checkpoint(whole / "checkpoint")
    assert model.n_tags == 4
    measured = {(metric.name, metric.tag): metric.value for metric in card.metrics}
    assert measured[("roc_auc", None)] > 0.9
    assert measured[("rmse", None)] < 0.25, "always answering the mean gives about 0.3"
    assert set(card.thresholds) == {"high", "low", "whistle"}
    rows = log_of(whole)
    assert float(rows[-1]["train_loss"]) < 0.7 * float(rows[0]["train_loss"])


def test_the_best_epoch_is_kept_with_its_card(whole: Path, tones: Path) -> None:
    card = load_checkpoint(whole / "checkpoint")[1]
    rows = log_of(whole)
    best = max(rows, key=lambda row: float(row["selection"]))
    assert card.training["best_epoch"] == int(best["epoch"])
    assert [int(row["epoch"]) for row in rows if row["best"] == "1"][-1] == int(best["epoch"])
    assert card.training["selection"] == pytest.approx(float(best["selection"]), abs=1e-5)
    assert card.training["dataset_sha256"] == load_dataset("manifest", tones).fingerprint
    assert card.training["clips"] == {"train": 36, "validation": 12, "test": 12}
    assert card.training["recipe"]["data"] == {
        "dataset": "manifest",
        "protocol": None,
        "train_share": 1.0,
        "train_split": "train",
    }
    assert card.input.sample_rate_hz == RATE
    assert card.input.window_samples == RATE // 2


def test_killed_and_resumed_ends_as_if_it_had_not_been(whole: Path, tones: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(command_there, command(tones, whole / "recipe.yaml", out), tmp_path / "said")
    wait_for_epochs(out, 3, process)
    wait_for_state(out, process)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert 3 <= len(log_of(out)) < EPOCHS

    done = earmark_here(*command(tones, whole / "recipe.yaml", out, "--resume"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "best epoch" in done.stderr
    assert "Warning" not in done.stderr

    times = {"seconds", "windows_per_second", "wait_share"}
    mine, other = ([{k: v for k, v in row.items() if k not in times} for row in log_of(run)] for run in (out, whole))
    assert mine == other
    weights, expected = weights_of(out), weights_of(whole)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    best = "checkpoint/model.safetensors"
    assert (out / best).read_bytes() == (whole / best).read_bytes()


def test_a_run_is_not_trained_over_nor_resumed_as_another(whole: Path, tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run is already there; continue it with --resume"):
        train(recipe(tones), whole, device="cpu")
    with pytest.raises(ConfigError, match="of a run with another recipe or other data"):
        train(recipe(tones, optimiser={"learning_rate": 1e-3}), whole, resume=True, device="cpu")
    before = (whole / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    again = train(recipe(tones), whole, resume=True, device="cpu")
    assert again.resumed_after == EPOCHS
    assert len(again.history) == EPOCHS
    assert (whole / "checkpoint" / "model.safetensors").stat().st_mtime_ns == before


def test_patience_stops_and_stays_stopped(tones: Path, tmp_path: Path) -> None:
    """With a learning rate of next to nothing the first epoch stays the best but for noise."""
    still = recipe(
        tones, training={"patience": 2, "epochs": 40}, optimiser={"learning_rate": 1e-12, "warmup_epochs": 0}
    )
    result = train(still, tmp_path / "run", device="cpu")
    assert len(result.history) == result.best_epoch + 2 < 40
    resumed = train(still, tmp_path / "run", resume=True, device="cpu")
    assert len(resumed.history) == len(result.history)


def test_what_cannot_be_trained_is_said(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.root is not set"):
        train(recipe_from(RECIPE), tmp_path / "a")
    with pytest.raises(ConfigError, match="device 'gpu': must be one of auto, cpu"):
        train(recipe(tones), tmp_path / "b", device="gpu")
    wild = recipe(tones, optimiser={"learning_rate": 1e30, "warmup_epochs": 0}, training={"epochs": 2})
    with pytest.raises((ConfigError, DataError), match=r"lower optimiser.learning_rate|must be finite"):
        train(wild, tmp_path / "c", device="cpu")
    missing = tmp_path / "missing.csv"
    missing.write_text("path,split,x\nno.wav,train,1\nno2.wav,validation,0\n")
    with pytest.raises(DataError, match=r"no\.wav"):
        train(recipe(missing), tmp_path / "d", device="cpu")


def test_random_generators_are_left_as_they_were(tones: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(recipe(tones, training={"epochs": 1}, optimiser={"warmup_epochs": 0}), tmp_path / "run", device="cpu")
    assert torch.equal(torch.rand(3), expected)


@pytest.fixture(scope="module")
def exported(whole: Path) -> Path:
    model, card = load_checkpoint(whole / "checkpoint")
    path = whole / "tones.onnx"
    export_onnx(model, card, path, check_signals(card.input))
    return path


def test_checkpoint_and_export_score_alike_and_as_in_training(whole: Path, exported: Path, tones: Path) -> None:
    dataset = load_dataset("manifest", tones)
    for split in ("validation", "test"):
        reports = [
            evaluate(model, dataset, whole / f"{split}-{i}", split=split, n_resamples=200)
            for i, model in enumerate((whole / "checkpoint", exported))
        ]
        scores = [read_scores(whole / f"{split}-{i}" / "scores.parquet").scores for i in range(2)]
        assert np.abs(scores[0] - scores[1]).max() < 1e-4
        for a, b in zip(reports[0].metrics, reports[1].metrics, strict=True):
            assert (a.name, a.tag, a.n_clips) == (b.name, b.tag, b.n_clips)
            assert a.value == pytest.approx(b.value, abs=1e-3)
    # What training measured on validation, on audio kept in 16 bits, is what evaluation measures on the files.
    report = json.loads((whole / "validation-1" / "report.json").read_text())
    measured = {(m["name"], m["tag"]): m["value"] for m in report["metrics"]}
    for metric in load_checkpoint(whole / "checkpoint")[1].metrics:
        assert measured[(metric.name, metric.tag)] == pytest.approx(metric.value, abs=2e-3)
    assert any("validation clips" in warning for warning in report["warnings"])


def test_evaluate_from_the_command_line(exported: Path, tones: Path, tmp_path: Path) -> None:
    options = ["--dataset", "manifest", "--root", str(tones), "--out", str(tmp_path / "out"), "--resamples", "200"]
    done = subprocess.run(
        [sys.executable, "-m", "earmark.cli.main", "evaluate", str(exported), *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "macro ROC-AUC" in done.stdout
    page = (tmp_path / "out" / "report.md").read_text()
    assert page.startswith("# tones on tones (manifest, test)")
    assert (tmp_path / "out" / "scores.parquet").stat().st_size > 0
    bad = earmark_here("evaluate", exported, *options, "--split", "dev")
    assert bad.returncode == 1
    assert "no clips in split 'dev'; it has train (36), validation (12), test (12)" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_training_clips_are_measured_as_evaluation_would_and_change_nothing(tones: Path, tmp_path: Path) -> None:
    short = recipe(tones, training={"epochs": 6})
    train(short, tmp_path / "plain", device="cpu")
    train(short, tmp_path / "run", device="cpu", measure_training=10_000)
    rows = log_of(tmp_path / "run")
    assert all(row["train_roc_auc"] for row in rows)
    assert all(not row["train_roc_auc"] for row in log_of(tmp_path / "plain"))
    best = "checkpoint/model.safetensors"
    assert (tmp_path / "run" / best).read_bytes() == (tmp_path / "plain" / best).read_bytes()

    dataset = load_dataset("manifest", tones)
    evaluate(tmp_path / "run" / "checkpoint", dataset, tmp_path / "report", split="train", n_resamples=2)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    (measured,) = [one for one in report["metrics"] if one["name"] == "roc_auc" and one["tag"] is None]
    (kept,) = [row for row in rows if row["best"] == "1"][-1:]
    assert float(kept["train_roc_auc"]) == pytest.approx(measured["value"], abs=1e-4)
