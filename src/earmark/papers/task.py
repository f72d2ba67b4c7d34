"""One row with one seed: trained, measured, and marked as done.

    OUT/KEY/ROW/seed-N/      a training run (see :mod:`earmark.training.run`) or a baseline
        test/                scores.parquet, report.json, report.md of the test split
        done.json            written last: what was run, and how long it took

A task that is done is not run again; one that was killed continues from its last epoch.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError
from earmark.core.json_records import parse_json
from earmark.training.config import RECIPE_NAME

DONE_NAME = "done.json"
TEST_FOLDER = "test"


@dataclass(frozen=True)
class Task:
    """What one process runs.

    Attributes:
        row: name of the row.
        seed: of the run.
        kind: as of :class:`earmark.papers.tables.Row`.
        document: the recipe with every default written out, without ``data.root``; for "gbt" the arguments of
            :func:`earmark.baselines.run_baseline`.
        root: where the dataset is.
        folder: of the run.
        members: checkpoint folders of a combiner's members.
        keep_audio: folder for decoded audio and features that runs share.
        device: as of :func:`earmark.training.run.train`.
        threads: of PyTorch, and files decoded side by side.
        shards: folder of shards that training and validation clips are read from, in place of files.
        needs: names of the tasks that must be done before.
    """

    row: str
    seed: int
    kind: str
    document: dict[str, Any]
    root: str
    folder: Path
    members: tuple[str, ...] = ()
    keep_audio: Path | None = None
    device: str = "auto"
    threads: int = 1
    shards: str | None = None
    needs: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Row and seed."""
        return task_name(self.row, self.seed)

    @property
    def dataset(self) -> str:
        """Name of the dataset that it is trained and measured on."""
        return str(self.document.get("data", self.document)["dataset"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what is run, so that runs of different budgets are not confused."""
        return hashlib.sha256(json.dumps([self.kind, self.document], sort_keys=True).encode()).hexdigest()

    def done(self) -> dict[str, Any] | None:
        """The content of done.json; None where the task is not done.

        Raises:
            ConfigError: it was done with another recipe or budget.
        """
        path = self.folder / DONE_NAME
        try:
            found: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}); delete {self.folder} to run it again") from error
        if found.get("fingerprint") != self.fingerprint:
            raise ConfigError(
                f"{self.folder}: is there from another recipe, budget or version; delete it or choose another --out"
            )
        return found


def task_name(row: str, seed: int) -> str:
    """The name of a paper's task."""
    return f"{row}, seed {seed}"


def run_task(task: Task) -> dict[str, Any]:
    """Train and measure, in its own process. Returns the content of done.json."""
    started, spent = time.monotonic(), _cpu_seconds()
    about = _baseline(task) if task.kind == "gbt" else _network(task)
    document = {
        "row": task.row,
        "seed": task.seed,
        "fingerprint": task.fingerprint,
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(_cpu_seconds() - spent, 2),
        **about,
    }
    write_atomic(task.folder / DONE_NAME, (json.dumps(document, indent=2) + "\n").encode())
    return document


def _network(task: Task) -> dict[str, Any]:
    from earmark.datasets import load_dataset
    from earmark.training.config import recipe_from

    sections = {**task.document, "data": {**task.document["data"], "root": task.root}}
    if task.members:
        sections["model"] = {**sections["model"], "members": list(task.members)}
    recipe = recipe_from(sections, where=task.row)
    # Before PyTorch and Lightning, which take seconds to import: missing data are reported at once.
    dataset = load_dataset(recipe.data.dataset, task.root, recipe.data.protocol, **recipe.data.options)

    import torch

    from earmark.datasets.subset import trimmed
    from earmark.evaluation import evaluate
    from earmark.papers.costs import measure
    from earmark.training.data_setup import chosen_clips
    from earmark.training.run import train

    torch.set_num_threads(task.threads)
    result = train(
        recipe,
        task.folder,
        resume=(task.folder / RECIPE_NAME).exists(),
        device=task.device,
        keep_audio=task.keep_audio,
        shards=task.shards,
        jobs=task.threads,
        loaded=(chosen_clips(dataset, recipe), None),
    )
    measured = trimmed(dataset, recipe.data.trim_seconds)
    evaluate(result.checkpoint, measured, task.folder / TEST_FOLDER, jobs=task.threads)
    return {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "steps": result.history[-1]["step"],
        "training_seconds": round(sum(float(row["seconds"] or 0) for row in result.history), 2),
        "n_parameters": _n_weights(result.checkpoint),
        **measure(result.checkpoint, task.device),
    }


def _baseline(task: Task) -> dict[str, Any]:
    from earmark.baselines import run_baseline
    from earmark.datasets import load_dataset

    wanted = dict(task.document)
    dataset = load_dataset(wanted.pop("dataset"), task.root, wanted.pop("protocol"))
    run_baseline(dataset, task.folder / TEST_FOLDER, seed=task.seed, cache=task.keep_audio, jobs=task.threads, **wanted)
    return {}


def _n_weights(checkpoint: Path) -> int:
    from earmark.models.checkpoint import load_checkpoint

    return sum(weight.numel() for weight in load_checkpoint(checkpoint)[0].parameters())


def _cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    return sum(os.times()[:4])
