"""Completion of commands and options in shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


def completion_script(shell: str) -> str:
    """What a shell has to run, e.g. ``eval "$(earmark --show-completion bash)"`` in ~/.bashrc.

    Raises:
        click.BadParameter: another shell.
    """
    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise click.BadParameter(f"shell {shell!r}: must be one of {', '.join(SHELLS)}")
    from earmark.cli.main import app

    return found(app, {}, "earmark", "_EARMARK_COMPLETE").source()
