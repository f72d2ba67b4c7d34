"""`earmark library`: an index of a music library, searched without listening again."""

from __future__ import annotations

import typer

from earmark.cli.library_info import info
from earmark.cli.library_scan import scan

app = typer.Typer(no_args_is_help=True, help="A library of music: scan it once, then search it.")

app.command(no_args_is_help=True)(scan)
app.command()(info)
