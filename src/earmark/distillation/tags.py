"""The tags of the default model: the union of what the teachers know, each under one name.

Two tables in ``data/``. ``tags.csv``: name, category, and for each vocabulary which of its tags mean this one, with ``|``
between them. ``left_out.csv``: tags of a vocabulary that are not used, each with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.tag_lists import VOCABULARIES, load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.table import Table, read_table


@dataclass(frozen=True)
class UnionTag:
    """One tag and where it comes from.

    Attributes:
        tag: name and category.
        sources: vocabulary -> its tags that mean this one.
    """

    tag: Tag
    sources: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Union:
    """All tags, in the order of the table.

    Attributes:
        tags: each with its sources.
        left_out: (vocabulary, tag) -> why it is not used.

    Raises:
        ConfigError: a tag that its vocabulary does not have, or that is placed twice, nowhere, or both placed and left
            out; all problems at once.
    """

    tags: tuple[UnionTag, ...]
    left_out: dict[tuple[str, str], str]

    def __post_init__(self) -> None:
        known = {(name, tag) for name in VOCABULARIES for tag in load_vocabulary(name).names}
        placed = Counter((name, source) for row in self.tags for name, tags in row.sources.items() for source in tags)
        placed.update(self.left_out.keys())
        problems = [f"{name} has no tag {tag!r}" for name, tag in placed if (name, tag) not in known]
        problems += [f"{name}: {tag!r} is placed {n} times" for (name, tag), n in placed.items() if n > 1]
        problems += [f"{name}: {tag!r} is neither placed nor left out" for name, tag in sorted(known - set(placed))]
        problems += [f"{row.tag.name!r} comes from nowhere" for row in self.tags if not any(row.sources.values())]
        problems += [
            f"{name}: {tag!r} is left out without a reason" for (name, tag), why in self.left_out.items() if not why
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def vocabulary(self) -> Vocabulary:
        """Names and categories; raises ConfigError where a name is there twice."""
        return Vocabulary(tuple(row.tag for row in self.tags))

    def sources_of(self, vocabulary: str) -> tuple[tuple[int, ...], ...]:
        """For every tag the positions, in one of the teachers' vocabularies, of the tags that mean it; often none."""
        names = load_vocabulary(vocabulary)
        return tuple(tuple(names.index(source) for source in row.sources.get(vocabulary, ())) for row in self.tags)

    def keep(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Positions of tags by name, in the order of the table. Raises ConfigError for a name that there is not."""
        wanted = {self.vocabulary.index(name) for name in names}
        return np.array(sorted(wanted), dtype=np.int64)


def load_union() -> Union:
    """The tables of this package.

    Example:
        >>> union = load_union()
        >>> union.tags[union.vocabulary.index("instrumental")].sources["mtat-50"]
        ('no vocal', 'no vocals', 'no voice')
    """
    rows = _read("tags.csv")
    rows.require("name", "category", *VOCABULARIES, where="tags.csv")
    tags = tuple(
        UnionTag(
            Tag(row.values["name"], "classification", row.values["category"]),
            {name: tuple(row.values[name].split("|")) for name in VOCABULARIES if row.values[name]},
        )
        for row in rows.rows
    )
    out = _read("left_out.csv")
    out.require("vocabulary", "tag", "reason", where="left_out.csv")
    return Union(tags, {(row.values["vocabulary"], row.values["tag"]): row.values["reason"] for row in out.rows})


def _read(name: str) -> Table:
    with as_file(files("earmark.distillation") / "data" / name) as path:
        return read_table(path)
