"""`earmark library search` and `earmark library similar`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.library.output import TABLE_ROWS, FormatOption, Print0Option, RowFormat, limit_check
from earmark.cli.library.pick import Pick, find_picked
from earmark.cli.options import IndexFile, model_option

if TYPE_CHECKING:
    from earmark.library.index.track_index import Index
    from earmark.library.query.search import Hit, SearchResult

_NEAR_SHOWN = 3
QUERY_HELP = "What to look for, see below; in quotes for the shell."


def query_text(words: list[str] | None, context: click.Context) -> str:
    """The query of a command line. Options that do not exist come here as words: they are refused by name."""
    for word in words or ():
        if word == "-h":
            click.echo(context.get_help())
            raise click.exceptions.Exit
        if word.startswith("--") and " " not in word:
            raise click.BadParameter(f"no such option: {word}", context)
    return " ".join(words or ())


def print_notes(found: SearchResult) -> None:
    """Notes on stderr that a reader of the result should know."""
    from earmark.cli.library.output import messages
    from earmark.library.query.nodes import DEFAULT_BOUND

    for word, (tag, *others) in found.query.read_as:
        near = f"; near it: {', '.join(others[:_NEAR_SHOWN])}" if others else ""
        messages().print(f"note: {word}: searched as {tag}{near}")
    if guessed := found.guessed_bounds():
        messages().print(
            f"note: the model's card gives no threshold for {', '.join(guessed)}: {DEFAULT_BOUND} was taken; "
            "write score>X for another"
        )
    if found.tracks.n_waiting:
        messages().print(
            f"note: {found.tracks.n_waiting} files are not yet tagged by model {found.tracks.model.name}, and were "
            "left out: earmark library scan"
        )


def print_unmeasured(index: Index) -> None:
    """Say on stderr that some tracks have no tempo or key yet, for what asks for these."""
    from earmark.cli.library.output import messages
    from earmark.library.index.measures import count_unmeasured

    if n := count_unmeasured(index):
        messages().print(
            f"note: of {n} files tempo or key was never estimated, so none is known: earmark library scan --complete"
        )


def print_nothing_found(n_tracks: int, suggestion: str, consequence: str = "") -> None:
    """Say on stderr that a query finds nothing, and what would find something."""
    from earmark.cli.library.output import messages

    why = f"; {suggestion}" if suggestion else ""
    messages().print(f"earmark: nothing found among {n_tracks} tracks{why}{consequence}")


def search(
    context: click.Context,
    query: Annotated[list[str] | None, Argument(metavar="QUERY", help=QUERY_HELP, show_default=False)] = None,
    index: IndexFile = None,
    output_format: FormatOption = RowFormat.table,
    print0: Print0Option = False,
    limit: Annotated[
        int | None,
        Option(
            callback=limit_check,
            metavar="N",
            help="Tracks at most, the first ones; 0 for all.",
            show_default=f"table: {TABLE_ROWS}, others: 0",
        ),
    ] = None,
    sort: Annotated[
        str,
        Option(
            "--sort",
            metavar="BY",
            help="score, title, artist, path, duration, bpm, key, or a tag or degree, such as energy. Scores and degrees: highest "
            "first; all else: lowest first. Keys go round the wheel. What is not known comes last.",
        ),
    ] = "score",
    reverse: Annotated[bool, Option("--reverse", help="The other way round.")] = False,
    copies: Annotated[
        bool, Option("--copies", help="Also list copies and links of a track, which are otherwise only counted.")
    ] = False,
) -> None:
    """Find tracks by what they sound like, how long they last, and what is written in them.

    Words are tags of the model; all of them must reach their thresholds.

      slow guitar           both; tags of several words need no quotes
      slow or guitar        either; parentheses group: (slow or fast) guitar
      -vocals               not this tag; also before parentheses
      genre:jazz            a tag of this category: genre, instrument, mood, ...
      guitar>0.6            a bound of its own, 0 to 1: < <= > >=
      energy>70             a degree, 0 to 100, of a model that has some: always with
                            a bound
      score>0.6             the bound of all tags that have none of their own
      bpm:120-130           the tempo; also bpm:124 and bpm>=120
      bpm~124               a tempo within 4 % of it, or of its half or double
      key:8A                the key, in any notation: F#m, 11A, 4m, "F# minor"
      key~8A                this key, and those that mix with it
      duration<5m           90s, 5m, 1.5h, 3:30 or 1:02:03; < <= > >=
      title:love            a part of what is written in the file; also artist:
                            album: file-genre: path:
      artist:"Miles Davis"  quotes around what has spaces or ( ) < > = : in it

    Upper and lower case are alike, and so are hip-hop, hiphop and "hip hop". Other words stand for the tag that means
    them, which a note says: rap, dnb, r&b, singer, chill, upbeat, epic, sax, sixties. Without a bound, a tag's threshold
    in the model's card counts (0.5 where it has none). The highest mean score of the wanted tags comes first. An empty
    query finds all. Where nothing is found, the bound that would find something is named.

    Files with the same audio, copies and links, are one track ("+1 copy"); jsonl has all their paths.

    On a terminal, rows are cut to its width; elsewhere their cells have tabs between, and nothing is cut: score,
    length, name, tags, path, copies, tempo, key.

    Examples

      earmark library search 'slow guitar -vocals genre:jazz duration<5m'

      earmark library search '(piano or strings) -drums' --format paths

      earmark library search 'happy artist:björk' --print0 | xargs -0 mpv

      earmark library search 'bpm~124 key~8A energy>70' --sort bpm

      earmark library search rock | cut -f 3

    Exit code: 0 also when nothing is found (stderr says so), 1 the index cannot be read, 2 wrong usage.
    """
    from earmark.cli.library.output import messages, print_hits
    from earmark.library.index.track_index import Index
    from earmark.library.query.index_search import common_folder, search_index

    text = query_text(query, context)
    table = output_format is RowFormat.table and not print0
    limit = limit if limit is not None else (TABLE_ROWS if table else 0)
    with Index.open(index) as opened:
        answer = search_index(opened, text, limit or None, without_copies=not copies, sort=sort, reverse=reverse)
        root = common_folder(opened)
        if answer.best.query.uses_measures() or sort in ("bpm", "key"):
            print_unmeasured(opened)
    shown = answer.best
    print_notes(shown)
    wanted = (*(tag.tag for tag in shown.query.tags()), sort)
    print_hits(shown, output_format, print0=print0, score_name="score", root=root, tags_first=wanted)
    if not answer.n_found:
        print_nothing_found(answer.n_tracks, answer.suggestion)
    elif table and len(shown) < answer.n_found:
        messages().print(f"earmark: {len(shown)} of {answer.n_found} tracks shown; --limit 0 shows all")
    elif table:
        messages().print(f"earmark: {answer.n_found} of {answer.n_tracks} tracks")


def similar(
    track: Annotated[
        list[str],
        Argument(
            metavar="FILE|TEXT [+|- FILE|TEXT]...",
            help="An audio file, in the library or not; or a part of a track's path, artist or title.",
            show_default=False,
        ),
    ],
    index: IndexFile = None,
    output_format: FormatOption = RowFormat.table,
    print0: Print0Option = False,
    limit: Annotated[int, Option(callback=limit_check, metavar="N", help="Tracks at most, most alike first.")] = 20,
    among: Annotated[
        str, Option("--among", metavar="QUERY", help="Only tracks that this query finds.", show_default="all")
    ] = "",
    exact: Annotated[
        bool, Option("--exact", help="Compare every track, also in a large library: slower, misses none.")
    ] = False,
    model: Annotated[
        str | None,
        model_option("Where the index's model is, for a file outside the library.", "by the name in the index"),
    ] = None,
    pick: Pick = None,
) -> None:
    """Find tracks that sound like another one.

    Tracks are compared by the model's embeddings, or by its scores where it gives no embeddings (a note says
    so). Likeness is the cosine of the two, 1 for equals. A file outside the library is tagged first.
    Copies of the track itself are left out. Libraries of more than 50,000 tracks get a file of neighbours
    beside the index, made at the first question after a scan; it needs the library extra, and finds at
    least nine in ten of what --exact finds.

    A TEXT that is a whole title, or artist and title, means that track. Where it may be several, a terminal
    asks which; elsewhere they are listed with numbers for --pick, and nothing is searched.

    Tracks can be added and subtracted, with + and - as words of their own: A + B - C is near A and B, and away from C. A
    name of several words goes in quotes, as does one with such a sign in it: 'Artist - Title'. Without quotes, words that
    are together the whole name of a track are that track. A note says which tracks were added and subtracted.

    Examples

      earmark library similar ~/Music/song.mp3

      earmark library similar 'blue in green' --limit 5 --among 'genre:jazz -vocals'

      earmark library similar song.mp3 + 'blue in green' - other.mp3

      earmark library similar blue --pick 2

    Exit code: 0 done, 1 the file or the index cannot be read, 2 wrong usage, or no such track, or several.
    """
    from earmark.cli.library.output import messages, print_hits
    from earmark.library.index.track_index import Index
    from earmark.library.query.index_search import common_folder
    from earmark.library.similar import find_similar

    notes = messages()
    with Index.open(index) as opened:

        def find(words: Sequence[str]) -> list[Hit]:
            return find_similar(opened, words, limit=limit, exact=exact, among=among, model=model, on_note=notes.print)

        hits = find_picked(track, pick, find)
        root = common_folder(opened)
    print_hits(hits, output_format, print0=print0, score_name="likeness", root=root)
    if not hits:
        which = " that the query finds" if among else ""
        notes.print(f"earmark: nothing found: the library holds no other track{which}")
