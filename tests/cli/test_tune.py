"""Real searches of a tiny network on made tones: trials train, fail, are killed and resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from earmark.core.errors import ConfigError, DataError
from earmark.training.callbacks import LogRow
from earmark.training.config import load_recipe
from earmark.training.run import train
from earmark.tuning.run import TuningResult, tune
from earmark.tuning.search import Search, load_search, search_from
from earmark.tuning.trial_runner import TuningProgress
from tests.helpers.command import earmark_here
from tests.helpers.training_runs import wait_for_state

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

RATE = 8000
RECIPE = """
name: tiny
data: {dataset: manifest}
model:
  name: bristol_raw
  options: {filter_samples: 64, stride_samples: 64, n_filters: 8, normalisation: none, dropout: 0.0,
            window_seconds: 0.5, sample_rate_hz: 8000}
training: {epochs: 2, batch_size: 6}
optimiser: {name: sgd, learning_rate: 0.01, momentum: 0.9}
"""
SEARCH = """
recipe: tiny.yaml
method: one-at-a-time
seeds: [0, 1]
parameters:
  optimiser.learning_rate: [0.01, 0.1, 1e+30]
  filters:
    keys: [model.options.filter_samples, model.options.stride_samples]
    values: [[64, 64], [64, 32], [9000, 9000]]
    start: [64, 32]
  optimiser.momentum: [0.9, 0.5]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 clips of a second, low or high tones; a recipe; a search."""
    folder = tmp_path_factory.mktemp("tuning")
    rng = np.random.default_rng(0)
    with (folder / "tones.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "high", "low"])
        for i in range(30):
            hz = rng.uniform(1500, 2500) if i % 2 else rng.uniform(200, 400)
            sound = 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE) + 0.05 * rng.standard_normal(RATE)
            soundfile.write(folder / f"{i}.wav", sound.clip(-1, 1), RATE)
            writer.writerow(
                [f"{i}.wav", ("train", "train", "train", "validation", "test")[i // 2 % 5], i % 2, 1 - i % 2]
            )
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "search.yaml").write_text(SEARCH)
    return folder


def drawn(place: Path, **changes: Any) -> Search:
    return search_from(
        {
            "recipe": str(place / "tiny.yaml"),
            "method": "tpe",
            "trials": 3,
            "parameters": {"optimiser.learning_rate": {"low": 1e-3, "high": 1.0, "log": True}},
            **changes,
        }
    )


def run(search: Search, place: Path, out: Path, **options: Any) -> TuningResult:
    return tune(search, out, overrides=[f"data.root={place / 'tones.csv'}"], device="cpu", **options)


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The folder of a search that nothing disturbed."""
    run(load_search(place / "search.yaml"), place, place / "whole")
    return place / "whole"


def trials_of(out: Path) -> list[dict[str, Any]]:
    """Without the time that they took."""
    trials = json.loads((out / "trials.json").read_text())["trials"]
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in trials]


def test_trials_are_what_training_gives_and_failures_are_written_down(whole: Path, place: Path, tmp_path: Path) -> None:
    trials = trials_of(whole)
    assert [trial["number"] for trial in trials] == list(range(1, 9))
    wild, too_long = trials[2], trials[5]
    assert wild["settings"]["optimiser.learning_rate"] == 1e30
    assert wild["selection"] is None
    assert "lower optimiser.learning_rate" in wild["error"] or "must be finite" in wild["error"]
    assert too_long["settings"]["model.options.filter_samples"] == 9000
    assert "window_seconds must be at least" in too_long["error"]
    for trial in trials:
        if not trial["error"]:
            assert trial["selection"] == pytest.approx(sum(trial["per_seed"]) / 2)
            assert 0 <= trial["roc_auc"] <= 1
            assert trial["rmse"] is None, "there are no such tags"
    assert trials[4]["same_as"] in (1, 2), "the best so far is not trained again"
    assert trials[4]["selection"] == trials[trials[4]["same_as"] - 1]["selection"]
    assert not (whole / "trial-0005-seed0").exists()

    overrides = ["training.seed=1", "optimiser.learning_rate=0.1", "model.options.stride_samples=32"]
    recipe = load_recipe(place / "tiny.yaml", [f"data.root={place / 'tones.csv'}", *overrides])
    alone = train(recipe, tmp_path / "alone", device="cpu")
    assert alone.selection == trials[1]["per_seed"][1]


def test_the_best_is_written_as_a_recipe(whole: Path) -> None:
    best = max((trial for trial in trials_of(whole) if not trial["error"]), key=lambda trial: trial["selection"])
    recipe = load_recipe(whole / "best.yaml")
    assert recipe.optimiser.learning_rate == best["settings"]["optimiser.learning_rate"]
    assert recipe.optimiser.momentum == best["settings"]["optimiser.momentum"]
    assert recipe.model.options["stride_samples"] == best["settings"]["model.options.stride_samples"]
    assert recipe.training.epochs == 2
    assert f"Best: trial {best['number']}," in (whole / "trials.md").read_text()


def command(place: Path, out: Path, *more: str) -> list[str]:
    options = ["--root", str(place / "tones.csv"), "--out", str(out), "--device", "cpu"]
    return [sys.executable, "-m", "earmark.cli.main", "tune", str(place / "search.yaml"), *options, *more]


def test_killed_and_resumed_ends_as_if_it_had_not_been(whole: Path, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.Popen(command(place, out), env=environment, stderr=subprocess.PIPE, text=True)
    wait_for_state(out / "trial-0002-seed0", process)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    assert 1 <= len(trials_of(out)) < 8

    done = earmark_here(*command(place, out, "--resume")[3:])
    assert done.returncode == 0, done.stderr
    assert trials_of(out) == trials_of(whole)
    assert (out / "best.yaml").read_text() == (whole / "best.yaml").read_text()
    assert "resumed: " in done.stderr
    assert "trial   8/8  optimiser.momentum 0.5  selection" in done.stderr
    assert "trial   3/8  optimiser.learning_rate 1e+30  failed: " in said + done.stderr
    assert "Warning" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["trial", "tried"]
    assert len(lines) == 10
    assert lines[-1] == str(out / "best.yaml")


class Stopper(TuningProgress):
    """Presses Ctrl-C in a trial, after an epoch of it."""

    def __init__(self, trial: int) -> None:
        self.trial = trial
        self.number = 0

    def trial_begins(self, number: int, total: int, proposal: Any, recipe: Any) -> None:
        self.number = number

    def epoch(self, row: LogRow) -> None:
        if self.number == self.trial:
            raise KeyboardInterrupt


def test_a_drawn_search_goes_on_after_ctrl_c_and_grows(place: Path, tmp_path: Path) -> None:
    run(drawn(place), place, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(drawn(place), place, out, progress=Stopper(2))
    assert len(trials_of(out)) == 1
    run(drawn(place), place, out, resume=True)
    assert trials_of(out) == trials_of(tmp_path / "whole")
    longer = run(drawn(place, trials=4), place, out, resume=True)
    assert len(longer.trials) == 4
    assert trials_of(out)[:3] == trials_of(tmp_path / "whole")
    again = run(drawn(place, trials=4), place, out, resume=True)
    assert again == longer


def test_another_search_recipe_or_data_is_not_mixed_in(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(drawn(place, trials=1), place, out)
    with pytest.raises(ConfigError, match="a search is already there"):
        run(drawn(place), place, out)
    with pytest.raises(ConfigError, match="of another search"):
        run(drawn(place, seed=1), place, out, resume=True)
    with pytest.raises(ConfigError, match="began from another recipe"):
        tune(
            drawn(place),
            out,
            overrides=[f"data.root={place / 'tones.csv'}", "training.epochs=1"],
            device="cpu",
            resume=True,
        )
    other = place / "other.csv"
    other.write_text((place / "tones.csv").read_text().replace("0.wav,train,0,1", "0.wav,train,1,0"))
    with pytest.raises(ConfigError, match="made on other data"):
        tune(drawn(place), out, overrides=[f"data.root={other}"], device="cpu", resume=True)
    with pytest.raises(ConfigError, match="a training run is already there; choose another folder"):
        run(drawn(place), place, out / "trial-0001-seed0")


def test_what_is_no_trials_fault_ends_the_search(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.root is not set"):
        tune(drawn(place), tmp_path / "a")
    with pytest.raises(ConfigError, match="device 'gpu': must be one of"):
        tune(drawn(place), tmp_path / "a", overrides=[f"data.root={place / 'tones.csv'}"], device="gpu")
    assert not (tmp_path / "a").exists()
    missing = tmp_path / "missing.csv"
    missing.write_text("path,split,x\nno.wav,train,1\nno2.wav,validation,0\nno3.wav,validation,1\n")
    with pytest.raises(DataError, match=r"no\.wav"):
        tune(drawn(place), tmp_path / "b", overrides=[f"data.root={missing}"], device="cpu")
    assert not (tmp_path / "b" / "trials.json").exists(), "it is no result"


def test_the_command_says_what_is_wrong_and_lists_searches(place: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump({"recipe": str(place / "tiny.yaml"), "method": "grid", "parameters": {"training.epoch": [1], "optimiser.momentun": [0.9]}}))  # fmt: skip
    done = earmark_here("tune", bad, "--out", tmp_path / "o")
    assert done.returncode == 2
    assert "training.epoch: unknown key; did you mean epochs?" in done.stderr
    assert "optimiser.momentun: unknown key; did you mean momentum?" in done.stderr
    assert "Traceback" not in done.stderr
    listed = earmark_here("tune", "--list")
    assert listed.returncode == 0
    assert "bristol\t" in listed.stdout


def test_a_search_in_which_all_fails_ends_with_1(place: Path, tmp_path: Path) -> None:
    wild = tmp_path / "wild.yaml"
    wild.write_text(yaml.safe_dump({"recipe": str(place / "tiny.yaml"), "method": "grid", "parameters": {"optimiser.learning_rate": [1e30]}}))  # fmt: skip
    done = earmark_here("tune", wild, "--root", place / "tones.csv", "--out", tmp_path / "o", "--device", "cpu")
    assert done.returncode == 1
    assert "earmark: no trial succeeded; the first failed by: " in done.stderr
    assert (tmp_path / "o" / "trials.csv").exists()
    assert not (tmp_path / "o" / "best.yaml").exists()
