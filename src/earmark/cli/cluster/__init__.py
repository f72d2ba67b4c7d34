"""`earmark cluster`: a million tracks, on a Ray cluster."""

from __future__ import annotations

import typer

from earmark.cli.cluster.prepare import prepare
from earmark.cli.cluster.tag import tag
from earmark.cli.cluster.train import train

app = typer.Typer(no_args_is_help=True, help="A million tracks: tag, prepare and train on a Ray cluster.")


@app.callback()
def cluster() -> None:
    """A million tracks: tag, prepare and train on a Ray cluster."""


app.command(no_args_is_help=True)(tag)
app.command(no_args_is_help=True)(prepare)
app.command(no_args_is_help=True)(train)
