"""Several processes, here on the CPU, that train one model; and the other ways to make a step cheaper."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models.checkpoint import load_checkpoint
from earmark.training.callbacks import LogRow
from earmark.training.lightning_setup import checked_accelerator
from earmark.training.run import train
from tests.helpers.training_runs import (
    BRISTOL,
    KIM,
    RATE,
    heed_ctrl_c,
    log_of,
    n_epochs,
    recipe,
    same_run,
    start_ranks,
    state_of,
    tones,
    wait_for_epochs,
    wait_for_state,
)
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

_OPTIONS = {**BRISTOL["model"]["options"], "dropout": 0.0}
# No batch normalisation and no dropout: what a step does depends on the whole batch alone.
PLAIN: dict[str, Any] = {**BRISTOL, "name": "plain", "model": {**BRISTOL["model"], "options": _OPTIONS}}
EARMARK = [sys.executable, "-m", "earmark.cli.main"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some clips lack a label of one tag, so that devices have unlike shares of what is labelled."""
    path = tones(tmp_path_factory.mktemp("tones"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line[:-1] if i % 5 == 0 and i and i < 20 else line for i, line in enumerate(lines)))
    return path


@pytest.fixture(scope="module")
def yaml(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "plain.yaml"
    path.write_text(recipe(PLAIN, root).to_yaml())
    return path


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    train(recipe(PLAIN, root), out, device="cpu")
    return out


@pytest.fixture(scope="module")
def together(yaml: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two."""
    folder = tmp_path_factory.mktemp("together")
    processes = start_ranks(
        2, folder / "said", "train", yaml, "--out", folder / "run", "--device", "cpu", "--devices", "2"
    )
    for process in processes:
        process.join(400)
    said = [(folder / "said" / str(rank)).read_text() for rank in range(2)]
    assert [process.exitcode for process in processes] == [0, 0], said
    assert "best epoch" in said[0]
    assert said[1] == "", "one process speaks for all"
    return folder / "run"


def close(one: Path, other: Path, most: float = 1e-5) -> None:
    """Assert that two runs did the same but for rounding: losses, validation metrics, weights."""
    rows = [log_of(out) for out in (one, other)]
    assert len(rows[0]) == len(rows[1])
    for a, b in zip(*rows, strict=True):
        assert a.keys() == b.keys()
        assert a["step"] == b["step"]
        for key in ("train_loss", "validation_loss", "roc_auc", "selection", "learning_rate"):
            assert float(a[key]) == pytest.approx(float(b[key]), abs=most, rel=most), (a["epoch"], key)
    weights = [state_of(out)["state_dict"] for out in (one, other)]
    for name, value in weights[0].items():
        if not name.endswith("conv.bias"):  # the normalisation behind takes these away: they move by rounding alone
            assert torch.allclose(value, weights[1][name], atol=10 * most), name


def group_has_ended(group: int) -> bool:
    """Whether no process of a process group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_two_processes_do_what_one_does(alone: Path, together: Path) -> None:
    """Batches of 4 and 5 among two, one without some labels: the loss is still that of the batch as a whole."""
    close(alone, together)
    assert not list(together.rglob("*.part"))
    assert len(list((together / "tensorboard").iterdir())) == 1, "only the first process writes"
    a, b = (load_checkpoint(out / "checkpoint")[1] for out in (alone, together))
    assert dataclasses.replace(a, weights_sha256="", metrics=(), thresholds={}, training={}) == dataclasses.replace(
        b, weights_sha256="", metrics=(), thresholds={}, training={}
    )


def test_killed_together_and_resumed(together: Path, yaml: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["train", yaml, "--out", out, "--device", "cpu", "--devices", "2", "--resume"]
    for whom in (0, 1):  # the first process and, later, the second; the other one does not go on alone
        processes = start_ranks(2, tmp_path / "said", *arguments)
        before = n_epochs(out)
        wait_for_epochs(out, before + 2, *processes)
        processes[whom].kill()
        for process in processes:
            process.join(200)
        assert processes[whom].exitcode == -signal.SIGKILL
        assert processes[1 - whom].exitcode == 1
        assert "another process of this run has ended" in (tmp_path / "said" / str(1 - whom)).read_text()
    processes = start_ranks(2, tmp_path / "said", *arguments)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    same_run(out, together)


def test_batch_normalisation_keeps_the_first_ones_statistics(root: Path, tmp_path: Path) -> None:
    """What was validated on two processes is what the checkpoint, written by the first one, gives."""
    short = recipe(KIM, root, training={"epochs": 2}, optimiser={"schedule": "none"})
    (tmp_path / "kim.yaml").write_text(short.to_yaml())
    out = tmp_path / "run"
    arguments = ["train", tmp_path / "kim.yaml", "--out", out, "--device", "cpu", "--devices", "2"]
    for process in (processes := start_ranks(2, tmp_path / "said", *arguments)):
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    from earmark.datasets import load_dataset
    from earmark.evaluation.torch_model import TorchModel
    from earmark.tagging.tagger import Tagger

    dataset = load_dataset("manifest", root)
    tagger = Tagger(TorchModel(out / "checkpoint"))
    row = next(row for row in reversed(log_of(out)) if row["best"] == "1")
    losses = []
    for clip in dataset.split("validation"):
        scores = torch.from_numpy(tagger.tag(clip.path).taggram).double()
        labels = torch.from_numpy(clip.labels).double().expand_as(scores)
        known = ~labels.isnan()
        losses.append(torch.nn.functional.binary_cross_entropy(scores[known], labels[known]).item())
    assert sum(losses) / len(losses) == pytest.approx(float(row["validation_loss"]), rel=1e-3)


def test_through_lightnings_launcher_and_ctrl_c(alone: Path, yaml: Path, root: Path, tmp_path: Path) -> None:
    """``--devices 2`` alone starts the second process; Ctrl-C ends both; resumed, it ends as one process does."""
    out = tmp_path / "run"
    words = [*EARMARK, "train", str(yaml), "--out", str(out), "--device", "cpu", "--devices", "2"]
    process = subprocess.Popen(
        words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_ctrl_c
    )
    wait_for_state(out, process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert said.count("earmark: stopped; continue with --resume") == 1
    assert said.count("epoch   1/10") <= 1, "one process speaks for all"
    assert "Traceback" not in said
    wait_until(lambda: group_has_ended(process.pid))
    done = subprocess.run([*words, "--resume"], env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best epoch") == 1
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr
    close(alone, out)


def test_through_torchrun_an_error_ends_all(yaml: Path, root: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    options = ["train", str(yaml), "--out", str(tmp_path / "run"), "--device", "cpu", "--devices", "2"]
    wild = ["-o", "optimiser.learning_rate=1e30", "-o", "optimiser.momentum=0"]
    done = subprocess.run(
        [*launcher, "earmark.cli.main", *options, *wild], env=ENVIRONMENT, capture_output=True, text=True, timeout=500
    )
    assert done.returncode != 0
    assert "earmark: epoch 1: the " in done.stderr
    assert "lower optimiser.learning_rate" in done.stderr


class Stopping:
    """A watcher that ends the run behind an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int) -> None:
        self.last = epoch

    def decoding(self, done: int, total: int) -> None: ...

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None: ...

    def epoch(self, row: LogRow) -> None:
        if row["epoch"] == self.last:
            raise KeyboardInterrupt


def test_goes_on_with_another_number_of_processes(alone: Path, yaml: Path, root: Path, tmp_path: Path) -> None:
    """One, then two until one is killed, then one again: what happens where machines come and go."""
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(recipe(PLAIN, root), out, device="cpu", progress=Stopping(3))
    assert len(log_of(out)) == 3
    arguments = ["train", yaml, "--out", out, "--device", "cpu", "--devices", "2", "--resume"]
    processes = start_ranks(2, tmp_path / "said", *arguments)
    wait_for_epochs(out, 5, *processes)
    processes[1].kill()
    for process in processes:
        process.join(200)
    assert train(recipe(PLAIN, root), out, device="cpu", resume=True).resumed_after >= 5
    close(alone, out)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_torchrun_starts_again_what_was_killed(together: Path, yaml: Path, tmp_path: Path) -> None:
    """One of two processes is killed; both begin again from the last epoch, without a word from anybody."""
    out = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=1"]
    options = ["train", str(yaml), "--out", str(out), "--device", "cpu", "--devices", "2"]
    process = subprocess.Popen(
        [*launcher, "-m", "earmark", *options],
        env={**ENVIRONMENT, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},  # see docs/training.md
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_epochs(out, 2, process)
    stats = [(int(p.parent.name), p.read_text()) for p in Path("/proc").glob("[0-9]*/stat") if p.exists()]
    workers = [pid for pid, stat in stats if int(stat.rpartition(")")[2].split()[1]) == process.pid]
    os.kill(max(workers), signal.SIGKILL)
    _, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert "failed (exitcode: " in said
    same_run(out, together)


def test_what_devices_cannot_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_accelerator("cpu", 1, 2, "16-mixed")
    assert caught.value.problems == [
        "training.precision 16-mixed: a CPU cannot; use bf16-mixed or 32",
        "nodes 2: start the program on each of them with torchrun",
    ]
    with pytest.raises(ConfigError, match="devices 0: must be at least 1"):
        checked_accelerator("cpu", 0, 1, "32")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device cuda: PyTorch finds no CUDA device here"):
            checked_accelerator("cuda", 2, 1, "32")
    with pytest.raises(ConfigError, match="devices 9: there are fewer validation clips than that"):
        train(recipe(PLAIN, root), tmp_path / "a", device="cpu", devices=9)
    with pytest.raises(ConfigError, match="batch_size 2: a batch of 2 examples cannot be divided among 3 devices"):
        train(recipe(PLAIN, root, training={"batch_size": 2}), tmp_path / "b", device="cpu", devices=3)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="torchrun started 4 processes, but 2 devices on 1 nodes are 2"):
        checked_accelerator("cpu", 2, 1, "32")
    assert checked_accelerator("cpu", 2, 2, "32") == "cpu"


def test_accumulated_batches_are_one_large_batch(root: Path, tmp_path: Path) -> None:
    """24 clips: three batches of 8, or six of 4, two per step."""
    one_batch = {"batch_size": 8, "epochs": 2, "windows_per_clip": 9}  # whole clips: nothing is drawn but their order
    two = {**one_batch, "batch_size": 4, "accumulate_batches": 2}
    path = tones(root.parent / "even", 32)  # 24 of 32 are training clips, all labelled
    train(recipe(PLAIN, path, training=one_batch), tmp_path / "one", device="cpu")
    train(recipe(PLAIN, path, training=two), tmp_path / "two", device="cpu")
    states = [state_of(tmp_path / name) for name in ("one", "two")]
    assert [state["global_step"] for state in states] == [6, 6]
    for name, value in states[0]["state_dict"].items():
        if not name.endswith("conv.bias"):  # see close
            assert torch.allclose(value, states[1]["state_dict"][name], atol=1e-6), name
    assert log_of(tmp_path / "one")[0]["train_loss"] != log_of(tmp_path / "one")[1]["train_loss"]


def test_bf16_learns(root: Path, tmp_path: Path) -> None:
    training = {"precision": "bf16-mixed", "epochs": 6}
    result = train(recipe(KIM, root, training=training, optimiser={"schedule": "none"}), tmp_path / "run", device="cpu")
    losses = [float(row["train_loss"] or 0) for row in result.history]
    assert losses[-1] < 0.5 * losses[0]
    weights = state_of(tmp_path / "run")["state_dict"]
    assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
    full = train(
        recipe(KIM, root, training={"epochs": 6}, optimiser={"schedule": "none"}), tmp_path / "full", device="cpu"
    )
    assert full.history[0]["train_loss"] != result.history[0]["train_loss"]
    assert full.history[0]["train_loss"] == pytest.approx(result.history[0]["train_loss"], rel=0.05)


def test_reading_ahead_changes_nothing(alone: Path, root: Path, tmp_path: Path) -> None:
    train(recipe(PLAIN, root), tmp_path / "run", device="cpu", workers=2)
    same_run(tmp_path / "run", alone)


SMALL: dict[str, Any] = {
    **PLAIN,
    "model": {
        "name": "dieleman2014_raw",
        "options": {"window_seconds": 0.1, "sample_rate_hz": RATE, "filter_samples": 16, "stride_samples": 4},
    },
}


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    path = tones(tmp_path / "tones", 16)
    training = {"epochs": 2, "batch_size": 6, "windows_per_clip": 2}
    train(recipe(SMALL, path, training=training), tmp_path / "plain", device="cpu")
    (tmp_path / "small.yaml").write_text(recipe(SMALL, path, training={**training, "compile": True}).to_yaml())
    words = [*EARMARK, "train", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    # Headers compiled beforehand take longer than so small a network.
    environment = {**ENVIRONMENT, **cache, "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    close(tmp_path / "plain", tmp_path / "run", 1e-4)
    load_checkpoint(tmp_path / "run" / "checkpoint")


def test_without_a_compiler_it_is_said(tmp_path: Path) -> None:
    path = tones(tmp_path / "tones", 16)
    (tmp_path / "small.yaml").write_text(recipe(SMALL, path, training={"compile": True}).to_yaml())
    environment = {**ENVIRONMENT, "CXX": "/nonexistent/g++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    words = [*EARMARK, "train", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "training.compile: the network cannot be compiled here (" in done.stderr
    assert done.stderr.endswith("install a C++ compiler (g++), or set training.compile to false\n")
    assert "Traceback" not in done.stderr
