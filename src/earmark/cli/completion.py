"""Completion of commands and options in shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


def completion_script(shell: str, app: click.Command) -> str:
    """What a shell has to run to complete the commands and options of ``app``, e.g. in ~/.bashrc:

        eval "$(earmark --show-completion bash)"

    Raises:
        click.BadParameter: another shell.
    """
    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise click.BadParameter(f"shell {shell!r}: must be one of {', '.join(SHELLS)}")
    return found(app, {}, "earmark", "_EARMARK_COMPLETE").source()
