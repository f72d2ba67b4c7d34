"""`earmark models`: which models there are, and their cards."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Models on this machine: list them, read their cards.")


@app.command("list")
def list_models() -> None:
    """List the models that `earmark tag --model` takes by name."""
    from rich.console import Console
    from rich.table import Table

    from earmark.runtime import DEFAULT_MODEL, list_installed, read_card

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "tags", "window", "size", "licence of the weights", "what it is"):
        table.add_column(column, overflow="fold")
    for name, path in list_installed().items():
        card = read_card(path)
        shown = f"{name} (default)" if name == DEFAULT_MODEL else name
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        window = f"{card.input.window_seconds:g} s"
        table.add_row(shown, str(len(card.vocabulary)), window, size, card.licence, card.description)
    Console(highlight=False).print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A model's name, or an .onnx file.")],
    as_json: Annotated[bool, typer.Option("--json", help="The card as it stands, for programs.")] = False,
) -> None:
    """Show a model's card: tags, thresholds, training data, measured quality, licence, limits.

    [bold]Example[/bold]

      earmark models show first
    """
    from earmark.runtime import find_model, read_card

    card = read_card(find_model(name))
    if as_json:
        typer.echo(card.to_json(), nl=False)
    else:
        from earmark.cli.card_text import print_card

        print_card(card)
