"""Columns of a run's log, and callbacks for its progress."""

from __future__ import annotations

from typing import Protocol

LOG_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "validation_loss",
    "roc_auc",
    "pr_auc",
    "rmse",
    "train_roc_auc",
    "train_pr_auc",
    "train_rmse",
    "selection",
    "best",
    "seconds",
    "windows_per_second",
    "wait_share",
)
"""Columns of log.csv. Macro means on the validation split; ``train_roc_auc`` and similar ones are of
training clips, scored as validation clips are, where that was requested; ``best`` is 1 where this epoch became the checkpoint;
``wait_share`` is the share of the training time (validation left out) in which the trainer waited for data."""

LogRow = dict[str, float | int | None]
"""A row of log.csv by its columns; None where there is no value."""


class TrainingProgress(Protocol):
    """Called during a run; every method is called often and should be quick."""

    def decoding(self, done: int, total: int) -> None:
        """Files decoded so far."""

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
        """A batch of an epoch (from 1) is done; the mean loss and the speed of the epoch so far."""

    def epoch(self, row: LogRow) -> None:
        """An epoch is done; a row of the log."""
