"""`earmark library map` in a real browser: nothing is fetched, and what a person does works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.library.index.track_index import Index
from earmark.library.map.page import map_page
from earmark.library.query.search import Tracks
from tests.helpers import sounds
from tests.helpers.browser import chromium
from tests.helpers.made_library import Row, make_index, make_large_index

pytestmark = pytest.mark.browser

EVIL = "</script><script>document.title='broken'</script>"
SONGS = [
    # name, title, artist, genre; in a row from left to right
    (b"0 \xe9\xff.wav", "Blue", "Miles", "jazz"),
    (b"1 #50% ?.wav", EVIL, "\"Quotes\" & 'more'", "jazz"),
    (b"2.wav", "שלום עולם", "زهرة", "rock"),
    ("3 ünï\u0308 ☃.wav".encode(), None, None, "rock"),
    (b"4.wav", "Ægir", "Björk", "rock"),
    (b"5\n.wav", "A line break", "In its name", "drum and bass"),
]


def write_page(folder: Path, tracks: Tracks, places: np.ndarray) -> Path:
    out = folder / "map.html"
    out.write_bytes(map_page(tracks, np.arange(len(tracks)), places.astype(np.float32)))
    return out


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of six songs that can be played, but for the fifth."""
    folder = tmp_path_factory.mktemp("a map #1")
    rows = []
    for number, (name, title, artist, genre) in enumerate(SONGS):
        path = folder / os.fsdecode(name)
        if number == 4:
            path.write_bytes(b"no sound")
        else:
            sounds.write_int_wav(path, sounds.music(number + 1, 8000)[0], 8000)
        scores = {genre: 0.9 - number / 20, "slow": 0.6} if number < 5 else {genre: 0.9}
        rows.append(Row(os.fsencode(path), scores, number + 1, title, artist))
    with Index.open(make_index(folder / "i.sqlite", rows)) as index:
        tracks = Tracks.load(index)
    return write_page(folder, tracks, np.stack([np.linspace(-1, 1, 6), np.zeros(6)], axis=1))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--autoplay-policy=no-user-gesture-required") as found:
        yield found


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Any]:
    """Opens the page, offline; afterwards nothing may have gone wrong and nothing been asked of any network."""
    seen: dict[str, list[str]] = {"requests": [], "errors": []}
    contexts = []

    def opened(path: Path = page_file, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("request", lambda request: seen["requests"].append(request.url))
        page.on("console", lambda message: seen["errors"].append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen["errors"].append(str(error)))
        page.goto(path.as_uri(), timeout=120_000)
        until(page, "!view.waiting && view.pixels.data.some((value) => value)")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith(("file:", "data:", "blob:"))] == []


def until(page: Any, condition: str) -> None:
    """Waits as wait_for_function does, which the page's policy forbids."""
    page.evaluate(
        f"new Promise((done) => {{ const test = () => ({condition}) ? done() : requestAnimationFrame(test); test(); }})"
    )


def place(page: Any, song: int) -> tuple[float, float]:
    """Where a song is in the window."""
    box = page.locator("#map").bounding_box()
    x, y = page.evaluate("(i) => [view.px(i), view.py(i)]", song)
    return box["x"] + x, box["y"] + y


def lasso(page: Any, first: int, last: int, *keys: str) -> None:
    """Draw around the songs from one to another."""
    (left, y), (right, _) = place(page, first), place(page, last)
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(left - 20, y - 30)
    page.mouse.down()
    for corner in ((right + 20, y - 30), (right + 20, y + 30), (left - 20, y + 30)):
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def listed(page: Any) -> list[int]:
    return page.locator("#list li").evaluate_all("items => items.map((item) => Number(item.dataset.song))")


def saved(page: Any) -> bytes:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "playlist.m3u8"
    return Path(download.value.path()).read_bytes()


def test_what_is_inside_a_lasso_is_saved_as_a_playlist(visit: Any, page_file: Path) -> None:
    page = visit()
    assert page.locator("#help").is_visible()
    page.click("#lasso")
    lasso(page, 0, 2)
    assert listed(page) == [0, 1, 2]
    assert page.locator("#summary").inner_text() == "3 songs selected, 0:06"
    folder = os.fsencode(page_file.parent)
    assert saved(page) == b"\n".join(
        [
            b"#EXTM3U",
            *(b"#EXTINF:1,Miles - Blue", folder + b"/0 \xe9\xff.wav"),
            *(f"#EXTINF:2,\"Quotes\" & 'more' - {EVIL}".encode(), folder + b"/1 #50% ?.wav"),
            *("#EXTINF:3,زهرة - שלום עולם".encode(), folder + b"/2.wav"),
            b"",
        ]
    )
    lasso(page, 4, 5, "Control")  # adds
    assert sorted(listed(page)) == [0, 1, 2, 4, 5]
    assert saved(page).count(b"#EXTINF") == 4  # no playlist can hold a name with a line break
    assert "1 left out" in page.locator("#live").inner_text()
    page.get_by_role("button", name="Remove Miles").click()
    assert sorted(listed(page)) == [1, 2, 4, 5]
    page.click("#clear")
    assert listed(page) == []
    page.click("#move")
    lasso(page, 3, 4, "Shift")  # without the button
    assert sorted(listed(page)) == [3, 4]
    page.keyboard.press("Escape")
    assert listed(page) == []


def test_search_finds_artists_titles_and_tags_without_regard_to_accents(visit: Any) -> None:
    page = visit()
    page.keyboard.press("/")
    page.keyboard.type("bjork aegir")
    assert listed(page) == []  # Æ is a letter of its own
    page.fill("#search", "BJORK ÆGIR")
    assert listed(page) == [4]
    page.fill("#search", "drum bass")
    assert listed(page) == [5]
    page.fill("#search", "שלום")
    assert listed(page) == [2]
    page.fill("#search", "slow rock")
    assert listed(page) == [2, 3, 4]
    assert page.locator("#found").inner_text() == "3"
    lasso(page, 0, 5, "Shift")  # of what is shown
    assert sorted(listed(page)) == [2, 3, 4]
    page.focus("#search")
    page.keyboard.press("Escape")
    assert (listed(page), page.input_value("#search")) == ([], "")


def test_names_are_shown_as_they_are(visit: Any) -> None:
    page = visit()
    page.mouse.move(*place(page, 1))
    tip = page.locator("#tip")
    assert tip.locator("b").inner_text() == EVIL
    assert "\"Quotes\" & 'more'" in tip.inner_text()
    assert "jazz 85" in tip.inner_text()
    page.mouse.move(*place(page, 2))
    assert tip.locator("b").inner_text() == "שלום עולם"
    assert tip.locator("b").evaluate("b => getComputedStyle(b).unicodeBidi") == "plaintext"
    page.mouse.move(*place(page, 3))
    assert tip.locator("b").inner_text() == "3 ünï\u0308 ☃"
    page.mouse.move(place(page, 3)[0], place(page, 3)[1] + 120)
    assert tip.is_hidden()
    assert page.title() == "Map of 6 songs"


@pytest.mark.parametrize("song", [0, 1, 3, 5])
def test_a_click_plays_files_whatever_their_names(visit: Any, song: int) -> None:
    page = visit()
    page.mouse.click(*place(page, song))
    until(page, "document.getElementById('audio').duration > 0")
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(song + 1, abs=0.1)
    assert page.locator("#playing").inner_text().startswith(SONGS[song][2] or "3")
    assert page.locator("#trouble").is_hidden()


def test_songs_of_a_list_follow_each_other_and_one_that_cannot_be_played_says_so(visit: Any) -> None:
    page = visit()
    page.fill("#search", "slow")
    page.locator("#list .song").nth(2).click()
    assert page.evaluate("state.playing") == 2
    page.evaluate("document.getElementById('audio').onended()")
    assert page.evaluate("state.playing") == 3
    assert page.locator("#list li.current").get_attribute("data-song") == "3"
    page.click("#next")
    page.locator("#trouble").wait_for(timeout=20_000)
    assert "cannot play" in page.locator("#trouble").inner_text()
    assert "4.wav" in page.locator("#trouble").inner_text()
    assert page.locator("#next").is_disabled()
    page.click("#previous")
    assert page.locator("#trouble").is_hidden()


def test_the_keyboard_goes_from_song_to_song_plays_and_selects(visit: Any) -> None:
    page = visit()
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    first = page.evaluate("state.focused")
    assert first in (2, 3)  # the middle
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.focused") == first + 1
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    assert sorted(listed(page)) == [first, first + 1]
    assert "selected" in page.locator("#live").inner_text()
    page.keyboard.press("Space")
    assert listed(page) == [first + 1]
    page.keyboard.press("Enter")
    assert page.evaluate("state.playing") == first
    before = page.evaluate("view.scale")
    page.keyboard.press("+")
    assert page.evaluate("view.scale") > before
    page.keyboard.press("0")
    assert page.evaluate("view.scale") == pytest.approx(before)


def test_the_mouse_moves_and_zooms_about_itself(visit: Any) -> None:
    page = visit()
    x, y = place(page, 1)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    until(page, "view.scale > 1.5 * view.whole")
    assert place(page, 1) == pytest.approx((x, y), abs=1)
    page.mouse.move(x, y + 50)
    page.mouse.down()
    page.mouse.move(x + 100, y + 90, steps=3)
    page.mouse.up()
    assert place(page, 1) == pytest.approx((x + 100, y + 40), abs=1)
    assert page.evaluate("state.playing") is None


def pixel(page: Any, song: int) -> list[int]:
    """The colour of a song's dot, without what is written over it."""
    return page.evaluate(
        """(i) => { view.draw(); const [x, y] = [view.px(i), view.py(i)].map((p) => Math.round(p * view.dense));
                   const at = 4 * (y * view.pixels.width + x); return [...view.pixels.data.slice(at, at + 3)]; }""",
        song,
    )


def test_colours_show_classes_and_scores_and_a_class_can_be_alone(visit: Any) -> None:
    page = visit()
    assert page.locator("#legend button").all_inner_texts() == ["rock\n3", "jazz\n2", "drum and bass\n1"]
    assert pixel(page, 0) == pixel(page, 1) != pixel(page, 2) == pixel(page, 3)
    page.locator("#legend button", has_text="jazz").click()
    assert listed(page) == [0, 1]
    assert page.locator("#legend button", has_text="jazz").get_attribute("aria-pressed") == "true"
    assert page.evaluate("view.at(view.px(3), view.py(3), 14)") is None
    page.keyboard.press("Escape")
    page.select_option("#colour", "category:tempo")
    assert page.locator("#legend button").all_inner_texts() == ["slow\n5"]
    page.select_option("#colour", "tag:rock")
    assert page.locator("#legend .ramp").inner_text().split("\n") == ["70 %", "80 %"]
    assert len({tuple(pixel(page, song)) for song in (2, 3, 4)}) == 3
    assert pixel(page, 0) == pixel(page, 5)


def test_on_a_phone_a_finger_plays_and_nothing_is_wider_than_the_screen(visit: Any) -> None:
    page = visit(viewport={"width": 360, "height": 740}, device_scale_factor=2, is_mobile=True, has_touch=True)
    page.touchscreen.tap(*place(page, 3))
    assert page.evaluate("state.playing") == 3
    page.fill("#search", "slow")
    assert page.locator("#list li").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for button in ("#lasso", "#save", "#fit"):
        box = page.locator(button).bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 360, button
        assert box["height"] >= 32, button


def test_light_and_dark(visit: Any) -> None:
    for scheme, is_dark in (("light", False), ("dark", True)):
        page = visit(color_scheme=scheme)
        shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128"
        assert page.evaluate(shade) is is_dark
        page.click("#theme")
        assert page.evaluate(shade) is not is_dark


@pytest.mark.slow
def test_20_000_songs_can_be_moved_found_and_selected(visit: Any, tmp_path: Path) -> None:
    with Index.open(make_large_index(tmp_path / "i.sqlite", 20_000, embedding_dims=2)) as index:
        tracks = Tracks.load(index)
    page = visit(write_page(tmp_path, tracks, np.random.default_rng(0).uniform(-1, 1, (20_000, 2))))
    page.set_default_timeout(120_000)
    page.fill("#search", "night wolf")
    n_found = int(page.locator("#found").inner_text().replace(",", ""))
    assert n_found == page.evaluate("state.list.length") > 100
    assert page.locator("#list li").count() == 200
    page.keyboard.press("Escape")
    page.evaluate("select(view.inside([[0, 0], [10001, 0], [10001, 10001], [0, 10001]]))")
    assert page.locator("#summary").inner_text().startswith("20,000 songs selected")
    assert saved(page).count(b"#EXTINF") == 20_000
