"""A plugin for beets: genre and mood from the sound, on import and by ``beet earmark``.

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

Needs beets 2.7 or newer, whose tracks have several genres. beets has no field for moods, so ``mood`` is added, a list like
``genres``, and stored in files where players look for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import beets
import mediafile
from beets import ui
from beets.dbcore import types
from beets.library import Item
from beets.plugins import BeetsPlugin

from earmark.core.errors import AudioError, EarmarkError
from earmark.library.tagfiles.changes import Change, WritePolicy, plan, wanted_values
from earmark.library.tagfiles.formats.asf import AsfTags
from earmark.library.tagfiles.formats.base import Field
from earmark.library.tagfiles.formats.id3 import ID3Tags
from earmark.library.tagfiles.formats.mp4 import Mp4Tags
from earmark.library.tagfiles.formats.vorbis import VorbisTags
from earmark.library.tagfiles.mapping import TagMapping, default_mapping, read_mapping
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Library

ATTRIBUTES: dict[Field, str] = {"genre": "genres", "mood": "mood"}
"""beets' names of the fields."""

SECTIONS: dict[Field, str] = {"genre": "genres", "mood": "moods"}
"""The sections of the configuration with their options."""


DEFAULTS: dict[str, Any] = {
    "auto": True,
    "model": None,
    "mapping": None,
    "write": "auto",
    "genres": {"max": 2, "threshold": "auto", "mode": "fill"},
    "moods": {"max": 3, "threshold": "auto", "mode": "fill"},
}
"""The options, see the module docstring."""


class EarmarkPlugin(BeetsPlugin):
    """Fills genre and mood of tracks that have none, and of others on request."""

    item_types: ClassVar[dict[str, types.Type]] = {"mood": types.MULTI_VALUE_DSV}

    def __init__(self) -> None:
        super().__init__()
        if "genres" not in Item._fields:
            raise ui.UserError("earmark needs beets 2.7 or newer: older ones keep one genre per track")
        self.config.add(DEFAULTS)
        self.add_media_field("mood", mood_field(id3v23=beets.config["id3v23"].get(bool)))
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]
            self.register_listener("import_begin", self._check)
            self.register_listener("import_task_files", self._imported_files)

    def commands(self) -> list[ui.Subcommand]:
        """``beet earmark``."""
        command = ui.Subcommand("earmark", help="fill genre and mood from the sound")
        add = command.parser.add_option
        add("-f", "--force", action="store_true", default=False, help="replace genres and moods that are there")
        add("-p", "--pretend", action="store_true", default=False, help="show what would change, and change nothing")
        add("-w", "--write", action="store_true", default=None, help="write into files, too")
        add("-W", "--nowrite", action="store_false", dest="write", help="change the library only, no files")
        command.func = self._command
        return [command]

    def imported(self, _: ImportSession, task: ImportTask) -> None:
        """Import stage: all tracks of an album at once. beets writes the files later."""
        with user_errors():
            for item in self._tag(task.imported_items(), force=False):
                item.store()
                self._log.info("{}: {}", item, self._describe(item))
            if task.is_album and task.album is not None:
                self._fill_album(task.album, force=False)

    def _imported_files(self, task: ImportTask, **_: Any) -> None:
        """Write files after they are in place, where beets does not: it writes none of an import with -A."""
        if self._may_write and not task.apply:
            for item in task.imported_items():
                if item.get("earmark_model"):
                    item.try_write()
                    item.store()

    def _command(self, lib: Library, options: Values, words: list[str]) -> None:
        write = ui.should_write(self._may_write if options.write is None else options.write) and not options.pretend
        albums = set()
        with user_errors():
            for item in self._tag(lib.items(words), force=options.force):
                ui.show_model_changes(item, fields=ATTRIBUTES.values())
                if not options.pretend:
                    item.try_sync(write=write, move=False)
                    albums.add(item.album_id)
            for album in filter(None, map(lib.get_album, filter(None, albums))):
                self._fill_album(album, force=options.force)

    def _tag(self, items: Iterable[Item], *, force: bool) -> Iterator[Item]:
        """Tag the tracks that lack something, several at a time. Yields those that changed, not stored yet."""
        incomplete = [item for item in items if self._is_incomplete(item, force)]
        if not incomplete:
            return
        jobs = None if beets.config["threaded"].get(bool) else 1
        # All paths now: beets resolves them per thread, and the tagger's threads are unknown to it.
        paths = [item.filepath for item in incomplete]
        results = self.tagger.tag_many(paths, jobs=jobs, errors="return")
        for item, path, result in zip(incomplete, paths, results, strict=True):
            if isinstance(result, AudioError):
                self._log.warning("{}: not tagged: {}", path, result.reason)
            elif self._fill(item, result, force):
                yield item

    def _is_incomplete(self, item: Item, force: bool) -> bool:
        return any(
            force or policy.mode != "fill" or not item.get(ATTRIBUTES[field]) for field, policy in self.policies.items()
        )

    def _fill(self, item: Item, scores: TagScores, force: bool) -> bool:
        """Sets the fields of a track. Returns whether one changed."""
        changes: list[Change] = []
        for field, policy in self.policies.items():
            current = {field: tuple(item.get(ATTRIBUTES[field]) or ())}
            wanted = {field: wanted_values(self.tagger.card, scores.scores, policy)[field]}
            changes += plan(current, wanted, "overwrite" if force else policy.mode).changes
        for change in changes:
            item[ATTRIBUTES[change.field]] = list(change.after)
        if changes:
            item["earmark_model"] = f"{self.tagger.card.name} {self.tagger.card.version}"
        return bool(changes)

    def _fill_album(self, album: Album, *, force: bool) -> None:
        """The album's own genres, where it has none: the commonest of its tracks."""
        policy = self.policies.get("genre")
        if policy is None or (album.genres and not force and policy.mode != "overwrite"):
            return
        counts = Counter(genre for item in album.items() for genre in item.genres)
        common = [genre for genre, _ in counts.most_common(policy.max_genres)]
        if common and common != list(album.genres):
            album.genres = common
            album.store(inherit=False)

    def _describe(self, item: Item) -> str:
        return ", ".join(f"{name}: {' | '.join(item.get(name) or ['none'])}" for name in ATTRIBUTES.values())

    def _check(self, **_: Any) -> None:
        """Check the options before an import begins."""
        with user_errors():
            _ = self.policies, self._may_write

    @property
    def _may_write(self) -> bool | None:
        """The option ``write``; None for beets' own choice."""
        return None if self.config["write"].get() == "auto" else self.config["write"].get(bool)

    @cached_property
    def tagger(self) -> Tagger:
        """The model, loaded when the first track is to be tagged."""
        model = self.config["model"].get()
        return load_tagger(str(model) if model else None)

    @cached_property
    def policies(self) -> dict[Field, WritePolicy]:
        """The policy of each field that can be filled. Raises ConfigError for wrong options."""
        mapping = self._mapping()
        policies = {field: self._policy(field, mapping) for field in ATTRIBUTES}
        return {field: policy for field, policy in policies.items() if self._can_hold(field, policy)}

    def _can_hold(self, field: Field, policy: WritePolicy) -> bool:
        """Whether any tag could ever be written there; otherwise a track that lacks it need not be tagged."""
        card = self.tagger.card
        judged = set(card.thresholds if policy.threshold is None else card.vocabulary.names) - set(card.degrees)
        return policy.max_values(field) > 0 and any(policy.mapping.words_for(field, tag) for tag in judged)

    def _mapping(self) -> TagMapping:
        card = self.tagger.card
        if self.config["mapping"].get():
            return read_mapping(Path(self.config["mapping"].as_filename()), card.vocabulary, card.degrees)
        return default_mapping(card.vocabulary)

    def _policy(self, field: Field, mapping: TagMapping) -> WritePolicy:
        section = self.config[SECTIONS[field]]
        threshold = section["threshold"].get()
        return WritePolicy(
            mapping,
            section["mode"].as_choice(("fill", "merge", "overwrite")),
            threshold=None if threshold == "auto" else section["threshold"].get(float),
            max_genres=section["max"].get(int) if field == "genre" else 0,
            max_moods=section["max"].get(int) if field == "mood" else 0,
            scores=False,
        )


class _ListField(mediafile.ListMediaField):
    """A list field that is removed where the list is empty."""

    def __set__(self, file: mediafile.MediaFile, values: Sequence[str] | None) -> None:
        if values:
            super().__set__(file, values)
        else:
            self.__delete__(file)


def mood_field(*, id3v23: bool) -> mediafile.ListMediaField:
    """Moods in files, under the names that earmark's own tag formats use.

    Args:
        id3v23: whether beets writes ID3v2.3. Converting to it loses TMOO, so the other frame is written, too.
    """
    frame, other = ID3Tags.names["mood"]
    return _ListField(
        mediafile.MP3ListStorageStyle(frame),
        mediafile.MP3ListDescStorageStyle(other.removeprefix("TXXX:"), split_v23=True, read_only=not id3v23),
        mediafile.MP4ListStorageStyle(Mp4Tags.names["mood"][0]),
        mediafile.ListStorageStyle(VorbisTags.names["mood"][0]),
        mediafile.ASFStorageStyle(AsfTags.names["mood"][0]),
    )


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise earmark's errors as those that beets shows to its users."""
    try:
        yield
    except EarmarkError as error:
        raise ui.UserError(f"earmark: {error}") from error
