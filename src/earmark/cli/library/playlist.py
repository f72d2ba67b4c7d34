"""`earmark library playlist`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.library.pick import Pick, find_picked
from earmark.cli.library.search import QUERY_HELP
from earmark.cli.options import Force, IndexFile, at_least, out_option

_PATH_TRACKS = 12


def playlist(
    context: click.Context,
    out: Annotated[Path, out_option("The playlist, usually .m3u8.", metavar="FILE")],
    query: Annotated[list[str] | None, Argument(metavar="QUERY", help=QUERY_HELP, show_default=False)] = None,
    index: IndexFile = None,
    limit: Annotated[int | None, Option(metavar="N", help="Tracks at most: the best ones.", show_default="all")] = None,
    order: Annotated[
        str,
        Option(
            metavar="ORDER",
            help="score: best first; similar: each like the one before it, from the best on; mix: as --mix; or what "
            "`earmark library search --sort` takes: title, artist, path, duration, bpm, key, or a degree, such as energy.",
        ),
    ] = "score",
    mix: Annotated[
        bool,
        Option("--mix", help="As a DJ mixes: neighbouring keys on the wheel and near tempi, half and double counted."),
    ] = False,
    shuffle: Annotated[bool, Option("--shuffle", help="Draw tracks at random, in any order.")] = False,
    seed: Annotated[
        int | None, Option(metavar="N", help="Of --shuffle: the same number gives the same playlist.")
    ] = None,
    start: Annotated[
        str | None,
        Option("--from", metavar="FILE|TEXT", help="A path of songs: its first track. With --to.", show_default=False),
    ] = None,
    end: Annotated[
        str | None,
        Option("--to", metavar="FILE|TEXT", help="Its last track; named as for similar.", show_default=False),
    ] = None,
    count: Annotated[
        int | None,
        Option(callback=at_least(2), metavar="N", help="Its number of tracks, both ends included.", show_default="12"),
    ] = None,
    pick: Pick = None,
    relative: Annotated[
        bool, Option("--relative", help="Paths as seen from the playlist's folder, instead of absolute ones.")
    ] = False,
    force: Force = False,
) -> None:
    """Write what a query finds as a playlist (extended M3U8, UTF-8).

    The query is that of earmark library search; see its --help. Of several files with the same
    audio one is taken. The file is written whole or not at all, and none is replaced without --force.

    --mix orders tracks so that most steps are to the same key or one that mixes with it, and to a tempo that is near.
    Tracks with neither tempo nor key come last. How many steps are harmonic is reported.

    With --from and --to it is a path from one track to another, in steps that are as even as the library allows:
    each track is on the way from the first to the last, and none comes twice. The query then says which tracks may be
    between them.

    Examples

      earmark library playlist 'slow guitar -vocals' --out calm.m3u8

      earmark library playlist 'happy dance duration<5m' --limit 40 --order similar --out party.m3u8

      earmark library playlist 'genre:electronic bpm:120-130' --mix --out set.m3u8

      earmark library playlist --shuffle --limit 100 --out anything.m3u8

      earmark library playlist --from 'blue in green' --to ~/Music/song.mp3 --count 20 --out path.m3u8

    Exit code: 0 also when nothing is found (stderr says so, and nothing is written), 1 the index cannot be
    read or FILE not be written, 2 wrong usage, or FILE exists.
    """
    from earmark.cli.library.output import messages
    from earmark.cli.library.search import print_notes, print_nothing_found, print_unmeasured, query_text
    from earmark.cli.text import printable
    from earmark.core.clock import clock
    from earmark.core.errors import ConfigError
    from earmark.library.index.track_index import Index
    from earmark.library.mix import NEAR_SHARE, mix_report
    from earmark.library.playlist import arrange, find_path, tempo_and_key, write_playlist
    from earmark.library.query.search import Tracks
    from earmark.library.query.suggestion import suggest_bound
    from earmark.library.similar import track_vectors

    text = query_text(query, context)
    ends = [name for name in (start, end) if name is not None]
    if len(ends) == 1:
        raise ConfigError("--from and --to go together: a path has two ends")
    if ends and (order != "score" or mix or shuffle or limit is not None or seed is not None):
        raise ConfigError(
            "--order, --mix, --shuffle, --seed and --limit are not for a path (--from, --to): --count says its length"
        )
    if count is not None and not ends:
        raise ConfigError("--count is the length of a path: give --from and --to, or --limit instead")
    if mix and order not in ("score", "mix"):
        raise ConfigError(f"--mix with --order {order}: give one of them")
    order = "mix" if mix else order
    with Index.open(index) as opened, opened.snapshot():
        tracks = Tracks.load(opened)
        found = tracks.search(text)
        if order in ("mix", "bpm", "key") or found.query.uses_measures():
            print_unmeasured(opened)
        vectors = track_vectors(opened, tracks) if ends or order == "similar" else None
    print_notes(found)
    if ends and vectors is not None:
        length, between = count or _PATH_TRACKS, vectors
        chosen = find_picked(ends, pick, lambda names: find_path(found, between, names[0], names[1], length))
        if len(chosen) < length:
            messages().print(f"note: only {len(chosen) - 2} tracks lie between the two")
    else:
        chosen = arrange(found, order=order, limit=limit, shuffle=shuffle, seed=seed, vectors=vectors)
    if not len(chosen):
        print_nothing_found(len(set(tracks.keys)), suggest_bound(tracks, found.query), "; no playlist was written")
        return
    hits = list(chosen)
    n = write_playlist(hits, out, relative=relative, force=force)
    seconds = sum(hit.duration_seconds or 0 for hit in hits)
    messages().print(f"earmark: {n} tracks, {clock(seconds)}, in {printable(out)}")
    if order == "mix":
        report = mix_report(*tempo_and_key(chosen))
        messages().print(
            f"earmark: of {report.n_steps} steps {report.n_harmonic} are harmonic (the same key, or one that mixes), and "
            f"{report.n_near_tempo} are within {NEAR_SHARE:.0%} of the tempo, half and double counted"
        )
