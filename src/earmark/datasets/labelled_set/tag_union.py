"""A student's tags: the union of what its teachers know, each under one name.

A table names them: the columns name and category, and for each vocabulary of a teacher which of its tags mean this one,
with ``|`` between them. Two columns may be absent: kind ("regression" for degrees; empty: classification) and parents, the
more general tags of the table. A tag that no teacher knows needs known labels of some songs. A second table (vocabulary,
tag, reason) lists the tags that are not used, and why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.table import read_table

ALL_OTHERS = "*"
"""In the table of tags that are left out: all of a vocabulary that are not placed."""


@dataclass(frozen=True)
class UnionTag:
    """One tag and where it comes from.

    Attributes:
        tag: name, kind and category.
        sources: vocabulary -> its tags that mean this one.
        parents: more general tags of the same table, e.g. electronic for techno.
    """

    tag: Tag
    sources: dict[str, tuple[str, ...]]
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class TagUnion:
    """All tags, in the order of the table.

    Attributes:
        tags: each with its sources.
        left_out: (vocabulary, tag) -> why it is not used.
        vocabularies: vocabulary of teachers -> its tags, in the order of their outputs.
        known: tags with known labels; they need no teacher.

    Raises:
        ConfigError: a tag that its vocabulary does not have, or that is placed twice, nowhere, or both placed and left
            out; a parent that is not in the table; all problems at once.
    """

    tags: tuple[UnionTag, ...]
    left_out: dict[tuple[str, str], str]
    vocabularies: dict[str, tuple[str, ...]]
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {(name, tag) for name, tags in self.vocabularies.items() for tag in tags}
        placed = Counter((name, source) for row in self.tags for name, tags in row.sources.items() for source in tags)
        placed.update(self.left_out.keys())
        problems = [f"{name} has no tag {tag!r}" for name, tag in placed if (name, tag) not in known]
        problems += [f"{name}: {tag!r} is placed {n} times" for (name, tag), n in placed.items() if n > 1]
        problems += [f"{name}: {tag!r} is neither placed nor left out" for name, tag in sorted(known - set(placed))]
        problems += [
            f"{row.tag.name!r} comes from nowhere: no vocabulary of the teachers has it, and no song's label of it is known"
            for row in self.tags
            if not any(row.sources.values()) and row.tag.name not in self.known
        ]
        problems += [
            f"{name}: {tag!r} is left out without a reason" for (name, tag), why in self.left_out.items() if not why
        ]
        names = {row.tag.name for row in self.tags}
        problems += [
            f"{row.tag.name!r} has the parent {parent!r}, which is not in the table"
            for row in self.tags
            for parent in row.parents
            if parent not in names
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """Tag -> its parents, of the tags that have some."""
        return {row.tag.name: row.parents for row in self.tags if row.parents}

    @property
    def vocabulary(self) -> Vocabulary:
        """Names, kinds and categories; raises ConfigError where a name is there twice."""
        return Vocabulary(tuple(row.tag for row in self.tags))

    def sources_of(self, vocabulary: str) -> tuple[tuple[int, ...], ...]:
        """For every tag the positions of the tags that mean it in one vocabulary of the teachers; often none."""
        if vocabulary not in self.vocabularies:
            raise ConfigError(f"no vocabulary {vocabulary!r}; the tags come from {', '.join(self.vocabularies)}")
        places = {tag: i for i, tag in enumerate(self.vocabularies[vocabulary])}
        return tuple(tuple(places[source] for source in row.sources.get(vocabulary, ())) for row in self.tags)

    def keep(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Positions of tags by name, in the order of the table. Raises ConfigError for a name that there is not."""
        wanted = {self.vocabulary.index(name) for name in names}
        return np.array(sorted(wanted), dtype=np.int64)

    def to_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "vocabularies": self.vocabularies,
            "tags": [
                {
                    "name": row.tag.name,
                    "category": row.tag.category,
                    **({"kind": row.tag.kind} if row.tag.kind != "classification" else {}),
                    "sources": row.sources,
                    **({"parents": list(row.parents)} if row.parents else {}),
                }
                for row in self.tags
            ],
            "left_out": [{"vocabulary": name, "tag": tag, "reason": why} for (name, tag), why in self.left_out.items()],
            **({"known": self.known} if self.known else {}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> TagUnion:
        """What :meth:`to_document` made. Raises KeyError, TypeError for something else."""
        return cls(
            tuple(
                UnionTag(
                    Tag(row["name"], row.get("kind", "classification"), row["category"]),
                    {name: tuple(tags) for name, tags in row["sources"].items()},
                    tuple(row.get("parents", ())),
                )
                for row in document["tags"]
            ),
            {(row["vocabulary"], row["tag"]): row["reason"] for row in document["left_out"]},
            {name: tuple(tags) for name, tags in document["vocabularies"].items()},
            tuple(document.get("known", ())),
        )

    def to_json(self) -> str:
        """A file's text."""
        return json.dumps(self.to_document(), indent=1, ensure_ascii=False) + "\n"


def read_tag_union(
    tags: str | Path,
    left_out: str | Path | None,
    vocabularies: Mapping[str, Sequence[str]],
    known: Sequence[str] = (),
) -> TagUnion:
    """Read the tables of tags.

    Args:
        tags: table with the columns name, category, one for each vocabulary, and perhaps kind and parents.
        left_out: table with the columns vocabulary, tag, reason; the tag ``*`` means all that are not used. None where every
            tag is used.
        vocabularies: vocabulary -> its tags, of all teachers.
        known: tags with known labels.

    Raises:
        DataError: tables that cannot be read or lack columns.
        ConfigError: see :class:`TagUnion`.
    """
    table = read_table(tags)
    table.require("name", "category", *vocabularies, where=str(tags))
    rows = tuple(
        UnionTag(
            Tag(row.values["name"], row.values.get("kind") or "classification", row.values["category"]),
            {name: tuple(row.values[name].split("|")) for name in vocabularies if row.values[name]},
            _parents(row.values),
        )
        for row in table.rows
    )
    reasons: dict[tuple[str, str], str] = {}
    if left_out is not None:
        out = read_table(left_out)
        out.require("vocabulary", "tag", "reason", where=str(left_out))
        reasons = {(row.values["vocabulary"], row.values["tag"]): row.values["reason"] for row in out.rows}
        reasons = {key: why for key, why in reasons.items() if key[0] in vocabularies}
        placed = {(name, source) for row in rows for name, tags in row.sources.items() for source in tags}
        for name in [name for name, tag in reasons if tag == ALL_OTHERS]:
            why = reasons.pop((name, ALL_OTHERS))
            others = [(name, tag) for tag in vocabularies[name] if (name, tag) not in placed]
            reasons = dict.fromkeys(others, why) | reasons
    names = {row.tag.name for row in rows}
    return TagUnion(
        rows,
        reasons,
        {name: tuple(tags) for name, tags in vocabularies.items()},
        tuple(tag for tag in known if tag in names),
    )


def tag_names(tags: str | Path) -> tuple[str, ...]:
    """Names of all tags of a table. Raises DataError for a table that cannot be read or lacks the column."""
    table = read_table(tags)
    table.require("name", where=str(tags))
    return tuple(row.values["name"] for row in table.rows)


def read_parents(tags: str | Path) -> dict[str, tuple[str, ...]]:
    """Tag -> its parents, from the columns name and parents of a table of tags.

    Raises:
        DataError: a table that cannot be read or lacks the columns.
    """
    table = read_table(tags)
    table.require("name", "parents", where=str(tags))
    return {row.values["name"]: above for row in table.rows if (above := _parents(row.values))}


def _parents(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(values["parents"].split("|")) if values.get("parents") else ()
