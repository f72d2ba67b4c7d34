"""Help that wraps as the terminal is wide."""

from __future__ import annotations

import inspect

import typer


def reflow_help(app: typer.Typer) -> None:
    """Take the line breaks of docstrings, which Typer keeps, out of the help of all commands.

    Paragraphs that begin with a ``\\b`` or have indented lines stay as they are written.
    """
    for command in app.registered_commands:
        text = command.help or (command.callback and inspect.getdoc(command.callback))
        if text:
            first, *rest = map(_flowing, inspect.cleandoc(text).split("\n\n"))
            # Typer takes away the indentation that all lines but the first of the rest have.
            command.help = "\n\n".join([first, *(f"\n{part}" for part in rest[:1]), *rest[1:]])
    for group in app.registered_groups:
        if group.typer_instance is not None:
            reflow_help(group.typer_instance)


def _flowing(paragraph: str) -> str:
    if paragraph.startswith("\b\n"):
        return paragraph.removeprefix("\b\n")
    lines = paragraph.split("\n")
    return paragraph if any(line.startswith(" ") for line in lines) else " ".join(lines)
