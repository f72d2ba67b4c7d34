"""The release of earmark-2: what its page says of the music, the labels, and what people's labels say of the model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tools.default_model.__main__ import app
from tools.default_model.earmark_2 import songs as songs_of_earmark_2
from tools.default_model.earmark_2.degrees import DEGREES
from tools.default_model.earmark_2.training_data import label_counts, source_rows, split_rows
from tools.default_model.judges.measures import Value
from tools.default_model.judges.page_tables import JUDGES, read_factors, read_judged
from tools.default_model.judges.report import write_results
from tools.default_model.release import make_earmark_2

from earmark.cli.main import app as earmark
from earmark.core.errors import ConfigError, DataError
from earmark.core.tag_constraints import by_parents
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.labelled_set import LabelledSets, Song
from earmark.datasets.labelled_set.shards import SET_FILE, SONGS_FILE
from earmark.datasets.labelled_set.songs import songs_csv
from earmark.distillation.agreement import network_scores
from earmark.evaluation.run import load_model
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.tagging.tagger import load_tagger
from tests.distillation.test_student import write_set
from tests.helpers.emotify import write_emotify
from tests.helpers.labelled_sets import TEACHER_VOCABULARIES, second_union, write_tables
from tests.tools.default_model.test_earmark_2 import NO_MUSIC, ROWS, write_music

HELD_OUT = [(f"0ad/more {i}", "0ad", "validation", 100.0) for i in range(4)]
NAMES = ("rock", "classical", "calm", "piano", "happy")


def value(judge: str, measure: str, number: float, labels: dict[str, float | None] | None = None) -> Value:
    return Value(
        judge, measure, number, number - 0.1, number + 0.1, 33, 20, len(labels or {}), len(labels or {}), labels or {}
    )


def own_values() -> list[Value]:
    return [
        value("Emotify's genres", "ROC-AUC", 0.91, {"rock": 0.85, "classical": 0.97}),
        value("listeners' emotions", "rank correlation", 0.45, {"calmness": 0.61, "power": None}),
        value("the composer's moods", "ROC-AUC", 0.7, {"feel: bright": 0.72}),
        value("all of these labels", "default output: f1", 0.62),
        value("all of these labels", "one threshold of 0.31: f1", 0.5),
        value("nothing said of music", "emotify", 0.03),
    ]


# what people's labels say


def test_results_of_another_file_of_this_name_do_not_count(tmp_path: Path) -> None:
    write_results(tmp_path, "made", "validation", own_values(), "a" * 64)
    write_results(tmp_path, "earmark-1", "validation", own_values()[:1], "b" * 64)
    found = read_judged(tmp_path, "made", "a" * 64, "validation")
    assert [*found.results] == ["made", "earmark-1"]
    assert not found.why_not
    other = read_judged(tmp_path, "made", "c" * 64, "validation")
    assert (other.own, other.sections) == ([], [])
    assert "is of another file than this made" in other.why_not
    for missing in (read_judged(tmp_path, "made", "a" * 64, "test"), read_judged(None, "made", "a" * 64, "test")):
        assert missing.why_not == "made was not measured on the test songs"
    (tmp_path / "earmark-1.validation.json").write_text("{}")
    with pytest.raises(DataError, match="not a file of results"):
        read_judged(tmp_path, "made", "a" * 64, "validation")


def test_judges_are_shown_with_other_models_and_those_that_are_missing_are_named(tmp_path: Path) -> None:
    write_results(tmp_path, "made", "validation", own_values(), "a" * 64)
    write_results(tmp_path, "fcn-mtat", "validation", own_values()[:1])
    found = read_judged(tmp_path, "made", "a" * 64, "validation")
    tables = {title: table for title, _, table in found.sections}
    assert tables["Emotify's genres"].splitlines()[2:] == [
        "| model | ROC-AUC |",
        "| --- | --- |",
        "| made | 0.910 [0.81, 1.01] |",
        "| fcn-mtat | 0.910 [0.81, 1.01] |",
    ]
    assert "one threshold" not in tables["All of these labels"]
    assert found.missing == [judge for judge in JUDGES if judge not in {one.judge for one in own_values()}]
    assert "no music" in found.missing
    assert found.headlines["all of these labels, F1 of what is printed"] == "0.620 [0.52, 0.72]"
    by_tag = found.by_tag(NAMES)
    assert by_tag["rock"] == "Emotify's genres: ROC-AUC 0.85, 33 songs"
    assert by_tag["calm"] == "listeners' emotions (“calmness”): rank correlation 0.61, 33 songs"
    assert by_tag["happy"] == "the composer's moods (“bright”): ROC-AUC 0.72, 33 songs"
    assert "piano" not in by_tag


def test_factors_are_in_their_order(tmp_path: Path) -> None:
    for factor in ("10", "1", "1.5"):
        write_results(tmp_path / "factors", f"factor {factor}", "validation", own_values())
    assert [*read_factors(tmp_path)] == ["factor 1", "factor 1.5", "factor 10"]
    assert read_factors(tmp_path / "nowhere") == read_factors(None) == {}


# what it learned from


def made_songs() -> list[Song]:
    def song(name: str, split: str, group: str, seconds: float, **labels: float) -> Song:
        return Song(name, Path("none.wav"), group, split, seconds, labels=labels)

    return [
        song("emotify-001", "train", "a", 0.0, rock=1.0, calm=0.4, energy=0.2),
        song("emotify-002", "validation", "b", 0.0, rock=0.0, calm=0.4),
        song("wesnoth/x", "train", "wesnoth", 3600.0, energy=0.5),
        song("cars24/y", "train", "singer", 1800.0, piano=1.0),
        song("cars24/z", "heldout", "singer", 900.0),
    ]


def test_sources_have_terms_hours_and_their_share_of_the_examples(tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("track_id,duration_s\nemotify-001,60\nemotify-002,36\n")
    found = made_songs()
    write_set(tmp_path / "train", 4, 0, songs=["wesnoth/x", "wesnoth/x", "cars24/y", "emotify-001"])
    train = LabelledSets.open(write_tables(tmp_path, found))["train"]
    rows = {row.name: row for row in source_rows(found, train, tmp_path)}
    assert [*rows] == ["wesnoth", "cars24", "Emotify"]  # most hours first
    assert (rows["wesnoth"].licence, rows["wesnoth"].location) == ("GPL-2+", "wesnoth-1.16-music")
    assert (rows["cars24"].train_hours, rows["cars24"].unseen_hours, rows["cars24"].n_unseen) == (0.5, 0.25, 1)
    assert rows["Emotify"].train_hours == pytest.approx(1 / 60)
    assert "Magnatune" in rows["Emotify"].licence
    assert {name: row.share for name, row in rows.items()} == {"wesnoth": 0.5, "cars24": 0.25, "Emotify": 0.25}
    splits = {row.name: row for row in split_rows(found, tmp_path)}
    assert next(iter(splits)) == "train"
    assert (splits["heldout"].n_groups, splits["heldout"].n_groups_in_train) == (1, 1)  # it would be seen
    assert splits["validation"].hours == pytest.approx(0.01)
    rain = dataclasses.replace(found[0], song_id="moodist/rain", known_share=1.0)
    assert label_counts([*found, rain]) == {
        "genres": {"train": 1, "validation": 1, "heldout": 0},
        "emotions": {"train": 1, "validation": 1, "heldout": 0},
        "degrees": {"train": 2, "validation": 0, "heldout": 0},
        "instruments": {"train": 1, "validation": 0, "heldout": 0},
        "no music": {"train": 1},
    }
    unknown = [*found, dataclasses.replace(found[2], song_id="elsewhere/x")]
    with pytest.raises(DataError, match="songs are from elsewhere, which"):
        source_rows(unknown, train, tmp_path)


# the whole


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Emotify, sets as if they were unpacked, and a student that nobody has trained; energy is known as it says it."""
    folder = tmp_path_factory.mktemp("made")
    emotify = write_emotify(folder / "emotify", seconds=1.0)
    music = songs_of_earmark_2(emotify, write_music(folder / "music", [*ROWS, *HELD_OUT], NO_MUSIC))
    names = set(second_union().vocabulary.names) - set(DEGREES)
    songs = [dataclasses.replace(song, labels={k: v for k, v in song.labels.items() if k in names}) for song in music]
    ids = {
        split: [song.song_id for song in songs if song.split == split] for split in ("train", "heldout", "validation")
    }
    sets = write_tables(folder / "sets", songs, second_union())
    for seed, (name, found) in enumerate(ids.items()):
        write_set(sets / name, 6, seed, songs=[found[-1 - i % len(found)] for i in range(6)])
        document = json.loads((sets / name / SET_FILE).read_text())
        networks = [("fcn-mtat", 1.0), ("musicnn-mtt", 0.5 if name == "train" else 1.0)]
        document["teachers"][0]["mean_of"] = [
            {"name": network, "vocabulary": "mtat-50", "starts": [0], "sha256": "1" * 64}
            | ({"share": share} if share < 1 else {})
            for network, share in networks
        ]
        (sets / name / SET_FILE).write_text(json.dumps(document))
    torch.manual_seed(0)
    names = second_union().vocabulary
    model = create_model("compact_1d", len(names), width=0.1, hidden=32, level_dbfs=-18.0).eval()
    with torch.no_grad():  # else its scores are all but 0 or 1
        [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1].weight.mul_(0.02)
    vocabulary = Vocabulary(tuple(Tag(tag.name, "regression", tag.category) for tag in names))
    weights = {"mtat-50": {"vocals": 3, "*": 2}}
    recipe = {"training": {"epochs": 7}, "data": {"options": {"vocabulary_weights": weights}}}
    card = make_card(
        model, name="student", vocabulary=vocabulary, training={"recipe": recipe, "clips": {"train": 1234}}
    )
    save_checkpoint(folder / "checkpoint", model, card)
    labelled = LabelledSets.open(sets)
    said = {
        song: float(row[names.index("energy")])
        for part in ("heldout", "validation")
        for song, row in zip(
            labelled[part].songs(), network_scores(load_model(folder / "checkpoint"), labelled[part]), strict=True
        )
    }
    known = [
        dataclasses.replace(song, labels=song.labels | {"energy": said[song.song_id]}) if song.song_id in said else song
        for song in songs
    ]
    (sets / SONGS_FILE).write_text(songs_csv(known))
    return emotify, sets, folder / "checkpoint"


@pytest.mark.slow
def test_from_a_student_to_earmark_2_and_its_page(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    emotify, sets, checkpoint = made
    out, judged = tmp_path / "model", tmp_path / "judged"

    def release(folder: Path | None) -> tuple[list[str], str]:
        lines = list(
            make_earmark_2(checkpoint, sets, emotify, out, judged=folder, weights="float32", least_correlation=-1.0)
        )
        assert lines[-1] == str(out / "earmark-2.md")
        return lines, (out / "earmark-2.md").read_text(encoding="utf-8")

    lines, page = release(None)
    assert "earmark-2 was not measured on the validation songs" in lines
    assert "earmark-2 was not measured on the validation songs. `python -m" in page
    model = out / "earmark-2.onnx"
    tagger = load_tagger(model)
    first = model.read_bytes()

    # Judged, and made again: the same file, so the results are its own.
    sha256 = hashlib.sha256(first).hexdigest()
    write_results(judged, "earmark-2", "validation", own_values(), sha256)
    write_results(judged, "earmark-1", "validation", own_values()[:2], "b" * 64)
    write_results(judged / "factors", "factor 2", "validation", own_values())
    lines, page = release(judged)
    assert model.read_bytes() == first
    assert [line for line in lines if "not measured" in line] == ["earmark-2 was not measured on the test songs"]
    for text in (
        "| validation songs, Emotify's genres, ROC-AUC | 0.910 [0.81, 1.01] |",
        "1,234 examples of 9.7 s, 7 times over",
        "counted more or less: mtat-50 2 (vocals 3).",
        "| fcn-mtat | mtat-50 | MIT | 111111111111… | yes |",
        "| musicnn-mtt | mtat-50 | ISC | 111111111111… | 50% of it |",
        "| wesnoth | wesnoth-1.16-music | GPL-2+ | 1 | 0.03 | 0 | 0.00 | 16.7% |",
        "| heldout | agreement with the teachers, calibration | 5 | 1 | 0.14 | 0 |",
        "| genres | 12 | 4 | 0 |",
        "In none of these are the 8 test songs of Emotify",
        "\n### Emotify's genres\n\nSongs by artists",
        "| earmark-1 | 0.910 [0.81, 1.01] |",
        "Not measured, since songs or labels were not there: MagnaTagATune's tags",
        "Test songs: earmark-2 was not measured on the test songs.",
        "| factor 2 | 0.620 [0.52, 0.72] |",
        "\n## Rules\n",
        "(moods: by Emotify's listeners; degrees: VibeNet's estimates)",
        " validation songs of Emotify ",
        "| digital silence |",
    ):
        assert text in page, text
    assert "\n\n\n" not in page
    tree = by_parents(tagger.card.rules.parents)
    assert tree
    for above, below in tree.items():
        assert f"\n  - {' or '.join(above)}: from {', '.join(below)}\n" in page
    energy = re.search(r"\| energy \| (\d) \| ([\d.]+) \| ([\d.]+) \|", page)
    assert energy
    assert (float(energy[2]), float(energy[3])) == (pytest.approx(1.0, abs=0.2), pytest.approx(0.0, abs=0.01))
    rows = {line.split(" | ")[1]: line for line in page.splitlines() if line.startswith(("| genre |", "| mood |"))}
    assert "| mtat-50 (2), msd-50, mtg-jamendo-50 |" in rows["rock"]
    assert "| Emotify's genres: ROC-AUC 0.85, 33 songs |" in rows["rock"]
    assert re.search(r"\| none \| – \| VibeNet: rank correlation [\d.]+, 9 songs \| – \| – \|$", rows["energy"])
    assert tagger.card.training["teachers_of_training_set"] == ["fcn-mtat", "musicnn-mtt", *TEACHER_VOCABULARIES[1:]]
    tables = [block for block in page.split("\n\n") if block.startswith("|")]
    assert all(len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1 for table in tables)
    for name in tagger.card.vocabulary.names:
        assert f" | {name} | " in page

    # The card reads well, too.
    shown = CliRunner().invoke(earmark, ["models", "show", str(model)], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert any(re.fullmatch(r"genre +rock .* mtat-50, msd-50, mtg-jamendo-50 *", line) for line in lines)
    assert any(re.search(r"^ +energy +regression +degree .*known labels *$", line) for line in lines)
    assert any(line.startswith("shares of training set") and "musicnn-mtt=0.5" in line for line in lines)


def test_earmark_1_has_no_judged_page() -> None:
    words = ["finish", "x", "--sets", "x", "--emotify", "x", "--out", "x", "--corpus", "x", "--judged", "x"]
    with pytest.raises(ConfigError, match="give one of them"):
        CliRunner().invoke(app, words, catch_exceptions=False)
