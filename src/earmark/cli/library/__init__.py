"""`earmark library`: an index of a music library, searched without listening again."""

from __future__ import annotations

import typer

from earmark.cli.library.export import export
from earmark.cli.library.info import info
from earmark.cli.library.playlist import playlist
from earmark.cli.library.scan import scan
from earmark.cli.library.search import SEARCH_SETTINGS, search, similar
from earmark.cli.library.stats import stats
from earmark.cli.library.write import mapping, undo, write

app = typer.Typer(no_args_is_help=True, help="A library of music: scan it once, then search it.")

app.command(no_args_is_help=True)(scan)
app.command(no_args_is_help=True, context_settings=SEARCH_SETTINGS)(search)
app.command(no_args_is_help=True)(similar)
app.command(no_args_is_help=True, context_settings=SEARCH_SETTINGS)(playlist)
app.command()(stats)
app.command()(export)
app.command()(info)
app.command()(write)
app.command()(undo)
app.command()(mapping)
