"""The page in a real browser: it answers as the command line does, and nothing leaves it."""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.core.vocabulary import CATEGORIES
from earmark.tagging.tag_scores import TagScores
from tests.helpers import sounds
from tests.helpers.browser import absent
from tests.helpers.page import CLIPS, CLOSE, ROOT, same
from tests.helpers.served import Process


def shown_tags(page: Any, record: dict[str, Any], truth: TagScores) -> None:
    """The page of a file says what the command line says to hold, and the table the highest two of each category.

    Tags whose scores are too close to their thresholds, or to those that they exclude, may have changed their minds, and
    so may what they imply or silence.
    """
    close = {tag for tag, least in truth.thresholds.items() if abs(truth[tag] - least) < CLOSE}
    for group in truth.rules.exclusive:
        best = sorted((truth[tag] for tag in group), reverse=True)
        close |= set(group) if best[0] - best[1] < CLOSE else set()
    close |= {tag for tag, needed in truth.rules.requires.items() if needed in close}
    for tag, parents in truth.rules.parents.items():
        close |= set(parents) if tag in close or len(parents) > 1 else set()
    for tag, rivals in truth.rules.rivals.items():
        leads = {rival: truth[tag] - truth[rival] - truth.rules.rival_margin for rival in rivals}
        close |= {rival for rival, lead in leads.items() if tag in close or abs(lead) < CLOSE}
    page.click(f"#rows button.name:text-is('{record['path']}')")
    holding = page.locator("#tags section:not([data-category='degrees']) li:not(.below) .bar-name").all_inner_texts()
    assert set(holding) - close == {tag.tag for tag in truth.top(0, "auto")} - close
    row = page.locator("#rows tr", has=page.locator(f"button.name:text-is('{record['path']}')"))
    chips = [chip.rsplit(" ", 1)[0] for chip in row.locator(".chip:not(.note)").all_inner_texts()]
    ours = [tag for tag in record["tags"] if tag["tag"] in holding]
    wanted = [[tag["tag"] for tag in ours if tag["category"] == category][:2] for category in CATEGORIES]
    assert chips == [tag for tags in wanted for tag in tags]
    assert bool(chips) is not row.get_by_text("nothing over its threshold").is_visible()


def test_tags_like_the_command_line_and_makes_no_request(serve: Any, visit: Any, tagger: earmark.Tagger) -> None:
    site = serve()
    person = visit(site.url)
    page = person.page
    assert "Nothing leaves this device" in page.inner_text("header")
    assert page.get_attribute("html", "data-settled") == "offline"
    assert page.evaluate("crossOriginIsolated") is True  # several threads
    n_asked = len(site.asked)
    person.requests.clear()
    records = person.tag(*CLIPS)
    for record, clip in zip(records, CLIPS, strict=True):
        truth = tagger.tag(clip)
        assert record["path"] == clip.name
        same(record, truth)
        shown_tags(page, record, truth)
    rows = list(csv.DictReader(io.StringIO(person.export("csv"))))
    assert [row["path"] for row in rows] == [clip.name for clip in CLIPS]
    first = records[0]["tags"][0]
    assert float(rows[0][first["tag"]]) == first["score"]
    playlist = person.export("m3u").splitlines()
    assert playlist[0] == "#EXTM3U"
    assert playlist[2::2] == [clip.name for clip in CLIPS]
    page.click("#record")
    page.wait_for_selector('#record:has-text("0:01")')
    page.click("#record")
    person.until_done(1)
    (recorded,) = json.loads(person.export("json"))[len(CLIPS) :]
    assert recorded["status"] == "ok"
    assert recorded["path"].startswith("recording")
    assert recorded["duration_seconds"] > 0.9
    # The recorder's code is the one file that is not read until it is needed: from the service worker.
    assert [url for url in person.network() if not url.endswith("/recorder.js")] == []
    assert site.asked[n_asked:] == []
    refused = "fetch('/healthz').then(() => 'went out', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    assert site.asked[n_asked:] == []
    person.errors[:] = [error for error in person.errors if "/healthz" not in error]


def test_the_service_has_it_at_its_root(visit: Any, built: Path) -> None:
    service = Process()
    try:
        person = visit(service.url)
        assert person.page.evaluate("crossOriginIsolated") is True
        (record,) = person.tag(CLIPS[0])
        assert record["status"] == "ok"
    finally:
        service.process.send_signal(signal.SIGTERM)
        service.end()


def test_works_offline_and_on_a_static_host(serve: Any, visit: Any, tagger: earmark.Tagger) -> None:
    site = serve(with_headers=False)
    person = visit(site.url)
    assert person.page.evaluate("crossOriginIsolated") is False  # one thread
    person.tag(CLIPS[2])
    site.close()
    person.context.set_offline(True)
    person.page.reload()
    person.settle()
    assert person.page.evaluate("crossOriginIsolated") is True  # the service worker adds the headers
    person.page.click("#clear")  # the result that was kept
    person.n_given = 0
    (record,) = person.tag(CLIPS[2])
    same(record, tagger.tag(CLIPS[2]))


def test_takes_folders_and_drops(serve: Any, visit: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my music"
    (folder / "live").mkdir(parents=True)
    short = sounds.write(folder / "live" / "b, c.wav", sounds.music(1, 16_000), 16_000)
    (folder / "a.wav").write_bytes(short.read_bytes())
    (folder / "cover.jpg").write_bytes(b"no sound")
    person = visit(serve().url)
    person.page.set_input_files("#folder-input", str(folder))
    person.page.wait_for_selector('#rows[data-finished="2"]', state="attached")
    assert person.export("m3u").splitlines()[2::2] == ["my music/a.wav", "my music/live/b, c.wav"]
    drop = """bytes => {
        const dropped = new DataTransfer();
        dropped.items.add(new File([Uint8Array.from(bytes)], "dropped.wav"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }"""
    person.page.evaluate(drop, list(short.read_bytes()))
    person.page.wait_for_selector('#rows[data-finished="3"]', state="attached")
    paths = {record["path"]: record["tags"][0] for record in json.loads(person.export("json"))}
    assert paths["dropped.wav"] == paths["my music/a.wav"]


def test_ten_minutes(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    """The frames of a clip over and over, without the header that says how many there are."""
    clip = (ROOT / "examples/clips/03-rock.mp3").read_bytes()
    second = clip.index(b"\xff\xfb", clip.index(b"\xff\xfb") + 4)
    long = tmp_path / "ten minutes.mp3"
    long.write_bytes(clip[second:] * 22)
    (record,) = visit(serve().url).tag(long)
    assert record["duration_seconds"] > 600
    same(record, tagger.tag(long))


def test_a_browser_without_its_decoders_decodes_whole_files(
    serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path
) -> None:
    """Over http:// from another machine, browsers hide WebCodecs, service workers and the microphone."""
    person = visit(f"http://page.test:{serve().port}/")
    assert person.page.get_attribute("html", "data-settled") == "online"
    long = sounds.write(tmp_path / "long.wav", np.zeros(3600 * 8000), 8000)
    *records, refused = person.tag(CLIPS[0], CLIPS[2], long)
    for record, clip in zip(records, (CLIPS[0], CLIPS[2]), strict=True):
        same(record, tagger.tag(clip), close=2.5 * CLOSE)  # the browser has its own way to another rate
    assert refused["error"].startswith("too long (1:00:00)")
    person.page.click("#record")
    person.page.wait_for_selector('#news:has-text("No recording: this browser gives the microphone only to")')
    # Said of every page that comes this way.
    person.errors[:] = [error for error in person.errors if "Opener-Policy header has been ignored" not in error]


def test_the_table_sorts_and_filters_and_the_taggram_follows_the_player(serve: Any, visit: Any) -> None:
    person = visit(serve().url)
    page = person.page
    records = person.tag(*CLIPS)
    tag = records[2]["tags"][0]["tag"]
    by_score = sorted(records, key=lambda r: -next(t["score"] for t in r["tags"] if t["tag"] == tag))
    page.fill("#by-tag", tag)
    names = page.locator("#rows button.name")
    assert names.all_inner_texts() == [record["path"] for record in by_score]
    assert page.get_attribute("th.score", "aria-sort") == "descending"
    page.click("th.length button")
    by_length = sorted(records, key=lambda record: record["duration_seconds"])
    assert names.all_inner_texts() == [record["path"] for record in by_length]
    least = next(t["score"] for t in by_score[1]["tags"] if t["tag"] == tag) - 0.005
    page.locator("#at-least").fill(f"{least:.2f}")
    assert names.count() == 2
    assert {r["path"] for r in json.loads(person.export("json"))} == {r["path"] for r in by_score[:2]}

    page.fill("#by-tag", "Singers")  # another word, in the plural
    assert page.inner_text("#by-tag-note") == "searched as vocals"
    assert page.inner_text("th.score").startswith("vocals")
    assert page.locator('#tag-words option[value="rap"]').get_attribute("label") == "hip hop"
    page.fill("#by-tag", "no such tag")
    page.locator("#by-tag").blur()
    assert page.inner_text("#by-tag-note") == "no tag “no such tag”"
    assert page.locator("th.score").count() == 0
    assert page.is_disabled("#at-least")
    assert names.count() == len(CLIPS)
    page.fill("#by-tag", "")
    assert page.inner_text("#by-tag-note") == ""
    page.click("th.length button")

    names.first.click()
    assert page.inner_text("#detail-title") == names.first.inner_text()
    assert page.evaluate("document.activeElement.id") == "detail-title"
    slider = page.locator("[role=slider]")
    slider.scroll_into_view_if_needed()
    seconds = float(slider.get_attribute("aria-valuemax"))
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.wait_for_selector("#player:not([paused])")
    assert page.evaluate("player.currentTime") == pytest.approx(seconds / 2, abs=1.5)
    page.evaluate("player.pause()")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert 1 <= page.evaluate("player.currentTime") <= 12  # a window, but not beyond the end
    assert slider.get_attribute("aria-valuetext").startswith(page.inner_text("#now").split(":")[0])
    page.click("#clear")
    assert not page.is_visible("#detail")
    assert not page.is_visible("#files")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_usable_by_all(serve: Any, visit: Any, tmp_path: Path, scheme: str) -> None:
    """Names, roles and contrast by axe; on a phone nothing is wider than the screen."""
    axe = ROOT / "web/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        absent("axe-core is not installed (make web)")
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    person = visit(serve().url, color_scheme=scheme, **phone)
    page = person.page
    page.evaluate(axe.read_text(encoding="utf-8"))
    for _ in range(2):  # empty, then with files, of which one failed
        found = page.evaluate("axe.run()")["violations"]
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        if page.is_hidden("#files"):
            empty = tmp_path / "empty.mp3"
            empty.touch()
            person.tag(CLIPS[0], empty)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")
