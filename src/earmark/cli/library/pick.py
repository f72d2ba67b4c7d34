"""Names that may mean several tracks: a terminal asks which, elsewhere ``--pick`` says it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import click

from earmark.cli.commands import Option
from earmark.cli.options import at_least
from earmark.core.exit_codes import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from earmark.library.query.search import Hit
    from earmark.library.similar import AmbiguousTrackError

Found = TypeVar("Found")


def _check(numbers: Sequence[int]) -> Sequence[int]:
    for number in numbers:
        at_least(1)(number)
    return numbers


Pick = Annotated[
    list[int] | None,
    Option(
        "--pick",
        callback=_check,
        metavar="N",
        help="Where TEXT may be several tracks: the Nth of those that are listed; may be repeated, for the next such TEXT.",
        show_default="a terminal asks",
    ),
]


def find_picked(names: Sequence[str], picks: Sequence[int] | None, find: Callable[[Sequence[str]], Found]) -> Found:
    """What ``find`` gives for some names of tracks, once each of them means one track."""
    from earmark.library.similar import AmbiguousTrackError

    names, left = list(names), list(picks or ())
    while True:
        try:
            return find(names)
        except AmbiguousTrackError as error:
            path = str(_picked(error, left.pop(0) if left else None).path)
            together = error.wanted not in names  # all of them are one name
            names = [path] if together else [path if name == error.wanted else name for name in names]


def _picked(error: AmbiguousTrackError, number: int | None) -> Hit:
    """One of the tracks that a text may mean: by its number, or as the person at the terminal answers."""
    from earmark.core.errors import ConfigError

    if number is None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise error
        for line in str(error).splitlines():
            click.echo(line, err=True)
        try:
            number = click.prompt("which one", type=click.IntRange(1, len(error.tracks)), err=True)
        except click.Abort:
            click.echo(err=True)
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    if number > len(error.tracks):
        raise ConfigError([f"--pick {number}: must be from 1 to {len(error.tracks)}", *error.problems])
    return error.tracks[number - 1]
