"""Help is as wide as the terminal: prose flows, examples stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

import click
import pytest
from click.testing import CliRunner

from earmark.cli.commands import Option, make_command
from earmark.cli.main import app
from earmark.cli.text import counted


def all_commands(one: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    group = app if one is None else one
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.resolve_command(context, [name])[1]
        if hasattr(command, "list_commands"):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name)


def full_lines(command: tuple[str, ...]) -> int:
    """How many lines of prose go on in the next one; each is as full as it can be."""
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    head = re.split(r"\n(?:Positional arguments|Options):\n", done.stdout)[0].split("Usage:")[1]
    n_full = 0
    for paragraph in re.split(r"\n\s*\n", head):
        lines = [line.rstrip() for line in paragraph.splitlines() if line.strip()]
        if any(line.startswith("   ") for line in lines):
            continue  # examples and tables
        for line, following in pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > 78, f"{command}: {line!r} ends early"
            n_full += 1
    return n_full


@pytest.mark.slow
def test_prose_fills_the_lines() -> None:
    commands = list(all_commands())
    assert len(commands) > 30
    assert sum(map(full_lines, commands)) > 2 * len(commands)


def test_paragraphs_of_examples_stay() -> None:
    def sing(aloud: Annotated[bool, Option("--aloud", help="Or not.", panel="Voice")] = False) -> None:
        """Sing a song.

        Of prose the lines
        are joined.

        \b
        Examples:
          sing aloud
          sing along
        """

    done = CliRunner().invoke(make_command(sing, "sing", no_args_is_help=False), ["--help"])
    assert done.stdout == (
        "Usage: sing [OPTIONS]\n\n  Sing a song.\n\n  Of prose the lines are joined.\n\n"
        "  Examples:\n    sing aloud\n    sing along\n\n"
        "Options:\n  -h, --help  Show this message and exit.\n\nVoice:\n  --aloud  Or not.\n"
    )


def test_one_is_no_plural() -> None:
    assert [counted(n, "track") for n in (0, 1, 2, 1200)] == ["0 tracks", "1 track", "2 tracks", "1,200 tracks"]
