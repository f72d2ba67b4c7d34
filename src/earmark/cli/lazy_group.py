"""Command groups that import a command's module only when the command is run, or its own help is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from earmark.cli.help_text import reflow_help

SETTINGS = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True)
class Entry:
    """A line of a group's table.

    Attributes:
        name: of the command.
        target: ``module:object``; the object is a function, a ``typer.Typer`` or a group.
        help: its line in the list of commands: the first line of its own help.
        panel: heading in the list of commands.
        no_args_is_help: show the help where there are no arguments, instead of running it.
        settings: further ``context_settings`` of Click.
    """

    name: str
    target: str
    help: str
    panel: str | None = None
    no_args_is_help: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    def load(self) -> TyperCommand | TyperGroup:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, TyperGroup):
            return found
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False, rich_markup_mode="rich")
            app.command(self.name, no_args_is_help=self.no_args_is_help, context_settings=self.settings)(found)
            found = app
        reflow_help(found)
        command = typer.main.get_command(found)
        command.name = self.name
        return command  # type: ignore[return-value]  # Typer's own return type is wider than what it makes


class LazyGroup(TyperGroup):
    """A group that is a table of commands.

    ``get_command`` gives a placeholder with a name and a line of help, which is enough for lists of commands and for
    shell completion; ``resolve_command`` imports the command itself.
    """

    entries: Sequence[Entry] = ()

    def __init__(self, *, entries: Sequence[Entry] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.entries = self.entries if entries is None else entries
        for entry in self.entries:
            self.add_command(TyperCommand(entry.name, help=entry.help, rich_help_panel=entry.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named by the first argument, and the rest of them."""
        name, command, rest = super().resolve_command(ctx, args)
        for entry in self.entries:
            if entry.name == name:
                command = entry.load()
        return name, command, rest


def lazy_group(name: str, help_line: str, *entries: Entry) -> LazyGroup:
    """A group below ``earmark``."""
    return LazyGroup(name=name, help=help_line, entries=entries, no_args_is_help=True, rich_markup_mode="rich")
