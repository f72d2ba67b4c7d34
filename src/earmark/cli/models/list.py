"""`earmark models list`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import click

from earmark.cli.commands import Option
from earmark.cli.console import print_json, print_table, stderr_console, stdout_console
from earmark.cli.options import Format, TextFormat
from earmark.core.exit_codes import EXIT_FAILED


def list_models(
    architectures: Annotated[
        bool,
        Option("--architectures", help="The networks that can be trained: input, window, weights, MACs."),
    ] = False,
    output_format: Format = TextFormat.text,
    as_json: Annotated[
        bool, Option("--json", help="Those that are installed, or the architectures, as one JSON list.")
    ] = False,
) -> None:
    """List the models that `earmark tag --model` takes by name, and those that `earmark models pull` can fetch.

    Of models that are not installed the size is that of the download; their windows show when they are.

    With --architectures, the networks that can be trained. MACs are multiplications with their additions, for one window
    and for a second of audio; the front-end's are counted, too. It needs the train extra.

    \b
    Examples:
      earmark models list
      earmark models list --format json | jq -r 'select(.installed) | .name'
    """
    if architectures:
        _list_architectures(output_format, as_json)
    else:
        _list_models(output_format, as_json)


def published_records() -> list[dict[str, Any]]:
    """The published models, as records of `earmark models list --format json`."""
    from earmark.core.published_weights import all_published
    from earmark.tagging.runtime import user_models_folder

    folder = user_models_folder()
    return [
        {
            "name": published.name,
            "default": False,
            "installed": (folder / f"{published.name}.onnx").is_file(),
            "path": None,
            "size_bytes": published.total_bytes,
            "n_tags": published.n_tags,
            "window_seconds": None,
            "licence": published.licence,
            "description": published.description,
        }
        for published in all_published()
    ]


def print_models(records: Iterable[dict[str, Any]]) -> None:
    """Such records as a table."""
    print_table(
        ("name", "installed", "tags", "window", "size", "licence of the weights", "what it is"),
        (
            (
                f"{record['name']} (default)" if record["default"] else record["name"],
                "yes" if record["installed"] else "no",
                str(record["n_tags"]),
                "-" if record["window_seconds"] is None else f"{record['window_seconds']:g} s",
                f"{record['size_bytes'] / 1e6:.1f} MB",
                record["licence"],
                record["description"],
            )
            for record in records
        ),
    )


def _list_models(output_format: TextFormat, as_json: bool) -> None:
    installed, problems = _installed()
    names = {record["name"] for record in installed}
    others = [record for record in published_records() if record["name"] not in names]
    if as_json:
        click.echo(json.dumps(installed, indent=2, ensure_ascii=False))
    elif output_format is TextFormat.json:
        for record in [*installed, *others]:
            print_json(record)
    else:
        print_models([*installed, *others])
        if others:
            stderr_console().print("earmark: what is not installed is fetched by: earmark models pull NAME")
    for problem in problems:
        print(f"earmark: {problem}", file=sys.stderr)
    if problems:
        raise click.exceptions.Exit(EXIT_FAILED)


def _installed() -> tuple[list[dict[str, Any]], list[str]]:
    """The installed models, and what is wrong with those that cannot be used."""
    from earmark.core.errors import ModelError
    from earmark.tagging.runtime import DEFAULT_MODEL, list_installed, read_card

    records, problems = [], []
    for name, path in list_installed().items():
        try:
            card = read_card(path)
        except ModelError as error:
            problems.append(str(error))
            continue
        records.append(
            {
                "name": name,
                "default": name == DEFAULT_MODEL,
                "installed": True,
                "path": str(path),
                "size_bytes": path.stat().st_size,
                "n_tags": len(card.vocabulary),
                "window_seconds": card.input.window_seconds,
                "licence": card.licence,
                "description": card.description,
            }
        )
    return records, problems


def _list_architectures(output_format: TextFormat, as_json: bool) -> None:
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "earmark models list --architectures", "torch")

    from earmark.models.summary import summarise_all
    from earmark.models.summary_page import COLUMNS, cells, legend

    summaries = summarise_all()
    if as_json:
        click.echo(json.dumps([summary.to_dict() for summary in summaries], indent=2, ensure_ascii=False))
        return
    if output_format is TextFormat.json:
        for summary in summaries:
            print_json(summary.to_dict())
        return
    _print_wide_table(COLUMNS, [cells(summary) for summary in summaries])
    for sentence in legend(summaries):
        stderr_console().print(sentence, soft_wrap=False)


def _print_wide_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, or, where the terminal is too narrow for it, a short paragraph per row: the first cell, then the rest."""
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
