"""`earmark library scan`: bring the index up to date with the files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import (
    Damaged,
    DamagedFiles,
    IndexFile,
    Jobs,
    Model,
    NetworkDevice,
    QuietSummary,
    TextFormat,
    format_option,
    windows_option,
)


def scan(
    folders: Annotated[
        list[Path],
        Argument(metavar="DIR...", help="Folders, files, playlists; - for a list on stdin.", show_default=False),
    ],
    index: IndexFile = None,
    model: Model = None,
    jobs: Jobs = None,
    damaged: DamagedFiles = Damaged.error,
    windows: Annotated[
        int | None, windows_option("Only N windows of each file; kept apart from results of whole files.")
    ] = None,
    tempo: Annotated[
        bool | None,
        Option("--tempo/--no-tempo", help="Estimate each file's tempo.", show_default="yes; not with --windows"),
    ] = None,
    key: Annotated[
        bool | None,
        Option("--key/--no-key", help="Estimate each file's key.", show_default="yes; not with --windows"),
    ] = None,
    complete: Annotated[
        bool, Option("--complete", help="Tag files again that were scanned without tempo or key.")
    ] = False,
    retry: Annotated[
        bool, Option("--retry", help="Try files again that failed before, though they did not change.")
    ] = False,
    prune: Annotated[
        bool, Option("--prune", help="Forget files below DIR that are gone, even where DIR itself is.")
    ] = False,
    watch: Annotated[
        bool, Option("--watch", help="Stay, and scan again whenever something changes. Ends with Ctrl-C.")
    ] = False,
    output_format: Annotated[
        TextFormat, format_option("The summary: text for people; json, or jsonl, on one line, for programs.")
    ] = TextFormat.text,
    device: NetworkDevice = "cpu",
    quiet: QuietSummary = False,
) -> None:
    """Scan a library: tag what is new, recognise what was moved, note what is gone.

    The index remembers each file's audio, its tags' scores, and how the file looked. A file that did not change is
    not opened again; audio that is known is not tagged again, whatever the file is called now and whatever its
    metadata say. A scan that was stopped, by Ctrl-C or by force, continues where it was. No music file is ever changed.

    Folders, playlists (.m3u, .m3u8, .pls) and lists of paths on stdin (-) are read as `earmark tag` reads them.

    Files that are gone stay in the index as missing until --prune. Another model (--model) tags everything again;
    the results of the first are kept.

    Tempo and key are estimated of what is tagged. Files of an index that was made without them get them when they
    change, or all at once with --complete. --windows reads parts of files only, which is too little for either.

    Examples

      earmark library scan ~/Music

      earmark library scan ~/Music /mnt/records --watch

      earmark library scan ~/Music --index music.sqlite --format json

    Exit code: 0 all went well, 1 some file failed in this scan, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    if watch:
        from earmark.cli.optional_dependencies import require_extra

        require_extra("library", "earmark library scan --watch", "watchfiles")

    from earmark.audio.playlist_files import SUFFIXES
    from earmark.cli.library.scan_run import ScanRun
    from earmark.cli.stdin import STDIN, stdin_paths
    from earmark.cli.text import printable
    from earmark.core.errors import ConfigError

    if watch and any(folder == STDIN or folder.suffix.lower() in SUFFIXES for folder in folders):
        raise ConfigError("--watch takes folders and files: playlists and lists on stdin are read once")

    _check_measures(windows, complete, {"--tempo": tempo, "--key": key})

    def note(path: Path, text: str) -> None:
        if not quiet:
            click.echo(f"note {printable(path)}: {text}", err=True)

    with stdin_paths(folders, note) as (listed, audio):
        if audio is not None:
            raise ConfigError("-: `earmark library scan` takes a list of paths from stdin, and this is no text")
    run = ScanRun(
        listed,
        index=index,
        model=model,
        device=device,
        jobs=jobs,
        damaged=damaged.value,
        windows=windows,
        tempo=windows is None if tempo is None else tempo,
        key=windows is None if key is None else key,
        complete=complete,
        retry=retry,
        prune=prune,
        as_json=output_format is TextFormat.json,
        quiet=quiet,
    )
    code = run.watch() if watch else run.once()
    if code:
        raise click.exceptions.Exit(code)


def _check_measures(windows: int | None, complete: bool, given: dict[str, bool | None]) -> None:
    """Refuse what makes no sense together, before a scan begins."""
    from earmark.core.errors import ConfigError

    wanted = [name for name, value in given.items() if value]
    problems = []
    if windows is not None and wanted:
        problems.append(
            f"--windows {windows} with {' and '.join(wanted)}: tempo and key are estimated from all of a file"
        )
    if complete and (windows is not None or all(value is False for value in given.values())):
        problems.append("--complete adds tempo and key: not with --windows, nor with --no-tempo and --no-key")
    if problems:
        raise ConfigError(problems)
