"""Rich consoles for messages and for results, and tables on stdout. Rich is imported only here and where it draws."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from earmark.cli.exit_codes import EXIT_BROKEN_PIPE

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS = 300
"""Width of tables that go into a pipe or a file."""


def stderr_console(*, quiet: bool = False, markup: bool = True) -> Console:
    """For messages and progress; lines are not wrapped."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet, markup=markup)


def stdout_console(*, quiet: bool = False) -> Console:
    """For results; lines are not wrapped."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, quiet=quiet)


def table_console() -> Console:
    """For tables on stdout; lines are folded at a terminal's width only."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPE_COLUMNS)


def print_table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout, its cells folded where it is too wide."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    table_console().print(table)


@contextmanager
def exit_on_broken_pipe() -> Iterator[None]:
    """If the reader of stdout stops early (`| head`), the command ends with exit code 141 and no message."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from None


def silence_stdout() -> None:
    """Keep Python from writing to a closed stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
