"""What `earmark library write` and `earmark tag --write` share: their options, and the run that shows or does it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

from earmark.cli.commands import Option
from earmark.core.errors import ConfigError, FileTagsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from rich.console import Console

    from earmark.core.card import ModelCard
    from earmark.library.tagfiles.changes import Mode, Plan, WritePolicy
    from earmark.library.tagfiles.formats.base import Field, Values
    from earmark.library.tagfiles.index_sync import IndexSync
    from earmark.library.tagfiles.undo_log import UndoLog

_PANEL = "Writing tags into files"

Write = Annotated[
    bool,
    Option(
        "--write",
        panel=_PANEL,
        help="Show what would be written into the files' own tags; with --apply, write it.",
    ),
]
Apply = Annotated[
    bool,
    Option("--apply", panel=_PANEL, help="Do it. Without this, it is only shown what would be done."),
]
Merge = Annotated[bool, Option("--merge", panel=_PANEL, help="Add values to fields that have some already.")]
Overwrite = Annotated[bool, Option("--overwrite", panel=_PANEL, help="Replace what fields have already.")]
Map = Annotated[
    Path | None,
    Option(
        "--map",
        metavar="FILE",
        panel=_PANEL,
        help="Which tags may be written, and as what; `earmark library mapping` prints one to edit.",
        show_default="genres and moods, under their own names",
    ),
]
MaxGenres = Annotated[int, Option("--max-genres", metavar="N", panel=_PANEL, help="Genres per file at most.")]
MaxMoods = Annotated[int, Option("--max-moods", metavar="N", panel=_PANEL, help="Moods per file at most.")]
Scores = Annotated[
    bool,
    Option(
        "--scores/--no-scores",
        panel=_PANEL,
        help="Also write scores and the model's name, into custom fields.",
    ),
]
KeepMtime = Annotated[
    bool,
    Option(
        "--keep-mtime",
        panel=_PANEL,
        help="Leave files' modification time as it is. Players and backups that go by it do not see the change.",
    ),
]
UndoLogFile = Annotated[
    Path | None,
    Option(
        "--undo-log",
        metavar="FILE",
        panel=_PANEL,
        help="Where every change is written down, to be undone with `earmark library undo`.",
        show_default="beside the index",
    ),
]


@dataclass(frozen=True)
class WriteOptions:
    """The options as they were given.

    Attributes:
        threshold: least score of a tag; None for each tag's own of the model's card.
        undo_log: None for the one beside the index.
        index: None for the user's own.
    """

    apply: bool
    merge: bool
    overwrite: bool
    mapping: Path | None
    threshold: float | None
    max_genres: int
    max_moods: int
    scores: bool
    keep_mtime: bool
    undo_log: Path | None
    index: Path | None = None

    def policy(self, card: ModelCard) -> WritePolicy:
        """What is to be written of a model's tags. Raises ConfigError with all that is wrong."""
        from earmark.library.tagfiles.changes import WritePolicy
        from earmark.library.tagfiles.mapping import default_mapping, read_mapping

        if self.merge and self.overwrite:
            raise ConfigError("--merge and --overwrite contradict each other: give one of them")
        words = default_mapping(card.vocabulary)
        if self.mapping is not None:
            words = read_mapping(self.mapping, card.vocabulary, card.degrees)
        mode: Mode = "merge" if self.merge else "overwrite" if self.overwrite else "fill"
        return WritePolicy(words, mode, self.threshold, self.max_genres, self.max_moods, self.scores)

    def run(self, card: ModelCard, out: Console, messages: Console) -> WriteRun:
        """The run that shows what would be done, or does it."""
        from earmark.library.index.schema import default_index
        from earmark.library.tagfiles.undo_log import default_undo_log

        index = self.index or default_index()
        log = self.undo_log or default_undo_log(index)
        return WriteRun(self.policy(card), card, self, log, index, out, messages)


class WriteRun:
    """Shows what would be written into file after file, or writes it. A context manager.

    Args:
        policy: what may be written.
        card: of the model that tagged the files.
        options: as they were given.
        log_path: where changes are written down.
        index: updated with the changes, if it exists.
        out: where diffs are printed.
        messages: where errors and notes are.
    """

    def __init__(
        self,
        policy: WritePolicy,
        card: ModelCard,
        options: WriteOptions,
        log_path: Path,
        index: Path,
        out: Console,
        messages: Console,
    ) -> None:
        self.policy, self.card, self.options, self.log_path, self.index = policy, card, options, log_path, index
        self.tally = Tally(options.apply, out, messages)
        self.log: UndoLog | None = None
        self._own_writes: IndexSync | None = None
        self._ours: Mapping[Path | str, Mapping[Field, frozenset[str]]] = {}  # what earlier runs wrote
        self._shown: dict[
            Path, Mapping[Field, Values]
        ] = {}  # what a file would hold that is only shown, links followed
        self._stack = ExitStack()

    def __enter__(self) -> WriteRun:
        from earmark.library.tagfiles.undo import own_values
        from earmark.library.tagfiles.undo_log import UndoLog, read_log

        self._ours = own_values(read_log(self.log_path))
        if self.options.apply:
            from earmark.library.tagfiles.index_sync import IndexSync

            self.log = self._stack.enter_context(UndoLog(self.log_path))
            self._own_writes = self._stack.enter_context(IndexSync(self.index, self.tally.note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.log is not None and kind is None:
            self.log.finish()
        self._stack.close()

    def values(self, scores: npt.ArrayLike) -> dict[str, list[str]]:
        """What the fields genre and mood of a file with these scores would be given, whatever they have already."""
        from earmark.library.tagfiles.changes import wanted_values
        from earmark.library.tagfiles.formats.base import SHARED_FIELDS

        wanted = wanted_values(self.card, scores, self.policy)
        return {field: list(wanted[field]) for field in SHARED_FIELDS}

    def file(self, path: Path, scores: npt.ArrayLike, content_key: str | None = None) -> None:
        """One file, with its scores ``(n_tags,)`` and, where they are of an earlier scan, the key of its audio."""
        from earmark.core.errors import OtherAudioError
        from earmark.library.tagfiles.changes import plan, wanted_values
        from earmark.library.tagfiles.write import Request, Target, read_state, write_tags

        try:
            state = read_state(path)
            values = self._shown.get(state.path, state.values)
            ours = self._ours.get(state.path, self._ours.get(content_key or "", {}))
            made = plan(values, wanted_values(self.card, scores, self.policy), self.policy.mode, ours)
            if made and state.not_writable:
                raise FileTagsError(state.not_writable, path)
            self.tally.show(path, made, state.kind, state.notes)
            if not self.options.apply:
                self._shown[state.path] = {**values, **{change.field: change.after for change in made.changes}}
            if made and self.log is not None and self._own_writes is not None:
                targets = {change.field: Target(change.after) for change in made.changes}
                expected = {change.field: change.before for change in made.changes}
                request = Request(targets, expected, content_key, self.options.keep_mtime)
                self._own_writes.record(write_tags(path, request, self.log))
        except FileTagsError as error:
            self.tally.failed(path, error.reason)
            if isinstance(error, OtherAudioError) and self._own_writes is not None:
                self._own_writes.mark_changed(path)
        else:
            self.tally.count(bool(made))

    def summary(self) -> str:
        """How it went, and what to do next."""
        return self.tally.summary("take it back with", None if self.log is None else self.log.run)


class Tally:
    """Tells of file after file, and counts them.

    Args:
        apply: whether changes are made, or only shown.
        out: where diffs are printed.
        messages: where errors and notes are.
    """

    def __init__(self, apply: bool, out: Console, messages: Console) -> None:
        self.apply, self.out, self.messages = apply, out, messages
        self.n_changed = self.n_same = self.n_failed = 0

    def show(
        self, path: Path, made: Plan, kind: str = "", notes: tuple[str, ...] = (), losses: tuple[str, ...] = ()
    ) -> None:
        """A file's diff, and what it loses. Files that stay as they are only appear where nothing is done anyway."""
        from rich.markup import escape

        from earmark.cli.text import printable
        from earmark.library.tagfiles.changes import diff_lines

        lines = diff_lines(made)
        if not lines or (self.apply and not made):
            return
        self.out.print(f"[bold]{escape(printable(path))}[/bold]" + (f"  [dim]{kind}[/dim]" if kind else ""))
        for line in (*lines, *losses):
            self.out.print(f"  {escape(line)}")
        for note in notes if made else ():
            self.note(f"{printable(path)}: {note}")

    def note(self, text: str) -> None:
        """Something to know that is no error."""
        from rich.markup import escape

        self.messages.print(f"[yellow]note[/yellow] {escape(text)}")

    def count(self, changed: bool) -> None:
        """A file that went well."""
        self.n_changed += changed
        self.n_same += not changed

    def failed(self, path: Path, reason: str) -> None:
        """A file that did not."""
        from rich.markup import escape

        from earmark.cli.text import printable

        self.n_failed += 1
        self.messages.print(f"[red]error[/red] {escape(printable(path))}: {escape(reason)}")

    def summary(self, verb: str, run: str | None) -> str:
        """How it went, and what to do next."""
        done = "changed" if self.apply else "would be changed"
        text = f"{files(self.n_changed)} {done}, {self.n_same} without a change, {self.n_failed} failed"
        if not self.apply:
            return text + ("; nothing was written: add --apply to do it" if self.n_changed else "")
        return f"{text}; {verb}: earmark library undo {run} --apply" if run else text


def files(n: int) -> str:
    """A number of files in words."""
    return f"{n} file" if n == 1 else f"{n} files"
