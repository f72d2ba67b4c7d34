"""Sums of songs, similar songs among those that a query finds, and paths from one song to another."""

from __future__ import annotations

from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError
from earmark.library.index.track_index import Index
from earmark.library.playlist import find_path, path_between
from earmark.library.query.nodes import QueryError
from earmark.library.query.search import Hit, Tracks
from earmark.library.similar import AmbiguousTrackError, find_similar
from tests.helpers.command import earmark_here
from tests.helpers.made_library import Row, make_index

ROWS = (
    Row("/m/a.mp3", {"slow": 0.9}, embedding=(1, 0, 0), title="Alpha", artist="One"),
    Row("/m/b.mp3", {"slow": 0.9}, embedding=(0, 1, 0), title="Beta", artist="One"),
    Row("/m/c.mp3", {"fast": 0.9}, embedding=(0, 0, 1), title="Gamma", artist="Two"),
    Row("/m/ab.mp3", {"fast": 0.9}, embedding=(20, 21, 1), title="Alpha + Beta", artist="Simon + Garfunkel"),
    Row("/m/ac.mp3", {"slow": 0.9}, embedding=(1, 0, 1.1), title="Delta - live", artist="Three"),
    Row("/m/a-c.mp3", {"slow": 0.9}, embedding=(1, 0, -1), title="-", artist="Four"),
    Row("/m/copy of a.mp3", {"slow": 0.9}, embedding=(1, 0, 0), title="Alpha", artist="One", key="key of '/m/a.mp3'"),
)


@pytest.fixture(scope="module")
def index_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("index") / "i.sqlite", ROWS, embedding_dims=3)


@pytest.fixture
def index(index_path: Path):
    with Index.open(index_path) as opened:
        yield opened


def names(hits: list[Hit]) -> list[str]:
    return [hit.path.stem for hit in hits]


# Sums -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["/m/a.mp3", "+", "/m/b.mp3"], "ab"),
        (["Gamma", "+", "One Alpha"], "ac"),
        (["Alph", "-", "Gamma"], None),  # in two titles
        (["Gamma", "-", "Alph"], None),
        (["Alpha", "-", "Gamma"], "a-c"),  # a whole title
        (["One - Alpha", "-", "Gamma"], "a-c"),
        (["/m/ab.mp3", "-", "/m/b.mp3"], "a"),
        (["Simon + Garfunkel"], "b"),  # one name
        (["One", "-", "Alpha"], "a-c"),  # so are words that are together a whole name
        (["one", "ALPHA"], "a-c"),
        (["Alpha", "+", "Beta"], "b"),
        (["Delta - live", "-", "/m/c.mp3"], "a"),
    ],
)
def test_tracks_are_added_and_subtracted(index: Index, words: list[str], nearest: str | None) -> None:
    if nearest is None:
        with pytest.raises(AmbiguousTrackError, match="'Alph' may be any of 2 tracks"):
            find_similar(index, words)
        return
    found = find_similar(index, words)
    assert names(found)[0] == nearest
    assert not {Path(word).stem for word in words} & {*names(found)}  # those of the sum are left out
    assert len({hit.content_key for hit in found}) == len(found)


def test_lengths_of_embeddings_do_not_count_in_a_sum(index: Index) -> None:
    found = find_similar(index, ["/m/ab.mp3", "+", "/m/c.mp3"])  # 29 times as long as c
    unit = np.array([20, 21, 1]) / np.sqrt(20**2 + 21**2 + 1)
    wanted = unit + np.array([0, 0, 1])
    expected = wanted @ np.array([1, 0, 1.1]) / np.linalg.norm(wanted) / np.linalg.norm([1, 0, 1.1])
    assert names(found)[0] == "ac"
    assert found[0].score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a track is missing"),
        (["+", "Beta"], "'+': goes between two tracks"),
        (["Gamma", "-"], "'Gamma -': a track is missing at its end"),
        (["Gamma", "+", "-", "x"], "'-': goes between two tracks"),
        (["One", "Bet"], "'One' 'Bet': + or - goes between two tracks, and quotes around a name of several words"),
        (["/m/a.mp3", "-", "/m/copy of a.mp3"], "'One - Alpha' - 'One - Alpha': the tracks cancel each other"),
        (["Gamma", "+", "nothing"], "'nothing': no such file, and no track"),
    ],
)
def test_what_is_no_sum_says_why(index: Index, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_similar(index, words)
    assert message in str(caught.value)


def test_a_query_says_among_which_tracks(index: Index) -> None:
    assert names(find_similar(index, "/m/a.mp3", among="slow"))[0] == "a-c"
    assert {*names(find_similar(index, "/m/a.mp3", among="slow", limit=0))} == {"b", "ac", "a-c"}
    assert names(find_similar(index, "/m/a.mp3", among="fast", limit=1)) == ["ab"]
    assert find_similar(index, "/m/a.mp3", among="slow fast") == []
    with pytest.raises(QueryError):
        find_similar(index, "/m/a.mp3", among="slwo")


def test_similar_on_the_command_line(index_path: Path) -> None:
    def similar(*words: str) -> tuple[int, str, str]:
        done = earmark_here("library", "similar", *words, "--index", index_path, "--format", "paths")
        return done.returncode, done.stdout, done.stderr

    note = "note: 'One - Alpha' + 'One - Beta'\n"
    assert similar("/m/a.mp3", "+", "/m/b.mp3", "--limit", "1") == (0, "/m/ab.mp3\n", note)
    note = "note: 'One - Alpha' - 'Two - Gamma'\n"
    assert similar("--limit", "1", "One - Alpha", "-", "Gamma", "--among", "slow") == (0, "/m/a-c.mp3\n", note)
    assert similar("One", "-", "Alpha", "--limit", "1") == (0, "/m/a-c.mp3\n", "")
    assert similar("Gamma", "+", "Alph", "-", "a", "--pick", "1", "--pick", "5", "--limit", "1")[:2] == (
        0,
        "/m/ac.mp3\n",
    )
    code, out, error = similar("Gamma", "+", "Alph", "-", "a", "--pick", "1")
    assert (code, out) == (2, "")
    assert "'a' may be any of" in error
    code, out, error = similar("Gamma", "-")
    assert (code, out) == (2, "")
    assert "a track is missing" in error
    code, out, error = similar("Gamma", "--among", "slow fast")
    assert (code, out) == (0, "")
    assert "no other track that the query finds" in error


def test_of_several_tracks_of_one_whole_name_one_is_picked(tmp_path: Path) -> None:
    rows = [Row(f"/m/{i}.mp3", embedding=(i, 1), title="Alpha", artist="One", key=f"audio {i}") for i in (1, 2)] + [
        Row("/m/3.mp3", embedding=(3, 1), title="Alpha and more", artist="One")
    ]
    index = make_index(tmp_path / "i.sqlite", rows, embedding_dims=2)
    for words in (["One", "-", "Alpha"], ["One - Alpha"], ["alpha"]):
        done = earmark_here("library", "similar", *words, "--index", index)
        assert done.returncode == 2
        assert "may be any of 2 tracks" in done.stderr  # not the one that only begins so
        done = earmark_here("library", "similar", *words, "--pick", "2", "--format", "paths", "--index", index)
        assert (done.returncode, done.stdout) == (0, "/m/3.mp3\n/m/1.mp3\n")


# Paths ----------------------------------------------------------------------------------------------------


def music(n: int, dims: int = 6) -> np.ndarray:
    return np.abs(np.random.default_rng(n).normal(size=(n, dims)))


def steps(vectors: np.ndarray, rows: np.ndarray) -> list[float]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return [1 - float(unit[a] @ unit[b]) for a, b in pairwise(rows)]


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_no_other_path_along_the_arc_has_smaller_steps(count: int) -> None:
    vectors = music(11)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = path_between(vectors, 3, 7, count)
    across = unit[7] - (unit[3] @ unit[7]) * unit[3]
    angle = np.arctan2(unit @ (across / np.linalg.norm(across)), unit @ unit[3])
    middle = [i for i in range(11) if i not in (3, 7) and 0 < angle[i] < angle[7]]
    assert len(middle) >= 4
    every = (
        [3, *rest, 7] for rest in permutations(middle, count - 2) if [*rest] == sorted(rest, key=lambda i: angle[i])
    )
    best = min(every, key=lambda rows: sum(step**4 for step in steps(vectors, np.array(rows))))
    assert found.tolist() == best


def test_a_path_goes_evenly_and_takes_no_track_twice() -> None:
    vectors = music(600)
    for first, last in ((0, 1), (2, 3), (4, 5)):
        found = path_between(vectors, first, last, 10)
        assert (found[0], found[-1]) == (first, last)
        assert len({*found.tolist()}) == 10
        assert max(steps(vectors, found)) < 0.35 * steps(vectors, np.array([first, last]))[0]


def test_a_path_is_shorter_where_nothing_more_is_between_and_far_tracks_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    angles = np.radians([0, 30, 60, 90, 120, 200])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert path_between(vectors, 0, 3, 50).tolist() == [0, 1, 2, 3]
    assert path_between(vectors, 3, 0, 50).tolist() == [3, 2, 1, 0]
    assert path_between(vectors[[0, 3]], 0, 1, 5).tolist() == [0, 1]
    monkeypatch.setattr("earmark.library.playlist.MOST_SIMILAR", 2)
    vectors = np.array([(1, 0, 0), (0, 1, 0), (1, 1, 5), (1, 2, 0), (2, 1, 0.1)], float)
    assert path_between(vectors, 0, 1, 5).tolist() == [0, 4, 3, 1]


def test_what_is_no_path_says_why(index: Index) -> None:
    with pytest.raises(ConfigError, match="count 1: must be at least 2"):
        path_between(music(4), 0, 1, 1)
    with pytest.raises(ConfigError, match="sound the same"):
        path_between(np.ones((3, 2)), 0, 1, 3)
    tracks = Tracks.load(index)
    with pytest.raises(ConfigError, match="no such file"):
        find_path(tracks.search(""), music(len(tracks)), "nothing", "Gamma", 3)
    with pytest.raises(ConfigError, match="is not in the library"):
        find_path(tracks.search(""), music(len(tracks)), __file__, "Gamma", 3)


def test_paths_on_the_command_line(tmp_path: Path) -> None:
    angles = np.radians([0, 20, 40, 60, 80])
    rows = [
        Row(f"/m/{i}.mp3", {"slow": 0.9 if i % 2 else 0.1}, embedding=(np.cos(a), np.sin(a)))
        for i, a in enumerate(angles)
    ]
    rows.append(Row("/m/copy of 2.mp3", embedding=rows[2].embedding, key="key of '/m/2.mp3'"))
    index = make_index(tmp_path / "i.sqlite", rows, embedding_dims=2)
    out = tmp_path / "path.m3u8"

    def playlist(*words: str) -> tuple[int, list[str], str]:
        out.unlink(missing_ok=True)
        done = earmark_here("library", "playlist", *words, "--out", out, "--index", index)
        lines = out.read_text().splitlines() if out.exists() else []
        return done.returncode, [Path(line).stem for line in lines if not line.startswith("#")], done.stderr

    code, tracks, _ = playlist("--from", "/m/0.mp3", "--to", "/m/4.mp3", "--count", "3")
    assert (code, tracks) == (0, ["0", "2", "4"])
    code, tracks, notes = playlist("--from", "/m/4.mp3", "--to", "/m/0.mp3")
    assert (code, tracks) == (0, ["4", "3", "2", "1", "0"])
    assert "note: only 3 tracks lie between the two" in notes
    code, tracks, _ = playlist("slow", "--from", "/m/4.mp3", "--to", "/m/0.mp3")  # ends need not be found
    assert (code, tracks) == (0, ["4", "3", "1", "0"])
    code, tracks, _ = playlist("--from", "m/", "--to", "mp3", "--count", "2", "--pick", "2", "--pick", "3")
    assert (code, tracks) == (0, ["1", "2"])
    for wrong, message in (
        (["--from", "m/", "--to", "/m/4.mp3"], "'m/' may be any of 5 tracks; choose one with --pick N"),
        (["--from", "/m/4.mp3"], "--from and --to go together"),
        (["--count", "5"], "--count is the length of a path"),
        (["--from", "/m/0.mp3", "--to", "/m/4.mp3", "--count", "1"], "at least 2"),
        (["--from", "/m/0.mp3", "--to", "/m/4.mp3", "--limit", "3"], "--count says its length"),
        (["--from", "/m/0.mp3", "--to", "/m/4.mp3", "--shuffle"], "not for a path"),
        (["--from", "/m/copy of 2.mp3", "--to", "/m/2.mp3"], "sound the same"),
    ):
        code, tracks, error = playlist(*wrong)
        assert (code, tracks) == (2, []), wrong
        assert message in error
