"""What a run writes after each epoch: the best checkpoint, the log, the log for TensorBoard, and the state to resume from.

In this order, each written beside and renamed. A run that is killed in between repeats its last epoch from the state
before it, with the same result, so the files never disagree for long.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from safetensors import SafetensorError
from torch import Tensor

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError
from earmark.models.checkpoint import save_checkpoint
from earmark.training.callbacks import LOG_COLUMNS, LogRow, TrainingProgress
from earmark.training.config import CHECKPOINT_FOLDER, RECIPE_NAME
from earmark.training.lightning_setup import cannot_be_written, end_other_processes
from earmark.training.module import TaggingModule, not_finite
from earmark.training.schedule import Plateau
from earmark.training.sections import TrainingSection
from earmark.training.selection import Validation
from earmark.training.tensorboard import TENSORBOARD_FOLDER, TensorBoardLogger

LOG_NAME = "log.csv"
STATE_NAME = "state.ckpt"


class CheckpointCallback(pl.Callback):
    """Lightning callback; its state is part of the state file.

    Args:
        out: the run's folder.
        fingerprint: of recipe and data; a state with another one is refused.
        training: patience, and the metric of the best epoch.
        plateau: lowers the learning rate.
        save_best: writes the checkpoint, given the module, the validation and the epoch (from 1).
        progress: called after every batch and epoch.
        tensorboard: write the log for TensorBoard, too.

    Attributes:
        history: rows of the log so far.
        best_selection, best_epoch: of the checkpoint; epoch 0 before there is one. Higher is better: the skill, or
            the validation loss with a minus.
        resumed_after: epochs done before the run was resumed; 0 for a fresh run.
    """

    def __init__(
        self,
        out: Path,
        *,
        fingerprint: str,
        training: TrainingSection,
        plateau: Plateau,
        save_best: Callable[[TaggingModule, Validation, int], None],
        progress: TrainingProgress | None,
        tensorboard: bool = False,
    ) -> None:
        self.out = out
        self.fingerprint = fingerprint
        self.training = training
        self.plateau = plateau
        self.save_best = save_best
        self.progress = progress
        self.tensorboard = tensorboard
        self.history: list[LogRow] = []
        self.best_selection = -math.inf
        self.best_epoch = 0
        self.resumed_after = 0
        self._loss_sum, self._n_losses = 0.0, 0
        self._windows = 0
        self._started = 0.0
        self._waited = 0.0
        self._epoch_started = self._last_batch_end = 0.0
        self._tensorboard_logger: TensorBoardLogger | None = None

    def state_dict(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "best_selection": self.best_selection,
            "best_epoch": self.best_epoch,
            "plateau": self.plateau.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the state file. Raises ConfigError where it is of another recipe or other data."""
        if state_dict["fingerprint"] != self.fingerprint:
            raise ConfigError(
                f"{self.out / STATE_NAME}: of a run with another recipe or other data; resume with {RECIPE_NAME} that "
                "is beside it, or train into another folder"
            )
        self.history = state_dict["history"]
        self.best_selection = state_dict["best_selection"]
        self.best_epoch = state_dict["best_epoch"]
        self.plateau.load_state_dict(state_dict["plateau"])
        self.resumed_after = len(self.history)

    @property
    def over(self) -> bool:
        """Patience is exhausted, or the last stage of the schedule is over."""
        patience = self.training.patience
        stale = patience is not None and bool(self.history) and len(self.history) - self.best_epoch >= patience
        return stale or self.plateau.finished

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A run that was stopped before, and is resumed, stops again."""
        assert isinstance(pl_module, TaggingModule)
        pl_module.after_batch = partial(self.after_batch, trainer, pl_module.n_batches)
        trainer.should_stop = self.over
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin to count."""
        self._loss_sum, self._n_losses, self._windows, self._waited = 0.0, 0, 0, 0.0
        self._epoch_started = self._last_batch_end = time.monotonic()

    def on_train_batch_start(self, *_: Any) -> None:
        """The time since the last batch was spent waiting for this one."""
        self._waited += time.monotonic() - self._last_batch_end

    def after_batch(self, trainer: pl.Trainer, n_batches: int, index: int, loss: Tensor, n_windows: int) -> None:
        """A batch of ``n_batches`` is done. Raises ConfigError where its loss is not finite."""
        if trainer.world_size > 1:
            mean_loss = trainer.strategy.reduce(loss.clone(), reduce_op="mean")
            assert isinstance(mean_loss, Tensor)
            loss = mean_loss  # all devices see the same, and stop together where it is not finite
        value = float(loss)
        if not math.isfinite(value):
            raise not_finite(trainer, f"the training loss is {value}")
        self._loss_sum += value
        self._n_losses += 1
        self._windows += n_windows * trainer.world_size
        self._last_batch_end = time.monotonic()
        if self.progress is not None:
            mean = self._loss_sum / self._n_losses
            speed = self._windows / max(1e-9, self._last_batch_end - self._epoch_started)
            self.progress.batch(trainer.current_epoch + 1, index + 1, n_batches, mean, speed)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best, then the log, then the state."""
        assert isinstance(pl_module, TaggingModule)
        epoch = trainer.current_epoch + 1
        trained = max(1e-9, self._last_batch_end - self._epoch_started)
        validation, pl_module.validation = pl_module.validation, None
        row: LogRow = dict.fromkeys(LOG_COLUMNS)
        row |= {
            "epoch": epoch,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": self._loss_sum / self._n_losses,
            "best": 0,
            "windows_per_second": round(self._windows / trained, 3),
            "wait_share": round(self._waited / trained, 4),
        }
        if validation is not None:
            row |= {"validation_loss": pl_module.validation_loss, "selection": validation.selection}
            row |= validation.macros()
            if pl_module.on_training is not None:
                row |= {f"train_{name}": value for name, value in pl_module.on_training.macros().items()}
            by_loss = self.training.select == "validation_loss"
            selection = -pl_module.validation_loss if by_loss else validation.selection
            if selection > self.best_selection:
                self.best_selection, self.best_epoch = selection, epoch
                row["best"] = 1
                if trainer.is_global_zero:
                    self._keep(lambda: self.save_best(pl_module, validation, epoch))
            self.plateau.after_validation(trainer, pl_module.model, pl_module.validation_loss)
        now = time.monotonic()
        row["seconds"], self._started = round(now - self._started, 3), now
        self.history.append(row)
        if trainer.is_global_zero:
            self._keep(self.write_log)
            if self.tensorboard:
                self._keep(lambda: self._write_tensorboard(row))
        trainer.save_checkpoint(self.out / STATE_NAME)  # every device takes part; the first one writes
        trainer.should_stop = trainer.should_stop or self.over
        if self.progress is not None:
            self.progress.epoch(row)

    def _keep(self, write: Callable[[], None]) -> None:
        """Write a file of the run; what is there already stays where the disk is full."""
        try:
            write()
        except (
            OSError,
            SafetensorError,
            RuntimeError,
        ) as error:  # torch and safetensors have their own errors for a full disk
            raise cannot_be_written(self.out, error) from error

    def _write_tensorboard(self, row: LogRow) -> None:
        self._tensorboard_logger = self._tensorboard_logger or TensorBoardLogger(
            self.out / TENSORBOARD_FOLDER, int(row["epoch"] or 1)
        )
        self._tensorboard_logger.add(row)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Close what is open."""
        if self._tensorboard_logger is not None:
            self._tensorboard_logger.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """The run is over for all of its processes."""
        end_other_processes(trainer, exception)
        if self._tensorboard_logger is not None:
            with contextlib.suppress(OSError):  # a full disk is the exception itself
                self._tensorboard_logger.close()

    def write_log(self) -> None:
        """log.csv from the history, whole."""
        text = io.StringIO()
        writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _short(value) for key, value in row.items()} for row in self.history)
        write_atomic(self.out / LOG_NAME, text.getvalue().encode())


def _short(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def checkpoint_writer(
    out: Path, make: Callable[[TaggingModule, Validation, int], Any]
) -> Callable[[TaggingModule, Validation, int], None]:
    """A ``save_best`` that writes the model with the card that ``make`` gives."""

    def write(module: TaggingModule, validation: Validation, epoch: int) -> None:
        save_checkpoint(out / CHECKPOINT_FOLDER, module.scored_model, make(module, validation, epoch))

    return write
