"""A plugin for beets: genre, mood, tempo and key from the sound, on import and by ``beet earmark``.

In beets' config.yaml::

    plugins: earmark
    earmark:
        auto: yes           # on import, too
        model:              # a name from `earmark models list`, or an .onnx file; empty: the bundled one
        mapping:            # which tags may be written, and as what: see `earmark library mapping`
        write: auto         # into files, as beets does: by its import.write, but not after an import with -A;
                            # yes: then, too; no: the command changes the library only
        genres:
            max: 2
            threshold: auto # each tag's own from the model's card, or a number from 0 to 1
            mode: fill      # empty fields only; or merge, or overwrite
        moods:
            max: 3
            threshold: auto
            mode: fill
        bpm: no             # yes: also the tempo of tracks that have none
        initial_key: no     # yes: also the key of tracks that have none

Needs beets 2.7 or newer, whose tracks have several genres. beets has no field for moods, so ``mood`` is added, a list like
``genres``, and stored in files where players look for it.

A track is tagged once: what the model says of it is kept in the library, in ``earmark_genres``, ``earmark_moods``,
``earmark_bpm`` and ``earmark_initial_key``, and used again until the model, the options that decide on values, or the audio change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import beets
from beets import ui
from beets.dbcore import types
from beets.library import Item, ReadError
from beets.plugins import BeetsPlugin

from beetsplug.earmark.mood_field import mood_field
from beetsplug.earmark.options import DEFAULTS, Options
from beetsplug.earmark.values import as_beets_has_it, values_of
from earmark.cli.console import stderr_console
from earmark.cli.progress import count_bar
from earmark.core.errors import AudioError, EarmarkError
from earmark.library.tagfiles.changes import Change, plan, wanted_values
from earmark.library.tagfiles.formats.base import Field
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Library
    from rich.progress import Progress

ATTRIBUTES: dict[Field, str] = {"genre": "genres", "mood": "mood", "bpm": "bpm", "key": "initial_key"}
"""beets' names of the fields."""

FOUND: dict[Field, str] = {
    "genre": "earmark_genres",
    "mood": "earmark_moods",
    "bpm": "earmark_bpm",
    "key": "earmark_initial_key",
}
"""The attributes of a track that keep what the model says of it, whether or not it was written anywhere."""

COUNTED = ("tagged", "changed", "written into files", "not readable")
"""What the summary counts, in its order."""

Found = Mapping[Field, Sequence[str]]
"""The values that the model would write into each field of a track."""


class EarmarkPlugin(BeetsPlugin):
    """Fills genre, mood, tempo and key of tracks that have none, and of others on request."""

    item_types: ClassVar[dict[str, types.Type]] = dict.fromkeys(("mood", *FOUND.values()), types.MULTI_VALUE_DSV)

    def __init__(self) -> None:
        super().__init__()
        if "genres" not in Item._fields:
            raise ui.UserError("earmark needs beets 2.7 or newer: older ones keep one genre per track")
        self.config.add(DEFAULTS)
        self.add_media_field("mood", mood_field(id3v23=beets.config["id3v23"].get(bool)))
        self.options = Options(self.config)
        self._counts: Counter[str] = Counter()
        if self.config["auto"].get() is not False:  # anything but yes is refused when an import begins
            self.import_stages = [self.imported]
            self.register_listener("import_begin", self._check)
            self.register_listener("import_task_files", self._imported_files)
            self.register_listener("import", self._summarize)

    def commands(self) -> list[ui.Subcommand]:
        """``beet earmark``."""
        command = ui.Subcommand("earmark", help="fill genre, mood, tempo and key from the sound")
        add = command.parser.add_option
        add("-f", "--force", action="store_true", default=False, help="replace what is there")
        add("-p", "--pretend", action="store_true", default=False, help="show what would change, and change nothing")
        add("-w", "--write", action="store_true", default=None, help="write into files, too")
        add("-W", "--nowrite", action="store_false", dest="write", help="change the library only, no files")
        command.func = self._command
        return [command]

    def imported(self, _: ImportSession, task: ImportTask) -> None:
        """Import stage: all tracks of an album at once. beets writes the files later."""
        with user_errors():
            for item, found in self._tag_items(task.imported_items(), force=False):
                if self._fill(item, found, force=False):
                    self._log.info("{}: {}", item, self._describe(item))
                item.store()
            if task.is_album and task.album is not None:
                self._fill_album(task.album, force=False)

    def _imported_files(self, task: ImportTask, **_: Any) -> None:
        """Write files after they are in place, where beets does not: it writes none of an import with -A."""
        if self.options.may_write and not task.apply:
            for item in filter(_may_be_unwritten, task.imported_items()):
                self._counts["written into files"] += item.try_write()
                item.store()

    def _command(self, lib: Library, options: Values, words: list[str]) -> None:
        self._check()
        write = ui.should_write(self.options.may_write if options.write is None else options.write)
        items = list(lib.items(words))
        self._counts["matched"] = len(items)
        with user_errors(), count_bar(stderr_console()) as progress:
            changed = self._change(items, options.force, options.pretend, write, progress)
            if write:
                self._write_rest((item for item in items if item.id not in changed), options.pretend)
        if not options.pretend:
            ids = {item.album_id for item in items if item.get("earmark_model")}
            for album in filter(None, map(lib.get_album, filter(None, ids))):
                self._fill_album(album, force=options.force)
        self._summarize()

    def _change(
        self, items: Sequence[Item], force: bool, pretend: bool, write: bool, progress: Progress
    ) -> frozenset[int]:
        """Tag tracks that lack something, show what changes, and store it at once. Returns the ids of what changed."""
        changed = set()
        for item, found in self._tag_items(items, force, progress):
            fills = self._fill(item, found, force)
            if fills:
                changed.add(item.id)
                with _interrupted(progress):
                    ui.show_model_changes(item, fields=self._attributes)
            if pretend:
                continue
            if fills and write:
                self._counts["written into files"] += item.try_write()
            item.store()
        return frozenset(changed)

    def _write_rest(self, items: Iterable[Item], pretend: bool) -> None:
        """Write what is in the library, but not yet in the file: after an import with -A, or after ``-W``."""
        for item in filter(_may_be_unwritten, items):
            try:
                file = Item.from_path(item.path)
            except ReadError as error:
                self._counts["not readable"] += 1
                self._log.warning("{}", error)
                continue
            if ui.show_model_changes(item, file, fields=self._attributes) and not pretend:
                self._counts["written into files"] += item.try_write()
                item.store()

    def _tag_items(
        self, items: Iterable[Item], force: bool, progress: Progress | None = None
    ) -> Iterator[tuple[Item, Found]]:
        """What the model says of the tracks that lack something. Those that it was asked about before come first.

        The others are tagged several at a time. They keep the answer in their attributes, which are not stored yet.
        """
        incomplete = [item for item in items if self._is_incomplete(item, force)]
        new = []
        for item in incomplete:
            if item.get("earmark_key") == self.options.key(item):
                yield item, {field: item.get(name) or () for field, name in FOUND.items()}
            else:
                new.append(item)
        if not new:
            return
        progress = progress or count_bar(stderr_console(), quiet=True)
        task = progress.add_task("tagging", total=len(new))
        jobs = None if beets.config["threaded"].get(bool) else 1
        # All paths now: beets resolves them per thread, and the tagger's threads are unknown to it.
        paths = [item.filepath for item in new]
        results = self.tagger.tag_many(paths, jobs=jobs, errors="return")
        for item, path, result in zip(new, paths, results, strict=True):
            if isinstance(result, AudioError):
                self._counts["not readable"] += 1
                with _interrupted(progress):
                    self._log.warning("{}: not tagged: {}", path, result.reason)
            else:
                self._counts["tagged"] += 1
                found = self._found(result)
                item.update({name: list(found.get(field, ())) for field, name in FOUND.items()})
                item["earmark_model"] = f"{self.options.card.name} {self.options.card.version}"
                item["earmark_key"] = self.options.key(item)
                yield item, found
            progress.advance(task)

    def _is_incomplete(self, item: Item, force: bool) -> bool:
        return any(
            force or policy.mode != "fill" or not item.get(ATTRIBUTES[field])
            for field, policy in self.options.policies.items()
        )

    def _found(self, scores: TagScores) -> dict[Field, Sequence[str]]:
        return {
            field: wanted_values(self.options.card, scores.scores, policy, scores.tempo, scores.key)[field]
            for field, policy in self.options.policies.items()
        }

    def _fill(self, item: Item, found: Found, force: bool) -> bool:
        """Sets the fields of a track. Returns whether one changed."""
        changes: list[Change] = []
        for field, policy in self.options.policies.items():
            current = {field: values_of(item, ATTRIBUTES[field])}
            wanted = {field: tuple(found.get(field, ()))}
            changes += plan(current, wanted, "overwrite" if force else policy.mode).changes
        for change in changes:
            item[ATTRIBUTES[change.field]] = as_beets_has_it(change)
        self._counts["changed"] += bool(changes)
        return bool(changes)

    def _fill_album(self, album: Album, *, force: bool) -> None:
        """The album's own genres, where it has none: the commonest of its tracks."""
        policy = self.options.policies.get("genre")
        if policy is None or (album.genres and not force and policy.mode != "overwrite"):
            return
        counts = Counter(genre for item in album.items() for genre in item.genres)
        common = [genre for genre, _ in counts.most_common(policy.max_genres)]
        if common and common != list(album.genres):
            album.genres = common
            album.store(inherit=False)

    def _check(self, **_: Any) -> None:
        """Check the options before anything is done."""
        with user_errors():
            self.options.check()

    @cached_property
    def tagger(self) -> Tagger:
        """The model, loaded when the first track is to be tagged."""
        policies = self.options.policies
        return Tagger.from_file(self.options.model, tempo="bpm" in policies, key="key" in policies)

    @property
    def _attributes(self) -> list[str]:
        """The fields that may be filled, as beets calls them."""
        return [ATTRIBUTES[field] for field in self.options.policies]

    def _describe(self, item: Item) -> str:
        return ", ".join(f"{name}: {' | '.join(values_of(item, name)) or 'none'}" for name in self._attributes)

    def _summarize(self, **_: Any) -> None:
        """One line on what was done, as a message of beets: after an import with ``beet -v`` only."""
        parts = [f"{self._counts[name]:,} {name}" for name in COUNTED if self._counts[name]]
        n = self._counts["matched"]
        matched = f"{n:,} track{'s' * (n != 1)}: " if "matched" in self._counts else ""
        self._log.info("{}{}", matched, ", ".join(parts) or "nothing to do")


def _may_be_unwritten(item: Item) -> bool:
    """Whether earmark tagged a track, and the library has changes that its file has not: beets then sets mtime to 0."""
    return bool(item.get("earmark_model")) and not item.mtime


@contextmanager
def _interrupted(progress: Progress) -> Iterator[None]:
    """Take the bar away while lines are printed: beets writes past rich."""
    progress.stop()
    try:
        yield
    finally:
        progress.start()


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise earmark's errors as those that beets shows to its users."""
    try:
        yield
    except EarmarkError as error:
        raise ui.UserError(f"earmark: {error}") from error
