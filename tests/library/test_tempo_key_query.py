"""Queries for tempo, key and degrees, what they suggest, and sorting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS, MusicalKey
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library.index.track_index import Index
from earmark.library.query.index_search import search_index
from earmark.library.query.nodes import QueryError
from earmark.library.query.parser import parse_query
from earmark.library.query.search import Tracks
from tests.helpers.command import earmark_here
from tests.helpers.made_library import TAGS, Row, card, make_index

CARD = card(Vocabulary((*TAGS.tags, Tag("energy", "regression", "mood"))))
ROWS = [
    Row("/m/a", {"slow": 0.9, "energy": 0.85}, bpm=124.0, musical_key="Am", title="Zebra"),
    Row("/m/b", {"slow": 0.8, "energy": 0.25}, bpm=62.4, musical_key="C", title="Apple"),
    Row("/m/c", {"slow": 0.7, "energy": 0.75}, bpm=248.0, musical_key="Em", title="Mango"),
    Row("/m/d", {"slow": 0.6, "energy": 0.45}, bpm=130.5, musical_key="F#m"),
    Row("/m/e", {"slow": 0.55, "energy": 0.95}, measured=True),  # no clear beat, no clear key
    Row("/m/f", {"slow": 0.5, "energy": 0.15}),  # never estimated
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("index") / "library.sqlite", ROWS, model=CARD)


def found(index: Path, query: str, **options: object) -> str:
    """The names of what is found, searched once and with all columns in memory: both find the same."""
    with Index.open(index) as opened:
        once = [hit.path.name for hit in search_index(opened, query, **options).best]  # type: ignore[arg-type]
        if not options:
            assert [hit.path.name for hit in Tracks.load(opened).search(query)] == once
    return "".join(once)


def suggestion(index: Path, query: str) -> str:
    with Index.open(index) as opened:
        return search_index(opened, query).suggestion


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("bpm:124", "a"),
        ("bpm:62", "b"),  # 62.4 is shown as 62
        ("bpm:62.4", "b"),
        ("bpm:62.3", ""),
        ("BPM:120-130.5", "ad"),
        ("bpm:120\N{EN DASH}130", "a"),
        ("bpm:120-130", "a"),
        ("bpm>124", "cd"),
        ("bpm >= 124", "acd"),
        ("bpm<100 slow", "b"),
        ("bpm<=62.4", "b"),
        ("bpm~124", "abc"),  # 62.4 and 248 are half and double of nearly that
        ("bpm ~ 131", "d"),
        ("bpm~120-125", "abc"),
        ("bpm>0", "abcd"),
        ("-bpm>0", "ef"),
        ("key:8A", "a"),
        ("key:Am", "a"),
        ('key:"A minor"', "a"),
        ("key:A minor", "a"),
        ("key:1m slow", "a"),
        ("key:gbm", "d"),
        ("key:f#m or key:C", "bd"),
        ("key~8A", "abc"),
        ("key ~ 11a", "d"),
        ("key~2A", ""),
        ("-key~8A slow", "def"),
        ("energy>70", "ace"),
        ("energy>70%", "ace"),
        ("energy>0.7", "ace"),
        ("energy>=25 energy<=75 slow", "cdb"),
        ("energy<1", "abcdef"),  # a share of 1, as ever
        ("bpm~124 key~8A energy>70", "ac"),
    ],
)
def test_tempo_key_and_degrees(index: Path, query: str, names: str) -> None:
    assert sorted(found(index, query)) == sorted(names)


def test_every_key_is_found_in_every_notation(tmp_path: Path) -> None:
    rows = [Row(f"/m/{place:02}", musical_key=key.id3) for place, key in enumerate(KEYS)]
    with Index.open(make_index(tmp_path / "i.sqlite", rows)) as opened:
        tracks = Tracks.load(opened)
        for place, key in enumerate(KEYS):
            for text in (key.id3, f'"{key.name}"', key.name, key.camelot, key.open_key.upper()):
                assert tracks.search(f"key:{text}").rows.tolist() == [place], text
            mixing = {KEYS[row] for row in tracks.search(f"key~{key.camelot}").rows}
            assert mixing == set(key.neighbours())


def test_a_query_is_read_back_as_it_is_written() -> None:
    for text in ("bpm:120-130 key:8A", "bpm~124 -key~F#m slow", "bpm>=99.5 or bpm:100", "energy>70 score>0.2"):
        query = parse_query(text, CARD.vocabulary, CARD.degrees)
        assert parse_query(str(query), CARD.vocabulary, CARD.degrees) == query


@pytest.mark.parametrize(
    ("query", "message", "marked"),
    [
        ("bpm", "bpm is compared, as in bpm>120", "bpm"),
        ("slow bpm", "bpm is compared", "bpm"),
        ("key", "key is named, as in key:8A", "key"),
        ("bpm:fast", "'fast' is no tempo; tempos are written such as 124, 123.5 or 120-130", "fast"),
        ("bpm~", "a tempo such as 124", " "),
        ("bpm:130-120", "the lower tempo comes first, as in 120-130", "130-120"),
        ("bpm>3:30", "'3:30' is no tempo; a number of beats per minute", "3:30"),
        ("bpm=120", "= is no comparison", "="),
        ("key:13A", r"key '13A': a note and mode such as F#m.* Camelot code such as 11A", "13A"),
        ("key:", "a key is missing here, such as 8A or F#m", " "),
        ("key>8A", "key is named, as in key:8A, or key~8A", "key>"),
        ("energy>101", "'101' is no degree; degrees are numbers from 0 to 100", "101"),
        ("slow>70", "'70' is no score; scores are numbers from 0 to 1", "70"),
        ("keys:8A", "no field or category 'keys'; did you mean key", "keys:"),
        ("ki:8A", "there are the fields title, .* bpm and key, and the categories", "ki:"),
    ],
)
def test_errors_say_what_is_wrong_and_where(query: str, message: str, marked: str) -> None:
    with pytest.raises(QueryError, match=message) as raised:
        parse_query(query, CARD.vocabulary, CARD.degrees)
    (problem,) = raised.value.found
    assert f"{query} "[problem.start : problem.end].strip() == marked.strip()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("bpm:140-150", "bpm:130-150 would find 1 (the nearest tempo there is 130.5)"),
        ("bpm:300 slow", "bpm:248-301 would find 1 (the nearest tempo there is 248)"),
        ("bpm>250", "bpm>240 would find 1 (the fastest there is 248)"),
        ("bpm<60", "bpm<70 would find 1 (the slowest there is 62.4)"),
        ("key:7A", "key~7A would find 1 (the nearest key there is 8A)"),
        ("key:1A slow", "key:11A would find 1 (the nearest key there is 11A)"),
        ("energy>97", "energy>90 would find 1 (the highest there is 95)"),
        ("slow>0.85 bpm~130", ""),
    ],
)
def test_what_finds_nothing_suggests_the_nearest(index: Path, query: str, text: str) -> None:
    given = suggestion(index, query)
    assert (text in given) if text else given
    assert not found(index, query)


@pytest.mark.parametrize(
    ("by", "reverse", "names"),
    [
        ("score", False, "abcdef"),
        ("bpm", False, "badcef"),
        ("bpm", True, "cdabef"),  # what is not known stays last
        ("key", False, "abcdef"),  # 8A, 8B, 9A, 11A
        ("key", True, "dcbaef"),
        ("energy", False, "eacdbf"),
        ("energy", True, "fbdcae"),
        ("title", False, "bdefca"),  # those without a title by their file's name
        ("path", True, "fedcba"),
        ("guitar", False, "abcdef"),
    ],
)
def test_sorting(index: Path, by: str, reverse: bool, names: str) -> None:
    assert found(index, "slow", sort=by, reverse=reverse) == names
    assert found(index, "slow", limit=2, sort=by, reverse=reverse) == names[:2]


def test_what_cannot_be_sorted_by_is_refused(index: Path) -> None:
    with pytest.raises(ConfigError, match=r"sort by 'loudness': must be one of score, .*bpm, key, energy, or a tag of"):
        found(index, "", sort="loudness")


def test_the_command_shows_and_sorts(index: Path) -> None:
    done = earmark_here("library", "search", "energy>20", "--sort", "bpm", "--index", index)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[4], *row[6:]) for row in rows] == [
        ("/m/b", "62.4", "8B"),
        ("/m/a", "124.0", "8A"),
        ("/m/d", "130.5", "11A"),
        ("/m/c", "248.0", "9A"),
        ("/m/e", "", ""),
    ]
    assert rows[1][3].startswith("energy 85")
    assert "of 1 files tempo or key was never estimated" in done.stderr
    assert "--complete" in done.stderr
    assert "never estimated" not in earmark_here("library", "search", "slow", "--index", index).stderr


def test_records_have_tempo_and_key(index: Path) -> None:
    done = earmark_here("library", "search", "slow", "--format", "jsonl", "--index", index)
    one, *_, unclear, never = map(json.loads, done.stdout.splitlines())
    assert one["tempo"] == {"bpm": 124.0, "confidence": 0.9}
    assert one["key"]["key"] == "Am"
    assert MusicalKey.parse(one["key"]["name"]) == MusicalKey.parse(one["key"]["camelot"])
    assert (unclear["tempo"]["bpm"], unclear["key"]["key"]) == (None, None)
    assert (never["tempo"], never["key"]) == (None, None)
    head, row, *_ = earmark_here("library", "search", "slow", "--format", "csv", "--index", index).stdout.splitlines()
    assert head.endswith(",n_copies,bpm,tempo_confidence,key,camelot,key_confidence,tuning_hz")
    assert row.endswith(",0,124.0,0.9,Am,8A,0.8,440.5")
