"""The query language: what is understood, what is refused and where, and what it finds."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library.query.nodes import (
    COMPARISONS,
    FIELDS,
    AllOf,
    AnyOf,
    Bound,
    DurationBound,
    HasTag,
    HasText,
    Not,
    Query,
    QueryError,
    all_of,
    any_of,
)
from earmark.library.query.parser import MAX_DEPTH, parse_query
from tests.helpers.made_library import TAGS

AWKWARD = Vocabulary.of(
    ["or", "and", 'with "quotes"', "back\\slash", "a:b", "-minus", "(brackets)", "Ünïcode", "score"]
)
ALL = Vocabulary(TAGS.tags + AWKWARD.tags)


def parsed(text: str, vocabulary: Vocabulary = TAGS) -> Query:
    return parse_query(text, vocabulary)


def refused(text: str, vocabulary: Vocabulary = TAGS) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse_query(text, vocabulary)
    return caught.value


def test_the_example_of_the_help_means_what_it_says() -> None:
    query = parsed("slow guitar -vocals genre:jazz score>0.6 duration<5m")
    assert query == Query(
        AllOf(
            (HasTag("slow"), HasTag("guitar"), Not(HasTag("vocals")), HasTag("jazz"), DurationBound(Bound("<", 300)))
        ),
        Bound(">", 0.6),
    )


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("slow female vocals", all_of([HasTag("slow"), HasTag("female vocals")])),
        ('"female vocals"', HasTag("female vocals")),
        ("FEMALE  Vocals>.5", HasTag("female vocals", Bound(">", 0.5))),
        ("-female vocals", Not(HasTag("female vocals"))),
        ("drum and bass and slow", all_of([HasTag("drum and bass"), HasTag("slow")])),
        ("slow or fast guitar", any_of([HasTag("slow"), all_of([HasTag("fast"), HasTag("guitar")])])),
        ("(slow OR fast) guitar", all_of([any_of([HasTag("slow"), HasTag("fast")]), HasTag("guitar")])),
        ("-(slow or fast)", Not(any_of([HasTag("slow"), HasTag("fast")]))),
        ("guitar <= 0.25", HasTag("guitar", Bound("<=", 0.25))),
        ("genre:drum and bass", HasTag("drum and bass")),
        ('genre:"Drum and Bass">=1', HasTag("drum and bass", Bound(">=", 1))),
        ("duration>=3:30", DurationBound(Bound(">=", 210))),
        ("duration>1:02:03.5", DurationBound(Bound(">", 3723.5))),
        ("duration<1.5h", DurationBound(Bound("<", 5400))),
        ("Duration < 90S", DurationBound(Bound("<", 90))),
        ('artist:"Miles \\"D\\" Davis"', HasText("artist", 'Miles "D" Davis')),
        ("path:C:\\Music\\x<y", HasText("path", "C:\\Music\\x<y")),
        ("-path:/live/", Not(HasText("path", "/live/"))),
        ("file-genre:soul", HasText("file-genre", "soul")),
        ("", AllOf(())),
        ("  \t\n", AllOf(())),
    ],
)
def test_understood(text: str, node: object) -> None:
    assert parsed(text) == Query(node)  # type: ignore[arg-type]


def test_short_names_of_a_vocabulary_with_prefixes() -> None:
    jamendo = load_vocabulary("mtg-jamendo-50")
    assert parsed("Jazz -voice happy", jamendo).node == all_of(
        [HasTag("genre---jazz"), Not(HasTag("instrument---voice")), HasTag("mood/theme---happy")]
    )
    twice = Vocabulary((Tag("genre---dark", category="genre"), Tag("mood---dark", category="mood")))
    assert parsed("mood:dark", twice).node == HasTag("mood---dark")
    assert "may be any of genre---dark, mood---dark" in refused("dark", twice).found[0].message


WORDED = Vocabulary(
    (
        Tag("hip hop", category="genre"),
        Tag("chillout", category="genre"),
        Tag("drum and bass", category="genre"),
        Tag("pop", category="genre"),
        Tag("rnb", category="genre"),
        Tag("synth", category="instrument"),
        Tag("guitar", category="instrument"),
        Tag("solo"),
        Tag("vocals", category="voice"),
        Tag("rapping", category="voice"),
        Tag("calm", category="mood"),
        Tag("energy", "regression", "mood"),
    )
)


@pytest.mark.parametrize(
    ("text", "tags", "words"),
    [
        ("rap", ["hip hop"], ["rap"]),
        ("voice:rap>0.3", ["rapping"], ["rap"]),
        ("Hip-Hop", ["hip hop"], []),
        ("hiphop", ["hip hop"], []),
        ("Drum'n'Bass", ["drum and bass"], ["Drum'n'Bass"]),
        ("drum & bass", ["drum and bass"], []),
        ("drum n bass pop", ["drum and bass", "pop"], ["drum n bass"]),
        ("r&b -r'n'b", ["rnb", "rnb"], ["r&b"]),
        ("mood:chill", ["calm"], ["chill"]),
        ('-(singer or "chill")', ["vocals", "chillout"], ["singer", "chill"]),
        ("guitars music", ["guitar"], ["guitars music"]),
        ("pop music", ["pop"], ["pop music"]),
        ("synth pop", ["synth", "pop"], []),  # tags of their own; synthpop in one word is another word for pop
        ("guitar solo", ["guitar", "solo"], []),
        ("synthpop", ["pop"], ["synthpop"]),
    ],
)
def test_other_words_for_a_tag(text: str, tags: list[str], words: list[str]) -> None:
    query = parsed(text, WORDED)
    assert [tag.tag for tag in query.tags()] == tags
    assert [word for word, _ in query.read_as] == words
    assert parsed(str(query), WORDED) == query
    assert not parsed(str(query), WORDED).read_as


def test_words_that_are_near_come_with_the_tag_that_is_searched() -> None:
    assert parsed("chill", WORDED).read_as == (("chill", ("chillout", "calm")),)
    assert "genre:chillout" in refused("decade:chill", WORDED).found[0].message
    assert "singer (vocals)" in refused("singr", WORDED).found[0].message


def test_of_many_tags_only_near_ones_are_named() -> None:
    many = Vocabulary((*WORDED.tags, *(Tag(f"tag {i}") for i in range(50))))
    message = refused("xyzzy", many).found[0].message
    assert message == "no tag 'xyzzy', nor one like it; `earmark models show NAME` lists the model's 62 tags"
    assert "tags of category voice are: vocals, rapping" in refused("voice:xyzzy", many).found[0].message


def test_exact_case_decides_between_names_that_differ_by_it() -> None:
    names = Vocabulary.of(["Rock", "rock"])
    assert parsed("rock", names).node == HasTag("rock")
    assert "may be any of Rock, rock" in refused("ROCK", names).found[0].message


@pytest.mark.parametrize(
    ("text", "start", "end", "part"),
    [
        ("slow gutar", 5, 10, "did you mean guitar?"),
        ("genre:guitar", 6, 12, "there is instrument:guitar"),
        ("decade:90s", 7, 10, "no tags of category decade"),
        ("gnere:jazz", 0, 6, "did you mean genre?"),
        ("nothing:jazz", 0, 8, "file-genre"),
        ("slow > 2", 7, 8, "numbers from 0 to 1"),
        ("slow>nan", 5, 8, "numbers from 0 to 1"),
        ("slow>0,5", 5, 8, "numbers from 0 to 1"),
        ("slow = 0.5", 5, 6, "<, <=, >, >="),
        ("slow >", 6, 7, "is missing"),
        ("duration<5", 9, 10, "say its unit"),
        ("duration<5 m", 9, 10, "say its unit"),
        ("duration<five", 9, 13, "90s, 5m"),
        ("duration", 0, 8, "duration<5m"),
        ("duration:5m", 0, 9, "duration<5m"),
        ("(slow", 0, 1, "never closed"),
        ("slow)", 4, 5, "closes nothing"),
        ("slow ()", 6, 7, "missing"),
        ('slow "guitar', 5, 6, "never closed"),
        ('slow ""', 5, 7, "there is nothing between"),
        ("or slow", 0, 2, "there is nothing before"),
        ("slow or", 7, 8, "missing"),
        ("slow or or fast", 8, 9, "missing"),
        ("slow or score>.5", 5, 7, "missing"),
        ("slow or score>.5 or fast", 5, 7, "missing"),
        ("score>.5 or slow", 9, 11, "there is nothing before"),
        ("slow (fast or score>.5)", 11, 13, "missing"),
        ("(score>.5) slow", 0, 9, "outside of parentheses"),
        ("slow and", 8, 9, "missing"),
        ("and slow", 0, 3, "there is nothing before"),
        ("slow - fast", 5, 6, "directly"),
        ("score<0.5 slow", 0, 9, "least score"),
        ("slow score>.5 score>.6", 14, 22, "once"),
        ("(slow score>.5)", 0, 14, "outside of parentheses"),
        ("-score>.5 slow", 0, 9, "excluded"),
        ("score>0.5", 0, 9, "here is none"),
        ("artist: x", 0, 7, "directly"),
        ("genre: jazz", 0, 6, "directly"),
        (">0.5", 0, 1, "a name is missing"),
        ('"slow":x', 0, 6, "must not be quoted"),
    ],
)
def test_refused_with_its_place(text: str, start: int, end: int, part: str) -> None:
    (problem,) = refused(text).found
    assert (problem.start, problem.end) == (start, end), problem
    assert part in problem.message


def test_the_caret_is_under_what_is_wrong() -> None:
    assert str(refused("slow gutar")).splitlines() == [
        "no tag 'gutar'; did you mean guitar?",
        "  slow gutar",
        "       ^^^^^",
    ]
    # A wide letter takes two columns, a combining accent none, and what cannot be printed one.
    lines = str(refused('artist:"夜e\u0301\x00\ud800" gutar')).splitlines()
    assert lines[2].index("^") == len('  artist:"夜é??" gutar') + 1 - len("gutar")


def test_all_unknown_tags_are_reported_at_once() -> None:
    error = refused("gutar -pino slow femal vocals")
    assert [(p.start, p.end) for p in error.found] == [(0, 5), (7, 11), (17, 22)]
    assert "female vocals" in error.found[2].message


@pytest.mark.slow
def test_depth_is_limited_with_a_message() -> None:
    assert parsed("(" * MAX_DEPTH + "slow" + ")" * MAX_DEPTH).node == HasTag("slow")
    for text in ("(" * 100_000, "-" * 100_000 + "slow", "-(" * 50_000):
        assert "inside each other" in refused(text).found[0].message
    long = parsed(" ".join(["slow"] * 20_000))
    assert len(long.tags()) == 20_000


bounds = st.builds(Bound, st.sampled_from(COMPARISONS), st.floats(0, 1))
lengths = st.builds(Bound, st.sampled_from(COMPARISONS), st.floats(0, 1e300))
texts = st.text(min_size=1, max_size=12)
leaves = st.one_of(
    st.builds(HasTag, st.sampled_from(ALL.names), st.none() | bounds),
    st.builds(HasText, st.sampled_from(FIELDS), texts),
    st.builds(DurationBound, lengths),
)
trees = st.recursive(
    leaves,
    lambda inside: st.one_of(
        st.builds(Not, inside),
        st.lists(inside, min_size=1, max_size=4).map(all_of),
        st.lists(inside, min_size=1, max_size=4).map(any_of),
    ),
    max_leaves=12,
)
scores = st.none() | st.builds(Bound, st.sampled_from([">", ">="]), st.floats(0, 1))
queries = st.builds(Query, trees | st.just(AllOf(())), scores).filter(lambda query: query.score is None or query.tags())


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(queries)
def test_what_is_printed_is_read_back_as_the_same(query: Query) -> None:
    assert parse_query(str(query), ALL) == query


others = [
    "slow",
    "or",
    "and",
    "-",
    "(",
    ")",
    '"',
    ":",
    "<",
    ">",
    "=",
    "\\",
    " ",
    "score",
    "duration",
    "genre:",
    "artist:",
]
pieces = st.sampled_from([*ALL.names, *others, "0.5", "5m", "3:30", "\x00", "\ud800", "夜"])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.lists(pieces, max_size=12).map("".join) | st.lists(pieces, max_size=12).map(" ".join))
@example("rap music -drum'n'bass")
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    query, error = read(text)
    if query is not None:
        assert parse_query(str(query), ALL) == query
        assert all(tag.tag in ALL.names for tag in query.tags())
    if error is not None:
        assert len(error.problems) == 3 * len(error.found) > 0
        for problem in error.found:
            assert 0 <= problem.start <= len(text)
            assert problem.start < problem.end
            assert problem.message
            assert "\n" not in problem.message


def read(text: str) -> tuple[Query | None, QueryError | None]:
    try:
        return parse_query(text, ALL), None
    except QueryError as error:
        return None, error


def test_lengths_are_finite() -> None:
    assert "is no time" in refused(f"duration<{'9' * 400}s").found[0].message


def test_nodes_are_frozen_and_lie_flat() -> None:
    inner = any_of([HasTag("slow"), HasTag("fast")])
    assert any_of([inner, HasTag("rock")]) == AnyOf((HasTag("slow"), HasTag("fast"), HasTag("rock")))
    with pytest.raises(AttributeError):
        HasTag("slow").tag = "fast"  # type: ignore[misc]
