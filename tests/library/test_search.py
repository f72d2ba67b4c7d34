"""Queries on made indexes: what is found and in which order; neighbours, playlists, counts, exports."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from earmark.audio.playlist_files import read_playlist
from earmark.core.errors import ConfigError, DataError, MissingExtraError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library import neighbours
from earmark.library.export import export_tracks, file_to_write, format_of
from earmark.library.index.track_index import Index
from earmark.library.neighbours import Neighbours
from earmark.library.playlist import arrange, m3u8, write_playlist
from earmark.library.query.index_search import common_folder, search_index
from earmark.library.query.nodes import Bound, HasTag, Query, QueryError
from earmark.library.query.parser import parse_query
from earmark.library.query.search import Hit, Tracks
from earmark.library.query.suggestion import suggest_bound
from earmark.library.similar import AmbiguousTrackError, find_similar
from earmark.library.stats import bar, library_stats
from earmark.library.stats_picture import draw_stats
from tests.helpers.made_library import TAGS, Row, card, make_index

LATIN_1 = b"/music/caf\xe9.mp3"

ROWS = [
    Row("/music/a.mp3", {"slow": 0.9, "guitar": 0.6, "jazz": 0.7}, 200, "Blue in Green", "Miles Davis", "Kind of Blue"),
    Row("/music/b.mp3", {"slow": 0.7, "guitar": 0.9, "vocals": 0.8}, 400, "Hurt", "Johnny Cash", None, "Country"),
    Row("/music/c.mp3", {"fast": 0.95, "rock": 0.9}, 100, "Jóga", "Björk", "Homogenic", "Electronic"),
    Row("/music/copy of c.mp3", {"fast": 0.95, "rock": 0.9}, 100, key="key of '/music/c.mp3'"),
    Row("/music/d.mp3", {"slow": 0.5, "piano": 0.5}, None),
    Row(LATIN_1, {"slow": 0.55, "jazz": 0.99, "drum and bass": 0.52}, 3600.4),
    Row("/music/broken.mp3", status="error", error="holds no audio"),
    Row("/music/gone.mp3", {"slow": 1.0}, status="missing"),
    Row("/music/new.mp3", tagged=False),
]


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    return make_index(tmp_path / "library.sqlite", ROWS)


@pytest.fixture
def tracks(index_path: Path) -> Tracks:
    with Index.open(index_path) as index:
        return Tracks.load(index)


def names(hits: object) -> list[str]:
    return [os.fsencode(hit.path.name).decode("latin-1").removesuffix(".mp3") for hit in hits]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("slow", ["a", "b", "café", "d"]),
        ("slow guitar", ["b", "a"]),
        ("slow -vocals", ["a", "café", "d"]),
        ("slow>0.6", ["a", "b"]),
        ("slow>=0.5", ["a", "b", "café", "d"]),
        ("slow>0.5", ["a", "b", "café"]),
        ("slow<0.6", ["café", "d", "c", "copy of c"]),
        ("slow guitar score>0.65", ["b"]),
        ("slow guitar score>0.65 or fast", ["c", "copy of c", "b"]),
        ("slow guitar>0.5 score>=0.9", ["a"]),
        ("slow or fast", ["c", "copy of c", "a", "b", "café", "d"]),
        ("fast or jazz slow", ["c", "copy of c", "a", "café"]),
        ("-(slow or fast)", []),
        ("duration<5m", ["a", "c", "copy of c"]),
        ("slow duration<5m", ["a"]),
        ("slow -duration<5m", ["b", "café", "d"]),
        ("duration>1h", ["café"]),
        ("artist:davis", ["a"]),
        ("artist:BJÖRK", ["c"]),
        ("artist:bjo\u0308rk", ["c"]),
        ('title:"in green"', ["a"]),
        ("file-genre:country slow", ["b"]),
        ("album:kind or title:hurt", ["a", "b"]),
        ("path:caf", ["café"]),
        ("path:copy", ["copy of c"]),
        ("piano", ["d"]),
        ("jazz or rock", ["café", "c", "copy of c", "a"]),
        ("", ["a", "b", "c", "café", "copy of c", "d"]),
    ],
)
def test_queries_find_what_they_should_in_order(tracks: Tracks, query: str, expected: list[str]) -> None:
    assert sorted(names(tracks.search(query))) == sorted(expected)
    assert names(tracks.search(query)) == expected


def test_rank_is_the_mean_of_the_wanted_tags_and_of_an_or_the_highest(tracks: Tracks) -> None:
    assert [hit.score for hit in tracks.search("slow guitar -vocals")] == [pytest.approx(0.75)]
    (first, *_) = tracks.search("jazz (slow or guitar)")
    assert first.path.name == "a.mp3"
    assert first.score == pytest.approx((0.7 + 0.9) / 2)
    # b is over only by duration, which is no tag; the tag's side counts where it holds.
    found = {hit.path.name: hit.score for hit in tracks.search("guitar>0.8 or duration>6m")}
    assert found["b.mp3"] == pytest.approx(0.9)
    assert found[os.fsdecode(LATIN_1[7:])] == 0


def test_a_hit_has_the_file_s_own_fields_and_the_tags_over_threshold(tracks: Tracks) -> None:
    (hit,) = tracks.search("artist:miles")
    assert (hit.title, hit.artist, hit.album, hit.genre) == ("Blue in Green", "Miles Davis", "Kind of Blue", None)
    assert hit.score is None
    assert [tag for tag, _ in hit.tags] == ["slow", "jazz", "guitar"]
    (unknown,) = tracks.search("piano")
    assert unknown.duration_seconds is None


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 1, 3, 100])
@pytest.mark.parametrize(
    "query",
    [
        "slow",
        "slow or fast",
        "slow -vocals artist:davis",
        "duration<5m -path:copy",
        "fast or title:hurt",
        "",
        "happy>0.9",
    ],
)
def test_asked_once_it_finds_the_same(index_path: Path, tracks: Tracks, query: str, limit: int | None) -> None:
    """The command line's way, which reads no more than it needs."""
    found = tracks.search(query)
    with Index.open(index_path) as index:
        answer = search_index(index, query, limit)
    assert list(answer.best) == list(found)[:limit]
    assert (answer.n_found, answer.n_tracks) == (len(found), len(tracks))
    assert answer.best.tracks.n_waiting == tracks.n_waiting == 1
    assert answer.best.guessed_bounds() == found.guessed_bounds()
    once = found.without_copies()
    with Index.open(index_path) as index:
        answer = search_index(index, query, limit, without_copies=True)
    assert list(answer.best) == list(once)[:limit]
    assert (answer.n_found, answer.n_tracks) == (len(once), len(tracks) - 1)


def test_copies_stand_behind_the_first_of_them(tracks: Tracks) -> None:
    (hit,) = tracks.search("fast").without_copies()
    assert (hit.path, hit.copies) == (Path("/music/c.mp3"), (Path("/music/copy of c.mp3"),))
    (hit,) = tracks.search("fast -title:jóga").without_copies()  # only copies that are found
    assert (hit.path, hit.copies) == (Path("/music/copy of c.mp3"), ())
    turned = tracks.search("fast or slow").without_copies().take(slice(None, None, -1))
    assert [len(hit.copies) for hit in turned] == [0, 0, 0, 0, 1]


def test_a_track_is_called_as_people_do(tracks: Tracks) -> None:
    found = {hit.path.name: hit.name for hit in tracks.search("")}
    assert found["a.mp3"] == "Miles Davis - Blue in Green"
    assert found["copy of c.mp3"] == "copy of c"
    assert Hit(Path("/m/x.mp3"), "k", 1, "Title", None, None, None, None, ()).name == "Title"
    assert Hit(Path("/m/x.mp3"), "k", 1, None, "Artist", None, None, None, ()).name == "x"


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["/music/a/1.mp3", "/music/a/2.mp3"], "/music/a"),
        (["/music/ab/1.mp3", "/music/a/2.mp3"], "/music"),
        (["/music/a/1.mp3", "/music/a/b/2.mp3", "/mnt/x.mp3"], "/"),
        (["/music/1.mp3"], "/music"),
        ([b"/m/caf\xe9/1.mp3", b"/m/caf\xe9/2.mp3"], "/m/caf\udce9"),
        ([], "."),
    ],
)
def test_the_root_is_the_folder_of_all_files(tmp_path: Path, paths: list[str | bytes], root: str) -> None:
    rows = [*map(Row, paths), Row("/elsewhere/gone.mp3", status="missing")]
    with Index.open(make_index(tmp_path / "i.sqlite", rows)) as index:
        assert common_folder(index) == Path(root)


def test_asked_of_an_empty_index_or_wrongly(tmp_path: Path, index_path: Path) -> None:
    with Index.open(make_index(tmp_path / "empty.sqlite", [])) as index:
        for query in ("slow or fast artist:a duration<5m", ""):
            answer = search_index(index, query, 3)
            assert (list(answer.best), answer.n_found, answer.n_tracks) == ([], 0, 0)
    with Index.open(index_path) as index:
        with pytest.raises(QueryError, match="banjo"):
            search_index(index, "banjo")
        assert search_index(index, "piano").n_found == 1  # nothing of the failure is left behind


def test_files_that_wait_and_guessed_bounds_are_known(tracks: Tracks) -> None:
    assert tracks.n_waiting == 1
    assert tracks.search("piano happy slow").guessed_bounds() == ("piano", "happy")
    assert tracks.search("piano>0.1 slow").guessed_bounds() == ()
    assert tracks.search("piano score>0.1").guessed_bounds() == ()


def test_a_query_of_another_vocabulary_is_refused(tracks: Tracks) -> None:
    with pytest.raises(ConfigError, match="no tag 'banjo'"):
        tracks.search(Query(HasTag("banjo", Bound(">", 0.5))))


def test_agrees_with_plain_loops_on_many_tracks(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    values = draw.uniform(size=(300, len(TAGS))).round(3)
    rows = [
        Row(f"/m/{i:03d}.mp3", dict(zip(TAGS.names, values[i].tolist(), strict=True)), float(draw.uniform(60, 600)))
        for i in range(300)
    ]
    with Index.open(make_index(tmp_path / "i.sqlite", rows)) as index:
        found = Tracks.load(index).search("(slow or fast>0.8) -vocals guitar score>0.4 duration<5m")

    def holds(row: Row) -> bool:
        s = row.scores
        either = s["slow"] > 0.4 or s["fast"] > 0.8
        return either and not s["vocals"] > 0.4 and s["guitar"] > 0.4 and (row.seconds or 0) < 300

    def rank(row: Row) -> float:
        s = row.scores
        sides = [s["slow"] if s["slow"] > 0.4 else 0, s["fast"] if s["fast"] > 0.8 else 0]
        return (max(sides) + s["guitar"]) / 2

    expected = sorted((row for row in rows if holds(row)), key=lambda row: (-round(rank(row), 6), row.path))
    assert len(expected) > 10
    assert [str(hit.path) for hit in found] == [row.path for row in expected]


@pytest.mark.slow
def test_empty_index_and_index_without_a_scan(tmp_path: Path) -> None:
    with Index.open(make_index(tmp_path / "empty.sqlite", [])) as index:
        tracks = Tracks.load(index)
        assert list(tracks.search("slow or fast")) == []
        assert list(tracks.search("")) == []
        assert library_stats(index).n_tracks == 0
        draw_stats(library_stats(index), tmp_path / "empty.png")
        with pytest.raises(DataError, match="earmark library scan"):
            Neighbours.open(index)
    Index.open(tmp_path / "new.sqlite", write=True).close()
    with Index.open(tmp_path / "new.sqlite") as index, pytest.raises(DataError, match="earmark library scan"):
        Tracks.load(index)


# Nothing found ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "suggestion", "changed"),
    [
        ("rock>0.95", "rock>0.8 would find 1 (the highest there is 0.90)", "rock>0.8"),  # a copy does not count
        ("slow>=0.95", "slow>=0.9 would find 1 (the highest there is 0.90)", "slow>=0.9"),
        ("slow>0.95 vocals", "slow>0.6 would find 1 (the highest there is 0.70)", "slow>0.6 vocals"),
        ("slow guitar score>0.8", "slow>0.6 would find 1 (the highest there is 0.70)", "slow>0.6 guitar score>0.8"),
        (
            "drum and bass>0.9",
            '"drum and bass">0.5 would find 1 (the highest there is 0.52)',
            '"drum and bass">0.5',
        ),
        ("guitar<0.05", "guitar<0.11 would find 3 (the lowest there is 0.10)", "guitar<0.11"),
        ("guitar<=0.05", "guitar<=0.1 would find 3 (the lowest there is 0.10)", "guitar<=0.1"),
        ("-guitar>0", "-guitar>0.1 would find 3 (the lowest there is 0.10)", "-guitar>0.1"),
        ("fast>0.9 -rock>0.8", "-rock>0.9 would find 1 (the lowest there is 0.90)", "fast>0.9 -rock>0.9"),
        ("-(slow or fast)", "-slow>0.5 would find 1 (the lowest there is 0.50)", "-(slow>0.5 or fast)"),
        ("duration>2h", "duration>1h would find 1 (the longest there is 1:00:00)", "duration>1h"),
        ("duration<90s", "duration<2m would find 1 (the shortest there is 1:40)", "duration<2m"),
        ("rock duration>3m", "duration>90s would find 1 (the longest there is 1:40)", "rock duration>90s"),
        (
            "rock>0.95 fast>0.99",
            "score>0.8 in place of all other bounds would find 1",
            "rock fast score>0.8",
        ),
        ("happy>0.95", "the highest score of happy there is 0.10", None),
        ("slow artist:nobody", "no track has 'nobody' in its artist", None),
        ("artist:davis artist:cash", "", None),
        ("jazz>0.999 rock>0.999", "", None),  # no bound that is worth to be named
    ],
)
def test_where_nothing_is_found_a_bound_is_named_that_would(
    index_path: Path, tracks: Tracks, query: str, suggestion: str, changed: str | None
) -> None:
    assert suggest_bound(tracks, parse_query(query, TAGS)) == suggestion
    with Index.open(index_path) as index:
        answer = search_index(index, query, without_copies=True)
        assert (answer.n_found, answer.suggestion) == (0, suggestion)
        if changed is not None:
            assert search_index(index, changed, without_copies=True).n_found == int(
                suggestion.split("find ")[1].split()[0]
            )


def test_what_sounds_like_nothing_there_is_not_advised(tmp_path: Path) -> None:
    rows = [Row(f"/m/{i}.mp3", {"jazz": 0.01 * i, "slow": 0.9}, None) for i in range(5)]
    with Index.open(make_index(tmp_path / "i.sqlite", rows)) as index:
        assert search_index(index, "jazz").suggestion == "the highest score of jazz there is 0.04"
        assert search_index(index, "duration>1m slow").suggestion == ""  # no duration is known
        assert search_index(index, "slow").suggestion == ""
    with Index.open(make_index(tmp_path / "empty.sqlite", [])) as index:
        assert search_index(index, "jazz>0.5 duration<1m").suggestion == ""


# Neighbours -------------------------------------------------------------------------------------------------


def clusters(n: int, dims: int, seed: int = 0) -> list[Row]:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(n // 20, dims))
    vectors = centres[draw.integers(len(centres), size=n)] + draw.normal(scale=0.6, size=(n, dims))
    return [Row(f"/m/{i:05d}.mp3", embedding=tuple(vectors[i])) for i in range(n)]


@pytest.mark.slow
def test_the_graph_finds_what_comparing_all_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_index(tmp_path / "i.sqlite", clusters(2000, 24), embedding_dims=24)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    built: list[int] = []
    with Index.open(path) as index:
        exact = Neighbours.open(index, exact=True)
        graph = Neighbours.open(index, on_build=built.append)
        assert (exact.exact, graph.exact, built) == (True, False, [2000])
        draw = np.random.default_rng(1)
        shared = 0
        for _ in range(50):
            vector = draw.normal(size=24).astype(np.float32)
            truth, found = exact.nearest(vector, 10), graph.nearest(vector, 10)
            assert [n.similarity for n in truth] == sorted((n.similarity for n in truth), reverse=True)
            shared += len({n.content_key for n in truth} & {n.content_key for n in found})
            assert found[0].similarity == pytest.approx(truth[0].similarity, abs=0.01)
        assert shared / 500 >= 0.95
        # A second time the file is mapped, not made.
        again = Neighbours.open(index, on_build=built.append)
        assert built == [2000]
        assert [n.content_key for n in again.nearest(vector, 5)] == [n.content_key for n in graph.nearest(vector, 5)]


def test_exact_neighbours_are_those_of_a_loop(tmp_path: Path) -> None:
    rows = clusters(200, 8)
    with Index.open(make_index(tmp_path / "i.sqlite", rows, embedding_dims=8)) as index:
        asked = np.array(rows[7].embedding)
        found = Neighbours.open(index).nearest(asked, 200)

        def likeness(row: Row) -> float:
            vector = np.array(row.embedding)
            return float(vector @ asked / np.linalg.norm(vector) / np.linalg.norm(asked))

        expected = sorted(rows, key=likeness, reverse=True)
        assert [n.content_key for n in found] == [f"key of {row.path!a}" for row in expected]
        assert found[0].similarity == pytest.approx(1)
        assert found[5].similarity == pytest.approx(likeness(expected[5]), abs=1e-5)
        with pytest.raises(ConfigError, match=r"shape \(3,\)"):
            Neighbours.open(index).nearest([1, 2, 3])
        with pytest.raises(ConfigError, match="n 0"):
            Neighbours.open(index).nearest(asked, 0)


def test_the_graph_is_made_anew_when_the_index_changes_or_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_index(tmp_path / "i.sqlite", clusters(300, 8), embedding_dims=8)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 10)
    built: list[int] = []

    def nearest_to_ones() -> str:
        with Index.open(path) as index:
            return Neighbours.open(index, on_build=built.append).nearest(np.ones(8), 1)[0].content_key

    nearest_to_ones()
    files = list((tmp_path / "i.sqlite.neighbours").iterdir())
    assert {file.suffix for file in files} == {".usearch", ".npy"}
    make_index(path, [Row("/m/new.mp3", embedding=(1.0,) * 8)], embedding_dims=8, tagged_at=2.0)
    assert nearest_to_ones() == "key of '/m/new.mp3'"
    assert built == [300, 301]
    left = list((tmp_path / "i.sqlite.neighbours").iterdir())
    assert len(left) == 2
    assert not set(left) & set(files)
    for file in left:
        for content in (b"", b"no graph at all" * 10, file.read_bytes()[: file.stat().st_size // 2]):
            file.write_bytes(content)
            assert nearest_to_ones() == "key of '/m/new.mp3'"
    assert len(built) == 8


def test_without_usearch_every_track_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_index(tmp_path / "i.sqlite", clusters(40, 8), embedding_dims=8)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 10)
    monkeypatch.setattr(neighbours, "usearch_is_installed", lambda: False)
    with Index.open(path) as index:
        assert Neighbours.open(index).exact
        with pytest.raises(MissingExtraError, match="library"):
            Neighbours.open(index, exact=False)


def test_similar_leaves_copies_of_the_track_and_missing_files_out(index_path: Path) -> None:
    notes: list[str] = []
    with Index.open(index_path) as index:
        hits = find_similar(index, "/music/copy of c.mp3", on_note=notes.append)
        assert set(names(hits)) == {"a", "b", "café", "d"}
        assert "no embeddings" in notes[0]
        assert names(find_similar(index, "blue in green", limit=1)) == names(
            find_similar(index, "/music/a.mp3", limit=1)
        )
        assert names(find_similar(index, "Miles Davis - Blue", limit=1)) == ["café"]
        with pytest.raises(AmbiguousTrackError, match=r"may be any of 5 tracks") as raised:
            find_similar(index, "/music/")
        assert names(raised.value.tracks) == ["a", "b", "c", "café", "d"]
        with pytest.raises(ConfigError, match="no such file, and no track"):
            find_similar(index, "nothing like that")


def test_a_whole_title_means_its_track_though_others_have_it_in_theirs(tmp_path: Path) -> None:
    titles = ("Blue", "Blue in Green", "Kind of Blue", "Blue Train")
    rows = [Row(f"/music/{i}.mp3", {"slow": 0.2 * i}, title=title, artist="Miles") for i, title in enumerate(titles)]
    with Index.open(make_index(tmp_path / "i.sqlite", [*rows, Row("/music/x.mp3", title="blue train")])) as index:
        for wanted in ("blue", "Miles - Blue", "miles BLUE"):
            assert "0" not in names(find_similar(index, wanted))
        for wanted, n in (("Blue Train", 2), ("lue", 5), ("miles", 4)):
            with pytest.raises(AmbiguousTrackError) as raised:
                find_similar(index, wanted)
            assert len(raised.value.tracks) == n
        with pytest.raises(ConfigError, match="no such file, and no track"):
            find_similar(index, "")


# Playlists --------------------------------------------------------------------------------------------------


def test_playlist_has_titles_durations_and_each_content_once(tracks: Tracks) -> None:
    text = m3u8(arrange(tracks.search("")))
    assert text.splitlines() == [
        b"#EXTM3U",
        b"#EXTINF:200,Miles Davis - Blue in Green",
        b"/music/a.mp3",
        b"#EXTINF:400,Johnny Cash - Hurt",
        b"/music/b.mp3",
        "#EXTINF:100,Björk - Jóga".encode(),
        b"/music/c.mp3",
        b"#EXTINF:3600,caf\xe9",
        LATIN_1,
        b"#EXTINF:-1,d",
        b"/music/d.mp3",
    ]


def test_orders_limits_and_shuffles(tracks: Tracks) -> None:
    found = tracks.search("slow or fast")
    assert names(arrange(found, limit=2)) == ["c", "a"]
    assert names(arrange(found, order="title")) == ["a", "café", "d", "b", "c"]
    assert names(arrange(found, order="path", limit=3)) == ["a", "b", "c"]
    shuffled = [names(arrange(found, shuffle=True, seed=seed)) for seed in (1, 1, 2, 3, 4)]
    assert shuffled[0] == shuffled[1]
    assert len({tuple(each) for each in shuffled}) > 2
    assert all(sorted(each) == ["a", "b", "c", "café", "d"] for each in shuffled)
    assert len(arrange(found, shuffle=True, limit=2)) == 2


def test_order_similar_goes_to_the_nearest_that_is_left(tracks: Tracks) -> None:
    angles = {"a": 0, "b": 50, "c": 10, "café": 30, "copy of c": 0, "d": 100}
    vectors = np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))] for angle in angles.values()])
    assert names(arrange(tracks.search("duration<1h"), order="similar", vectors=vectors)) == ["a", "c", "b"]
    assert names(arrange(tracks.search("slow"), order="similar", vectors=vectors)) == ["a", "café", "b", "d"]


def test_wrong_wishes_for_a_playlist_are_reported_together(tracks: Tracks) -> None:
    with pytest.raises(ConfigError, match=r"limit 0.*\n.*order 'mood'.*\n.*seed 3"):
        arrange(tracks.search(""), order="mood", limit=0, seed=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="shuffle"):
        arrange(tracks.search(""), order="title", shuffle=True)


def test_a_playlist_is_written_relative_and_never_over_another_file(tracks: Tracks, tmp_path: Path) -> None:
    music = tmp_path / "music"
    hit = Hit(music / "#1.mp3", "k", 1.5, "a\nb", "c", None, None, None, ())
    out = tmp_path / "lists" / "x.m3u8"
    assert write_playlist([hit], out, relative=True) == 1
    assert out.read_text() == "#EXTM3U\n#EXTINF:2,c - a b\n../music/#1.mp3\n"
    with pytest.raises(ConfigError, match="--force"):
        write_playlist([], out)
    assert write_playlist([hit], music / "y.m3u8", relative=True) == 1
    assert (music / "y.m3u8").read_text().splitlines()[-1] == "./#1.mp3"  # no comment
    assert write_playlist([], out, force=True) == 0
    assert out.read_text() == "#EXTM3U\n"
    with pytest.raises(ConfigError, match="is a folder"):
        write_playlist([], music)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_playlist([], out / "below a file.m3u8")
    assert sorted(path.name for path in out.parent.iterdir()) == ["x.m3u8"]


@pytest.mark.parametrize("relative", [False, True])
def test_every_name_comes_back_from_a_playlist(tmp_path: Path, relative: bool) -> None:
    """Also those with line breaks in them, which would be two lines."""
    names = [
        "a\nb.mp3",
        "cr\r.mp3",
        "\n%41 \udce9.mp3",
        "#1.mp3",
        " led.mp3",
        "\t.mp3",
        "%41.mp3",
        "a\\b.mp3",
        "plain.mp3",
    ]
    for name in names:
        (tmp_path / name).touch()
    hits = [Hit(tmp_path / name, "k", 1, None, None, None, None, None, ()) for name in names]
    out = tmp_path / "list.m3u8"
    assert write_playlist(hits, out, relative=relative) == len(names)
    assert [path.name for path in read_playlist(out, pytest.fail)] == names


# Counts -----------------------------------------------------------------------------------------------------


def test_counts(index_path: Path) -> None:
    with Index.open(index_path) as index:
        stats = library_stats(index)
    assert stats.n_files == {"ok": 7, "error": 1, "missing": 1}
    assert (stats.n_tracks, stats.n_waiting, stats.n_copies) == (6, 1, 1)
    assert stats.total_seconds == pytest.approx(4400.4)
    counts = {count.tag: count for count in stats.tags}
    assert (counts["slow"].n_tracks, counts["fast"].n_tracks, counts["happy"].n_tracks) == (4, 2, 0)
    assert counts["slow"].typical == ("/music/a.mp3", 0.9)
    assert counts["happy"].typical is None
    assert [count.category for count in stats.tags][:4] == ["genre", "genre", "genre", "instrument"]
    assert [(each.from_seconds, each.n_tracks) for each in stats.durations if each.n_tracks] == [
        (60, 2),
        (180, 1),
        (360, 1),
        (1800, 1),
    ]
    assert stats.reasons == (("holds no audio", 1),)
    assert stats.failures == (("/music/broken.mp3", "holds no audio"),)
    json.dumps(stats.to_record(), allow_nan=False)


@pytest.mark.slow
def test_the_picture_is_a_png_of_the_most_frequent_tags(index_path: Path, tmp_path: Path) -> None:
    with Index.open(index_path) as index:
        stats = library_stats(index)
    small = draw_stats(stats, tmp_path / "new" / "a.png", max_tags=2)
    whole = draw_stats(stats, tmp_path / "b.png")
    assert small.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    heights = [int.from_bytes(path.read_bytes()[20:24], "big") for path in (small, whole)]
    assert heights[0] < heights[1]
    with pytest.raises(ConfigError, match="max_tags 0"):
        draw_stats(stats, tmp_path / "c.png", max_tags=0)


def test_bars() -> None:
    assert [bar(value, 8, 1) for value in (0, 1, 4, 8, 80)] == ["", "▏", "▌", "█", "█"]
    assert bar(1, 1_000_000, 30) == "▏"  # never empty above zero
    assert bar(1, 0, 30) == ""


# Exports ----------------------------------------------------------------------------------------------------


def exported(index_path: Path, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    with Index.open(index_path) as index:
        assert export_tracks(index, out, kind, **options) == len(ROWS)  # type: ignore[arg-type]
    return out.getvalue()


def test_csv_has_a_row_a_file_and_a_column_a_tag(index_path: Path) -> None:
    text = exported(index_path, "csv").decode("utf-8", "surrogateescape")
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == len(ROWS)
    assert rows["/music/a.mp3"]["slow"] == "0.9000"
    assert rows["/music/a.mp3"]["female vocals"] == "0.1000"
    assert rows["/music/a.mp3"]["artist"] == "Miles Davis"
    assert rows["/music/broken.mp3"]["slow"] == rows["/music/new.mp3"]["slow"] == ""
    assert rows["/music/broken.mp3"]["error"] == "holds no audio"
    assert rows["/music/gone.mp3"]["status"] == "missing"
    assert os.fsdecode(LATIN_1) in rows


def test_json_lines_have_the_objects_of_earmark_tag(index_path: Path) -> None:
    records = [json.loads(line) for line in exported(index_path, "jsonl").decode().splitlines()]
    first = records[0]
    assert first["path"] == "/music/a.mp3"
    assert first["tags"][0] == {"tag": "slow", "score": 0.9, "kind": "classification", "category": "tempo"}
    assert len(first["tags"]) == len(TAGS)
    by_path = {record["path"]: record for record in records}
    assert os.fsencode(by_path[os.fsdecode(LATIN_1)]["path"]) == LATIN_1
    assert by_path["/music/broken.mp3"]["tags"] == []


def test_parquet_has_the_scores_as_they_are(tmp_path: Path) -> None:
    path = make_index(
        tmp_path / "i.sqlite", [Row(LATIN_1, {"slow": 1 / 3}, embedding=(0.1, 2.0)), Row("/b")], embedding_dims=2
    )
    with Index.open(path) as index, file_to_write(tmp_path / "x.parquet", force=False) as file:
        export_tracks(index, file, "parquet", embeddings=True)
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert table[0]["path"] == "/b"
    assert table[0]["embedding"] is None
    assert table[1]["path"] == "/music/caf\\xe9.mp3"
    assert table[1]["path_bytes"] == LATIN_1
    assert np.float32(table[1]["slow"]) == np.float32(1 / 3)
    assert table[1]["embedding"] == [np.float32(0.1), 2.0]


def test_a_tag_named_like_a_column_gets_a_prefix(tmp_path: Path) -> None:
    model = card(Vocabulary((Tag("title"), Tag("slow"))))
    path = make_index(tmp_path / "i.sqlite", [Row("/a", {"title": 0.25}, title="T")], model=model)
    out = io.BytesIO()
    with Index.open(path) as index:
        export_tracks(index, out, "csv")
    (row,) = csv.DictReader(io.StringIO(out.getvalue().decode()))
    assert (row["title"], row["tag:title"], row["slow"]) == ("T", "0.2500", "0.1000")


def test_an_export_is_whole_or_not_there(index_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    with pytest.raises(RuntimeError), file_to_write(out, force=False) as file:
        file.write(b"half")
        raise RuntimeError
    assert not out.exists()
    out.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="--force"), file_to_write(out, force=False):
        pass
    with file_to_write(out, force=True) as file:
        file.write(b"new")
    assert out.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "x"))) == ["x.csv"]
    with pytest.raises(ConfigError, match="do not fit"):
        exported(index_path, "csv", embeddings=True)
    with pytest.raises(ConfigError, match=r"\.csv, \.jsonl, \.parquet"):
        format_of(Path("library.xlsx"))
    assert format_of(Path("X.JSONL")) == "jsonl"
