"""`earmark models`: which models there are, their cards, the architectures, and published ones to fetch."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.importers.download import OnProgress

app = typer.Typer(no_args_is_help=True, help="Models: list them, read their cards, fetch published ones.")

TRAIN_MODULES = ("h5py", "onnx", "onnxscript", "safetensors", "torch")
"""What `pull` needs of the train extra."""
PIPE_COLUMNS = 300
"""Width of tables that go into a pipe or a file."""


@app.command("list")
def list_models(
    architectures: Annotated[
        bool,
        typer.Option("--architectures", help="The networks that can be trained: input, window, weights, MACs."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
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
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(
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
        raise typer.Exit(1)


def _list_architectures(as_json: bool) -> None:
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "earmark models list --architectures", "torch")

    from earmark.models.summary import COLUMNS, cells, legend, summarise_all

    summaries = summarise_all()
    if as_json:
        typer.echo(json.dumps([summary.to_dict() for summary in summaries], indent=2, ensure_ascii=False))
        return
    _print_wide_table(COLUMNS, [cells(summary) for summary in summaries])
    typer.echo()
    for sentence in legend(summaries):
        _console().print(sentence)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A model's name, or an .onnx file.")],
    as_json: Annotated[bool, typer.Option("--json", help="The card as it stands, for programs.")] = False,
) -> None:
    """Show a model's card: tags, thresholds, training data, measured quality, licence, limits.

    [bold]Example[/bold]

      earmark models show earmark-1
    """
    from earmark.tagging.runtime import find_model, read_card

    card = read_card(find_model(name))
    if as_json:
        typer.echo(card.to_json(), nl=False)
    else:
        from earmark.cli.card_text import print_card

        print_card(card)


@app.command()
def pull(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which one; without it they are listed.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Fetch and import it although it is there.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="EARMARK_MIRROR",
            metavar="ADDRESS",
            help="Fetch from this folder (http or https) and nowhere else; the file is looked up by its name there.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Longest silence of the server.")] = 30.0,
) -> None:
    """Fetch a published model and make it ready for `earmark tag --model NAME`.

    The file comes from its own project's public address, must have the known SHA-256, and becomes an ONNX
    file with its card, licence and citations in it. A broken download goes on where it stopped when the
    command is given again. Importing needs the train extra; tagging then does not.

    Models are kept in the user's data folder, or in the folder that EARMARK_MODELS names. Behind a firewall,
    put the files on a server of your own and name its folder with --mirror or EARMARK_MIRROR. Proxies are
    taken from https_proxy and http_proxy.

    [bold]Example[/bold]

      earmark models pull musicnn-mtt

      earmark tag --model musicnn-mtt song.mp3

    Exit code: 0 done, 1 it could not be fetched, 2 wrong usage.
    """
    from earmark.core.published_weights import find_published

    if name is None:
        _list_published()
        return
    published = find_published(name)

    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
    from earmark.importers.pull import pull_model
    from earmark.tagging.runtime import user_models_folder

    folder = user_models_folder()
    there = folder / f"{name}.onnx"
    if there.is_file() and not again:
        typer.echo(f"{there}: is there already; --again fetches it anew")
        return
    require_extra("train", "earmark models pull", *TRAIN_MODULES)
    with exit_on_interrupt("the same command goes on from what has come"), _progress(published.file_name) as progress:
        card, report = pull_model(name, folder, mirror=mirror, timeout_seconds=timeout, on_progress=progress)
    typer.echo(f"{card.name}: {card.description} {len(card.vocabulary)} tags; licence {card.licence}")
    typer.echo(f"{report.path}: PyTorch and ONNX Runtime differ by at most {report.max_abs_difference:.1e}")
    typer.echo(f"earmark tag --model {card.name} PATH...")


def _list_published() -> None:
    from earmark.core.published_weights import PUBLISHED
    from earmark.tagging.runtime import user_models_folder

    folder = user_models_folder()
    rows = [
        (
            published.name,
            "yes" if (folder / f"{published.name}.onnx").is_file() else "",
            f"{published.size_bytes / 1e6:.1f} MB",
            published.licence,
            published.description,
        )
        for published in PUBLISHED
    ]
    _print_table(("name", "fetched", "size", "licence", "what it is"), rows)


def _console() -> Console:
    """For stdout; lines are folded at a terminal's width only."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPE_COLUMNS)


def _print_wide_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, or, where the terminal is too narrow for it, a short paragraph a row: the first cell, then the rest."""
    from rich.padding import Padding

    width = sum(max(len(row[i]) for row in [columns, *rows]) + 2 for i in range(len(columns)))
    if width <= _console().width:
        _print_table(columns, rows)
        return
    for row in rows:
        _console().print(row[0], style="bold")
        said = [f"{column} {cell}" for column, cell in zip(columns[1:], row[1:], strict=True) if cell != "-"]
        _console().print(Padding("; ".join(said), (0, 0, 0, 2)))


def _print_table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    _console().print(table)


@contextmanager
def _progress(what: str) -> Iterator[OnProgress | None]:
    """A bar on stderr where that is a terminal; what to call with the bytes that have come and those there are."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda have, total: bar.update(task, completed=have, total=total)
