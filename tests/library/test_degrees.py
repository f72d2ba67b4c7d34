"""Degrees in a library: they never apply by themselves, and are searched for, counted, exported and shown apart."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.library.export import export_tracks
from earmark.library.index.track_index import Index
from earmark.library.query.index_search import search_index
from earmark.library.query.nodes import HasTag, Query, QueryError
from earmark.library.query.parser import parse_query
from earmark.library.query.search import Tracks
from earmark.library.stats import library_stats
from earmark.library.tagfiles.changes import WritePolicy, wanted_values
from earmark.library.tagfiles.mapping import default_mapping, mapping_template, read_mapping
from tests.helpers.command import earmark_here
from tests.helpers.degrees import CARD, EMOTIONS, KEPT, SCORES
from tests.helpers.made_library import Row, make_index

QUIET = dict.fromkeys(SCORES, 0.0)


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    rows = [
        Row("/music/a.mp3", SCORES),
        Row("/music/b.mp3", {**SCORES, "energy": 0.5, "rock": 0.25}),
        Row("/music/c.mp3", {**SCORES, "energy": 0.25, "calm": 0.25}),
        Row("/music/silent.mp3", QUIET),
        Row("/music/broken.mp3", status="error", error="holds no audio"),
    ]
    return make_index(tmp_path / "library.sqlite", rows, model=CARD)


@pytest.fixture
def emotions_path(tmp_path: Path) -> Path:
    rows = [Row("/music/a.mp3", {"joy": 0.75, "power": 0.25, "calmness": 0.5})]
    return make_index(tmp_path / "emotions.sqlite", rows, model=EMOTIONS)


def found(index_path: Path, query: str) -> list[str]:
    with Index.open(index_path) as index:
        names = [hit.path.stem for hit in Tracks.load(index).search(query)]
        assert [hit.path.stem for hit in search_index(index, query).best] == names
    return names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("energy>0.4", ["a", "b"]),
        ("energy<0.4", ["c", "silent"]),
        ("energy>=0.5 rock", ["a"]),
        ("mood:energy>0.4 -rock", ["b"]),
        ("energy calm score>0.4", ["a", "b"]),
        ('"energy">0.6 or valence>0.99', ["a"]),
        ("calm", ["a", "b"]),
    ],
)
def test_bounds_find_degrees_as_they_find_tags(index_path: Path, query: str, names: list[str]) -> None:
    assert found(index_path, query) == names


@pytest.mark.parametrize("query", ["energy", "-energy", "rock energy", "mood:energy", "(rock or ENERGY)", '"energy"'])
def test_a_degree_without_a_bound_is_an_error_that_shows_how(index_path: Path, query: str) -> None:
    with pytest.raises(
        QueryError, match=r"energy is a degree.*say how much, as in \"?(energy|ENERGY)\"?>70 or "
    ) as raised:
        found(index_path, query)
    (problem,) = raised.value.found
    assert query[problem.start : problem.end].strip('"').casefold() == "energy"


def test_problems_come_in_the_order_of_the_query() -> None:
    with pytest.raises(QueryError) as raised:
        parse_query("energy banjo valence", CARD.vocabulary, CARD.degrees)
    assert [problem.message.split()[0] for problem in raised.value.found] == ["energy", "no", "valence"]
    assert str(parse_query("energy>0.7", CARD.vocabulary, CARD.degrees)) == '"energy">0.7'


def test_in_a_query_made_by_hand_a_degree_without_a_bound_never_holds(index_path: Path) -> None:
    with Index.open(index_path) as index:
        result = Tracks.load(index).search(Query(HasTag("energy")))
    assert len(result) == 0
    assert result.guessed_bounds() == ()


def test_hits_have_degrees_apart_from_tags(index_path: Path) -> None:
    with Index.open(index_path) as index:
        tracks = Tracks.load(index)
        first, *_, silent = (tracks.hit(row) for row in range(len(tracks)))
        assert not tracks.kept[list(tracks.degree_rows)].any()
    assert tuple(name for name, _ in first.tags) == KEPT[:3]  # drums, without a threshold, counts from .5 on
    assert first.degrees == (("energy", 0.875), ("valence", 0.375))
    assert (silent.path.stem, silent.tags, silent.degrees) == ("silent", (), ())


def test_counts_are_of_tags_and_degrees_have_means(index_path: Path, tmp_path: Path) -> None:
    with Index.open(index_path) as index:
        stats = library_stats(index)
    assert {count.tag: count.n_tracks for count in stats.tags} == {
        "rock": 2, "techno": 0, "calm": 2, "soft": 3, "drums": 0,
    }  # fmt: skip
    energy, valence = stats.degrees
    assert (energy.tag, energy.category, energy.mean) == ("energy", "mood", pytest.approx(1.625 / 3, abs=1e-4))
    assert (energy.n_low, energy.n_middle, energy.n_high) == (1, 1, 1)  # not the silent one
    assert (valence.mean, valence.n_middle) == (0.375, 3)
    assert json.loads(json.dumps(stats.to_record()))["degrees"][1]["tag"] == "valence"
    with Index.open(make_index(tmp_path / "empty.sqlite", [], model=CARD)) as index:
        assert [one.mean for one in library_stats(index).degrees] == [None, None]


def test_where_no_tag_has_a_threshold_regression_tags_apply_from_half_on(emotions_path: Path) -> None:
    assert found(emotions_path, "joy calmness") == ["a"]
    assert found(emotions_path, "-power") == ["a"]
    with Index.open(emotions_path) as index:
        (hit,) = Tracks.load(index).search("joy")
        stats = library_stats(index)
    assert (hit.tags, hit.degrees) == ((("joy", 0.75), ("calmness", 0.5)), ())
    assert {count.tag: count.n_tracks for count in stats.tags} == {"joy": 1, "power": 0, "calmness": 1}
    assert stats.degrees == ()


def test_the_command_shows_degrees_that_are_asked_for(index_path: Path) -> None:
    (table, *_) = earmark_here("library", "search", "energy>0.8", "--index", index_path).stdout.splitlines()
    assert "energy 88  rock 0.75" in table
    assert "valence" not in table
    assert "energy" not in earmark_here("library", "search", "rock", "--index", index_path).stdout
    (row,) = csv.DictReader(
        io.StringIO(earmark_here("library", "search", "energy>0.8", "--format", "csv", "--index", index_path).stdout)
    )
    assert (row["tags"], row["degrees"]) == ("rock:0.75|calm:0.625|soft:0.5", "energy:0.875|valence:0.375")
    record = json.loads(
        earmark_here("library", "search", "energy>0.8", "--format", "jsonl", "--index", index_path).stdout
    )
    assert record["degrees"] == {"energy": 0.875, "valence": 0.375}
    refused = earmark_here("library", "search", "rock energy", "--index", index_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[1:] == ["earmark:   rock energy", "earmark:        ^^^^^^"]
    text = earmark_here("library", "stats", "--index", index_path).stdout
    assert "  energy   mean  54%  low 1, middle 1, high 1\n" in text
    assert text.count("energy") == 1


def test_json_lines_of_an_export_have_them_apart(index_path: Path) -> None:
    out = io.BytesIO()
    with Index.open(index_path) as index:
        export_tracks(index, out, "jsonl")
    rows = {Path(row["path"]).stem: row for row in map(json.loads, out.getvalue().splitlines())}
    assert rows["a"]["degrees"] == {"energy": 0.875, "valence": 0.375}
    assert [tag["tag"] for tag in rows["a"]["tags"]] == ["rock", "calm", "soft", "techno", "drums"]
    assert rows["silent"]["degrees"] == rows["broken"]["degrees"] == {}


@pytest.mark.parametrize("threshold", [None, 0.0, 0.3])
def test_they_are_never_written(threshold: float | None) -> None:
    policy = WritePolicy(default_mapping(CARD.vocabulary), threshold=threshold, max_moods=9)
    wanted = wanted_values(CARD, list(SCORES.values()), policy)
    assert wanted["mood"] == ("Calm", "Soft")
    assert not any(value.startswith(("energy", "valence")) for value in wanted["scores"])
    joy = wanted_values(EMOTIONS, [0.75, 0.25, 0.5], WritePolicy(default_mapping(EMOTIONS.vocabulary), threshold=0.4))
    assert joy["mood"] == ("Joy", "Calmness")


def test_a_mapping_names_no_degree(tmp_path: Path) -> None:
    assert "energy" not in mapping_template(CARD)
    assert "soft" in mapping_template(CARD)
    path = tmp_path / "my.toml"
    path.write_text('[mood]\nenergy = "Energetic"\n')
    with pytest.raises(ConfigError, match="'energy': is a degree, which is no genre or mood: leave it out"):
        read_mapping(path, CARD.vocabulary, CARD.degrees)
    path.write_text('[mood]\nenergy = false\ncalm = "Calm"\n')
    assert read_mapping(path, CARD.vocabulary, CARD.degrees).words_for("mood", "calm") == ("Calm",)
