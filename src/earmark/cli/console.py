"""Rich consoles for messages and for results, and tables on stdout. Rich is imported only here and where it draws.

They leave ":fire:" in a name as it is, which Rich would print as an emoji.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.text import printable
from earmark.core.exit_codes import EXIT_BROKEN_PIPE

if TYPE_CHECKING:
    from rich.console import Console


def stderr_console(*, quiet: bool = False, markup: bool = True) -> Console:
    """For messages and progress; lines are not wrapped."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet, markup=markup, emoji=False)


def stdout_console(*, quiet: bool = False) -> Console:
    """For results; lines are not wrapped."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, quiet=quiet, emoji=False)


def print_error(console: Console, text: str, path: Path | str | None = None) -> None:
    """What went wrong, with the file."""
    _print_word(console, "[red]error[/red]", text, path)


def print_note(console: Console, text: str, path: Path | str | None = None) -> None:
    """Something to know that is no error."""
    _print_word(console, "[yellow]note[/yellow]", text, path)


def _print_word(console: Console, word: str, text: str, path: Path | str | None) -> None:
    from rich.markup import escape

    console.print(f"{word} {escape(text if path is None else f'{printable(path)}: {text}')}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout. On a terminal its columns are aligned, and cells folded where it is too wide.

    Elsewhere see :func:`print_row`.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        for cells in (columns, *rows):
            print_row(cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def print_row(cells: Iterable[str]) -> None:
    """A row of a table for a pipe or a file: a line, tabs between its cells, nothing padded, cut or folded.

    That is what grep, cut and awk expect. Tabs, line ends and what cannot be printed are shown as escapes.
    """
    sys.stdout.write("\t".join(map(printable, cells)) + "\n")
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """A value for programs on stdout: one line of JSON, as all of ``--format json`` is, which ``jsonl`` is another name of."""
    from earmark.core.json_records import json_text

    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


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
