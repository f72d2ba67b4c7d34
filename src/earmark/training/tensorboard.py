"""The log of a run for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from earmark.training.callbacks import VALIDATION_METRICS, LogRow

TENSORBOARD_FOLDER = "tensorboard"

_TITLES = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    **{name: f"validation/{name}" for name in VALIDATION_METRICS},
    **{f"train_{name}": f"training/{name}" for name in VALIDATION_METRICS},
    "selection": "validation/skill",
    "learning_rate": "learning_rate",
    "windows_per_second": "speed/windows_per_second",
    "wait_share": "speed/wait_share",
}


class TensorBoardLogger:
    """Writes event files into a folder.

    Args:
        folder: made where missing. ``tensorboard --logdir`` takes it, or a folder of runs above it.
        first_epoch: events that an earlier, killed run wrote from this epoch on are hidden.
    """

    def __init__(self, folder: Path, first_epoch: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, row: LogRow) -> None:
        """An epoch."""
        for column, title in _TITLES.items():
            value = row.get(column)
            if value is not None:
                self._writer.add_scalar(title, value, int(row["epoch"] or 0))
        self._writer.flush()

    def close(self) -> None:
        """No more epochs."""
        self._writer.close()
