"""What the commands of the research half share: asking for their extra by name, and stopping on Ctrl-C."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from earmark.core.errors import MissingExtraError
from earmark.core.exit_codes import EXIT_INTERRUPTED


def require_extra(extra: str, what: str, *modules: str) -> None:
    """Raises MissingExtraError where one of these modules is not installed."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(what, extra)


@contextmanager
def exit_on_interrupt(advice: str | None) -> Iterator[None]:
    """Ctrl-C ends the command with exit code 130 and a line of advice on stderr, where there is any."""
    try:
        yield
    except KeyboardInterrupt:
        if advice is not None:
            print(f"earmark: stopped; {advice}", file=sys.stderr)
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
