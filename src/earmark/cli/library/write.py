"""`earmark library write` and `mapping`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console, stdout_console
from earmark.cli.options import IndexFile, model_option, quiet_option
from earmark.cli.progress import count_bar
from earmark.cli.tag.write import (
    Apply,
    Comment,
    KeepMtime,
    KeyAs,
    KeyNotationName,
    Map,
    MaxGenres,
    MaxMoods,
    Merge,
    Overwrite,
    Scores,
    UndoLogFile,
    WriteKey,
    WriteOptions,
    WriteTempo,
)
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Console

    from earmark.library.index.measures import TrackMeasures
    from earmark.library.index.track_index import Index
    from earmark.library.query.search import Tracks

    _IndexedTrack = tuple[Path, str, npt.NDArray[np.float32], TrackMeasures]

Quiet = Annotated[bool, quiet_option("No diffs and no summary; errors are still reported.")]


def write(
    what: Annotated[
        list[str] | None,
        Argument(
            metavar="[QUERY|PATH...]",
            help="Files and folders, or a query as of `earmark library search`; without, the whole library.",
            show_default=False,
        ),
    ] = None,
    index: IndexFile = None,
    apply: Apply = False,
    merge: Merge = False,
    overwrite: Overwrite = False,
    mapping: Map = None,
    threshold: Annotated[
        float | None,
        Option(
            "--threshold",
            metavar="X",
            help="Least score of a tag, 0 to 1. Without, each tag's own of the model's card; "
            "a tag that has none is not written.",
            show_default="the model's",
        ),
    ] = None,
    max_genres: MaxGenres = 2,
    max_moods: MaxMoods = 3,
    scores: Scores = True,
    tempo: WriteTempo = True,
    key: WriteKey = True,
    key_as: KeyAs = KeyNotationName.note,
    comment: Comment = False,
    keep_mtime: KeepMtime = False,
    undo_log: UndoLogFile = None,
    quiet: Quiet = False,
) -> None:
    """Write results into the files' own tags: genre, mood, tempo, key, and scores in custom fields.

    Nothing is written without --apply: it is shown what would be. Fields that
    have values stay as they are, unless --merge or --overwrite is given. Audio,
    pictures and all other fields stay bit for bit; every change can be undone.

    \b
    Examples:
      earmark library write
      earmark library write ~/Music/new --apply
      earmark library write 'genre:rock score>0.7' --merge --apply
      earmark library mapping > my.toml; earmark library write --map my.toml
      earmark library write 'genre:electronic' --comment --key-as camelot
      earmark library undo --apply

    Exit code: 0 all done, 1 some file failed or nothing was found, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.library.index.track_index import Index

    messages = stderr_console()
    out = stdout_console(quiet=quiet)
    options = WriteOptions(
        apply,
        merge,
        overwrite,
        mapping,
        threshold,
        max_genres,
        max_moods,
        scores,
        keep_mtime,
        undo_log,
        index,
        tempo,
        key,
        key_as,
        comment,
    )
    with Index.open(index) as library, exit_on_interrupt("files are whole; what was changed can be undone"):
        card = library.current_model().card
        with options.run(card, out, messages) as run:
            found, missing = _found(library, what or [])
            for path, reason in missing:
                run.tally.failed(path, reason)
            for path, content_key, values, measures in _with_progress(found, messages, quiet=quiet or not apply):
                run.file(path, values, content_key, **measures)
    if not found and not missing:
        messages.print("earmark: no files found there that were tagged", markup=False)
    elif not quiet:
        messages.print(f"earmark: {run.summary()}", markup=False)
    if run.tally.n_failed or not found:
        raise click.exceptions.Exit(EXIT_FAILED)


def mapping(
    index: IndexFile = None,
    model: Annotated[
        str | None,
        model_option("Which model.", "the index's, else the bundled one"),
    ] = None,
) -> None:
    """Print a mapping file of a model's tags, to be edited and given to --map.

    \b
    Example:
      earmark library mapping > my.toml
    """
    from earmark.library.index.schema import default_index
    from earmark.library.index.track_index import Index
    from earmark.library.tagfiles.mapping import mapping_template
    from earmark.tagging.runtime import find_model, read_card

    place = index or default_index()
    if model is None and place.exists():
        with Index.open(place) as library:
            card = library.current_model().card
    else:
        card = read_card(find_model(model))
        if model is None:
            click.echo(f"earmark: {place}: no index yet, so these are the tags of the bundled model", err=True)
    click.echo(mapping_template(card), nl=False)


def _found(library: Index, what: list[str]) -> tuple[list[_IndexedTrack], list[tuple[Path, str]]]:
    """Files that are meant, with key, scores, tempo and key of music; and paths that were named and cannot be written to, with the reason."""
    from earmark.cli.library.search import print_notes
    from earmark.core.errors import ConfigError
    from earmark.library.query.search import Tracks

    tracks = Tracks.load(library)
    paths = [Path(text).expanduser() for text in what if _is_path(text)]
    missing: list[tuple[Path, str]] = []
    if not what:
        rows = list(range(len(tracks)))
    elif not paths:
        answer = tracks.search(" ".join(what))
        print_notes(answer)
        rows = [int(row) for row in answer.rows]
    elif len(paths) < len(what):
        wrong = ", ".join(text for text in what if not _is_path(text))
        raise ConfigError(f"{wrong}: no such file or folder; a query and paths cannot be mixed")
    else:
        rows = []
        for path in paths:
            below = _rows_below(tracks, path)
            rows += below
            if not path.exists():
                missing.append((path, "no such file or folder"))
            elif not below:
                missing.append((path, "not in the index: scan it first with `earmark library scan`"))
    rows = [row for row in dict.fromkeys(rows) if not missing or tracks.path(row) not in dict(missing)]
    found = [(tracks.path(row), tracks.keys[row], tracks.scores[:, row], tracks.measures.track(row)) for row in rows]
    return found, missing


def _is_path(text: str) -> bool:
    """Is a word of the command line a path, and no query?"""
    from earmark.core.audio_formats import has_audio_suffix

    path = Path(text).expanduser()
    like_one = text.startswith(("/", "./", "../", "~")) or has_audio_suffix(path)
    return path.exists() or (like_one and " " not in text)


def _rows_below(tracks: Tracks, path: Path) -> list[int]:
    """Tracks of a file or folder; links are looked up as they are named, then as what they lead to."""
    for name in (path.absolute(), Path(os.path.normpath(path.absolute())), path.resolve()):
        own = os.fsencode(name)
        if own in tracks.rows_by_path:
            return [tracks.rows_by_path[own]]
        start = own.rstrip(b"/") + os.sep.encode()
        if found := [row for each, row in tracks.rows_by_path.items() if each.startswith(start)]:
            return found
    return []


def _with_progress(found: list[_IndexedTrack], messages: Console, *, quiet: bool) -> Iterator[_IndexedTrack]:
    """The files, with a progress bar where somebody looks at it."""
    with count_bar(messages, quiet=quiet) as progress:
        yield from progress.track(found, description="writing")
