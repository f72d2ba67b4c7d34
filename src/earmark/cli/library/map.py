"""`earmark library map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.library.search import QUERY_HELP
from earmark.cli.options import Force, IndexFile, out_option

_LARGE = 10_000


def map_(
    context: click.Context,
    out: Annotated[Path, out_option("The page.", metavar="FILE.html")],
    query: Annotated[list[str] | None, Argument(metavar="QUERY", help=QUERY_HELP, show_default=False)] = None,
    index: IndexFile = None,
    relative: Annotated[
        bool,
        Option("--relative", help="Name files as seen from the page's folder, so that both can be moved together."),
    ] = False,
    force: Force = False,
) -> None:
    """Draw the library as a map: an HTML page in which songs that sound alike are near each other.

    The page needs no network. Colours show genres, moods or any tag; a click plays a song, and what is inside a lasso,
    or found by a search, is saved as a playlist by the browser. It plays the files from where they are, so it has to be opened
    on this machine, or with --relative beside the music. The query is that of earmark library search; of several
    files with the same audio one is shown.

    Examples

      earmark library map --out map.html

      earmark library map 'genre:electronic' --out ~/Music/map.html --relative

    Exit code: 0 also when nothing is found (stderr says so, and nothing is written), 1 the index cannot be
    read or FILE not be written, 2 wrong usage, or FILE exists.
    """
    from earmark.cli.library.output import messages
    from earmark.cli.library.search import print_notes, print_nothing_found, query_text
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.cli.text import printable
    from earmark.library.export import file_to_write
    from earmark.library.index.track_index import Index
    from earmark.library.map.page import map_page
    from earmark.library.map.projection import project
    from earmark.library.query.search import Tracks
    from earmark.library.query.suggestion import suggest_bound
    from earmark.library.similar import track_vectors

    text = query_text(query, context)
    with Index.open(index) as opened, opened.snapshot():
        tracks = Tracks.load(opened)
        found = tracks.search(text).without_copies()
        vectors = track_vectors(opened, tracks)[found.rows]
    print_notes(found)
    if not len(found):
        print_nothing_found(len(set(tracks.keys)), suggest_bound(tracks, found.query), "; no map was written")
        return
    if len(found) > _LARGE:
        messages().print(f"note: placing {len(found):,} tracks takes a minute or more")
    with exit_on_interrupt("nothing was written"), file_to_write(out, force=force) as file:
        file.write(map_page(tracks, found.rows, project(vectors), out.parent.resolve() if relative else None))
    messages().print(f"earmark: {len(found):,} tracks in {printable(out)}; open it in a browser")
