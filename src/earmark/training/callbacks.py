"""Columns of a run's log, and callbacks for its progress."""

from __future__ import annotations

from typing import Protocol

VALIDATION_METRICS = ("roc_auc", "pr_auc", "rmse")
"""What is measured at each validation; the columns of log.csv are fixed, so a new metric is not added here."""

LOG_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "validation_loss",
    *VALIDATION_METRICS,
    *(f"train_{name}" for name in VALIDATION_METRICS),
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
