"""`earmark models show`."""

from __future__ import annotations

import json
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import print_json
from earmark.cli.options import Format, TextFormat


def show(
    name: Annotated[
        str | None, Argument(metavar="[NAME|FILE]", help="A model's name, or an .onnx file. Default: the bundled one.")
    ] = None,
    output_format: Format = TextFormat.text,
    as_json: Annotated[bool, Option("--json", help="The card as JSON, indented.")] = False,
) -> None:
    """Show a model's card: tags, thresholds, training data, measured quality, licence, limits.

    Without a name it is the card of the bundled model.

    Example

      earmark models show musicnn-mtt
    """
    from earmark.tagging.runtime import find_model, read_card

    card = read_card(find_model(name))
    if as_json:
        click.echo(card.to_json(), nl=False)
    elif output_format is TextFormat.json:
        print_json(json.loads(card.to_json()))
    else:
        from earmark.cli.models.card_text import print_card

        print_card(card)
