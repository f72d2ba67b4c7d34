"""Small training runs in processes of their own, forked from one that has imported everything: a fraction of a second."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from earmark.training.config import Recipe, recipe_from
from earmark.training.run import train
from tests.helpers.waiting import wait_until

RATE = 8000
WINDOW = 3**5

_SAMPLECNN = {"name": "samplecnn_basic", "options": {"n_samples": WINDOW, "sample_rate_hz": RATE, "width": 0.0625}}
KIM: dict[str, Any] = {
    "name": "kim",
    "data": {"dataset": "manifest"},
    "model": {**_SAMPLECNN, "options": {**_SAMPLECNN["options"], "dropout": 0.5}},
    "training": {"epochs": 24, "batch_size": 23, "sampling": "segments", "select": "validation_loss", "seed": 1},
    "optimiser": {
        "name": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "schedule": "plateau_restart",
        "plateau_patience": 1,
        "plateau_stages": 4,
        "weight_decay": 1e-4,
        "weight_decay_of": "convolutions",
    },
}
"""As in kim2018: all segments, SGD with Nesterov momentum, a plateau with restarts."""

BRISTOL: dict[str, Any] = {
    "name": "bristol",
    "data": {"dataset": "manifest"},
    "model": {**_SAMPLECNN, "options": {**_SAMPLECNN["options"], "normalisation": "group", "width": 0.0625}},
    "training": {"epochs": 10, "batch_size": 5, "sampling": "subclips", "windows_per_clip": 4, "seed": 2},
    "optimiser": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.95},
}
"""As in the Bristol replication: clips of subclips, SGD with momentum."""


def tones(folder: Path, n_clips: int = 30) -> Path:
    """A manifest of clips of 0.05 to 0.25 s: low or high tones, with or without a whistle, by two clips per artist."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(n_clips):
        high, whistle = i % 2, int(rng.random() < 0.5)
        t = np.arange(int(rng.uniform(0.05, 0.25) * RATE)) / RATE
        sound = 0.3 * np.sin(2 * np.pi * rng.uniform(*((1200, 1800) if high else (200, 400))) * t)
        sound += 0.2 * whistle * np.sin(2 * np.pi * 3400 * t) + 0.05 * rng.standard_normal(len(t))
        soundfile.write(folder / f"{i}.wav", sound.clip(-1, 1), RATE)
        rows.append(
            [f"{i}.wav", ("train", "train", "train", "validation")[i // 2 % 4], f"artist {i // 2}", high, whistle]
        )
    with (folder / "tones.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "split", "artist", "high", "whistle"], *rows])
    return folder / "tones.csv"


def recipe(document: dict[str, Any], root: Path, **changes: Any) -> Recipe:
    """The recipe with sections changed, for the data at ``root``."""
    document = json.loads(json.dumps(document))
    document["data"]["root"] = str(root)
    for section, values in changes.items():
        document.setdefault(section, {}).update(values)
    return recipe_from(document)


def log_of(out: Path) -> list[dict[str, str]]:
    """Rows of log.csv, without what depends on the clock."""
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in ("seconds", "windows_per_second", "wait_share")} for row in rows]


def n_epochs(out: Path) -> int:
    """How many epochs the log has; none where there is no log yet."""
    return len(log_of(out)) if (out / "log.csv").exists() else 0


def state_time_ns(out: Path) -> int:
    """When state.ckpt was written; 0 where there is none yet."""
    try:
        return (out / "state.ckpt").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_for_epochs(out: Path, n: int, *processes: BaseProcess | subprocess.Popen[str]) -> None:
    """Wait until a run has logged ``n`` epochs, or one of its processes has ended."""
    wait_until(lambda: n_epochs(out) >= n or any(map(has_ended, processes)), 200, poll_seconds=0.002)


def wait_for_state(out: Path, process: BaseProcess | subprocess.Popen[str], later_than_ns: int = 0) -> None:
    """Wait until a run has written a state after the time given, or its process has ended."""
    wait_until(lambda: state_time_ns(out) > later_than_ns or has_ended(process), 200, poll_seconds=0.001)


def has_ended(process: BaseProcess | subprocess.Popen[str]) -> bool:
    """Whether a process has ended, however it was started."""
    return process.poll() is not None if isinstance(process, subprocess.Popen) else not process.is_alive()


def state_of(out: Path) -> dict[str, Any]:
    """What state.ckpt holds."""
    return torch.load(out / "state.ckpt", weights_only=True)  # type: ignore[no-any-return]


def same(a: Any, b: Any) -> bool:
    """Equal, bit for bit, all the way down."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def same_run(one: Path, other: Path) -> None:
    """Assert that two runs ended alike: log, best checkpoint, weights, optimiser, schedule."""
    assert log_of(one) == log_of(other)
    for name in ("model.safetensors", "card.json"):
        assert (one / "checkpoint" / name).read_bytes() == (other / "checkpoint" / name).read_bytes(), name
    states = [state_of(out) for out in (one, other)]
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
        assert same(states[0][key], states[1][key]), key
    plateaus = [value["plateau"] for state in states for value in state["callbacks"].values() if "plateau" in value]
    assert same(*plateaus)


_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.helpers.training_runs", "earmark.cli.main", "earmark.cli.train.progress"])


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Run a function in a process of its own, with one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the server, and all that it forks, begin with it
    process = _CONTEXT.Process(target=target, args=args)
    process.start()
    return process


def train_there(document: dict[str, Any], root: Path, out: Path, resume: bool = False, **options: Any) -> None:
    """For :func:`start`: a training run on one thread."""
    torch.set_num_threads(1)
    changes = options.pop("changes", {})
    train(recipe(document, root, **changes), out, resume=resume, device="cpu", **options)


def heed_ctrl_c() -> None:
    """Whoever runs the tests in the background has it ignored, and processes inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def command_there(arguments: list[str], said: Path, largest_file: int | None = None) -> None:
    """For :func:`start`: the command line, its stderr in a file; ``largest_file`` bytes stand for a full disk."""
    from earmark.cli.main import run

    torch.set_num_threads(1)
    heed_ctrl_c()
    with said.open("wb") as file:
        os.dup2(file.fileno(), 2)
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
    sys.argv = ["earmark", *arguments]
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    run()


def command(said: Path, *arguments: str | Path, largest_file: int | None = None) -> tuple[int, str]:
    """Exit code and stderr of the command line."""
    process = start(command_there, [str(argument) for argument in arguments], said, largest_file)
    process.join(400)
    assert process.exitcode is not None
    return process.exitcode, said.read_text()


def ranks_there(rank: int, world_size: int, port: int, said: Path, arguments: list[str]) -> None:
    """For :func:`start`: one of the processes that torchrun would start, with the environment that it would give."""
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "GROUP_RANK": 0,
        "WORLD_SIZE": world_size,
        "LOCAL_WORLD_SIZE": world_size,
    }
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
    os.environ.update({name: str(value) for name, value in {**place, **meeting}.items()})
    command_there(arguments, said)


def start_ranks(world_size: int, said: Path, *arguments: str | Path) -> list[BaseProcess]:
    """The command line as torchrun would start it; each process's stderr in a file of the folder ``said``."""
    said.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(argument) for argument in arguments]
    return [start(ranks_there, rank, world_size, port, said / str(rank), words) for rank in range(world_size)]
