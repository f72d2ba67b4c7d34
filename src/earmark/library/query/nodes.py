"""A query as a frozen tree: tags, files' own fields, durations, tempos, keys, and how they are combined.

:func:`earmark.library.query.parser.parse_query` makes the tree from text, ``str`` makes text of the tree:
canonical, with every name in quotes, and read back as the same tree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey

Comparison = Literal["<", "<=", ">", ">="]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

FIELDS = ("title", "artist", "album", "file-genre", "path")
"""Fields of a file's own metadata; ``file-genre`` is the genre in it, since ``genre:`` is a category of tags."""

DEFAULT_BOUND = 0.5
"""Lowest score at which a tag counts where neither the query nor the model's card has one."""


@dataclass(frozen=True)
class Bound:
    """A comparison with a number, e.g. ``>=0.6``."""

    comparison: Comparison
    value: float

    def __str__(self) -> str:
        return f"{self.comparison}{format_number(self.value)}"


@dataclass(frozen=True)
class HasTag:
    """The tag's score is over its bound: the one given here, else the query's, else the card's. A degree has none there."""

    tag: str
    bound: Bound | None = None

    def __str__(self) -> str:
        return f"{quoted(self.tag)}{self.bound or ''}"


@dataclass(frozen=True)
class HasText:
    """One of the file's own fields (:data:`FIELDS`) contains a text, upper and lower case alike."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}:{quoted(self.text)}"


@dataclass(frozen=True)
class DurationBound:
    """The duration is within a bound in seconds."""

    bound: Bound

    def __str__(self) -> str:
        return f"duration{self.bound}s"


@dataclass(frozen=True)
class TempoBound:
    """The tempo is within a bound in beats per minute. It does not hold for a tempo that is not known, whatever the bound."""

    bound: Bound

    def __str__(self) -> str:
        return f"bpm{self.bound}"


@dataclass(frozen=True)
class TempoRange:
    """The tempo is from ``low`` to ``high`` beats per minute, both included; with ``folded``, so may be half or double of it."""

    low: float
    high: float
    folded: bool = False

    def __str__(self) -> str:
        return f"bpm{'~' if self.folded else ':'}{format_number(self.low)}-{format_number(self.high)}"


@dataclass(frozen=True)
class HasKey:
    """The key is this one; with ``mixing``, one that mixes with it: :meth:`earmark.MusicalKey.neighbours`."""

    key: MusicalKey
    mixing: bool = False

    def __str__(self) -> str:
        return f"key{'~' if self.mixing else ':'}{self.key.camelot}"

    @property
    def keys(self) -> tuple[MusicalKey, ...]:
        """All keys for which it holds."""
        return self.key.neighbours() if self.mixing else (self.key,)


@dataclass(frozen=True)
class Not:
    """What is inside does not hold."""

    inside: Node

    def __str__(self) -> str:
        return f"-{_in_parentheses(self.inside)}"


@dataclass(frozen=True)
class AllOf:
    """All parts hold; without parts, everything does. Made by :func:`all_of`."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(str(part) if not isinstance(part, AnyOf) else f"({part})" for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """At least one of two or more parts holds. Made by :func:`any_of`."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Node: TypeAlias = HasTag | HasText | DurationBound | TempoBound | TempoRange | HasKey | Not | AllOf | AnyOf
Measured: TypeAlias = HasTag | DurationBound | TempoBound | TempoRange | HasKey
"""What may find nothing for its value alone, so that another value is suggested."""


@dataclass(frozen=True)
class Query:
    """A whole query.

    Attributes:
        node: what must hold.
        score: the bound of all tags of the query that have none of their own, or None.
        read_as: each word that is no tag and was read as one (:mod:`earmark.core.tag_words`), with that tag and others that
            are near; not compared.
    """

    node: Node
    score: Bound | None = None
    read_as: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        if self.score is None:
            return str(self.node)
        node = f"({self.node})" if isinstance(self.node, AnyOf) else str(self.node)
        return f"{node} score{self.score}".lstrip()

    def tags(self) -> tuple[HasTag, ...]:
        """All tags in it, in order."""
        return tuple(node for node in _walk(self.node) if isinstance(node, HasTag))

    def texts(self) -> tuple[HasText, ...]:
        """All texts in it, in order."""
        return tuple(node for node in _walk(self.node) if isinstance(node, HasText))

    def fields(self) -> frozenset[str]:
        """The files' own fields that it uses."""
        return frozenset(node.field for node in self.texts())

    def uses_durations(self) -> bool:
        """Whether it bounds the duration."""
        return any(isinstance(node, DurationBound) for node in _walk(self.node))

    def uses_measures(self) -> bool:
        """Whether it asks for tempo or key."""
        return any(isinstance(node, TempoBound | TempoRange | HasKey) for node in _walk(self.node))

    def measured(self) -> tuple[Measured, ...]:
        """Its different tags, durations, tempos and keys, in order."""
        return tuple(dict.fromkeys(node for node in _walk(self.node) if isinstance(node, Measured)))

    def with_node(self, old: Node, new: Node) -> Query:
        """The query with another node in place of one, wherever it stands."""
        return replace(self, node=_replaced(self.node, old, new))


def all_of(parts: Iterable[Node]) -> Node:
    """All parts hold; nested :class:`AllOf` are flattened, a single part is returned as it is."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, AllOf) else [part])
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Iterable[Node]) -> Node:
    """One of the parts holds; nested :class:`AnyOf` are flattened, a single part is returned as it is."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, AnyOf) else [part])
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def _in_parentheses(node: Node) -> str:
    return f"({node})" if isinstance(node, AllOf | AnyOf) else str(node)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Not):
        yield from _walk(node.inside)
    elif isinstance(node, AllOf | AnyOf):
        for part in node.parts:
            yield from _walk(part)


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    if isinstance(node, Not):
        return Not(_replaced(node.inside, old, new))
    if isinstance(node, AllOf | AnyOf):
        return type(node)(tuple(_replaced(part, old, new) for part in node.parts))
    return node


def quoted(text: str) -> str:
    """The text in double quotes, as a query writes it: ``\\"`` for a quote and ``\\\\`` for a backslash."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def quote_if_needed(text: str) -> str:
    """A name as people write it in a query: in quotes where it has spaces or a character with a meaning."""
    return quoted(text) if re.search(r'[\s()<>=:"]', text) else text


def format_number(value: float) -> str:
    """The shortest decimal text, without an exponent, that is read back as the same number."""
    return format(Decimal(repr(float(value))), "f")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a query: what, and where in its text (``start`` to ``end``, in characters)."""

    message: str
    start: int
    end: int


class QueryError(ConfigError):
    """A query that cannot be parsed. Its text shows the query with a caret under what is wrong.

    Attributes:
        query: the text as given.
        found: every problem, see :class:`Problem`.
    """

    def __init__(self, query: str, found: Iterable[Problem]) -> None:
        self.query, self.found = query, tuple(found)
        shown = "".join(_printable(character) for character in query)
        lines = []
        for problem in self.found:
            spaces = sum(map(_columns, shown[: problem.start]))
            carets = max(1, sum(map(_columns, shown[problem.start : problem.end])))
            lines += [problem.message, f"  {shown}", f"  {' ' * spaces}{'^' * carets}"]
        super().__init__(lines)


def _printable(character: str) -> str:
    """One character for one, so that carets are in the right place."""
    if character.isspace():
        return " "
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _columns(character: str) -> int:
    """Width in a terminal."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
