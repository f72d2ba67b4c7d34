"""Tags, and the ordered list of tags that a model has outputs for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from earmark.core.errors import ConfigError
from earmark.core.hints import did_you_mean

TagKind = Literal["classification", "regression"]
"""classification: a tag applies or not (label 0 or 1). regression: a degree in 0..1 (pons2017, section 3)."""

CATEGORIES = ("genre", "instrument", "voice", "mood", "tempo", "decade", "other")
"""The categories a tag may have, in the order in which they are shown."""


@dataclass(frozen=True)
class Tag:
    """One tag.

    Attributes:
        name: as shown to people, e.g. ``"female vocals"``.
        kind: "classification" or "regression", see :data:`TagKind`.
        category: one of :data:`CATEGORIES`.

    Raises:
        ConfigError: an empty name, or one with white space around it; another kind or category. All at once.

    Examples:
        >>> import earmark
        >>> earmark.Tag("female vocals", category="voice")
        Tag(name='female vocals', kind='classification', category='voice')
    """

    name: str
    kind: TagKind = "classification"
    category: str = "other"

    def __post_init__(self) -> None:
        problems = []
        if not self.name or self.name != self.name.strip():
            problems.append(f"tag name {self.name!r}: must not be empty or begin or end with white space")
        if any("\ud800" <= letter <= "\udfff" for letter in self.name):
            problems.append(f"tag name {self.name!r}: is no valid Unicode text")
        if self.kind not in get_args(TagKind):
            problems.append(f"tag {self.name!r}: kind {self.kind!r} is not one of {', '.join(get_args(TagKind))}")
        if self.category not in CATEGORIES:
            problems.append(f"tag {self.name!r}: category {self.category!r} is not one of {', '.join(CATEGORIES)}")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True)
class Vocabulary:
    """The tags of a model or a dataset, in the order of its outputs. Names are unique.

    Attributes:
        tags: the tags.

    Raises:
        ConfigError: no tags, or a name twice.

    Examples:
        >>> import earmark
        >>> vocabulary = earmark.Vocabulary.of(["rock", "jazz"], category="genre")
        >>> len(vocabulary), vocabulary.names, vocabulary.index("jazz")
        (2, ('rock', 'jazz'), 1)
    """

    tags: tuple[Tag, ...]

    def __post_init__(self) -> None:
        names = [tag.name for tag in self.tags]
        twice = sorted(name for name, n in Counter(names).items() if n > 1)
        if not names:
            raise ConfigError("a vocabulary needs at least one tag")
        if twice:
            raise ConfigError(f"tags named more than once: {', '.join(twice)}")

    @classmethod
    def of(cls, names: Iterable[str], kind: TagKind = "classification", category: str = "other") -> Vocabulary:
        """A vocabulary whose tags all have the same kind and category.

        Args:
            names: of the tags, in output order.
            kind: "classification" or "regression".
            category: one of :data:`CATEGORIES`.

        Returns:
            The vocabulary.

        Raises:
            ConfigError: no names, or a name twice.
        """
        return cls(tuple(Tag(name, kind, category) for name in names))

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self.tags)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in output order."""
        return tuple(tag.name for tag in self.tags)

    def index(self, name: str) -> int:
        """Position of a tag in the outputs.

        Args:
            name: of the tag.

        Returns:
            The position, from 0.

        Raises:
            ConfigError: no tag of that name; the message has similar ones.
        """
        try:
            return self.names.index(name)
        except ValueError:
            hint = did_you_mean(name, self.names, f"tags are: {', '.join(self.names)}")
            raise ConfigError(f"no tag {name!r} in this vocabulary; {hint}") from None

    def indices(self, kind: TagKind) -> tuple[int, ...]:
        """Positions of all tags of one kind.

        Args:
            kind: "classification" or "regression".

        Returns:
            The positions, rising from 0.
        """
        return tuple(i for i, tag in enumerate(self.tags) if tag.kind == kind)

    def degrees(self, thresholds: Container[str]) -> tuple[str, ...]:
        """Tags that say how much and never hold, such as energy: no list of the tags of a file has them.

        They are the regression tags without a threshold, of a model that has thresholds. Where a model has none at
        all, no tag is one.

        Args:
            thresholds: the tags that have one; :attr:`earmark.ModelCard.thresholds` as it is.

        Returns:
            Their names, in output order.

        Examples:
            >>> import earmark
            >>> tags = earmark.Vocabulary((earmark.Tag("rock"), earmark.Tag("energy", "regression")))
            >>> tags.degrees({"rock": 0.5}), tags.degrees({})
            (('energy',), ())
        """
        if not any(name in thresholds for name in self.names):
            return ()
        return tuple(tag.name for tag in self.tags if tag.kind == "regression" and tag.name not in thresholds)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, kinds and order: equal for models whose outputs mean the same."""
        import hashlib  # takes 8 ms, and tagging does not need it

        text = "\n".join(f"{tag.name}\t{tag.kind}" for tag in self.tags)
        return hashlib.sha256(text.encode()).hexdigest()

    def display_order(self) -> tuple[int, ...]:
        """Returns the positions of the tags ordered by category (:data:`CATEGORIES`), then by output: for plots and tables."""
        return tuple(sorted(range(len(self.tags)), key=lambda i: (CATEGORIES.index(self.tags[i].category), i)))
