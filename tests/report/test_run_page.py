"""The report of a run as HTML: what is in it, that names are never markup, and where the players' sound comes from."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earmark import audio
from earmark.core.errors import AudioError, DataError
from earmark.evaluation import ScoreTable
from earmark.evaluation.report import Report, make_report, read_report
from earmark.plots.drawing import Drawing
from earmark.plots.epochs import read_log
from earmark.plots.style import BLUE, GREEN, house_style, new_figure
from earmark.report.audio import embedded, find_clips, link
from earmark.report.inline_svg import inline_svg
from earmark.report.run_page import printable, write_page
from tests.evaluation.test_evaluation import table
from tests.helpers import sounds

EVIL_TAG, EVIL_CLIP = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>\udcff.wav'


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def two_tags(n_clips: int = 40) -> ScoreTable:
    """The table of the evaluation's tests with a tag and a clip whose names are markup."""
    made = table(n_clips)
    tags = (dataclasses.replace(made.vocabulary.tags[0], name=EVIL_TAG), *made.vocabulary.tags[1:])
    return dataclasses.replace(
        made,
        vocabulary=dataclasses.replace(made.vocabulary, tags=tags),
        clips=(EVIL_CLIP, *made.clips[1:]),
        model="<b>net</b>",
        labels=np.where(np.arange(n_clips)[:, None] == 0, [1, 0.5, 0, 0], made.labels).astype(np.float32),
        scores=np.where(np.arange(n_clips)[:, None] == 0, [0, 0.5, 1, 1], made.scores).astype(np.float32),
    )


def report_of(made: ScoreTable, **options: object) -> Report:
    return make_report(made, n_resamples=20, thresholds={EVIL_TAG: 0.5}, **options)  # type: ignore[arg-type]


def written(tmp_path: Path, made: ScoreTable, **options: object) -> tuple[str, Page]:
    write_page(tmp_path / "report.html", made, report_of(made, warnings=("<i>mind</i>",)), **options)  # type: ignore[arg-type]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def evil_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    """The page of the table with names that are markup."""
    return written(tmp_path_factory.mktemp("page"), two_tags(), n_clips=4)


@pytest.mark.slow
def test_names_are_text_wherever_they_stand(evil_page: tuple[str, Page]) -> None:
    text, page = evil_page
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert all(i["style"] for i in page.all("i"))  # the bars of scores, and no slanted warning
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert EVIL_TAG in page.text
    assert any("<b>net</b> on mine" in part for part in page.text)
    assert "<i>mind</i>" in page.text
    assert "alert(1)</script>" not in text
    assert '"><img src=x onerror=alert(1)>\N{REPLACEMENT CHARACTER}.wav' in page.text  # an undecodable file name


@pytest.mark.slow
def test_every_cell_and_dot_says_what_it_is(evil_page: tuple[str, Page]) -> None:
    made, (_, page) = two_tags(), evil_page
    said = [text for text in page.text if "share on which the column scores higher 0." in text]
    n = len(made.vocabulary.indices("classification"))
    assert 0 < len(said) <= n * (n - 1)
    counted = [text for text in page.text if re.fullmatch(r".+: [01]\.\d{3}, [\d,]+ clips", text)]
    assert {text.partition(":")[0] for text in counted} <= set(made.vocabulary.names)
    assert counted


def test_the_page_asks_for_nothing(evil_page: tuple[str, Page]) -> None:
    text, page = evil_page
    assert text.startswith("<!doctype html>")
    assert not re.search(r"https?://|url\((?!#)|@import", text)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy


def test_what_the_page_shows(evil_page: tuple[str, Page]) -> None:
    report = report_of(two_tags())
    text, page = evil_page
    words = " ".join(page.text)
    for value in (report.find("roc_auc").value, report.find("rmse").value, report.find("f1", EVIL_TAG).value):
        assert f"{value:.3f}" in words
    rows = [attributes for attributes in page.all("tr") if attributes.get("class") == "tag"]
    assert len(rows) == 4
    assert {"averages", "tags", "figures", "clips", "notes"} == {s["id"] for s in page.all("section")}
    captions = {part.strip() for part in page.text}
    assert {"Calibration, all tags", "Thresholds", "Confusion between tags", "Every clip"} <= captions
    assert not any("loss by epoch" in caption for caption in captions)
    assert text.count("<article") == 8
    # undefined, and so sorted last and shown as a dash
    undefined = re.search(r'<th scope="row" data-value="all">.*?</tr>', text, re.S)
    assert undefined is not None
    assert '<td data-value="">–</td>' in undefined[0]


@pytest.mark.slow
def test_the_training_is_shown_where_its_log_is_known(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "epoch,step,train_loss,validation_loss,roc_auc,rmse,best\n1,4,0.9,0.8,0.5,,1\n2,8,0.7,,,,0\n3,12,0.6,0.7,0.7,,1\n"
    )
    text, page = written(tmp_path, two_tags(), log=read_log(tmp_path, "run"))
    assert {"ROC-AUC and loss by epoch"} <= set(page.text)
    assert "the checkpoint: epoch 3" in text


@pytest.mark.slow
def test_players_link_to_files_that_are_there(tmp_path: Path) -> None:
    made = two_tags()
    (tmp_path / "audio").mkdir()
    near = sounds.write(tmp_path / "audio" / "a #1.wav", sounds.music(1, 8000), 8000)
    files = {EVIL_CLIP: near, made.clips[1]: tmp_path / "gone.wav"}
    _, page = written(tmp_path, made, audio=files, n_clips=20)
    (player,) = page.all("audio")
    assert player["src"] == "audio/a%20%231.wav"
    elsewhere = tmp_path / "pages" / "report.html"
    assert link(near, elsewhere) == near.as_uri()


@pytest.mark.slow
def test_embedded_audio_can_be_played_and_broken_files_are_reported(tmp_path: Path) -> None:
    sound = sounds.write(tmp_path / "a.flac", sounds.music(5, 16_000), 16_000)
    data = embedded(sound, seconds=2)
    assert data.startswith("data:audio/mpeg;base64,")
    (tmp_path / "back.mp3").write_bytes(base64.b64decode(data.partition(",")[2]))
    decoded, truth = audio.load(tmp_path / "back.mp3", 16_000), audio.load(sound, 16_000)
    assert len(decoded) / 16_000 == pytest.approx(2, abs=0.1)
    best = max(np.corrcoef(decoded[lag : lag + 16_000], truth[:16_000])[0, 1] for lag in range(0, 3000))
    assert best > 0.95
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no audio at all")
    with pytest.raises(AudioError):
        embedded(broken)
    made = two_tags()
    out = tmp_path / "report.html"
    notes = write_page(
        out, made, report_of(made), audio={EVIL_CLIP: broken, made.clips[1]: sound}, embed_audio=True, n_clips=20
    )
    assert len(notes) == 1
    assert "broken.mp3" in notes[0]
    assert out.read_text().count("data:audio/mpeg") == 1


def test_clips_are_found_in_a_folder_by_path_stem_and_name(tmp_path: Path) -> None:
    for name in ("a/1.wav", "b/1.wav", "b/two.wav", "c/3.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_clips(["a/1.wav", "b/1", "two", "elsewhere/two.wav", "1", "3"], tmp_path)
    assert {clip: path.relative_to(tmp_path).as_posix() for clip, path in found.items()} == {
        "a/1.wav": "a/1.wav",
        "b/1": "b/1.wav",
        "two": "b/two.wav",
        "elsewhere/two.wav": "b/two.wav",
    }


@pytest.mark.slow
def test_scores_out_of_range_and_single_tags_leave_figures_out(tmp_path: Path) -> None:
    made = table(20)
    places = [0, 3]
    wild = dataclasses.replace(
        made,
        vocabulary=dataclasses.replace(made.vocabulary, tags=tuple(made.vocabulary.tags[i] for i in places)),
        labels=made.labels[:, places],
        scores=made.scores[:, places] * 9 - 4,
    )
    text, page = written(tmp_path, wild)
    assert "No calibration" in text
    assert "Confusion between tags" in page.text
    one = dataclasses.replace(
        wild,
        vocabulary=dataclasses.replace(wild.vocabulary, tags=wild.vocabulary.tags[:1]),
        labels=wild.labels[:, :1],
        scores=wild.scores[:, :1],
    )
    _, page = written(tmp_path, one)
    assert "Confusion between tags" not in page.text
    assert "clips" not in {s["id"] for s in page.all("section")}


def test_a_report_is_read_back_as_it_was(tmp_path: Path) -> None:
    report = make_report(table(), n_resamples=20, thresholds={"rock": 0.5}, about={"versions": {"numpy": "2"}})
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    assert read_report(tmp_path / "report.json") == report
    for text, message in (("{", "not a report"), ('{"format": 9}', "of format 9"), ('{"format": 1}', "not a report")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read_report(tmp_path / "bad.json")


@house_style()
def marked(title: str) -> Drawing:
    figure = new_figure(title, "about")
    axes = figure.add_subplot()
    axes.plot([0, 1, 2], [0, 1, 0], "o", color=BLUE, gid="dots")
    axes.plot([0, 2], [1, 1], "-", color=GREEN)
    axes.set_xlabel(EVIL_TAG)
    return Drawing("marked", figure, pd.DataFrame(), {"dots": ["one", "<two>", "three"]})


@pytest.mark.slow
def test_figures_follow_the_style_of_the_page() -> None:
    drawn = inline_svg(marked("Title & more"), "figure-0")
    svg = Page(drawn)
    (root,) = svg.all("svg")
    assert (root["role"], root["aria-label"]) == ("img", "Title & more")
    for variable in ("--ink", "--a", "--c"):
        assert f"var({variable})" in drawn
    assert not re.search(r"#[0-9a-fA-F]{6}", drawn)  # no colour that would stay the same in the dark
    assert "DejaVu" not in drawn
    assert "about" not in svg.text
    assert EVIL_TAG in svg.text
    assert [text for text in svg.text if text in ("one", "<two>", "three")] == ["one", "<two>", "three"]
    assert len(svg.all("title")) == 3
    assert drawn == inline_svg(marked("Title & more"), "figure-0")


@pytest.mark.slow
def test_ids_of_figures_are_unique_and_all_references_lead_somewhere() -> None:
    page = Page(inline_svg(marked("a"), "figure-0") + inline_svg(marked("b"), "figure-1"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 2
    text = " ".join(str(value) for _, attributes in page.elements for value in attributes.values())
    used = {*re.findall(r"url\(#([^)]+)\)", text), *(str(use["href"])[1:] for use in page.all("use"))}
    assert used == set(ids)


def test_control_characters_and_broken_bytes_are_replaced() -> None:
    assert printable("a\x00b\u3000c") == "a\N{REPLACEMENT CHARACTER}b\u3000c"


def test_players_have_sound_where_channels_cancel(tmp_path: Path) -> None:
    left = sounds.music(2.0, 32_000)[0]
    path = sounds.write(tmp_path / "a.wav", np.stack([left, -left]), 32_000)
    content = base64.b64decode(embedded(path).partition(",")[2])
    assert np.abs(audio.load(audio.AudioBytes(content, "a.mp3"), 32_000)).max() > 0.1
