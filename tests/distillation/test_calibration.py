"""From a student to a model for use: calibration, noisy tags, the card, and the release."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.default_constraints import default_constraints
from earmark.core.errors import ConfigError
from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Tag
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import LabelledSets, Song, TagUnion, read_tag_union
from earmark.datasets.labelled_set.shards import SONGS_FILE, TAGS_FILE
from earmark.datasets.labelled_set.songs import songs_csv
from earmark.distillation import release
from earmark.distillation.agreement import compare, fused_labels, fusion_of_all_teachers, network_scores
from earmark.distillation.calibration import calibrate_student, with_implied_tags
from earmark.distillation.card_text import CardText
from earmark.evaluation.run import _warnings, load_model
from earmark.export import export_onnx
from earmark.tagging.tagger import load_tagger
from earmark.training.config import load_recipe
from earmark.training.run import train
from tests.distillation.test_student import write_set
from tests.helpers.emotify import write_emotify
from tests.helpers.labelled_sets import EXTRA, default_union, write_tables

TINY = ["training.epochs=1", "training.batch_size=4", "model.options={width: 0.1, hidden: 8}"]


def test_in_the_reference_no_singer_is_without_a_voice() -> None:
    names = ("vocals", "rock", "female vocals")
    holds = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    found = with_implied_tags(holds, names, default_constraints(names))
    assert found.tolist() == [[True, True, True], [True, False, False], [False, False, False]]
    assert not holds[0, 0]


def test_in_the_reference_a_tag_also_holds_for_what_implies_it() -> None:
    names = ("rock", "metal", "heavy metal", "jazz", "fusion")
    tree = {"heavy metal": ("metal",), "metal": ("rock",), "fusion": ("jazz", "rock")}
    holds = np.array([[0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    found = with_implied_tags(holds, names, default_constraints(names, tree))
    assert found.tolist() == [[True, True, True, False, False], [False, False, False, False, True]]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = write_tables(tmp_path_factory.mktemp("sets"), EXTRA)
    for seed, (name, n) in enumerate({"train": 6, "emotify": 2, "validation": 6, "heldout": 7}.items()):
        write_set(folder / name, n, seed)
    recipe = load_recipe("default/compact-1d", [*TINY, f"data.root={folder}"])
    found = train(recipe, folder / "run", device="cpu")
    return folder, found.checkpoint


@pytest.mark.slow
def test_a_student_is_finished_for_people(student: tuple[Path, Path], tmp_path: Path) -> None:
    sets, checkpoint = student
    union = default_union()
    text = CardText(name="made", description="A test.")
    found = calibrate_student(checkpoint, sets, tmp_path / "model", text, least_correlation=0.2)
    assert 5 < len(found.card.vocabulary) < len(union.tags)
    assert not set(found.left_out) & set(found.card.vocabulary.names)
    assert len(found.left_out) + len(found.card.vocabulary) == len(union.tags)
    assert {tag.kind for tag in found.card.vocabulary} == {"classification"}
    assert set(found.card.calibration) == set(found.card.thresholds) == set(found.card.vocabulary.names)
    assert all(0.5 <= limit <= 0.9 for limit in found.card.thresholds.values())
    assert found.card.training["heard_from"].keys() == set(found.card.vocabulary.names)

    # The smaller network says of its tags what the larger one says of them; and so does the exported one.
    held_out = LabelledSets.open(sets)["heldout"]
    before, after = load_model(checkpoint), load_model(tmp_path / "model")
    places = [before.card.vocabulary.index(tag) for tag in found.card.vocabulary.names]
    scores = network_scores(after, held_out)
    assert scores == pytest.approx(network_scores(before, held_out)[:, places], abs=1e-5)
    again = compare(
        scores,
        found.card.vocabulary.names,
        held_out,
        fused_labels(held_out, fusion_of_all_teachers(LabelledSets.open(sets)), union),
        union,
    )
    assert again.mean_correlation == pytest.approx(found.agreement["heldout"].mean_correlation, abs=1e-3)
    windows = np.stack([np.asarray(held_out.audio[0][k][:155_200]) / np.float32(32767) for k in (1, 2)])
    for weights, limit in (("float32", 1e-4), ("float16", 2e-2), ("int8", 2e-1)):
        report = export_onnx(after._model.network, found.card, tmp_path / f"{weights}.onnx", windows, weights)  # type: ignore[attr-defined,arg-type]
        tagger = load_tagger(tmp_path / f"{weights}.onnx")
        assert np.abs(network_scores(tagger, held_out) - scores).max() < limit
        assert report.max_abs_difference < limit
    sizes = [(tmp_path / f"{weights}.onnx").stat().st_size for weights in ("float32", "float16", "int8")]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.slow
def test_the_card_has_the_tree_and_the_rivals_of_the_tags_that_are_kept(
    student: tuple[Path, Path], tmp_path: Path
) -> None:
    sets, checkpoint = student
    text = CardText(name="made", rivals={"classical": ("jazz", "no such tag"), "none": ("jazz",)}, rival_margin=0.2)
    card = calibrate_student(checkpoint, sets, tmp_path / "all", text, least_correlation=-1.0).card
    names = card.vocabulary.names
    assert card.rules == default_constraints(names, default_union().parents, text.rivals, 0.2)
    assert {"rock", "metal", "heavy metal", "classical", "jazz"} <= set(names)
    assert card.rules.parents["heavy metal"] == ("metal",)
    assert card.rules.rivals == {"classical": ("jazz",)}
    text = CardText(
        name="made", rivals=text.rivals, least_correlation=0.2, leave_out={"jazz": "not of interest", "other": ""}
    )
    part = calibrate_student(checkpoint, sets, tmp_path / "part", text).card
    assert part.rules.problems(part.vocabulary.names) == []
    assert "jazz" not in part.vocabulary.names
    assert part.training["left_out"]["jazz"] == "not of interest"
    assert len(part.vocabulary) < len(names) - 1


@pytest.mark.slow
def test_tags_that_only_people_know_are_calibrated_to_their_labels(tmp_path: Path) -> None:
    """Known of "calm" and the degree "energy" is what the student says, and of "loud" the opposite."""
    rows = ["name,category,kind,mtat-50", "rock,genre,,rock", "quiet,mood,,quiet", "calm,mood,,", "loud,mood,,"]
    (tmp_path / "tags.csv").write_text("\n".join([*rows, "energy,mood,regression,", ""]))
    (tmp_path / "left_out.csv").write_text("vocabulary,tag,reason\nmtat-50,*,not of interest\n")
    known = ("calm", "loud", "energy")
    vocabularies = {"mtat-50": load_vocabulary("mtat-50").names}
    union = read_tag_union(tmp_path / "tags.csv", tmp_path / "left_out.csv", vocabularies, known)
    assert union.vocabulary.tags[4] == Tag("energy", "regression", "mood")
    assert TagUnion.from_document(json.loads(union.to_json())) == union
    folder = tmp_path / "sets"
    folder.mkdir()
    sizes = {"train": 6, "validation": 6, "heldout": 7}
    for seed, (part, n) in enumerate(sizes.items()):
        write_set(folder / part, n, seed, ("mtat-50",), [f"{part} {i}" for i in range(n)])
    (folder / TAGS_FILE).write_text(union.to_json())

    def label_songs(value: Callable[[str, str, int], float]) -> None:
        songs = [
            Song(f"{part} {i}", Path("none.wav"), "g", part, 0.0, labels={tag: value(part, tag, i) for tag in known})
            for part, n in sizes.items()
            for i in range(n)
        ]
        (folder / SONGS_FILE).write_text(songs_csv(songs))

    label_songs(lambda _, __, i: i % 2)
    checkpoint = train(load_recipe("default/compact-1d", [*TINY, f"data.root={folder}"]), tmp_path / "run").checkpoint
    sets = LabelledSets.open(folder)
    scores = {part: network_scores(load_model(checkpoint), sets[part]) for part in ("validation", "heldout")}
    middle = np.median(np.concatenate([*scores.values()])[:, 2])

    def value(part: str, tag: str, i: int) -> float:
        if part == "train":
            return i % 2
        said = float(scores[part][i, union.vocabulary.index(tag)])
        return {"calm": float(said > middle), "loud": 1 - said, "energy": said}[tag]

    label_songs(value)
    text = CardText(name="made", share_factors={"genre": 1.5})
    found = calibrate_student(checkpoint, folder, tmp_path / "model", text, least_correlation=-1.0)
    assert found.card.vocabulary.names == ("rock", "quiet", "calm", "energy")
    assert found.left_out == {"loud": "rank correlation with the known labels of unseen songs is -1.00"}
    assert found.card.vocabulary.tags[3].kind == "regression"
    assert found.calibrated == (*found.card.thresholds,) == (*found.card.calibration,) == ("rock", "quiet", "calm")
    assert found.share_factors == {"genre": 1.5}
    audible = {part: sets[part].audible for part in ("heldout", "validation")}
    known_rows = [scores[part][rows] for part, rows in audible.items()]
    assert found.reference[:, 2].tolist() == (np.concatenate(known_rows)[:, 2] > middle).tolist()
    assert not np.isnan(found.reference).any()
    after = network_scores(load_model(tmp_path / "model"), sets["heldout"])
    assert after[:, 3] == pytest.approx(scores["heldout"][:, 4], abs=1e-5)  # a degree stays as it is


@pytest.mark.slow
def test_nothing_left_is_an_error(student: tuple[Path, Path], tmp_path: Path) -> None:
    sets, checkpoint = student
    with pytest.raises(ConfigError, match="no tag can be distinguished from noise"):
        calibrate_student(checkpoint, sets, tmp_path / "model", CardText(name="made"), least_correlation=1.1)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_card_says_that_it_also_learned_from_a_dataset(student: tuple[Path, Path], tmp_path: Path) -> None:
    """Else a split of Emotify with training songs among its test songs would flatter it without a word."""
    sets, checkpoint = student
    text = CardText(name="made", also_learned_from={"emotify": "artist-disjoint"})
    card = calibrate_student(checkpoint, sets, tmp_path / "model", text, least_correlation=-1.0).card
    emotify = load_dataset("emotify", write_emotify(tmp_path / "emotify", seconds=0.1))
    assert not any("another protocol" in line for line in _warnings(card, emotify, "test"))
    other = dataclasses.replace(emotify, protocol="random-by-track")
    assert any("another protocol of this dataset (artist-disjoint)" in line for line in _warnings(card, other, "test"))


@pytest.mark.slow
def test_any_student_can_be_released_from_the_command_line(
    student: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No dataset and no known labels are needed: labelled sets and the text of a card."""
    sets, checkpoint = student
    soundfile.write(tmp_path / "song.wav", 0.1 * np.sin(np.arange(16_000 * 12) / 9), 16_000)
    folder = write_tables(tmp_path / "sets", [*EXTRA, Song("v", tmp_path / "song.wav", "artist", "validation", 12.0)])
    for name in ("train", "emotify", "validation", "heldout"):
        (folder / name).symlink_to(sets / name)
    (tmp_path / "card.json").write_text('{"name": "mine", "description": "My own.", "limits": ["It is small."]}')
    # A student of a few steps has learned nothing: all tags are kept nevertheless.
    monkeypatch.setattr(release, "release_student", partial(release.release_student, least_correlation=-1.0))
    arguments = ["distill", "finish", str(checkpoint), "--sets", str(folder), "--card", str(tmp_path / "card.json")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "model")])
    assert result.exit_code == 0, result.output
    card = load_tagger(tmp_path / "model" / "mine.onnx").card
    assert (card.name, card.limits) == ("mine", ("It is small.",))
    page = (tmp_path / "model" / "mine.md").read_text(encoding="utf-8")
    assert page.startswith("# mine\n\nWritten by `earmark distill finish`.\n\nMy own.\n\n| | |\n|---|---|\n")
    assert "\n- It is small.\n\n## The tags\n" in page
    assert "\n\n\n" not in page
    assert "motify" not in page
    for name in card.vocabulary.names:
        assert f"| {name} | " in page
    result = CliRunner().invoke(app, ["distill", "compare", str(checkpoint), "--sets", str(folder)])
    assert result.exit_code == 0, result.output
    assert "| – |" in result.output  # no known labels
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "other"), "--dataset", "emotify"])
    assert "give both" in str(result.exception)
