"""Tables of labels without further ado: a path and a tag in each row, or a manifest, with or without a split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import CATEGORIES, Vocabulary
from earmark.datasets.base import Dataset, label_matrix, raise_problems
from earmark.datasets.manifest import manifest_of
from earmark.datasets.table import Row, Table, read_table
from earmark.datasets.tag_text import several_tags


def load_tag_table(path: str | Path) -> Dataset:
    """Read a table of labels.

    Two kinds are read: a manifest (see :mod:`earmark.datasets.manifest`), whose column ``split`` may be absent; and a
    table with the columns ``path`` and ``tag``, in which a file with several tags has several rows. Where every file of
    the latter has one tag, these exclude each other. Without a split, all clips are training clips.

    Raises:
        DataError: with all problems, each with its line.
    """
    path = Path(path)
    table = read_table(path)
    table.require("path", where=str(path))
    if "split" not in table.columns:
        rows = tuple(Row(row.where, {**row.values, "split": "train"}) for row in table.rows)
        table = Table((*table.columns, "split"), rows)
    if "tag" not in table.columns:
        return manifest_of(path, table)
    if "tags" in table.columns:
        raise DataError(f"{path}: has the columns tag and tags; leave one of them out")
    merged = _merged(path, table)
    dataset = manifest_of(path, merged)
    single = all(len(row.values["tags"]) == 1 for row in merged.rows) and len(dataset.vocabulary) > 1
    return dataset.replace(exclusive=dataset.vocabulary.names if single else ())


def _merged(path: Path, table: Table) -> Table:
    """A row for each file, with the list of its tags."""
    others = [column for column in table.columns if column != "tag"]
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    problems = []
    tags = {str(row.values.get("tag") or "").strip() for row in table.rows}
    for row in table.rows:
        file, tag = str(row.values.get("path") or "").strip(), str(row.values.get("tag") or "").strip()
        if not file or not tag:
            problems.append(f"{row.where}: no {'tag' if file else 'path'}")
            continue
        if several := several_tags(tag, tags):
            problems.append(f"{row.where}: tag {tag!r} {several}")
            continue
        values = {column: row.values.get(column) for column in others}
        where, known = found.setdefault(file, (row.where, {**values, "tags": []}))
        if different := [column for column in others if values[column] != known[column]]:
            problems.append(f"{row.where}: {', '.join(different)} of {file} differ from those of {where}")
        if tag not in known["tags"]:
            known["tags"].append(tag)
    raise_problems(str(path), problems)
    return Table((*others, "tags"), tuple(Row(where, values) for where, values in found.values()))


def with_tags(dataset: Dataset, words: Sequence[str]) -> Dataset:
    """The dataset with some of its tags alone; clips that are labelled for none of them are left out.

    Args:
        dataset: labelled clips.
        words: names of tags, or categories (see :data:`earmark.core.vocabulary.CATEGORIES`), all of whose tags are
            meant; empty for all tags.

    Raises:
        ConfigError: a word that is neither.
    """
    vocabulary = dataset.vocabulary
    problems, chosen = [], set()
    for word in words:
        places = [i for i, tag in enumerate(vocabulary.tags) if word in (tag.name, tag.category)]
        if not places:
            kinds = sorted({tag.category for tag in vocabulary}, key=CATEGORIES.index)
            problems.append(
                f"tags {word!r}: neither a tag of {dataset.name} ({', '.join(vocabulary.names)}) nor a category that it has "
                f"({', '.join(kinds)})"
            )
        chosen.update(places)
    if problems:
        raise ConfigError(problems)
    kept = sorted(chosen) if words else list(range(len(vocabulary)))
    names = {vocabulary.names[i] for i in kept}
    clips = tuple(
        dataclasses.replace(clip, labels=clip.labels[kept])
        for clip in dataset.clips
        if not np.isnan(clip.labels[kept]).all()
    )
    return dataset.replace(
        vocabulary=Vocabulary(tuple(vocabulary.tags[i] for i in kept)),
        clips=clips,
        exclusive=dataset.exclusive if set(dataset.exclusive) <= names else (),
    )


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """Tags that exclude each other: those that the dataset names, or its classification tags if each clip has exactly one.

    Example:
        >>> from earmark.datasets.emotify import INFO
        >>> from earmark.datasets.base import Clip
        >>> clips = [Clip(str(i), Path(str(i)), "train", np.eye(2, dtype=np.float32)[i % 2]) for i in range(4)]
        >>> classes_of(Dataset("d", "p", Vocabulary.of(["rock", "jazz"]), tuple(clips), INFO))
        ('rock', 'jazz')
    """
    places = list(dataset.vocabulary.indices("classification"))
    if dataset.exclusive or len(places) < 2:
        return dataset.exclusive
    labels = label_matrix(dataset.clips)[:, places]
    known = ~np.isnan(labels).all(axis=1)
    one_each = known.any() and bool((labels[known].sum(axis=1) == 1).all())  # NaN is not 1
    return tuple(dataset.vocabulary.names[i] for i in places) if one_each else ()
