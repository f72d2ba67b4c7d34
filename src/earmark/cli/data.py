"""`earmark data`: which datasets there are, and whether what lies on the disk is all there."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Datasets: list them, check what lies on the disk, prepare it.")


@app.command("list")
def list_data(
    output: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text or json.")] = "text",
) -> None:
    """List the datasets that are read: their named splits (protocols), licence, and where they come from.

    \b
    Examples:
      earmark data list
      earmark data list --format json
    """
    from earmark.datasets import dataset_info, list_datasets

    infos = [dataset_info(name) for name in list_datasets()]
    if output == "json":
        typer.echo(json.dumps([{"name": info.name, "title": info.title} for info in infos], indent=2))
        return
    for info in infos:
        typer.echo(f"{info.name}: {info.title}")
