"""Commands from functions: a signature with annotations becomes a Click command.

    def tag(
        paths: Annotated[list[Path], Argument(metavar="PATH...", help="Audio files and folders.")],
        jobs: Annotated[int | None, Option("--jobs", "-j", metavar="N", help="Files decoded side by side.")] = None,
    ) -> None: ...

Types say how words are read: ``int``, ``float``, ``str``, ``Path``, a string Enum (its values are the choices), ``bool`` (a flag)
and lists of these. docs/design.md says why this is not Typer.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import click

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class Option:
    """How a parameter is given by name.

    Args:
        names: e.g. "--jobs", "-j"; "--scores/--no-scores" for a flag that can be turned off; none for the parameter's own.
        help: one or two sentences.
        metavar: placeholder of the value in the help.
        min, max: of a number.
        callback: called with the value; returns the one to use, or raises click.BadParameter.
        envvar: environment variable that gives the value where the option is not given.
        show_default: what the help says in place of the default; False for nothing.
        panel: heading above the option in the help.
        is_eager: its callback runs before other parameters are read.
    """

    def __init__(
        self,
        *names: str,
        help: str = "",
        metavar: str | None = None,
        min: float | None = None,
        max: float | None = None,
        callback: Callable[[Any], Any] | None = None,
        envvar: str | None = None,
        show_default: bool | str = True,
        panel: str | None = None,
        is_eager: bool = False,
    ) -> None:
        self.names, self.help, self.metavar, self.min, self.max = names, help, metavar, min, max
        self.callback, self.envvar, self.show_default = callback, envvar, show_default
        self.panel, self.is_eager = panel, is_eager


class Argument(Option):
    """How a parameter is given by its place. Arguments of :class:`Option`; the list of names is empty."""


class _OptionWithPanel(click.Option):
    panel: str | None = None


class _Formatter(click.HelpFormatter):
    """Bold headings, and examples that fit: a command that is too long continues in the next line, as shells allow."""

    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{click.style(f'{heading}:', bold=True)}\n")

    def write_text(self, text: str) -> None:
        width = self.width - self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self.write("\n")
            if not paragraph.startswith("\b\n"):
                super().write_text(paragraph)
                continue
            for line in paragraph.split("\n")[1:]:
                self.write("".join(f"{'':>{self.current_indent}}{part}\n" for part in _folded(line, width)))


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    parts = textwrap.wrap(line, width - 2, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [f"{part} \\" for part in parts[:-1]] + parts[-1:] if line.lstrip().startswith("earmark ") else parts


class Context(click.Context):
    formatter_class = _Formatter


class _Command(click.Command):
    context_class = Context

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        format_options(self, ctx, formatter)


def format_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The options by panel; those without one first."""
    panels: dict[str, list[tuple[str, str]]] = {"Options": []}
    for parameter in command.get_params(ctx):
        record = None if isinstance(parameter, click.Argument) else parameter.get_help_record(ctx)
        if record is not None:
            panels.setdefault(getattr(parameter, "panel", None) or "Options", []).append(record)
    for title, records in panels.items():
        with formatter.section(title):
            formatter.write_dl(records)


JSON_NAMES = ("json", "jsonl")
"""Two names of one output format, JSON Lines: where a choice has one of them, the other means the same."""


class _Choice(click.Choice[str]):
    """The values of a string Enum; gives its members."""

    def __init__(self, members: type[Enum]) -> None:
        self.members = {str(member.value): member for member in members}
        for name, other in (JSON_NAMES, JSON_NAMES[::-1]):
            if name in self.members:
                self.members.setdefault(other, self.members[name])
        super().__init__(list(self.members))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, Enum) else self.members[super().convert(value, param, ctx)]


def make_command(
    function: Callable[..., None],
    name: str,
    *,
    no_args_is_help: bool = True,
    settings: dict[str, Any] | None = None,
) -> click.Command:
    """The command that calls a function. Its docstring is the help; a parameter of type click.Context gets the context."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[click.Parameter] = []
    context_name, lists = None, {}
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if hint is click.Context:
            context_name = parameter.name
            continue
        if (isinstance(made := _parameter(parameter, hint), click.Argument) and made.nargs == -1) or made.multiple:
            lists[parameter.name] = parameter.default
        parameters.append(made)

    def call(**values: Any) -> None:
        for name, default in lists.items():
            values[name] = list(values[name]) if values[name] else (None if default is None else [])
        if context_name is not None:
            values[context_name] = click.get_current_context()
        function(**values)

    return _Command(
        name,
        params=parameters,
        callback=call,
        help=readable_help(inspect.getdoc(function) or ""),
        no_args_is_help=no_args_is_help,
        context_settings={**CONTEXT_SETTINGS, **(settings or {})},
    )


def _parameter(parameter: inspect.Parameter, hint: Any) -> click.Parameter:
    how = Option()
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        how = next((one for one in more if isinstance(one, Option)), how)
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    is_list = get_origin(hint) is list
    kind = get_args(hint)[0] if is_list else hint
    required = parameter.default is inspect.Parameter.empty
    common: dict[str, Any] = {
        "type": _type(kind, how),
        "required": required,
        "metavar": how.metavar,
        "envvar": how.envvar,
        "help": readable_help(how.help),
    }
    if not required and not (is_list and not parameter.default):
        common["default"] = parameter.default
    if (check := how.callback) is not None:
        common["callback"] = lambda _context, _parameter, value: check(value)
    if isinstance(how, Argument):
        return click.Argument([parameter.name], nargs=-1 if is_list else 1, **common)
    own = f"--{parameter.name.replace('_', '-')}"
    names = [*how.names] or [f"{own}/--no-{own.removeprefix('--')}" if kind is bool else own]
    if kind is bool:
        common |= {"is_flag": True, "type": None}
        show: bool | str = how.show_default if "/" in names[0] or isinstance(how.show_default, str) else False
    else:
        show = how.show_default
        common["multiple"] = is_list
    made = _OptionWithPanel([parameter.name, *names], show_default=show, is_eager=how.is_eager, **common)
    made.panel = how.panel
    return made


class _Path(click.Path):
    """A path. An empty one, as of a script's variable that is not set, would mean the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' is no path (a variable that is not set?); the current folder is .", param, ctx)
        return super().convert(value, param, ctx)


def _type(kind: Any, how: Option) -> click.ParamType[Any]:
    if kind is Path:
        return _Path()
    if kind in (int, float) and (how.min is not None or how.max is not None):
        return click.IntRange(how.min, how.max) if kind is int else click.FloatRange(how.min, how.max)  # type: ignore[arg-type]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _Choice(kind)
    simple: dict[Any, click.ParamType[Any]] = {int: click.INT, float: click.FLOAT, str: click.STRING, bool: click.BOOL}
    return simple[kind]


def readable_help(text: str) -> str:
    """A docstring as Click's help: lines of prose flow, paragraphs with indented lines or after ``\\b`` stay as they are.

    >>> readable_help("Sing.\\n\\nOf prose the lines\\nare joined.\\n\\nExamples:\\n  sing")
    'Sing.\\n\\nOf prose the lines are joined.\\n\\n\\x08\\nExamples:\\n  sing'
    """
    return "\n\n".join(map(_paragraph, text.split("\n\n")))


def _paragraph(paragraph: str) -> str:
    lines = [line for line in paragraph.split("\n") if line.strip() != "\b"]
    if "\b" in paragraph or any(line.startswith(" ") for line in lines):
        return "\b\n" + "\n".join(lines)
    return " ".join(lines)
