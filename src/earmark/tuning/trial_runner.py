"""Trains one trial with every seed, and separates a trial's own failure from others."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.training.callbacks import LogRow, TrainingProgress
from earmark.training.config import RECIPE_NAME, Recipe
from earmark.training.run import TrainingResult, train
from earmark.tuning.trials import Proposal, Trial


class TuningProgress(TrainingProgress, Protocol):
    """Called while a search runs, its training runs included."""

    def search_resumed(self, trials: Sequence[Trial], total: int) -> None:
        """A search with these trials is resumed."""

    def trial_begins(self, number: int, total: int, proposal: Proposal, recipe: Recipe) -> None:
        """A trial begins."""

    def trial_ends(self, trials: Sequence[Trial], total: int) -> None:
        """A trial, the last of these, is done."""


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial; the fields are those of :class:`earmark.tuning.trials.Trial`."""

    selection: float | None = None
    per_seed: tuple[float, ...] = ()
    roc_auc: float | None = None
    rmse: float | None = None
    seconds: float = 0.0
    error: str = ""

    @classmethod
    def of_runs(cls, results: Sequence[TrainingResult]) -> TrialResult:
        """TrialResult over the runs of all seeds."""
        best_rows = [result.history[result.best_epoch - 1] for result in results]
        selections = tuple(float(result.selection) for result in results)
        return cls(
            selection=sum(selections) / len(selections),
            per_seed=selections,
            roc_auc=_mean([row["roc_auc"] for row in best_rows]),
            rmse=_mean([row["rmse"] for row in best_rows]),
            seconds=round(sum(float(row["seconds"] or 0.0) for result in results for row in result.history), 3),
        )

    @classmethod
    def of_trial(cls, trial: Trial) -> TrialResult:
        """Those of another trial with the same recipe; no time was spent."""
        return cls(trial.selection, trial.per_seed, trial.roc_auc, trial.rmse, 0.0, trial.error)

    def as_fields(self) -> dict[str, Any]:
        """For a Trial."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


class TrialRunner:
    """Trains trials.

    Args:
        folder: of the search.
        seeds: of training.
        device, keep_audio, shards, jobs: as for :func:`earmark.training.run.train`.
        progress: called after every batch and epoch.
    """

    def __init__(
        self,
        folder: Path,
        seeds: Sequence[int],
        device: str,
        keep_audio: str | Path | None,
        shards: str | Path | None,
        jobs: int | None,
        progress: TrainingProgress | None,
    ) -> None:
        self.folder = folder
        self.seeds = seeds
        self.options: dict[str, Any] = {"device": device, "keep_audio": keep_audio, "shards": shards, "jobs": jobs}
        self.progress = progress

    def run(self, number: int, recipe: Recipe | ConfigError) -> TrialResult:
        """Train with every seed; a run that was killed is resumed.

        What the recipe causes becomes an error of the trial: values that contradict each other, a loss or scores
        that are not finite, too little memory on the device.

        Raises:
            DataError: data that cannot be used, and a full disk: these are not the trial's fault.
        """
        if isinstance(recipe, ConfigError):
            return TrialResult(error=_one_line(recipe))
        results = []
        for seed in self.seeds:
            seeded = recipe.model_copy(update={"training": recipe.training.model_copy(update={"seed": seed})})
            folder = self.folder / f"trial-{number:04d}-seed{seed}"
            progress = _SeedProgress(self.progress)
            try:
                begun = (folder / RECIPE_NAME).exists()
                results.append(train(seeded, folder, resume=begun, progress=progress, **self.options))
            except (ConfigError, ModelError) as error:
                return TrialResult(error=_one_line(error))
            except DataError as error:
                # An error before the first batch comes from the data, a failure to write has a cause; scores that are NaN have none.
                if not progress.has_begun or error.__cause__ is not None:
                    raise
                return TrialResult(error=_one_line(error))
            except torch.OutOfMemoryError as error:
                message = _one_line(error)
            else:
                continue
            gc.collect()  # outside the handler, which keeps the tensors alive
            torch.cuda.empty_cache()
            return TrialResult(error=f"the device's memory does not suffice: {message}")
        return TrialResult.of_runs(results)


class _SeedProgress(TrainingProgress):
    """Forwards calls, and records whether there was a batch."""

    def __init__(self, to: TrainingProgress | None) -> None:
        self.to = to
        self.has_begun = False

    def decoding(self, done: int, total: int) -> None:
        if self.to is not None:
            self.to.decoding(done, total)

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
        self.has_begun = True
        if self.to is not None:
            self.to.batch(epoch, done, total, loss, windows_per_second)

    def epoch(self, row: LogRow) -> None:
        if self.to is not None:
            self.to.epoch(row)


def _mean(values: Sequence[float | int | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
