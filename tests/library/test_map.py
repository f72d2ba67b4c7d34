"""The map of a library: places, the page that is written, and what the command says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

import numpy as np
import pytest

from earmark.library.index.track_index import Index
from earmark.library.map.page import map_page
from earmark.library.map.projection import nearest_rows, project
from earmark.library.neighbours import unit_vectors
from earmark.library.query.search import Tracks
from tests.helpers.command import earmark_here
from tests.helpers.made_library import Row, make_index

EVIL = "</script><script>alert(1)</script><!-- \"'& {{library}} \u2028"


class Parts(HTMLParser):
    """The content of each script and style, and the policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}, ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attrs, text = self.found[-1]
            self.found[-1] = (tag, attrs, text + data)


def library_of(page: bytes) -> dict[str, Any]:
    (text,) = (text for tag, attrs, text in Parts(page.decode()).found if attrs.get("id") == "library")
    return json.loads(text)


def page_of(folder: Path, *rows: Row, relative_to: Path | None = None) -> bytes:
    with Index.open(make_index(folder / "i.sqlite", rows)) as index:
        tracks = Tracks.load(index)
    numbers = np.arange(len(tracks))
    places = np.linspace(-1, 1, 2 * len(tracks), dtype=np.float32).reshape(-1, 2)
    return map_page(tracks, numbers, places, relative_to)


# Places ------------------------------------------------------------------------------------------------------


def clusters(n: int, dims: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(n_clusters, dims))
    of = draw.integers(n_clusters, size=n)
    return (centres[of] + draw.normal(scale=1.0, size=(n, dims))).astype(np.float32), of


@pytest.mark.slow
def test_near_vectors_are_near_each_other_and_clusters_apart() -> None:
    vectors, cluster = clusters(600, 40, 12)
    places = project(vectors)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    same = cluster[np.argsort(apart, axis=1)[:, :5]] == cluster[:, None]
    assert same.mean() > 0.95  # two principal components alone: 0.60
    kept = [
        len({*a} & {*b})
        for a, b in zip(nearest_rows(unit_vectors(vectors), 15), np.argsort(apart)[:, :15], strict=True)
    ]
    assert np.mean(kept) / 15 > 0.4  # and 0.21
    assert np.abs(places).max() == pytest.approx(1)
    np.testing.assert_allclose(places.max(axis=0), -places.min(axis=0), atol=1e-6)


@pytest.mark.slow
def test_the_same_vectors_give_the_same_map() -> None:
    vectors, _ = clusters(60, 8, 3)
    np.testing.assert_array_equal(project(vectors), project(vectors))
    assert not np.array_equal(project(vectors), project(vectors, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 20])
def test_few_tracks_and_equal_ones_have_places(n: int) -> None:
    for vectors in (clusters(n, 5, 2)[0], np.ones((n, 5), np.float32), np.zeros((n, 5), np.float32)):
        places = project(vectors)
        assert places.shape == (n, 2)
        assert np.isfinite(places).all()
        assert len({*map(tuple, places.tolist())}) == n
    assert (project(np.ones((1, 3), np.float32)) == 0).all()


def test_nearest_rows_are_those_of_a_loop() -> None:
    unit = unit_vectors(clusters(700, 6, 5)[0])
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -2)
    expected = np.sort(np.argsort(-similarity, axis=1)[:, :7], axis=1)
    np.testing.assert_array_equal(np.sort(nearest_rows(unit, 7), axis=1), expected)


# The page ------------------------------------------------------------------------------------------------------


def test_names_reach_the_page_as_they_are_and_end_no_script(tmp_path: Path) -> None:
    rows = [
        Row(b"/m/caf\xe9.mp3", {"slow": 0.9, "jazz": 0.7}, 61.4, title=EVIL, artist="שלום", album="</ScRiPt >"),
        Row("/m/x/#1 50%?.mp3", seconds=None),
    ]
    page = page_of(tmp_path, *rows)
    found = Parts(page.decode()).found
    assert [tag for tag, _, _ in found].count("script") == 2
    library = library_of(page)
    assert library["title"] == [EVIL, None]
    assert library["artist"] == ["שלום", None]
    assert library["album"][0] == "</ScRiPt >"
    assert library["seconds"] == [61, None]
    assert library["folder"] == "/m/"
    assert library["path"] == ["caf\udce9.mp3", "x/#1 50%?.mp3"]
    assert [[library["names"][tag]["name"], score] for tag, score in library["tags"][0]] == [["slow", 90], ["jazz", 70]]
    assert library["x"] == [0, 6667]
    assert "{{" not in re.sub(r'(?s)<script type="application/json".*?</script>', "", page.decode())


def test_the_policy_allows_its_own_script_and_style_and_no_network(tmp_path: Path) -> None:
    found = Parts(page_of(tmp_path, Row("/m/a.mp3")).decode()).found
    (policy,) = (
        attrs["content"] or "" for _, attrs, _ in found if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    for kind in ("script", "style"):
        (text,) = (text for tag, attrs, text in found if tag == kind and attrs.get("type") is None)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"unsafe|https?:|\*", policy)


@pytest.mark.parametrize(
    ("page", "folder", "base"),
    [
        ("/m", "", "file:///m/map.html"),
        ("/m/maps", "../", "file:///m/maps/map.html"),
        ("/other/a", "../../m/", "file:///other/a/map.html"),
        (None, "/m/", "file:///elsewhere/map.html"),
    ],
)
def test_files_are_named_absolutely_or_as_seen_from_the_page(
    tmp_path: Path, page: str | None, folder: str, base: str
) -> None:
    rows = [Row("/m/a:b #1/x.mp3"), Row(b"/m/caf\xe9.mp3")]
    library = library_of(page_of(tmp_path, *rows, relative_to=None if page is None else Path(page)))
    assert library["folder"] == folder
    for row, path in zip(rows, library["path"], strict=True):
        url = urljoin(base, library["url"]) + os.fsencode(path).decode("latin-1")
        assert unquote_to_bytes(url.removeprefix("file://").encode("latin-1")) == os.fsencode(row.path)


def test_a_library_at_the_root_and_one_of_one_file(tmp_path: Path) -> None:
    library = library_of(page_of(tmp_path, Row("/a.mp3"), Row("/b/c.mp3")))
    assert (library["folder"], library["url"], library["path"]) == ("/", "file:///", ["a.mp3", "b/c.mp3"])
    (tmp_path / "i.sqlite").unlink()
    library = library_of(page_of(tmp_path, Row("/b/c d/e.mp3")))
    assert (library["folder"], library["url"], library["path"]) == ("/b/c d/", "file:///b/c%20d/", ["e.mp3"])


# The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_what_a_query_finds_each_audio_once(tmp_path: Path) -> None:
    rows = [Row(f"/m/{i}.mp3", {"slow": 0.9 if i < 4 else 0.2}, key="same" if i in (2, 3) else None) for i in range(6)]
    index = make_index(tmp_path / "i.sqlite", rows)
    out = tmp_path / "maps" / "map.html"
    done = earmark_here("library", "map", "slow", "--out", out, "--index", index)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"3 tracks in {out}" in done.stderr
    assert library_of(out.read_bytes())["path"] == ["0.mp3", "1.mp3", "2.mp3"]
    before = out.read_bytes()
    done = earmark_here("library", "map", "--out", out, "--index", index)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert out.read_bytes() == before
    done = earmark_here("library", "map", "--out", out, "--force", "--relative", "--index", index)
    assert done.returncode == 0
    assert library_of(out.read_bytes())["folder"] == os.path.relpath("/m", out.parent) + os.sep
    done = earmark_here("library", "map", "slow fast", "--out", tmp_path / "none.html", "--index", index)
    assert done.returncode == 0
    assert "no map was written" in done.stderr
    assert not (tmp_path / "none.html").exists()
    assert earmark_here("library", "map", "--out", out, "--index", tmp_path / "none.sqlite").returncode == 1


def test_tempo_and_key_are_on_the_page(tmp_path: Path) -> None:
    rows = (Row("/m/a", bpm=123.4, musical_key="F#m"), Row("/m/b", measured=True), Row("/m/c"))
    library = library_of(page_of(tmp_path, *rows))
    assert library["bpm"] == [123.4, None, None]
    assert library["key"] == ["11A", None, None]
