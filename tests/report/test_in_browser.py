"""`earmark analyze report` in a real browser: nothing is fetched, nothing breaks, and what a person does works."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation import ScoreTable
from tests.helpers import sounds
from tests.helpers.browser import chromium

EVIL = "<script>document.title='broken'</script>"
TAGS = ("rock", "jazz", "no vocals", "male vocals", EVIL, "häggis & co")
N_CLIPS = 60


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 60 clips, whose worst one can be played."""
    folder = tmp_path_factory.mktemp("a report #1")
    rng = np.random.default_rng(0)
    labels = (rng.random((N_CLIPS, len(TAGS))) < 0.4).astype(np.float32)
    skill = np.array([0.7, 0.5, 0.3, 0.2, 0.1, 0.6])
    scores = skill * labels + (1 - skill) * rng.random(labels.shape)
    labels[7], scores[7] = [1, 0, 0, 0, 0, 0], [0, 0.9, 0.8, 0.7, 0.6, 0.5]  # upside down: the worst
    clips = [f"clip {i}.wav" for i in range(N_CLIPS)]
    clips[0] = '"><img src=http://127.0.0.1:9/x.png>.wav'
    degrees, degree_scores = rng.random((N_CLIPS, 1)), rng.random((N_CLIPS, 1))
    ScoreTable(
        Vocabulary(
            (
                *(Tag(name, category="voice" if "voc" in name else "genre") for name in TAGS),
                Tag("calm", "regression", "mood"),
            )
        ),
        tuple(clips),
        tuple(f"artist {i // 3}" for i in range(N_CLIPS)),
        (None,) * N_CLIPS,
        np.hstack([labels, degrees]).astype(np.float32),
        np.hstack([scores, degree_scores]).astype(np.float32),
        "mine",
        "by-artist",
        "test",
        "net",
    ).write(folder / "scores.parquet")
    (folder / "sound").mkdir()
    sounds.write(folder / "sound" / "clip 7.wav", sounds.music(2, 16_000), 16_000)
    command = "analyze report scores.parquet --out report.html --audio sound --resamples 50 --threshold 0.5"
    made = subprocess.run(
        [sys.executable, "-m", "earmark.cli.main", *command.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode, made.stdout) == (0, "report.html\n"), made.stderr
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """An installed Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Any]:
    """Opens the page, offline; afterwards nothing may have gone wrong and nothing been asked of any network."""
    seen: dict[str, list[str]] = {"requests": [], "errors": []}
    contexts = []

    def opened(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: seen["requests"].append(request.url))
        page.on("console", lambda message: seen["errors"].append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen["errors"].append(str(error)))
        page.goto(page_file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith(("file:", "data:"))] == []
    assert page_file.as_uri() in seen["requests"]


def shown_tags(page: Any, nth: int = 0) -> list[str]:
    names = page.locator("table.tags").nth(nth).locator("tr.tag:visible > th")
    return [name.strip() for name in names.all_inner_texts()]


def test_search_narrows_the_tables_and_says_so(visit: Any) -> None:
    page = visit()
    assert shown_tags(page) == list(TAGS)
    assert page.locator("#shown").inner_text() == "7 tags"
    page.keyboard.press("/")
    page.keyboard.type("VOC")
    assert shown_tags(page) == ["no vocals", "male vocals"]
    assert page.locator("#shown").inner_text() == "2 of 7 tags"
    assert page.locator("table.tags").nth(1).is_hidden()
    page.fill("#search", "script")
    assert shown_tags(page) == [EVIL]
    assert "net on mine" in page.title()  # and not what the tag asked for
    page.fill("#search", "mood")
    assert shown_tags(page, 1) == ["calm"]
    page.focus("#search")
    page.keyboard.press("Escape")
    assert shown_tags(page) == list(TAGS)


def test_sorting_by_number_and_name_with_the_keyboard(visit: Any) -> None:
    page = visit()
    table = page.locator("table.tags").first
    header = table.locator("th", has_text="AUC").first
    column = header.evaluate("th => Array.from(th.parentNode.children).indexOf(th)")
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    values = [float(x) for x in table.locator(f"tr.tag > :nth-child({column + 1})").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    values = [float(x) for x in table.locator(f"tr.tag > :nth-child({column + 1})").all_inner_texts()]
    assert values == sorted(values)
    table.locator("th button").first.click()
    assert header.get_attribute("aria-sort") == "none"
    assert shown_tags(page) == [EVIL, "häggis & co", "jazz", "male vocals", "no vocals", "rock"]


def test_a_tag_opens_with_its_figures_and_stays_with_its_row(visit: Any) -> None:
    page = visit()
    button = page.get_by_role("button", name="jazz", exact=True)
    detail = page.locator("tr.detail:visible")
    assert detail.count() == 0
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert [text.strip() for text in detail.locator("figcaption").all_inner_texts()] == [
        "Calibration",
        "Threshold",
        "Confusion",
    ]
    assert detail.locator("svg").count() == 2
    page.locator("table.tags th button").first.click()
    after = button.evaluate(
        "b => b.closest('tr').nextElementSibling.className + b.closest('tr').nextElementSibling.hidden"
    )
    assert after == "detailfalse"
    page.fill("#search", "rock")
    assert detail.count() == 0
    page.fill("#search", "jazz")
    assert detail.count() == 1


def test_the_worst_clip_can_be_played(visit: Any) -> None:
    page = visit()
    worst = page.locator('[data-end="worst"] article').first
    assert worst.locator("h3").inner_text().split("\n")[0] == "clip 7.wav"
    player = worst.locator("audio")
    assert player.get_attribute("src") == "sound/clip%207.wav"
    assert page.locator("audio").count() == 1  # no empty players
    seconds = player.evaluate(
        """a => new Promise((done, fail) => {
             a.onloadedmetadata = () => done(a.duration); a.onerror = () => fail(a.error.message); a.load(); a.preload = "auto";
        })"""
    )
    assert seconds == pytest.approx(2, abs=0.1)


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Any, tmp_path: Path) -> None:
    page = visit(viewport={"width": 360, "height": 740}, device_scale_factor=2, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="rock", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    widest = page.locator("tr.detail:visible figure").first.bounding_box()
    assert widest["x"] >= 0
    assert widest["x"] + widest["width"] <= 360


def test_light_and_dark_are_both_drawn(visit: Any) -> None:
    pictures = {}
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme, viewport={"width": 900, "height": 700})
        page.locator("#figures").scroll_into_view_if_needed()
        pictures[scheme] = imread(io.BytesIO(page.screenshot()), format="png")[..., :3]
    light, dark = pictures["light"], pictures["dark"]
    assert light.mean() > 0.85
    assert dark.mean() < 0.25
    for picture in (light, dark):  # figures with colours, not an empty page
        assert len(np.unique((picture[::2, ::2] * 31).astype(int) @ [1, 32, 1024])) > 40
        assert picture.std() > 0.05
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 249)"


def test_the_page_tells_its_parts_to_those_who_do_not_see_it(visit: Any) -> None:
    page = visit()
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    unnamed = page.evaluate(
        "Array.from(document.querySelectorAll('button, input, audio, [tabindex]')).filter(e => "
        "!(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).length"
    )
    assert unnamed == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#averages"
