"""What a run leaves behind after each epoch: the best checkpoint, the log, and the state to resume from.

In this order, each written beside and renamed. A run that is killed in between repeats its last epoch from the state
before it, with the same result, so the three never disagree for long.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
from torch import Tensor

from earmark.checkpoint import save_checkpoint
from earmark.errors import ConfigError
from earmark.files import write_atomic
from earmark.training.module import TaggingModule
from earmark.training.selection import Validation

CHECKPOINT_FOLDER = "checkpoint"
LOG_NAME = "log.csv"
RECIPE_NAME = "recipe.yaml"
STATE_NAME = "state.ckpt"

LOG_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "validation_loss",
    "roc_auc",
    "pr_auc",
    "rmse",
    "selection",
    "best",
    "seconds",
)
"""Columns of log.csv. Macro means on the validation split; ``best`` is 1 where this epoch became the checkpoint."""

LogRow = dict[str, float | int | None]


class Watcher(Protocol):
    """Who is told how a run gets on; every method is called often and should be quick."""

    def decoding(self, done: int, total: int) -> None:
        """Files decoded so far."""

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None:
        """A batch of an epoch (from 1) is done; the mean loss of the epoch so far."""

    def epoch(self, row: LogRow) -> None:
        """An epoch is done; a row of the log."""


class Keeper(pl.Callback):
    """Lightning callback; its state is part of the state file.

    Args:
        out: the run's folder.
        fingerprint: of recipe and data; a state with another one is refused.
        patience: epochs without a better selection metric before the run stops; None for never.
        save_best: writes the checkpoint, given the module, the validation and the epoch (from 1).
        watcher: told of every batch and epoch; None for nobody.

    Attributes:
        history: rows of the log so far.
        best_selection, best_epoch: of the checkpoint; epoch 0 before there is one.
        resumed_after: epochs that the state brought along; 0 for a fresh run.
    """

    def __init__(
        self,
        out: Path,
        *,
        fingerprint: str,
        patience: int | None,
        save_best: Callable[[TaggingModule, Validation, int], None],
        watcher: Watcher | None,
    ) -> None:
        self.out = out
        self.fingerprint = fingerprint
        self.patience = patience
        self.save_best = save_best
        self.watcher = watcher
        self.history: list[LogRow] = []
        self.best_selection = -math.inf
        self.best_epoch = 0
        self.resumed_after = 0
        self._losses: list[float] = []
        self._started = 0.0

    def state_dict(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "best_selection": self.best_selection,
            "best_epoch": self.best_epoch,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the state file. Raises ConfigError where it is of another recipe or other data."""
        if state_dict["fingerprint"] != self.fingerprint:
            raise ConfigError(
                f"{self.out / STATE_NAME}: of a run with another recipe or other data; resume with {RECIPE_NAME} that "
                "lies beside it, or train into another folder"
            )
        self.history = state_dict["history"]
        self.best_selection = state_dict["best_selection"]
        self.best_epoch = state_dict["best_epoch"]
        self.resumed_after = len(self.history)

    @property
    def out_of_patience(self) -> bool:
        """The last better epoch lies too far back."""
        return self.patience is not None and bool(self.history) and len(self.history) - self.best_epoch >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """A run that was stopped before, and is resumed, stops again."""
        trainer.should_stop = self.out_of_patience
        self._started = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Collect the loss."""
        if batch_idx == 0:
            self._losses = []
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        assert isinstance(loss, Tensor)
        self._losses.append(float(loss))
        if not math.isfinite(self._losses[-1]):
            raise ConfigError(
                f"epoch {trainer.current_epoch + 1}: the training loss is {self._losses[-1]}; lower "
                "optimiser.learning_rate or set optimiser.gradient_clip"
            )
        if self.watcher is not None:
            mean = sum(self._losses) / len(self._losses)
            self.watcher.batch(trainer.current_epoch + 1, batch_idx + 1, int(trainer.num_training_batches), mean)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best, then the log, then the state."""
        assert isinstance(pl_module, TaggingModule)
        epoch = trainer.current_epoch + 1
        train_loss = sum(self._losses) / len(self._losses)
        validation, pl_module.validation = pl_module.validation, None
        row: LogRow = dict.fromkeys(LOG_COLUMNS)
        row |= {
            "epoch": epoch,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": train_loss,
            "best": 0,
        }
        if validation is not None:
            row |= {"validation_loss": pl_module.validation_loss, "selection": validation.selection}
            row |= validation.macros()
            if validation.selection > self.best_selection:
                self.best_selection, self.best_epoch = validation.selection, epoch
                row["best"] = 1
                self.save_best(pl_module, validation, epoch)
        now = time.monotonic()
        row["seconds"], self._started = round(now - self._started, 3), now
        self.history.append(row)
        self.write_log()
        self._write_state(trainer)
        trainer.should_stop = trainer.should_stop or self.out_of_patience
        if self.watcher is not None:
            self.watcher.epoch(row)

    def write_log(self) -> None:
        """log.csv from the history, whole."""
        text = io.StringIO()
        writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _short(value) for key, value in row.items()} for row in self.history)
        write_atomic(self.out / LOG_NAME, text.getvalue().encode())

    def _write_state(self, trainer: pl.Trainer) -> None:
        beside = self.out / f".{STATE_NAME}.part"
        trainer.save_checkpoint(beside)
        beside.replace(self.out / STATE_NAME)


def _short(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def checkpoint_writer(
    out: Path, make: Callable[[TaggingModule, Validation, int], Any]
) -> Callable[[TaggingModule, Validation, int], None]:
    """A ``save_best`` that writes the model with the card that ``make`` gives."""

    def write(module: TaggingModule, validation: Validation, epoch: int) -> None:
        save_checkpoint(out / CHECKPOINT_FOLDER, module.model, make(module, validation, epoch))

    return write
