"""Progress of a training run on stderr: bars on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import TaskID

from earmark.cli.console import stderr_console
from earmark.cli.progress import BarWatcher
from earmark.metrics import metric_label
from earmark.training.callbacks import LogRow
from earmark.training.run import TrainingResult

if TYPE_CHECKING:
    from earmark.cluster.train import ClusterTrainingResult


class TerminalWatcher(BarWatcher):
    """A :class:`earmark.training.callbacks.TrainingProgress` for people.

    Args:
        n_epochs: of the recipe.
        quiet: show nothing but errors.
        console: where to; None for stderr.
    """

    def __init__(self, n_epochs: int, *, quiet: bool = False, console: Console | None = None) -> None:
        self.n_epochs = n_epochs
        super().__init__(console or stderr_console(quiet=quiet), quiet=quiet)
        self._tasks: dict[str, TaskID] = {}
        self._last = ""

    def decoding(self, done: int, total: int) -> None:
        """Files decoded so far."""
        self._show("decoding", done, total)
        if done == total:
            self.progress.update(self._tasks["decoding"], visible=False)

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
        """A batch is done."""
        note = f"epoch {epoch}  loss {loss:.4f}{self._last}  {windows_per_second:,.0f} windows/s"
        self._show("training", (epoch - 1) * total + done, self.n_epochs * total, note)

    def epoch(self, row: LogRow) -> None:
        """An epoch is done: one line that stays."""
        parts = [f"epoch {row['epoch']:>3}/{self.n_epochs}", f"loss {row['train_loss']:.4f}"]
        shown = ("roc_auc", "rmse")
        labels = {"validation_loss": "val", **{name: metric_label(name) for name in shown}, "selection": "skill"}
        for name, label in labels.items():
            value = row[name]
            if value is not None:
                parts.append(f"{label} {value:.4f}")
        if row["roc_auc"] is not None:  # not every epoch need be validated
            self._last = f"  {labels['roc_auc']} {row['roc_auc']:.4f}"
        if row["best"]:
            parts.append("[green]best[/green]")
        self.console.print("  ".join(parts))

    def finished(self, result: TrainingResult | ClusterTrainingResult) -> None:
        """The run is over."""
        row = result.history[result.best_epoch - 1]
        self.console.print(
            f"best epoch {result.best_epoch}, skill {row['selection']:.4f}: {escape(str(result.checkpoint))}"
        )

    def _show(self, name: str, done: int, total: int, note: str = "") -> None:
        if name not in self._tasks:  # what an earlier run has done already says nothing of the speed of this one
            self._tasks[name] = self.progress.add_task(name, total=total, completed=done, note=note)
        self.progress.update(self._tasks[name], completed=done, note=note)
