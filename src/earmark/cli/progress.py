"""Progress bars: on a terminal, on stderr, gone when the work is done. Elsewhere, and with --quiet, nothing is drawn."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn


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


def download_bar(console: Console) -> Progress:
    """Bytes and bytes per second."""
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    return progress_bar(console, "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())


def note_bar(console: Console, *, quiet: bool = False) -> Progress:
    """A bar and the field ``note``."""
    from rich.progress import BarColumn

    return progress_bar(console, "{task.description}", BarColumn(), "{task.fields[note]}", quiet=quiet)


class BarWatcher:
    """A watcher with a bar that is there inside its ``with``.

    Args:
        console: of stderr.
        quiet: draw nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.progress = count_bar(console, note=True, quiet=quiet)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()
