"""Progress of a search on stderr: a line for each trial, and on a terminal a bar for the one that is trained."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.markup import escape
from rich.progress import TaskID

from earmark.cli.console import stderr_console
from earmark.cli.progress import BarWatcher
from earmark.training.callbacks import LogRow
from earmark.training.config import Recipe
from earmark.tuning.trial_runner import TuningProgress
from earmark.tuning.trials import Proposal, Trial, best_of, short


class TerminalTuningWatcher(BarWatcher, TuningProgress):
    """A :class:`earmark.tuning.trial_runner.TuningProgress` for people.

    Args:
        quiet: show nothing but errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(stderr_console(quiet=quiet), quiet=quiet)
        self._bar: TaskID | None = None
        self._what = ""
        self._n_epochs = 1
        self._began = 0.0

    def search_resumed(self, trials: Sequence[Trial], total: int) -> None:
        """How far it had come."""
        best = best_of(trials)
        said = "" if best is None else f"; best so far trial {best.number}, selection {best.selection:.4f}"
        self.console.print(f"resumed: {len(trials)} of {total} trials are done{said}")

    def trial_begins(self, number: int, total: int, proposal: Proposal, recipe: Recipe) -> None:
        """A bar of its own."""
        del proposal
        self._what, self._n_epochs, self._began = f"trial {number}/{total}", recipe.training.epochs, time.monotonic()

    def trial_ends(self, trials: Sequence[Trial], total: int) -> None:
        """A line that stays."""
        if self._bar is not None:
            self.progress.remove_task(self._bar)
            self._bar = None
        trial, best = trials[-1], best_of(trials)
        tried = ", ".join(f"{name} {short(value)}" for name, value in trial.choice.items())
        if trial.about:
            tried = f"{trial.about} {short(trial.choice[trial.about])}"
        if trial.selection is None:
            result = f"[red]failed[/red]: {escape(trial.error)}"
        else:
            result = f"selection {trial.selection:.4f}"
        parts = [f"trial {trial.number:>3}/{total}", escape(tried), result]
        if trial.same_as is not None:
            parts.append(f"as trial {trial.same_as}")
        else:
            parts.append(f"{time.monotonic() - self._began:.0f} s")
        if best is trial:
            parts.append("[green]best[/green]")
        elif best is not None:
            parts.append(f"best is trial {best.number}, {best.selection:.4f}")
        self.console.print("  ".join(parts))

    def decoding(self, done: int, total: int) -> None:
        """Files decoded so far."""
        self._show(f"{self._what}, decoding", done, total, "")

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
        """A batch is done."""
        note = f"epoch {epoch}  loss {loss:.4f}  {windows_per_second:,.0f} windows/s"
        self._show(self._what, (epoch - 1) * total + done, self._n_epochs * total, note)

    def epoch(self, row: LogRow) -> None:
        """Nothing that stays: the trial's log has it."""

    def _show(self, what: str, done: int, total: int, note: str) -> None:
        if self._bar is None:
            self._bar = self.progress.add_task(what, total=total, note=note)
        self.progress.update(self._bar, description=what, completed=done, total=total, note=note)
