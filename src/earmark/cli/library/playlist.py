"""`earmark library playlist`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.library.search import QUERY_HELP
from earmark.cli.options import Force, IndexFile


class PlaylistOrder(Enum):
    """In what order tracks are written."""

    score = "score"
    title = "title"
    path = "path"
    similar = "similar"


def playlist(
    context: click.Context,
    out: Annotated[Path, Option("--out", metavar="FILE", help="The playlist, usually .m3u8.")],
    query: Annotated[list[str] | None, Argument(metavar="QUERY", help=QUERY_HELP, show_default=False)] = None,
    index: IndexFile = None,
    limit: Annotated[int | None, Option(metavar="N", help="Tracks at most: the best ones.", show_default="all")] = None,
    order: Annotated[
        PlaylistOrder,
        Option(help="score: best first; title; path; similar: each like the one before it, from the best on."),
    ] = PlaylistOrder.score,
    shuffle: Annotated[bool, Option("--shuffle", help="Draw tracks at random, in any order.")] = False,
    seed: Annotated[
        int | None, Option(metavar="N", help="Of --shuffle: the same number gives the same playlist.")
    ] = None,
    relative: Annotated[
        bool, Option("--relative", help="Paths as seen from the playlist's folder, instead of absolute ones.")
    ] = False,
    force: Force = False,
) -> None:
    """Write what a query finds as a playlist (extended M3U8, UTF-8).

    The query is that of earmark library search; see its --help. Of several files with the same
    audio one is taken. The file is written whole or not at all, and none is replaced without --force.

    Examples

      earmark library playlist 'slow guitar -vocals' --out calm.m3u8

      earmark library playlist 'happy dance duration<5m' --limit 40 --order similar --out party.m3u8

      earmark library playlist --shuffle --limit 100 --out anything.m3u8

    Exit code: 0 also when nothing is found (stderr says so, and nothing is written), 1 the index cannot be
    read, 2 wrong usage, or FILE exists.
    """
    from earmark.cli.library.output import messages
    from earmark.cli.library.search import print_notes, print_nothing_found, query_text
    from earmark.cli.text import printable
    from earmark.core.clock import clock
    from earmark.library.index.track_index import Index
    from earmark.library.playlist import arrange, write_playlist
    from earmark.library.query.search import Tracks
    from earmark.library.query.suggestion import suggest_bound
    from earmark.library.similar import track_vectors

    text = query_text(query, context)
    with Index.open(index) as opened:
        tracks = Tracks.load(opened)
        found = tracks.search(text)
        vectors = track_vectors(opened, tracks) if order is PlaylistOrder.similar else None
    print_notes(found)
    chosen = arrange(found, order=order.value, limit=limit, shuffle=shuffle, seed=seed, vectors=vectors)
    if not len(chosen):
        print_nothing_found(len(set(tracks.keys)), suggest_bound(tracks, found.query), "; no playlist was written")
        return
    hits = list(chosen)
    n = write_playlist(hits, out, relative=relative, force=force)
    seconds = sum(hit.duration_seconds or 0 for hit in hits)
    messages().print(f"earmark: {n} tracks, {clock(seconds)}, in {printable(out)}")
