"""`earmark library undo`."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console, stdout_console
from earmark.cli.library.write import Quiet
from earmark.cli.options import IndexFile
from earmark.cli.tag.tally import Tally
from earmark.cli.tag.write import Apply, UndoLogFile
from earmark.cli.text import counted
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    from earmark.library.tagfiles.undo import Loss, Mtime
    from earmark.library.tagfiles.undo_log import Run


def undo(
    run_name: Annotated[
        str | None,
        Argument(metavar="[RUN]", help="Which one, as --list shows.", show_default="the last that wrote"),
    ] = None,
    list_runs: Annotated[bool, Option("--list", help="Show what can be undone.")] = False,
    apply: Apply = False,
    keep_mtime: Annotated[
        bool, Option("--keep-mtime", help="Leave files the modification time that they have.")
    ] = False,
    touch: Annotated[
        bool,
        Option(
            "--touch", help="Give files the present time, for players that only read what is newer than their scan."
        ),
    ] = False,
    index: IndexFile = None,
    undo_log: UndoLogFile = None,
    quiet: Quiet = False,
) -> None:
    """Take back what `earmark library write` or `earmark tag --write` wrote into files.

    Every field goes back to its former state, where the file still has what we
    wrote; what was changed since is reported and left alone. A file that nobody
    changed since gets back its modification time and, where possible, every byte;
    what it does not get back is shown. Nothing is done without --apply. An undoing
    can itself be undone, by its name.

    \b
    Examples:
      earmark library undo --list
      earmark library undo
      earmark library undo 20260102-030405 --apply

    Exit code: 0 all done, 1 some file failed or nothing was found, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError
    from earmark.library.index.schema import default_index
    from earmark.library.tagfiles.undo import pick_run
    from earmark.library.tagfiles.undo_log import default_undo_log, read_log

    messages = stderr_console()
    out = stdout_console(quiet=quiet)
    place = undo_log or default_undo_log(index or default_index())
    if list_runs:
        if run_name or apply:
            raise ConfigError("--list shows runs and does nothing else: leave out RUN and --apply")
        _list(read_log(place), place)
        return
    if keep_mtime and touch:
        raise ConfigError("--keep-mtime and --touch contradict each other: give one of them")
    chosen = pick_run(read_log(place), run_name, place)
    tally = Tally(apply, out, messages)
    mtime: Mtime = "present" if keep_mtime else "now" if touch else "former"
    with exit_on_interrupt("files are whole; run the same command again for the rest"):
        run, n_whole, lost = _take_back(chosen, place, index or default_index(), tally, mtime)
    if not quiet:
        messages.print(f"earmark: {tally.summary('bring it back with', run)}", markup=False)
        if tally.n_changed:
            text = f"{n_whole} of them as before, to the byte"
            text += ", with the former modification time" if mtime == "former" else ""
            parts = [f"{loss.what} of {counted(n, 'file')} ({loss.why})" for loss, n in lost.items()]
            text += f"; not given back: {', '.join(parts)}" if parts else ""
            messages.print(f"earmark: {text}", markup=False)
    if tally.n_failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def _take_back(
    chosen: Run, place: Path, index: Path, tally: Tally, mtime: Mtime
) -> tuple[str | None, int, Counter[Loss]]:
    """Undo a run, or show what that would do; the log's new run, how many files are as before, and what others lack."""
    from earmark.core.errors import FileTagsError
    from earmark.library.tagfiles.index_sync import IndexSync
    from earmark.library.tagfiles.undo import plan_undo, undo_file
    from earmark.library.tagfiles.undo_log import UndoLog

    lost: Counter[Loss] = Counter()
    n_whole = 0
    with ExitStack() as stack:
        log = index_sync = None
        if tally.apply:
            log = stack.enter_context(UndoLog(place, "undo", chosen.name))
            index_sync = stack.enter_context(IndexSync(index, tally.note))
        for entry in reversed([each for each in chosen.entries if each.outcome != "failed"]):
            try:
                made = plan_undo(entry, mtime=mtime)
                losses = tuple(f"not given back: {loss.what} ({loss.why})" for loss in made.losses)
                tally.show(entry.path, made.plan, notes=made.notes, losses=losses)
                if made.plan and log is not None and index_sync is not None:
                    index_sync.record(undo_file(made, log))
            except FileTagsError as error:
                tally.failed(entry.path, error.reason)
                continue
            for conflict in made.conflicts:
                tally.failed(entry.path, conflict)
            if made.plan or not made.conflicts:
                tally.count(bool(made.plan))
            lost.update(made.losses)
            n_whole += bool(made.plan and not made.losses)
        if log is not None:
            log.finish()
    return None if log is None else log.run, n_whole, lost


def _list(runs: list[Run], place: Path) -> None:
    from earmark.library.tagfiles.undo import undone_by

    if not runs:
        click.echo(f"{place}: nothing was written yet")
    for run in runs:
        by = undone_by(runs, run)
        text = f"{run.name}  {run.kind:<5}  {counted(run.n_changed, 'file')}"
        if run.undoes:
            text += f", undid {run.undoes}"
        if by is not None:
            text += f", undone by {by.name}"
        click.echo(text)
