"""`earmark cluster`: a million tracks, on a Ray cluster."""

from __future__ import annotations

import typer

from earmark.cli.cluster_tag import tag

app = typer.Typer(no_args_is_help=True, help="A million tracks: tag, prepare and train on a Ray cluster.")


@app.callback()
def cluster() -> None:
    """A million tracks: tag, prepare and train on a Ray cluster."""


app.command(no_args_is_help=True)(tag)
