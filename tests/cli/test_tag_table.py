"""What `earmark tag` prints for people: two tags of each category that hold, or that nothing does; and the card."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from earmark.cli.main import app
from earmark.cli.tag import run as tag_run
from earmark.core.card import Metric, ModelCard
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.tagging.tagger import load_tagger
from tests.helpers import sounds
from tests.helpers.command import terminal
from tests.helpers.degrees import CARD as GRADED
from tests.helpers.degrees import EMOTIONS
from tests.helpers.onnx_files import tiny

TAGS = Vocabulary(
    (
        Tag("slow", category="tempo"),
        Tag("fast", category="tempo"),
        *(Tag(name, category="genre") for name in ("rock", "pop", "drum and bass")),
        *(Tag(name, category="mood") for name in ("[sad]", "happy", "calm")),
    )
)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write_int_wav(tmp_path_factory.mktemp("song") / "a.wav", sounds.music(3, 16_000)[0], 16_000)


def model(
    folder: Path,
    threshold: float,
    parents: dict[str, tuple[str, ...]] | None = None,
    rivals: dict[str, tuple[str, ...]] | None = None,
) -> Path:
    card = ModelCard(
        "tiny",
        "none",
        InputSpec(16_000, 16_000, 16_000),
        TAGS,
        thresholds=dict.fromkeys(TAGS.names, threshold),
        rules=TagConstraints((("slow", "fast"),), parents=parents or {}, rivals=rivals or {}),
        limits=("It knows nothing.",),
        training={"heard_from": {name: {"teacher": [name]} for name in TAGS.names}, "left_out": {"polka": "noise"}},
        metrics=(
            Metric("roc_auc", 0.75, "some", "split", "test", low=0.7, high=0.8),
            *(Metric("roc_auc", 0.75, "some", "split", "test", tag=name, low=0.7, high=0.8) for name in TAGS.names),
        ),
    )
    return tiny(folder / "tiny.onnx", card)


def shown(*arguments: str | Path, environment: dict[str, str] | None = None) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), env=environment or {"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_a_row_has_two_tags_of_each_category_that_hold(tmp_path: Path, song: Path) -> None:
    path = model(tmp_path, 0.0)
    (line,) = shown("tag", song, "--model", path, "--quiet", environment=terminal(300)).splitlines()
    groups = [re.findall(r"(\S.*?) (\d\.\d\d)", part) for part in line.split("0:03  ")[1].split(" | ")]
    scores = load_tagger(path).tag(song)
    best = [[t for t in scores.top(0, "auto") if t.category == name][:2] for name in ("genre", "mood", "tempo")]
    assert groups == [[(t.tag, f"{t.score:.2f}") for t in group] for group in best]
    assert [len(group) for group in groups] == [2, 2, 1]  # slow and fast exclude each other
    assert [t.tag for t in scores.top_per_category()] == [t.tag for group in best for t in group]
    assert len(re.findall(r" \d\.\d\d", shown("tag", song, "--model", path, "--top", "1"))) == 1


def test_rows_stay_on_stdout_where_colours_are_forced(tmp_path: Path, song: Path) -> None:
    """FORCE_COLOR makes Rich take both outputs for one terminal, which a file with the results is not."""
    with_progress = shown("tag", song, "--model", model(tmp_path, 0.0), environment=terminal(300))
    assert song.name in with_progress


def test_where_nothing_holds_the_highest_are_named(tmp_path: Path, song: Path) -> None:
    path = model(tmp_path, 1.0)
    scores = load_tagger(path).tag(song)
    highest = "  ".join(f"{t.tag} {t.score:.2f}" for t in scores.top(3))
    assert shown("tag", song, "--model", path).endswith(f"nothing over its threshold; highest: {highest}\n")


@pytest.mark.slow
def test_degrees_have_a_line_of_their_own_where_files_are_few(tmp_path: Path, song: Path) -> None:
    path = tiny(tmp_path / "graded.onnx", GRADED)
    degrees = load_tagger(path).tag(song).degrees

    def on_a_terminal(what: Path, model: Path = path) -> str:
        return shown("tag", what, "--model", model, "--threshold", "1", "--quiet", environment=terminal(300))

    tags, line = on_a_terminal(song).splitlines()
    assert line == f"{' ' * tags.index('nothing over')}degrees: " + ", ".join(
        f"{n} {x:.0%}" for n, x in degrees.items()
    )
    assert not any(name in tags for name in degrees)
    assert "degrees: " not in on_a_terminal(song, tiny(tmp_path / "emotions.onnx", EMOTIONS))
    many = tmp_path / "many"
    many.mkdir()
    for i in range(13):
        (many / f"{i:02d}.wav").write_bytes(song.read_bytes())
    assert "degrees: " not in on_a_terminal(many)
    (many / "00.wav").unlink()
    assert on_a_terminal(many).count("degrees: energy") == 12


@pytest.mark.slow
def test_in_a_pipe_a_row_is_a_line_with_tabs(tmp_path: Path, song: Path) -> None:
    path = tiny(tmp_path / "graded.onnx", GRADED)
    folder = tmp_path / "folder"
    folder.mkdir()
    names = ["a.wav", f"{'long ' * 30}.wav", "tab\tand\nline.wav", *(f"{i:02d}.wav" for i in range(12))]
    for name in names:
        (folder / name).write_bytes(song.read_bytes())
    scores = load_tagger(path).tag(song)
    degrees = ", ".join(f"{name} {score:.0%}" for name, score in scores.degrees.items())
    best = "  ".join(f"{t.tag} {t.score:.2f}" for t in scores.top(1, "none"))
    rows = [
        line.split("\t")
        for line in shown("tag", folder, "--model", path, "--top", "1", "--threshold", "none").splitlines()
    ]
    assert sorted(row[0] for row in rows) == sorted(
        str(folder / name).encode("unicode_escape").decode() for name in names
    )
    assert {tuple(row[1:]) for row in rows} == {("0:03", best, degrees)}
    (whole, part) = shown("tag", song, "--model", path, "--segments", "--top", "1").splitlines()
    assert whole.split("\t")[0] == part.split("\t")[0] == str(song)
    assert part.split("\t")[1] == "0:00-0:03"
    plain = tiny(tmp_path / "emotions.onnx", EMOTIONS)
    assert len(shown("tag", song, "--model", plain).rstrip("\n").split("\t")) == 3


def test_programs_get_degrees_beside_tags(tmp_path: Path, song: Path) -> None:
    path = tiny(tmp_path / "graded.onnx", GRADED)
    scores = load_tagger(path).tag(song)
    expected = {name: round(score, 4) for name, score in scores.degrees.items()}
    for options in ((), ("--threshold", "1", "--top", "1")):
        record = json.loads(shown("tag", song, "--model", path, "--format", "jsonl", *options))
        assert record["degrees"] == expected
        assert not {tag["tag"] for tag in record["tags"]} & set(expected)
        (row,) = csv.DictReader(io.StringIO(shown("tag", song, "--model", path, "--format", "csv", *options)))
        assert {name: float(row[name]) for name in expected} == expected
        assert bool(row["drums"]) is not bool(options)
    quiet = sounds.write_int_wav(tmp_path / "quiet.wav", np.zeros(32_000), 16_000)
    card = GRADED.replace(input=InputSpec(16_000, 16_000, 16_000, conditioning=Conditioning()))
    path = tiny(tmp_path / "conditioned.onnx", card)
    assert json.loads(shown("tag", quiet, "--model", path, "--format", "jsonl"))["degrees"] == {}
    (row,) = csv.DictReader(io.StringIO(shown("tag", quiet, "--model", path, "--format", "csv")))
    assert (row["status"], row["energy"], row["drums"]) == ("ok", "", "")
    assert "degrees: " not in shown("tag", quiet, "--model", path)


def test_a_card_shows_which_tags_are_degrees(tmp_path: Path) -> None:
    text = shown("models", "show", tiny(tmp_path / "graded.onnx", GRADED))
    assert "tags 5: 2 genre, 1 instrument, 2 mood degrees energy, valence: how much, never whether" in " ".join(
        text.split()
    )
    cells = {row.split()[-3]: row.split()[-1] for row in text.splitlines() if re.search(r"(class|regress)i", row)}
    assert cells == {
        "rock": "0.50", "techno": "0.50", "drums": "-", "energy": "degree", "calm": "0.50", "soft": "0.40", "valence": "degree",
    }  # fmt: skip
    assert "degree" not in shown("models", "show", tiny(tmp_path / "emotions.onnx", EMOTIONS))


def test_on_a_narrow_terminal_tags_go_on_below_tags(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model(tmp_path, 0.0)
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as out:
        narrow = Console(file=out, width=60, highlight=False, soft_wrap=True, force_terminal=True, color_system=None)
        monkeypatch.setattr(tag_run, "stdout_console", lambda: narrow)
        monkeypatch.setattr(tag_run, "stderr_console", lambda: narrow)
        monkeypatch.chdir(song.parent)
        run = tag_run.TagRun(
            model=str(path), output_format="table", top=None, threshold="auto", taggram_dir=None, jobs=1,
            damaged="error", quiet=True,
        )  # fmt: skip
        assert run.over([Path(song.name)]) == 0
    lines = os.read(controller, 10_000).decode().splitlines()
    os.close(controller)
    assert len(lines) > 1
    assert all(len(line) <= 60 for line in lines)
    assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {len(f"{song.name}     0:03  ")}


def test_a_card_shows_what_tags_imply_and_silence(tmp_path: Path) -> None:
    first, second, third = (tag.name for tag in TAGS.tags if tag.category == "genre")
    path = model(tmp_path, 0.25, {first: (second, third)}, {second: (third,)})
    text = " ".join(shown("models", "show", path).split())
    assert f"implied {first}: {second} or {third}" in text
    assert f"rivals {second} silences {third} where its score is 0.1 above theirs" in text
    others = tuple(tag.name for tag in TAGS.tags if tag.name != second)
    everything = " ".join(shown("models", "show", model(tmp_path, 0.25, {}, {second: others})).split())
    assert f"rivals {second} silences all other tags where" in everything
    path = model(tmp_path, 0.25, {first: (second, third)}, {second: (third,)})
    assert json.loads(shown("models", "show", path, "--json"))["rules"] == {
        "exclusive": [["slow", "fast"]],
        "requires": {},
        "parents": {first: [second, third]},
        "rivals": {second: [third]},
        "rival_margin": 0.1,
    }


def test_a_card_names_a_category_once_and_fits_its_table(tmp_path: Path) -> None:
    path = model(tmp_path, 0.25)
    text = shown("models", "show", path)
    rows = text[text.index("category") : text.index("Where it comes from")].splitlines()[1:]
    assert sum("genre" in row for row in rows) == 1
    assert sum("teacher" in row and "0.25" in row and "0.75" in row for row in rows) == len(TAGS)
    for words in (
        "3 genre, 3 mood, 2 tempo",
        "slow / fast",
        "- It knows nothing.",
        "0.750 [0.700, 0.800]",
        "polka (why",
    ):
        assert words in text


@pytest.mark.parametrize("name", [":fire:.wav", "[red]:heart: of gold[red].wav"])
def test_names_stay_as_they_are(name: str, tmp_path: Path, song: Path) -> None:
    """Rich prints ":fire:" as an emoji, and takes [red] for a colour."""
    (tmp_path / name).write_bytes(song.read_bytes())
    for environment in (terminal(200), {}):
        result = CliRunner(env=environment).invoke(app, ["tag", str(tmp_path / name), str(tmp_path / f"no {name}")])
        assert name in result.stdout
        assert f"no {name}: no such file" in result.stderr
