"""`earmark models list`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.console import print_table, stderr_console, stdout_console


def list_models(
    architectures: Annotated[
        bool,
        Option("--architectures", help="The networks that can be trained: input, window, weights, MACs."),
    ] = False,
    as_json: Annotated[bool, Option("--json", help="The same for programs.")] = False,
) -> None:
    """List the models that `earmark tag --model` takes by name, or all architectures.

    MACs are multiplications with their additions, for one window and for a second of audio; the front-end's are
    counted, too. `--architectures` needs the train extra.
    """
    if architectures:
        _list_architectures(as_json)
    else:
        _list_installed(as_json)


def _list_installed(as_json: bool) -> None:
    from earmark.core.errors import ModelError
    from earmark.tagging.runtime import DEFAULT_MODEL, list_installed, read_card

    cards, problems = {}, []
    for name, path in list_installed().items():
        try:
            cards[name] = (path, read_card(path))
        except ModelError as error:
            problems.append(str(error))
    if as_json:
        rows = [
            {
                "name": name,
                "default": name == DEFAULT_MODEL,
                "path": str(path),
                "size_bytes": path.stat().st_size,
                "n_tags": len(card.vocabulary),
                "window_seconds": card.input.window_seconds,
                "licence": card.licence,
                "description": card.description,
            }
            for name, (path, card) in cards.items()
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_table(
            ("name", "tags", "window", "size", "licence of the weights", "what it is"),
            (
                (
                    f"{name} (default)" if name == DEFAULT_MODEL else name,
                    str(len(card.vocabulary)),
                    f"{card.input.window_seconds:g} s",
                    f"{path.stat().st_size / 1e6:.1f} MB",
                    card.licence,
                    card.description,
                )
                for name, (path, card) in cards.items()
            ),
        )
    for problem in problems:
        print(f"earmark: {problem}", file=sys.stderr)
    if problems:
        raise click.exceptions.Exit(1)


def _list_architectures(as_json: bool) -> None:
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "earmark models list --architectures", "torch")

    from earmark.models.summary import summarise_all
    from earmark.models.summary_page import COLUMNS, cells, legend

    summaries = summarise_all()
    if as_json:
        click.echo(json.dumps([summary.to_dict() for summary in summaries], indent=2, ensure_ascii=False))
        return
    _print_wide_table(COLUMNS, [cells(summary) for summary in summaries])
    for sentence in legend(summaries):
        stderr_console().print(sentence, soft_wrap=False)


def _print_wide_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, or, where the terminal is too narrow for it, a short paragraph a row: the first cell, then the rest."""
    from rich.padding import Padding

    out = stdout_console()
    width = sum(max(len(row[i]) for row in [columns, *rows]) + 2 for i in range(len(columns)))
    if not out.is_terminal or width <= out.width:
        print_table(columns, rows)
        return
    for row in rows:
        out.print(row[0], style="bold")
        said = [f"{column} {cell}" for column, cell in zip(columns[1:], row[1:], strict=True) if cell != "-"]
        out.print(Padding("; ".join(said), (0, 0, 0, 2)), soft_wrap=False)
