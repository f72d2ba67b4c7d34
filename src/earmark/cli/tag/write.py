"""What `earmark library write` and `earmark tag --write` share: their options, and the run that shows or does it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

from earmark.cli.commands import Option
from earmark.cli.tag.tally import Tally
from earmark.core.errors import ConfigError, FileTagsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from rich.console import Console

    from earmark.core.card import ModelCard
    from earmark.library.tagfiles.changes import Mode, WritePolicy
    from earmark.library.tagfiles.formats.base import Field, Values
    from earmark.library.tagfiles.index_sync import IndexSync
    from earmark.library.tagfiles.undo_log import UndoLog
    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

_PANEL = "Writing tags into files"


class KeyNotationName(StrEnum):
    """``--key-as``."""

    note = "note"
    camelot = "camelot"
    open_key = "open_key"


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
        help="Also write scores, degrees and the model's name, into custom fields.",
    ),
]
WriteTempo = Annotated[
    bool, Option("--tempo/--no-tempo", panel=_PANEL, help="Also write the tempo, where it is known.")
]
WriteKey = Annotated[bool, Option("--key/--no-key", panel=_PANEL, help="Also write the key, where it is known.")]
KeyAs = Annotated[
    KeyNotationName,
    Option("--key-as", panel=_PANEL, help="Notation of the key that is written: F#m, 11A or 4m."),
]
Comment = Annotated[
    bool,
    Option(
        "--comment",
        panel=_PANEL,
        help='Also write key and energy in front of the comment, such as "11A - Energy 7", as DJ programs read it.',
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
    tempo: bool = True
    key: bool = True
    key_notation: KeyNotationName = KeyNotationName.note
    comment: bool = False

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
        return WritePolicy(
            words,
            mode,
            self.threshold,
            self.max_genres,
            self.max_moods,
            self.scores,
            self.tempo,
            self.key,
            self.key_notation.value,
            self.comment,
        )

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
        self._index_sync: IndexSync | None = None
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
            self._index_sync = self._stack.enter_context(IndexSync(self.index, self.tally.note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.log is not None and kind is None:
            self.log.finish()
        self._stack.close()

    def values(
        self, scores: npt.ArrayLike, tempo: Tempo | None = None, key: KeyEstimate | None = None
    ) -> dict[str, list[str]]:
        """What the fields genre, mood, bpm and key would be given, whatever they have already; the latter if they are known."""
        from earmark.library.tagfiles.changes import wanted_values
        from earmark.library.tagfiles.formats.base import SHARED_FIELDS, SINGLE_FIELDS

        wanted = wanted_values(self.card, scores, self.policy, tempo, key)
        singles = [field for field in SINGLE_FIELDS if wanted[field]]
        return {field: list(wanted[field]) for field in (*SHARED_FIELDS, *singles)}

    def file(
        self,
        path: Path,
        scores: npt.ArrayLike,
        content_key: str | None = None,
        *,
        tempo: Tempo | None = None,
        key: KeyEstimate | None = None,
    ) -> None:
        """One file, with its scores ``(n_tags,)``, tempo and key, and the key of its audio where these are of an earlier scan."""
        from earmark.core.errors import OtherAudioError
        from earmark.library.tagfiles.changes import plan, wanted_values
        from earmark.library.tagfiles.write import Request, Target, read_state, write_tags

        try:
            state = read_state(path)
            values = self._shown.get(state.path, state.values)
            ours = self._ours.get(state.path, self._ours.get(content_key or "", {}))
            wanted = wanted_values(self.card, scores, self.policy, tempo, key)
            wanted = {field: texts for field, texts in wanted.items() if field in values}  # a plugin may write fewer
            made = plan(values, wanted, self.policy.mode, ours)
            if made and state.not_writable:
                raise FileTagsError(state.not_writable, path)
            self.tally.show(path, made, state.kind, state.notes)
            if not self.options.apply:
                self._shown[state.path] = {**values, **{change.field: change.after for change in made.changes}}
            if made and self.log is not None and self._index_sync is not None:
                targets = {change.field: Target(change.after) for change in made.changes}
                expected = {change.field: change.before for change in made.changes}
                request = Request(targets, expected, content_key, self.options.keep_mtime)
                self._index_sync.record(write_tags(path, request, self.log))
        except FileTagsError as error:
            self.tally.failed(path, error.reason)
            if isinstance(error, OtherAudioError) and self._index_sync is not None:
                self._index_sync.mark_changed(path)
        else:
            self.tally.count(bool(made))

    def summary(self) -> str:
        """How it went, and what to do next."""
        return self.tally.summary("take it back with", None if self.log is None else self.log.run)
