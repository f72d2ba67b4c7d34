"""Tagging, writing, searching, counting and exporting select the same tags from the same scores and card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from earmark.library.index.track_index import Index
from earmark.library.query.index_search import search_index
from earmark.library.query.search import Tracks
from earmark.library.stats import library_stats
from earmark.library.tagfiles.changes import WritePolicy, wanted_values
from earmark.library.tagfiles.mapping import TagMapping
from earmark.tagging.tag_scores import TagScores
from tests.helpers.made_library import Row, make_index
from tests.helpers.ruled import CARD, KEPT, SCORES

SONG = "/music/song.mp3"


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    rows = [Row(SONG, SCORES), Row("/music/nothing.mp3"), Row("/music/jazz.mp3", {"jazz": 0.75, "swing": 0.25})]
    return make_index(tmp_path / "library.sqlite", rows, model=CARD)


def test_tagging() -> None:
    scores = np.array(list(SCORES.values()), np.float32)
    found = TagScores(
        None, "m", CARD.vocabulary, scores, scores[None], np.zeros(1), 1.0, 1.0, CARD.thresholds, rules=CARD.rules
    )
    assert tuple(tag.tag for tag in found.top(0, "auto")) == KEPT
    assert {tag.tag: tag.score for tag in found.top(0, "auto")} == {
        tag: SCORES[tag] for tag in KEPT
    }  # their own scores
    assert [tag["tag"] for tag in found.to_record(0, "auto")["tags"]] == list(KEPT)
    assert {tag.tag for tag in found.top_per_category()} == set(KEPT) - {"electronic"}  # the third genre
    assert len(found.top(0)) == len(SCORES)


def test_writing() -> None:
    policy = WritePolicy(TagMapping({"genre": {name: (name,) for name in SCORES}}), max_genres=99)
    wanted = wanted_values(CARD, list(SCORES.values()), policy)
    assert sorted(wanted["genre"]) == sorted(KEPT)  # what a tag implies is behind it, not at the place of its own score
    assert wanted["scores"] == tuple(f"{tag}={SCORES[tag]:.3f}" for tag in KEPT)


@pytest.mark.parametrize("tag", SCORES)
def test_searching(index_path: Path, tag: str) -> None:
    query = f'"{tag}"'
    with Index.open(index_path) as index:
        tracks = Tracks.load(index)
        for found in (search_index(index, query).best, tracks.search(query)):
            assert (SONG in [str(hit.path) for hit in found]) is (tag in KEPT)
        without = [str(hit.path) for hit in search_index(index, f"-{query}").best]
        assert (SONG in without) is (tag not in KEPT)
        # A bound of one's own asks no rules.
        over = [str(hit.path) for hit in search_index(index, f"{query}>=0.5").best]
        assert (SONG in over) is (SCORES[tag] >= 0.5)
        (hit,) = [hit for hit in tracks.search("piano") if str(hit.path) == SONG]
    assert tuple(name for name, _ in hit.tags) == KEPT


def test_counting(index_path: Path) -> None:
    with Index.open(index_path) as index:
        counts = {count.tag: count for count in library_stats(index).tags}
    assert {tag for tag, count in counts.items() if count.n_tracks} == {*KEPT, "jazz"}
    assert counts["vocals"].typical == (SONG, 0.375)
    assert counts["jazz"].typical == ("/music/jazz.mp3", 0.75)
    assert counts["instrumental"].typical is None


def test_a_card_in_an_index_from_before_these_rules_is_read(tmp_path: Path) -> None:
    document = json.loads(CARD.to_json())
    for name in ("parents", "rivals", "rival_margin"):
        del document["rules"][name]
    old = type(CARD).from_json(json.dumps(document))
    path = make_index(tmp_path / "old.sqlite", [Row(SONG, SCORES)], model=old)
    with Index.open(path) as index:
        (hit,) = Tracks.load(index).search("piano")
    assert [name for name, _ in hit.tags] == [
        "piano",
        "classical",
        "female vocals",
        "techno",
        "jazz",
        "swing",
        "instrumental",
    ]
