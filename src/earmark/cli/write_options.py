"""What `earmark library write` and `earmark tag --write` share: their options, and the run that shows or does it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from earmark.errors import ConfigError, FileTagsError

if TYPE_CHECKING:
    import numpy.typing as npt

    from earmark.card import ModelCard
    from earmark.library.changes import Plan, Policy
    from earmark.library.undo_log import UndoLog
    from earmark.library.write import FileState

_PANEL = "Writing tags into files"

Apply = Annotated[
    bool,
    typer.Option("--apply", rich_help_panel=_PANEL, help="Do it. Without this, it is only shown what would be done."),
]
Merge = Annotated[
    bool, typer.Option("--merge", rich_help_panel=_PANEL, help="Add values to fields that have some already.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=_PANEL, help="Replace what fields have already.")
]
Map = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="Which tags may be written, and as what; `earmark library mapping` prints one to edit.",
        show_default="genres and moods, under their own names",
    ),
]
MaxGenres = Annotated[
    int, typer.Option("--max-genres", metavar="N", rich_help_panel=_PANEL, help="Genres per file at most.")
]
MaxMoods = Annotated[
    int, typer.Option("--max-moods", metavar="N", rich_help_panel=_PANEL, help="Moods per file at most.")
]
Scores = Annotated[
    bool,
    typer.Option(
        "--scores/--no-scores",
        rich_help_panel=_PANEL,
        help="Also write scores and the model's name, into fields of our own.",
    ),
]
KeepMtime = Annotated[
    bool, typer.Option("--keep-mtime", rich_help_panel=_PANEL, help="Leave files' time of change as it was.")
]
UndoLogFile = Annotated[
    Path | None,
    typer.Option(
        "--undo-log",
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="Where every change is written down, to be undone with `earmark library undo`.",
        show_default="beside the index",
    ),
]


def policy_of(
    card: ModelCard,
    *,
    merge: bool,
    overwrite: bool,
    mapping: Path | None,
    threshold: float | None,
    max_genres: int,
    max_moods: int,
    scores: bool,
) -> Policy:
    """The options as a policy. Raises ConfigError with all that is wrong."""
    from earmark.library.changes import Policy
    from earmark.library.mapping import default_mapping, read_mapping

    if merge and overwrite:
        raise ConfigError("--merge and --overwrite contradict each other: give one of them")
    return Policy(
        mapping=read_mapping(mapping, card.vocabulary) if mapping else default_mapping(card.vocabulary),
        mode="merge" if merge else "overwrite" if overwrite else "fill",
        threshold=threshold,
        max_genres=max_genres,
        max_moods=max_moods,
        scores=scores,
    )


class WriteRun:
    """Shows what would be written into file after file, or writes it. A context manager.

    Args:
        apply: do it.
        undo_log: where changes are written down.
        keep_mtime: leave files' time of change as it was.
        out: where diffs are printed.
        messages: where errors and notes are.
    """

    def __init__(self, *, apply: bool, undo_log: Path, keep_mtime: bool, out: Console, messages: Console) -> None:
        self.apply, self.keep_mtime, self.log_path = apply, keep_mtime, undo_log
        self.out, self.messages = out, messages
        self.n_changed = self.n_same = self.n_failed = 0
        self.log: UndoLog | None = None
        self._stack = ExitStack()

    def __enter__(self) -> WriteRun:
        if self.apply:
            from earmark.library.undo_log import UndoLog

            self.log = self._stack.enter_context(UndoLog(self.log_path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def file(
        self, path: Path, card: ModelCard, scores: npt.ArrayLike, policy: Policy, content_key: str | None = None
    ) -> bool:
        """One file; whether it went well."""
        from earmark.library.changes import plan, wanted_values
        from earmark.library.write import Request, Target, read_state, write_tags

        try:
            state = read_state(path)
            made = plan(state.values, wanted_values(card, scores, policy), policy.mode)
            self.show(path, made, state)
            if made and self.log is not None:
                targets = {change.field: Target(change.after) for change in made.changes}
                expected = {change.field: change.before for change in made.changes}
                write_tags(path, Request(targets, expected, content_key, self.keep_mtime), self.log)
        except FileTagsError as error:
            self.failed(path, error.reason)
            return False
        if made:
            self.n_changed += 1
        else:
            self.n_same += 1
        return True

    def show(self, path: Path, made: Plan, state: FileState | None = None) -> None:
        """A file's diff; nothing for a file where nothing was to be done."""
        from earmark.cli.tag_run import printable
        from earmark.library.changes import diff_lines

        lines = diff_lines(made)
        if not lines:
            return
        kind = f"  [dim]{state.kind}[/dim]" if state is not None else ""
        self.out.print(f"[bold]{escape(printable(path))}[/bold]{kind}")
        for line in lines:
            self.out.print(f"  {escape(line)}")
        for note in state.notes if made and state is not None else ():
            self.messages.print(f"[yellow]note[/yellow] {escape(printable(path))}: {escape(note)}")

    def failed(self, path: Path, reason: str) -> None:
        """Tell of a file that could not be written."""
        from earmark.cli.tag_run import printable

        self.n_failed += 1
        self.messages.print(f"[red]error[/red] {escape(printable(path))}: {escape(reason)}")

    def summary(self, verb: str = "") -> str:
        """How it went, and what to do next."""
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        if not self.apply:
            text = f"{self.n_changed} files would be changed, {self.n_same} stay as they are{failed}"
            return text + ("; nothing was written: add --apply to do it" if self.n_changed else "")
        text = f"{self.n_changed} files changed, {self.n_same} left as they are{failed}"
        if self.log is not None and self.log.run is not None:
            text += f"; {verb or 'take it back with'}: earmark library undo {self.log.run} --apply"
        return text
