"""`earmark library scan`: bring the index up to date with what lies on the disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.library.options import IndexOption
from earmark.cli.tag import Damaged, _at_least, _windows


class SummaryFormat(StrEnum):
    """How the summary is printed."""

    text = "text"
    json = "json"


def scan(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders to search for music, and single files.", show_default=False),
    ],
    index: IndexOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Which model: a name from `earmark models list`, or an .onnx file.",
            show_default="the bundled one",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            callback=_at_least(1),
            metavar="N",
            help="Files read side by side.",
            show_default="one per core",
        ),
    ] = None,
    damaged: Annotated[
        Damaged, typer.Option(help="Truncated or damaged files: an error, or tag what can be decoded and say so.")
    ] = Damaged.error,
    windows: Annotated[
        int | None,
        typer.Option(
            callback=_windows,
            metavar="N",
            help="Hear only N windows of each file, found by seeking; kept apart from results of full listening.",
            show_default="all",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files again that failed before, though they did not change.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget files below DIR that are gone, even where DIR itself is.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and scan again whenever something changes. Ends with Ctrl-C.")
    ] = False,
    output_format: Annotated[
        SummaryFormat, typer.Option("--format", help="The summary: text for people, json for programs.")
    ] = SummaryFormat.text,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors are still told.")
    ] = False,
) -> None:
    """Scan a library: tag what is new, recognise what was moved, note what is gone.

    The index remembers each file's audio, its tags' scores, and how the file looked. A file that did not change is
    not opened again; audio that is known is not tagged again, whatever the file is called now and whatever its
    metadata say. A scan that was stopped, by Ctrl-C or by force, goes on where it was. No music file is ever changed.

    Files that are gone stay in the index as missing until --prune. Another model (--model) tags everything anew;
    the results of the first are kept.

    [bold]Examples[/bold]

      earmark library scan ~/Music

      earmark library scan ~/Music /mnt/records --watch

      earmark library scan ~/Music --index music.sqlite --format json

    Exit code: 0 all went well, 1 some file failed in this scan, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    if watch:
        from earmark.cli.optional_dependencies import require_extra

        require_extra("library", "earmark library scan --watch", "watchfiles")

    from earmark.cli.library.scan_run import ScanRun

    run = ScanRun(
        folders,
        index=index,
        model=model,
        jobs=jobs,
        damaged=damaged.value,
        windows=windows,
        retry=retry,
        prune=prune,
        as_json=output_format is SummaryFormat.json,
        quiet=quiet,
    )
    code = run.watch() if watch else run.once()
    if code:
        raise typer.Exit(code)
