"""Progress bars: on a terminal, on stderr, gone when the work is done. Elsewhere, and with --quiet, nothing is drawn."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from earmark.tagging.progress import TagProgress

_LINES_EVERY_SECONDS = 60.0


def progress_bar(
    console: Console, *columns: str | ProgressColumn, quiet: bool = False, per_second: int = 10
) -> Progress:
    """A bar with the given columns; texts are formats of the task (``{task.description}``).

    Args:
        console: of stderr.
        columns: from left to right; without any, the description, a bar, the percentage and the time left.
        quiet: draw nothing.
        per_second: redraws per second.
    """
    from rich.progress import Progress

    disable = quiet or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable, refresh_per_second=per_second)


def count_bar(console: Console, *, note: bool = False, quiet: bool = False) -> Progress:
    """What is done, how many of how many, the field ``note`` where it is wanted, and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    notes = ("{task.fields[note]}",) if note else ()
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), *notes, TimeRemainingColumn())
    return progress_bar(console, *columns, quiet=quiet)


def audio_bar(console: Console, *, now: bool = False, quiet: bool = False) -> Progress:
    """Files, ``speed`` in seconds of audio per second, the time left, and the field ``now`` where it is wanted."""
    from rich.progress import BarColumn, TimeRemainingColumn

    columns = (
        "{task.description}",
        BarColumn(bar_width=24 if now else 40),
        "{task.fields[files]}",
        "{task.fields[speed]:,.0f}x real time",
        TimeRemainingColumn(compact=True),
        "left",
        *(("[dim]{task.fields[now]}[/dim]",) if now else ()),
    )
    return progress_bar(console, *columns, quiet=quiet, per_second=5)


def download_bar(console: Console, *, quiet: bool = False) -> Progress:
    """Bytes and bytes per second."""
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    return progress_bar(
        console, "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), quiet=quiet
    )


def note_bar(console: Console, *, quiet: bool = False) -> Progress:
    """A bar and the field ``note``."""
    from rich.progress import BarColumn

    return progress_bar(console, "{task.description}", BarColumn(), "{task.fields[note]}", quiet=quiet)


class BarWatcher:
    """A watcher with a bar that is there inside its ``with``.

    Args:
        console: of stderr.
        progress: the bar; None for one of counts with a note.
        quiet: draw nothing.
    """

    def __init__(self, console: Console, progress: Progress | None = None, *, quiet: bool = False) -> None:
        self.console = console
        self.progress = progress or count_bar(console, note=True, quiet=quiet)
        self._last_line = time.monotonic()

    def line_is_due(self) -> bool:
        """Where no bar is drawn: whether a minute has passed since this was last true, so that a line replaces the bar."""
        now = time.monotonic()
        due = self.progress.disable and now - self._last_line > _LINES_EVERY_SECONDS
        self._last_line = now if due else self._last_line
        return due

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()


class AudioSpeed:
    """Seconds of audio per second since it was made, of files that are tagged side by side."""

    def __init__(self) -> None:
        self._started, self._seconds = time.monotonic(), 0.0

    def after(self, tagging: TagProgress) -> float:
        """The speed so far, with a file's latest report."""
        seconds = self._seconds + tagging.seconds
        if tagging.finished:
            self._seconds = seconds
        return seconds / max(time.monotonic() - self._started, 1e-6)
