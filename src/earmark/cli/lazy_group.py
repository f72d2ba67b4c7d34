"""Groups that are tables of commands, and import a command's module only when it is run, or its own help is asked for."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from earmark.cli.commands import CONTEXT_SETTINGS, Context, format_options, make_command, readable_help


@dataclass(frozen=True)
class Entry:
    """One entry of a group's table.

    Attributes:
        name: of the command.
        target: ``module:object``; the object is a function, or a group.
        help: its line in the list of commands: the first line of its own help.
        panel: heading in the list of commands.
        no_args_is_help: show the help where there are no arguments, instead of running it.
        settings: further ``context_settings`` of Click.
        wrap: ``module:function`` that makes the command's function of ``target`` and ``help``, for commands that differ in
            one function only.
    """

    name: str
    target: str
    help: str
    panel: str = "Commands"
    no_args_is_help: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    wrap: str | None = None

    def load(self) -> click.Command:
        """Import the command."""
        found = import_object(self.wrap)(self.target, self.help) if self.wrap else import_object(self.target)
        if isinstance(found, click.Command):
            return found
        return make_command(found, self.name, no_args_is_help=self.no_args_is_help, settings=self.settings)


def import_object(target: str) -> Any:
    """What ``module:object`` names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@contextmanager
def quick_imports() -> Iterator[None]:
    """Imports without the garbage collector, which would look through all that they make again and again, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class LazyGroup(click.Group):
    """A group that is a table of commands.

    ``get_command`` gives a placeholder with a name and a line of help, which is enough for lists of commands and for
    shell completion; ``resolve_command`` imports the command itself.

    Args:
        name: of the group.
        help: of the group.
        entries: the table, in the order of the help.
        settings: as for click.Group.
    """

    context_class = Context

    def __init__(self, name: str, help: str, entries: Sequence[Entry], **settings: Any) -> None:
        settings = {"no_args_is_help": True, "context_settings": CONTEXT_SETTINGS, **settings}
        super().__init__(name, help=readable_help(help), **settings)
        self.entries = {entry.name: entry for entry in entries}
        for entry in entries:
            self.add_command(click.Command(entry.name, help=entry.help))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands first, as they are what a person looks for."""
        self.format_commands(ctx, formatter)
        format_options(self, ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(self.entries)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named by the first argument, and the rest of them."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.entries[name].load() if name in self.entries else command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands below the headings of the table."""
        rows: dict[str, list[tuple[str, str]]] = {}
        for entry in self.entries.values():
            rows.setdefault(entry.panel, []).append((entry.name, entry.help))
        for panel, commands in rows.items():
            with formatter.section(panel):
                formatter.write_dl(commands)


def lazy_group(name: str, help: str | Callable[..., None], entries: Sequence[Entry], *, epilog: str = "") -> LazyGroup:
    """A group; ``help`` may be a function whose parameters are the group's own options and whose docstring is its help."""
    if isinstance(help, str):
        return LazyGroup(name, help, entries, epilog=epilog)
    own = make_command(help, name)
    return LazyGroup(name, own.help or "", entries, epilog=epilog, params=own.params, callback=own.callback)
