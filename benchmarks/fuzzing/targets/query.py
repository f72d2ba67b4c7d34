"""The query language: parse, print, parse again, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS
from earmark.core.vocabulary import CATEGORIES, Tag, Vocabulary
from earmark.library.index.measures import MeasureColumns
from earmark.library.query.evaluation import rank_tracks
from earmark.library.query.nodes import (
    COMPARISONS,
    FIELDS,
    Bound,
    DurationBound,
    HasKey,
    HasTag,
    HasText,
    Not,
    Query,
    TempoBound,
    TempoRange,
    all_of,
    any_of,
)
from earmark.library.query.parser import MAX_DEPTH, parse_query
from fuzzing.target import Case, Target, WrongResultError

NAMES = (
    "rock",
    "Rock",
    "female vocals",
    "female",
    "or",
    "and",
    "score",
    "duration",
    "80s",
    'a "b"',
    "c\\d",
    "genre---jazz",
)
NAMES += (
    "mood/theme---jazz",
    "naïve",
    "nai\u0308ve",
    "ＲＯＣＫ",
    "R&B",
    "-x",
    "(live)",
    "a:b",
    "<3",
    "straße",
    "İ",
    "東京",
    "not a tag",
)
VOCABULARY = Vocabulary(tuple(Tag(name, category=CATEGORIES[i % len(CATEGORIES)]) for i, name in enumerate(NAMES)))
N_TRACKS = 5

WORDS = (
    *NAMES,
    "or",
    "and",
    "OR",
    "-",
    "(",
    ")",
    '"',
    "\\",
    ":",
    "<",
    ">=",
    "<5m",
    ">0.3",
    "duration",
    "duration<3:30",
    "score>=.5",
)
WORDS += (
    *(f"{name}:" for name in (*FIELDS, *CATEGORIES)),
    "title:love",
    'path:"a b"',
    "1e400",
    "0" * 400,
    "٣",
    "½",
    "\0",
    "\ud800",
)
WORDS += (
    "bpm:120-130",
    "bpm>=90",
    "bpm~124",
    "bpm~60-62",
    "BPM:",
    "key:8A",
    "key~Am",
    "key:",
    "Key:F#m",
    "bpm:0-1e308",
)
WORDS += ("9" * 400 + "h", "-" * 41, "(" * 41, "inf", "nan", "0.5", "1.0000000000000000001", "\u2028", "\t", "\n")


class Columns:
    """A few tracks with random scores."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.model: Any = _Model()
        self.scores = rng.random((len(VOCABULARY), N_TRACKS), np.float32)
        self.durations = np.array([10, 100, 1000, 1e5, np.nan])
        self.kept = self.scores >= rng.random((len(VOCABULARY), 1))
        tempos = (120.0, 62.5, None, None, 174.0)
        keys = ("Am", None, "F#m", "Bb", None)
        self.measures = MeasureColumns.of((bpm, 0.9, key, 0.9, 440.0) for bpm, key in zip(tempos, keys, strict=True))
        self.keys: Sequence[str] = "aabcd"

    def texts(self, field: str) -> list[str]:  # noqa: ARG002  as the index has it
        return ["love", "a b", "", "straße", "\ud800"]

    def __len__(self) -> int:
        return N_TRACKS


class _Model:
    name = "fuzz"
    vocabulary = VOCABULARY
    card: ModelCard | None = None


_texts = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).flatmap(
        lambda words: st.sampled_from(("", " ", "  ")).map(lambda space: space.join(words))
    ),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=8).map("".join),
    st.text(max_size=30),
    st.text("()-:<>=\"\\ orand'5", max_size=60),
)
_scores = st.builds(Bound, st.sampled_from(COMPARISONS), st.floats(0, 1))
_seconds = st.builds(Bound, st.sampled_from(COMPARISONS), st.floats(0, 1e9, allow_nan=False))
_tempos = st.floats(1, 1e4)
_nodes = st.recursive(
    st.one_of(
        st.builds(HasTag, st.sampled_from(NAMES), st.none() | _scores),
        st.builds(HasText, st.sampled_from(FIELDS), st.text(min_size=1, max_size=8)),
        st.builds(DurationBound, _seconds),
        st.builds(TempoBound, st.builds(Bound, st.sampled_from(COMPARISONS), _tempos)),
        st.builds(lambda ends, folded: TempoRange(*sorted(ends), folded), st.tuples(_tempos, _tempos), st.booleans()),
        st.builds(HasKey, st.sampled_from(KEYS), st.booleans()),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=4).map(all_of),
        st.lists(inner, min_size=2, max_size=4).map(any_of),
    ),
    max_leaves=12,
)
_trees = st.builds(Query, _nodes, st.none() | st.builds(Bound, st.sampled_from((">", ">=")), st.floats(0, 1)))


def _printed(query: Query) -> str:
    return str(query if query.tags() else Query(query.node))


class QueryParser(Target):
    """Texts that look like queries, anything else, and printed trees."""

    name = "query"
    title = "Query language (`earmark.library.query`)"
    expected = "a query that is printed and read back as the same and can be evaluated, or QueryError"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.columns = Columns()

    def strategy(self) -> Any:
        trees = _trees.map(lambda tree: Case("tree.txt", _printed(tree).encode("utf-8", "surrogatepass")))
        return _texts.map(lambda text: Case("query.txt", text.encode("utf-8", "surrogatepass"))) | trees

    def check(self, case: Case) -> str:
        text = case.content.decode("utf-8", "surrogatepass")
        try:
            query = parse_query(text, VOCABULARY)
        except ConfigError as error:
            str(error)
            if case.name == "tree.txt" and _depth(text) <= MAX_DEPTH // 2:
                raise WrongResultError("a printed tree cannot be read", f"{text!r}: {error}") from error
            return "refused"
        again = parse_query(str(query), VOCABULARY)
        if again != query:
            raise WrongResultError("a query is not read back as printed", f"{text!r}: {query} {again}")
        if case.name == "tree.txt" and str(query) != text:
            raise WrongResultError("a tree is not read back as printed", f"{text!r}: {query}")
        rows, ranks = rank_tracks(self.columns, query)
        if len(set(rows.tolist())) != len(rows) or (ranks is not None and not ((ranks >= 0) & (ranks <= 1)).all()):
            raise WrongResultError("ranks out of range, or a track twice", f"{text!r}: {rows} {ranks}")
        return "read"


def _depth(text: str) -> int:
    return text.count("(") + text.count("-")
