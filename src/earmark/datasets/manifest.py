"""A user's own labelled music: a table of path, split and tags.

Columns
    path    the audio file, absolute or relative to the table's folder. Required.
    split   train, validation or test. Required.
    tags    the tags that hold, all of kind classification: a list (JSON Lines, Parquet) or text with ``;`` between
            them. Empty: none of them holds. null: the clip is not labelled for these tags. Text that is a list of
            another form ("rock, fast", "rock|fast", "['rock', 'fast']") is refused, so that it does not become one tag.
            A comma may be part of a name in a list, or beside a ``;`` ("Stage, Screen;"); "/" always is (r&b/soul).
    class   in place of ``tags``: the one class that a clip has, of classes that exclude each other. Empty or null: the
            clip is not labelled.
    id, artist, song                    optional; the id is the path where it is not given.
    title, album, duration_seconds      and every column whose name begins with ``#``: for people, not read.
    any other column                    is a tag: its values are 0, 1, a number between, true or false; empty or null
                                        where a clip is not labelled.

Kinds and categories
    A tag may carry them in square brackets, in a column's name and in a list alike: ``calmness [regression mood]``,
    ``rock [genre]``. Where no kind is given, a column is of kind classification if all its values are 0 or 1, and of
    kind regression otherwise. Where no category is given, it is "other".

Order of the tags: those of the lists by name, then the columns in their order.

All problems of a table are reported at once, each with its line.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import CATEGORIES, Tag, TagKind, Vocabulary
from earmark.datasets.base import SPLITS, Clip, Dataset, DatasetInfo, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import Row, Table, read_table
from earmark.datasets.tag_text import other_list, without_brackets

RESERVED = ("path", "split", "tags", "class", "id", "artist", "song")
IGNORED = ("title", "album", "duration_seconds")

INFO = DatasetInfo(
    name="manifest",
    title="Your own music",
    description="a table (CSV, TSV, JSON Lines, Parquet) with the columns path, split, and tags or class",
    citation="",
    licence="your own",
    url="",
    protocols=(),
    tags_from="the table's column tags or class, and a column for each further tag",
)

_BRACKETS = re.compile(r"^(?P<name>.*\S)\s*\[(?P<words>[^\[\]]*)\]$")
_TRUTH = {"true": 1.0, "false": 0.0}


@register_dataset(INFO)
def manifest(root: Path, protocol: str | None = None) -> Dataset:  # noqa: ARG001  the registry passes it
    """The dataset of :func:`load_manifest`, for the registry; a manifest brings its own split."""
    return load_manifest(root)


def load_manifest(path: str | Path, *, kinds: Mapping[str, TagKind] | None = None, check_files: bool = True) -> Dataset:
    """Read a manifest.

    Args:
        path: the table; see the module docstring for its columns.
        kinds: tag name -> kind, for tags that do not carry one in brackets.
        check_files: refuse a table that names missing audio files.

    Returns:
        A dataset named after the table, protocol "manifest".

    Raises:
        DataError: with all problems, each with its line.
        ConfigError: ``kinds`` names an unknown tag or kind.
    """
    path = Path(path)
    table = read_table(path)
    table.require("path", "split", where=str(path))
    return manifest_of(path, table, kinds=kinds, check_files=check_files)


def manifest_of(
    path: Path, table: Table, *, kinds: Mapping[str, TagKind] | None = None, check_files: bool = True
) -> Dataset:
    """The dataset of a table that has been read from ``path``; arguments and errors as of :func:`load_manifest`."""
    reading = _Reading(path, table, dict(kinds or {}), check_files)
    clips = reading.clips()
    raise_problems(str(path), reading.problems)
    vocabulary = Vocabulary(tuple(_tag(tag) for tag in reading.tags))
    exclusive = tuple(tag.name for tag in reading.tags[: reading.n_classes])
    return Dataset(path.stem, "manifest", vocabulary, tuple(clips), INFO, exclusive=exclusive)


@dataclass
class _Declared:
    """A tag as the table names it: kind None until it is given or inferred."""

    name: str
    kind: TagKind | None = None
    category: str | None = None


def _tag(declared: _Declared) -> Tag:
    return Tag(declared.name, declared.kind or "classification", declared.category or "other")


@dataclass
class _Reading:
    """One pass over a table; collects problems instead of stopping at the first."""

    path: Path
    table: Table
    kinds: dict[str, TagKind]
    check_files: bool
    problems: list[str] = field(default_factory=list)
    tags: list[_Declared] = field(default_factory=list)
    n_classes: int = 0  # how many of the first tags exclude each other

    def clips(self) -> list[Clip]:
        if not self.table.rows:
            self.problems.append("it has a header, but no rows")
        columns = [c for c in self.table.columns if c not in (*RESERVED, *IGNORED) and not c.startswith("#")]
        of_lists = [column for column in ("tags", "class") if column in self.table.columns]
        listed, sets = self._lists(of_lists[0]) if of_lists else ([], [])
        if "class" in of_lists:
            self.n_classes = len(listed)
            if len(of_lists) > 1 or len(listed) < 2:
                self.problems.append("column 'class': must name two or more classes, and not be beside a column tags")
        declared = [self._declare(column, f"column {column!r}") for column in columns]
        values = np.array([[self._number(row, c) for c in columns] for row in self.table.rows], dtype=np.float32)
        self.tags = listed + declared
        self._check_names()
        self._settle_kinds(listed, columns, declared, values)

        holds = np.array(
            [[math.nan if names is None else float(tag.name in names) for tag in listed] for names in sets],
            dtype=np.float32,
        )
        empty = np.empty((len(self.table.rows), 0), np.float32)
        labels = np.hstack([part if part.size else empty for part in (holds, values)])
        return self._clips(labels)

    def _lists(self, column: str) -> tuple[list[_Declared], list[set[str] | None]]:
        """The tags of the tag lists (or classes), by name, and which hold for each row (None: not labelled)."""
        found: dict[str, _Declared] = {}
        sets: list[set[str] | None] = []
        with_comma: list[tuple[str, str]] = []
        for row in self.table.rows:
            cell = row.values.get(column)
            if column == "class" and cell is not None:  # a name, whatever is in it
                cell = [str(cell)] if str(cell).strip() else None
            if cell is None:
                sets.append(None)
                continue
            names = cell.split(";") if isinstance(cell, str) else cell
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                self.problems.append(f"{row.where}: tags must be a list of names, or text with ; between, is {cell!r}")
                sets.append(set())
                continue
            if isinstance(cell, str) and (other := other_list(cell)):
                self.problems.append(f"{row.where}: tags {cell!r} {other}")
                sets.append(set())
                continue
            tags_of_row = set()
            for text in filter(None, (name.strip() for name in names)):
                if isinstance(cell, str) and "," in without_brackets(text):
                    with_comma.append((row.where, text))
                tag = self._declare(text, f"{row.where}: tag {text!r}")
                known = found.setdefault(tag.name, tag)
                if tag.kind == "regression":
                    self.problems.append(f"{row.where}: tag {text!r}: a regression tag needs a column of its own")
                if known.category and tag.category and known.category != tag.category:
                    self.problems.append(
                        f"{row.where}: tag {tag.name!r} is of category {tag.category}, further up {known.category}"
                    )
                known.category = known.category or tag.category
                tags_of_row.add(tag.name)
            sets.append(tags_of_row)
        for where, text in with_comma:
            alone = [part for part in map(str.strip, without_brackets(text).split(",")) if part in found]
            if alone:
                self.problems.append(
                    f"{where}: tag {text!r} looks like several with a comma between them, of which {alone[0]!r} is a tag "
                    "elsewhere: write ; between tags, or give this column as lists (JSON Lines, Parquet)"
                )
        for tag in found.values():
            tag.kind = "classification"
        return [found[name] for name in sorted(found)], sets

    def _declare(self, text: str, where: str) -> _Declared:
        """Parse ``name [kind category]``."""
        match = _BRACKETS.match(text)
        if match is None:
            return _Declared(text)
        tag = _Declared(match["name"])
        for word in match["words"].replace(",", " ").split():
            if word in get_args(TagKind):
                tag.kind = word  # type: ignore[assignment]
            elif word in CATEGORIES:
                tag.category = word
            else:
                allowed = ", ".join((*get_args(TagKind), *CATEGORIES))
                self.problems.append(f"{where}: {word!r} in the brackets is neither kind nor category ({allowed})")
        return tag

    def _number(self, row: Row, column: str) -> float:
        """A cell of a tag's column: 0..1, or NaN where the clip is not labelled."""
        cell = row.values.get(column)
        if isinstance(cell, str):
            cell = _TRUTH.get(cell.strip().lower(), cell.strip())
        if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
            return math.nan
        try:
            number = float(cell)
        except (TypeError, ValueError, OverflowError):  # the last: an integer of hundreds of digits
            number = math.inf
        if 0 <= number <= 1:
            return number
        self.problems.append(
            f"{row.where}: column {column!r}: {cell!r} is no number in 0..1; a column that is no tag is named #{column}"
        )
        return math.nan

    def _check_names(self) -> None:
        names = [tag.name for tag in self.tags]
        self.problems += [
            f"tag {name!r} is there more than once" for name in sorted(set(names)) if names.count(name) > 1
        ]
        if not names:
            self.problems.append("no tags: give a column tags, or a column for each tag")
        unknown = [f"kinds: no tag {name!r} in {self.path}" for name in self.kinds if name not in names]
        unknown += [
            f"kinds: {name!r}: {kind!r} must be one of {', '.join(get_args(TagKind))}"
            for name, kind in self.kinds.items()
            if kind not in get_args(TagKind)
        ]
        if unknown:
            raise ConfigError(unknown)

    def _settle_kinds(
        self, listed: list[_Declared], columns: list[str], declared: list[_Declared], values: np.ndarray[Any, Any]
    ) -> None:
        """Given kinds, or those that follow from the values; classification needs 0 and 1."""
        for tag in listed:
            if self.kinds.get(tag.name, "classification") != "classification":
                self.problems.append(f"tag {tag.name!r}: a regression tag needs a column of its own")
        for i, (column, tag) in enumerate(zip(columns, declared, strict=True)):
            given = self.kinds.get(tag.name)
            if tag.kind and given and tag.kind != given:
                self.problems.append(f"column {column!r}: its kind is given as {given}, its name says {tag.kind}")
            tag.kind = tag.kind or given
            known = np.array([]) if not values.size else values[:, i][~np.isnan(values[:, i])]
            binary = bool(np.isin(known, (0, 1)).all())
            if not len(known):
                self.problems.append(f"column {column!r}: no clip is labelled for this tag")
            if tag.kind is None:
                tag.kind = "classification" if binary else "regression"
            elif tag.kind == "classification" and not binary:
                rows = [
                    row.where
                    for row, x in zip(self.table.rows, values[:, i], strict=True)
                    if not np.isnan(x) and x not in (0, 1)
                ]
                where = ", ".join(rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
                self.problems.append(f"column {column!r}: a classification tag must be 0 or 1, is not in {where}")

    def _clips(self, labels: np.ndarray[Any, Any]) -> list[Clip]:
        clips: list[Clip] = []
        seen: dict[str, str] = {}
        for row, label in zip(self.table.rows, labels, strict=True):
            text = {name: self._text(row, name) for name in ("path", "split", "id", "artist", "song")}
            if text["split"] not in SPLITS:
                self.problems.append(f"{row.where}: split {text['split']!r} must be one of {', '.join(SPLITS)}")
            if text["path"] is None:
                self.problems.append(f"{row.where}: no path")
                continue
            file = self.path.parent / text["path"]
            clip_id = text["id"] or text["path"]
            for name in (f"id {clip_id!r}", f"path {str(file)!r}"):
                if name in seen:
                    self.problems.append(f"{row.where}: {name} is there already, in {seen[name]}")
                seen[name] = row.where
            if self.check_files and not os.path.isfile(file):  # noqa: PTH113  a name too long is no error there
                self.problems.append(f"{row.where}: no file {file}")
            clips.append(Clip(clip_id, file, text["split"] or "", label, text["artist"], text["song"]))
        return clips

    def _text(self, row: Row, column: str) -> str | None:
        """A cell as text without white space around it; None where it is empty."""
        cell = row.values.get(column)
        return None if cell is None else str(cell).strip() or None
