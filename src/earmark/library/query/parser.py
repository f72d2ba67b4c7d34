"""Parse a query: the small language of `earmark library search`.

    query     = [side ("or" side)*]
    side      = part (["and"] part)*              words side by side must all hold
    part      = "-" part | "(" query ")" | tag | text | length | tempo | key | bound
    tag       = [CATEGORY ":"] NAME [COMPARISON 0..1]
    text      = ("title" | "artist" | "album" | "file-genre" | "path") ":" WORD
    length    = "duration" COMPARISON TIME        90s, 5m, 1.5h, 3:30, 1:02:03
    tempo     = "bpm" COMPARISON BPM | "bpm" (":" | "~") (BPM | BPM "-" BPM)
    key       = "key" (":" | "~") KEY             8A, 1m, F#m, "F# minor"
    bound     = "score" COMPARISON 0..1           for all tags of the query without one of their own
    COMPARISON = "<" | "<=" | ">" | ">="

A degree (energy: how much, never whether) is named as a tag is, and always has a bound, its own (0..100, or 0..1) or the
query's. ``bpm~`` also finds half and double of a tempo, and ``key~`` the keys that mix with one. A tempo or key that is not
known is within no bound.

A NAME or WORD with spaces or with one of ``( ) < > = : "`` in it is written in double quotes. Names of several
words that the model knows need none: the longest name that fits is taken, so that ``slow female vocals``
means the two tags slow and female vocals where the model has both. A NAME that is no tag may be another word for one
(:mod:`earmark.core.tag_words`).
"""

from __future__ import annotations

from collections.abc import Collection

from earmark.core.hints import did_you_mean
from earmark.core.vocabulary import CATEGORIES, Vocabulary
from earmark.library.query.nodes import (
    FIELDS,
    AllOf,
    Bound,
    Comparison,
    DurationBound,
    HasKey,
    HasTag,
    HasText,
    Node,
    Not,
    Problem,
    Query,
    QueryError,
    TempoBound,
    TempoRange,
    all_of,
    any_of,
)
from earmark.library.query.scanner import NEAR, SPACE, VALUE, WORD, Scanner
from earmark.library.query.tag_names import TagNames

MAX_DEPTH = 40
"""Most parentheses and minus signs inside each other."""

_KEYWORDS = ("or", "and")
_COMPARED = {"duration": "duration<5m", "score": "score>0.6", "bpm": "bpm>120", "key": "key:8A"}
"""Words that are no tags, and how they are used."""


def parse_query(text: str, vocabulary: Vocabulary, degrees: Collection[str] = ()) -> Query:
    """Read a query.

    Args:
        text: see the module docstring; an empty text matches everything.
        vocabulary: the tags that may be named, upper and lower case alike. Names of the form
            ``genre---jazz`` (MTG-Jamendo) are known as ``jazz``, too, and tags by the words of
            :mod:`earmark.core.tag_words`, see :attr:`Query.read_as`.
        degrees: those of the tags that never hold by themselves, :attr:`earmark.ModelCard.degrees`: they need a bound.

    Raises:
        QueryError: with the position of what is wrong. All unknown tags are reported at once, with similar names.

    Example:
        >>> vocabulary = Vocabulary.of(["slow", "guitar", "female vocals"])
        >>> str(parse_query("slow female vocals -guitar>0.3 duration<5m", vocabulary))
        '"slow" "female vocals" -"guitar">0.3 duration<300.0s'
        >>> parse_query("slow gitar", vocabulary)
        Traceback (most recent call last):
            ...
        earmark.library.query.nodes.QueryError: no tag 'gitar'; did you mean guitar?
          slow gitar
               ^^^^^
    """
    return _Parser(text, vocabulary, degrees).query()


class _Parser(Scanner):
    def __init__(self, text: str, vocabulary: Vocabulary, degrees: Collection[str]) -> None:
        super().__init__(text)
        self.names = TagNames(vocabulary)
        self.degrees = degrees
        self.unbounded: list[Problem] = []
        self.read_as: dict[str, tuple[str, ...]] = {}
        self.depth = 0
        self.score: Bound | None = None

    def query(self) -> Query:
        node = self._sides(empty_allowed=True)
        if self.at < len(self.text):  # only a closing parenthesis ends the sides early
            self.fail("this parenthesis closes nothing", self.at, self.at + 1)
        found = Query(node, self.score, tuple(self.read_as.items()))
        if self.score is not None and not found.tags():
            self.problems.append(Problem("score bounds the tags of a query, and here is none", 0, len(self.text)))
        if self.score is None and self.unbounded:
            self.problems = sorted(self.problems + self.unbounded, key=lambda problem: problem.start)
        if self.problems:
            raise QueryError(self.text, self.problems)
        return found

    def _sides(self, *, empty_allowed: bool) -> Node:
        sides = [self._side(empty_allowed=empty_allowed)]
        while (keyword := self.keyword("or")) is not None:
            if sides == [AllOf(())]:
                self.fail("there is nothing before this or", keyword, keyword + 2)
            self.at = keyword + 2
            sides.append(self._side(empty_allowed=False))
            if sides[-1] == AllOf(()):  # a bound of the score alone is no side
                self.fail("a tag is missing behind this or", keyword, keyword + 2)
        return any_of(sides)

    def _side(self, *, empty_allowed: bool) -> Node:
        parts: list[Node] = []
        n_read, wanting = 0, not empty_allowed
        while True:
            self.skip_space()
            if (keyword := self.keyword("and")) is not None:
                if wanting or not n_read:
                    self.fail("there is nothing before this and", keyword, keyword + 3)
                self.at, wanting = keyword + 3, True
                continue
            if self.at == len(self.text) or self.text[self.at] == ")" or self.keyword("or") is not None:
                break
            part = self._part()
            n_read, wanting = n_read + 1, False
            if part is not None:
                parts.append(part)
        if wanting:
            self.fail("a tag is missing here", self.at, self.at + 1)
        return all_of(parts)

    def _part(self) -> Node | None:
        """One part; None for the bound of the whole query, which is stored in ``score``."""
        start = self.at
        character = self.text[start]
        if character not in "-(":
            return self._term()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} parentheses and minus signs inside each other", start, start + 1)
        self.at += 1
        if character == "-":
            if self.at == len(self.text) or self.text[self.at].isspace() or self.text[self.at] == ")":
                self.fail("what must not hold follows its - directly, as in -vocals", start, start + 1)
            inside = self._part()
            if inside is None:
                self.fail("score bounds the whole query: it cannot be excluded", start, self.at)
            node: Node = Not(inside)
        else:
            before = self.score
            node = self._sides(empty_allowed=False)
            if self.score is not before:
                self.fail("score bounds the whole query: write it outside of parentheses", start, self.at)
            if self.at == len(self.text):
                self.fail("this parenthesis is never closed", start, start + 1)
            self.at += 1
        self.depth -= 1
        return node

    def _term(self) -> Node | None:
        start = self.at
        if self.text[start] == '"':
            name = self.quoted()
            if self.text[self.at : self.at + 1] == ":":
                self.fail("the word before a colon must not be quoted", start, self.at)
            return self._tag(name, start, self.at, None)
        if (near := NEAR.match(self.text, start)) is not None:
            self.at = near.end()
            return self._measure(near[1].casefold(), near=True)
        word = WORD.match(self.text, start)
        if word is None:
            self.fail(f"a name is missing before {self.text[start]!r}", start, start + 1)
        if self.text[word.end() : word.end() + 1] == ":":
            return self._keyed(word[0].casefold(), start, word.end())
        if word[0].casefold() in _COMPARED:
            self.at = word.end()
            if (comparison := self.comparison()) is not None:
                return self._measured(word[0].casefold(), comparison, start)
            self.at = start
        return self._longest_tag(None)

    def _keyed(self, key: str, start: int, colon: int) -> Node:
        self.at = colon + 1
        if key in FIELDS:
            value = self.quoted() if self.text[self.at : self.at + 1] == '"' else self.match(VALUE)
            if not value:
                self.fail(f'a text follows {key}: directly, as in {key}:love or {key}:"two words"', start, colon + 1)
            return HasText(key, value)
        if key in CATEGORIES:
            if self.text[self.at : self.at + 1] == '"':
                value_start = self.at
                return self._tag(self.quoted(), value_start, self.at, key)
            if WORD.match(self.text, self.at) is None:
                self.fail(f"a tag follows {key}: directly, as in genre:jazz", start, colon + 1)
            return self._longest_tag(key)
        if key in ("bpm", "key"):
            return self._measure(key, near=False)
        if key in _COMPARED:
            self.fail(f"{key} is compared, as in {_COMPARED[key]}", start, colon + 1)
        there = f"there are the fields {', '.join(FIELDS)}, bpm and key, and the categories {', '.join(CATEGORIES)}"
        hint = did_you_mean(key, [*FIELDS, *CATEGORIES, "bpm", "key"], there)
        return self.fail(f"no field or category {key!r}; {hint}", start, colon + 1)

    def _measure(self, what: str, *, near: bool) -> Node:
        """A tempo or key behind its colon, or tilde."""
        if what == "bpm":
            return TempoRange(*self.tempo_range(near=near), folded=near)
        return HasKey(self.musical_key(), mixing=near)

    def _measured(self, what: str, comparison: Comparison, start: int) -> Node | None:
        if what == "duration":
            return DurationBound(Bound(comparison, self.seconds()))
        if what == "bpm":
            return TempoBound(Bound(comparison, self.bpm()))
        if what == "key":
            self.fail("key is named, as in key:8A, or key~8A for all keys that mix with it", start, self.at)
        bound = Bound(comparison, self.number())
        if comparison not in (">", ">="):
            self.fail("score is the least score of the query's tags: write score>X or score>=X", start, self.at)
        if self.score is not None:
            self.fail("score bounds the whole query: it is written once", start, self.at)
        self.score = bound
        return None

    def _longest_tag(self, category: str | None) -> Node:
        """The tag whose name is the longest run of bare words from here."""
        start = at = self.at
        ends: list[int] = []
        words: list[str] = []
        while len(words) < self.names.most_words and (word := WORD.match(self.text, at)) is not None:
            if words and (word[0].startswith("-") or self.text[word.end() : word.end() + 1] == ":"):
                break
            words.append(word[0])
            ends.append(word.end())
            space = SPACE.match(self.text, word.end())
            at = space.end() if space else word.end()
        for n in range(len(words), 0, -1):
            if self._is_tag(words[:n], category):
                self.at = ends[n - 1]
                return self._tag(" ".join(words[:n]), start, self.at, category)
        self.at = ends[0]
        if words[0].casefold() in _KEYWORDS:
            self.fail(f'nothing to join with {words[0]}; quote a tag of that name: "{words[0]}"', start, at)
        if (example := _COMPARED.get(words[0].casefold())) is not None:
            how = "named" if words[0].casefold() == "key" else "compared"
            self.fail(f"{words[0].casefold()} is {how}, as in {example}", start, self.at)
        return self._tag(words[0], start, self.at, category, joined=" ".join(words[:2]))

    def _is_tag(self, words: list[str], category: str | None) -> bool:
        """Whether words together mean a tag; words that are tags themselves mean these, unless a tag is called so."""
        name = " ".join(words)
        apart = len(words) > 1 and all(self.names.find_name(word, category) for word in words)
        return bool(self.names.find_name(name, category) if apart else self.names.find(name, category))

    def _tag(self, name: str, start: int, end: int, category: str | None, joined: str = "") -> Node:
        found = self.names.find(name, category)
        if len(found) != 1:
            self.problems.append(Problem(self.names.describe_failure(name, category, joined), start, end))
        elif self.names.is_another_word(name, found[0]):
            self.read_as[name] = tuple(self.names.meant(name, category))
        comparison = self.comparison()
        degree = len(found) == 1 and found[0] in self.degrees
        bound = None if comparison is None else Bound(comparison, self.number(degree=degree))
        if bound is None and degree:
            written = self.text[start:end]
            how = f"say how much, as in {written}>70 or {written}<30"
            self.unbounded.append(Problem(f"{found[0]} is a degree, which every track has: {how}", start, end))
        return HasTag(found[0] if found else name, bound)
