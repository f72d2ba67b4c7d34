"""Tempo and key on the page, in a real browser: those of the command line, shown, exported, sorted by, and left out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import sounds
from tests.helpers.command import earmark
from tests.helpers.page import CLIPS
from tests.helpers.tunes import RATE_HZ, cadences, drum_loop

MEASURES = ("tempo", "key")


def printed(*files: Path) -> list[dict[str, Any]]:
    """What the command line prints of tempo and key."""
    run = earmark("tag", *files, "--tempo", "--key", "--format", "jsonl", "--quiet")
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def measured(page: Any) -> list[list[str]]:
    """The cells of BPM and key."""
    return [row.locator("td.bpm, td.key").all_inner_texts() for row in page.locator("#rows tr").all()]


@pytest.mark.slow
def test_tempo_and_key_are_those_of_the_command_line(serve: Any, visit: Any, tmp_path: Path) -> None:
    silent = sounds.write(tmp_path / "silent.wav", sounds.music(4, RATE_HZ) * 0, RATE_HZ)
    stereo = sounds.write(tmp_path / "tune.wav", (drum_loop(117.0, 32.0) + cadences(9, "minor"))[None] * 0.5, RATE_HZ)
    files = [*CLIPS, silent, stereo]
    person = visit(serve().url)
    page = person.page
    truths = printed(*files)
    for ours, theirs in zip(person.tag(*files), truths, strict=True):
        assert ours["path"] == Path(theirs["path"]).name
        assert list(ours)[:-1] == list(theirs)
        assert ours["tempo"]["bpm"] == pytest.approx(theirs["tempo"]["bpm"], abs=0.11)
        assert ours["tempo"]["confidence"] == pytest.approx(theirs["tempo"]["confidence"], abs=0.01)
        numbers = ("confidence", "tuning_hz")
        assert {**ours["key"], **{name: theirs["key"][name] for name in numbers}} == theirs["key"]
        assert ours["key"]["confidence"] == pytest.approx(theirs["key"]["confidence"], abs=0.01)
        assert ours["key"]["tuning_hz"] == pytest.approx(theirs["key"]["tuning_hz"], abs=0.2)

    known = truths[: len(CLIPS)]
    cells = [[f"{truth['tempo']['bpm']:.1f}", f"{truth['key']['key']} {truth['key']['camelot']}"] for truth in known]
    assert measured(page)[: len(CLIPS)] == cells
    assert measured(page)[len(CLIPS)] == ["no beat", "no key"]
    page.click("th.bpm button")
    names = page.locator("#rows button.name")
    assert names.all_inner_texts()[-1] == silent.name  # what has none comes last
    by_bpm = sorted(known, key=lambda truth: truth["tempo"]["bpm"])
    assert [name for name in names.all_inner_texts() if "-" in name] == [Path(truth["path"]).name for truth in by_bpm]
    page.click("th.key button")
    codes = [cell.split()[1] for _, cell in measured(page)[:-1]]
    assert codes == sorted(codes, key=lambda code: (int(code[:-1]), code[-1]))
    page.click(f"#rows button.name:text-is('{CLIPS[3].name}')")
    said = page.inner_text("#tempo-key")
    key = known[3]["key"]
    assert f"{known[3]['tempo']['bpm']:.1f} BPM" in said
    assert all(word in said for word in (key["name"], f"Camelot {key['camelot']}", f"Open Key {key['open_key']}"))
    page.click(f"#rows button.name:text-is('{silent.name}')")
    assert page.locator("#tempo-key dd").all_inner_texts() == ["no clear beat", "no clear key"]

    rows = list(csv.DictReader(io.StringIO(person.export("csv"))))
    table = earmark("tag", *CLIPS, silent, "--tempo", "--key", "--format", "csv", "--quiet").stdout
    for theirs in csv.DictReader(io.StringIO(table)):
        (row,) = [row for row in rows if row["path"] == Path(theirs["path"]).name]
        assert list(row) == list(theirs)
        assert (row["key"], row["camelot"]) == (theirs["key"], theirs["camelot"])
        for name in ("bpm", "tempo_confidence", "key_confidence", "tuning_hz"):
            assert bool(row[name]) is bool(theirs[name])
            assert float(row[name] or 0) == pytest.approx(float(theirs[name] or 0), abs=0.11)


def test_they_can_be_left_out_which_is_remembered(serve: Any, visit: Any) -> None:
    person = visit(serve().url)
    page = person.page
    assert page.is_checked("#measure")
    page.uncheck("#measure")
    (record,) = person.tag(CLIPS[0])
    assert not set(MEASURES) & record.keys()
    assert page.locator("thead th").all_inner_texts() == ["File", "Length", "Tags"]
    assert page.is_hidden("#tempo-key")
    assert "bpm" not in person.export("csv").splitlines()[0]
    page.reload()
    person.settle()
    assert not page.is_checked("#measure")
    page.check("#measure")
    page.set_input_files("#files-input", [CLIPS[0]])  # now it is tagged again, since it lacks them
    page.wait_for_selector("td.bpm.known")
    (complete,) = json.loads(person.export("json"))
    assert set(MEASURES) <= complete.keys()
    assert {**complete, **record} == complete
    assert page.inner_text("#detail-title") == CLIPS[0].name
    page.set_input_files("#files-input", [CLIPS[0]])
    page.wait_for_selector('#news:has-text("1 is in the table already")')


def test_without_its_networks_the_page_tags(serve: Any, visit: Any) -> None:
    person = visit(serve(missing=("/assets/tempo-*.bin", "/assets/key-*.bin")).url)
    assert person.page.get_attribute("html", "data-settled") == "offline"
    assert person.page.is_disabled("#measure")
    assert person.page.inner_text(".option") == "Tempo and key: not in this copy of the page"
    (record,) = person.tag(CLIPS[0])
    assert (record["status"], set(MEASURES) & record.keys()) == ("ok", set())
    told = [error for error in person.errors if "404" in error or "no tempo and key" in error]
    assert told == person.errors
    person.errors.clear()
