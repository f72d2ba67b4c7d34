"""From a student to a model for people: agreement, calibration, what is left out, and the card."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.model_figures import agreement_metrics, licence_hours, mistakes, not_music
from earmark.distillation.student_dataset import open_lessons, training_genres
from earmark.distillation.tags import load_union

from earmark.core.card import InputSpec
from earmark.core.errors import ConfigError
from earmark.core.tag_constraints import usual_rules
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import load_dataset
from earmark.distillation import calibration_targets as reference
from earmark.distillation.agreement import Agreement, all_teachers, answers, compare, merged_labels
from earmark.distillation.calibration import finish, with_needed
from earmark.distillation.ranks import rank_correlations, shared_tags
from earmark.distillation.release import make_model
from earmark.distillation.student_comparison import measure, to_markdown
from earmark.evaluation.run import _warnings, load_model
from earmark.export import export_onnx
from earmark.tagging.tagger import Tagger, load_tagger
from earmark.training.config import load_recipe
from earmark.training.run import train
from tests.distillation.test_student import write_set
from tests.helpers.emotify import write_emotify
from tests.helpers.made_library import card as made_card
from tests.helpers.onnx_files import tiny

TINY = ["training.epochs=1", "training.batch_size=4", "model.options={width: 0.1, hidden: 8}"]


def test_ranks_say_what_is_ordered_alike() -> None:
    a = np.array([[1.0, 5, 1, 0], [2, 4, 1, 1], [3, 3, 1, 0]])
    b = np.array([[0.1, 0.2, 3, 0], [0.2, 0.3, 2, 1], [0.9, 0.4, 1, 0]])
    found = rank_correlations(a, b)
    assert found[:2] == pytest.approx([1, -1])
    assert math.isnan(found[2])  # one says always the same
    assert found[3] == pytest.approx(1)
    assert shared_tags(a, b, n_top=2).tolist() == [1, 0, 1]
    assert shared_tags(a, a, n_top=2).tolist() == [2, 2, 2]


def test_intervals_draw_songs_and_hold_the_mean() -> None:
    rng = np.random.default_rng(0)
    teachers = rng.random((60, 8))
    student = teachers + 0.2 * rng.random((60, 8))
    songs = [f"song {i // 2}" for i in range(60)]
    found = Agreement.of([f"tag {i}" for i in range(8)], songs, student, teachers)
    ranks, top = found.intervals(n_resamples=100)
    assert ranks[0] < found.mean_correlation < ranks[1]
    assert top[0] < found.mean_shared < top[1]
    one_source = found.intervals(dict.fromkeys(songs, "one"), n_resamples=20)
    assert one_source[0][0] == pytest.approx(one_source[0][1])
    few = found.of_tags(["tag 3", "tag 1"])
    assert few.correlations == pytest.approx(found.correlations[[3, 1]])
    metrics = agreement_metrics(found, 11, {}, n_resamples=20)
    assert [metric.name for metric in metrics[:2]] == ["rank_correlation", "top5_shared"]
    assert [metric.tag for metric in metrics[2:]] == list(found.tags)


def made_up_scores(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Labels, scores that are too low and too flat, each tag in its own way, limits, and songs."""
    rng = np.random.default_rng(1)
    n_tags = 12
    truth = rng.normal(-2, 2.5, (n, n_tags))
    holds = rng.random((n, n_tags)) < 1 / (1 + np.exp(-truth))
    level = np.linspace(-4, -1, n_tags)
    scores = 1 / (1 + np.exp(-(0.4 * truth + level)))
    limits = 1 / (1 + np.exp(-level))
    return holds, scores, limits, [f"song {i // 2}" for i in range(n)]


def test_calibrated_scores_mean_what_they_say() -> None:
    holds, scores, limits, songs = made_up_scores()
    fitted = reference.fit_maps(holds, scores, limits, songs)
    assert fitted.losses[fitted.freedom] < 0.8 * fitted.losses[None]
    assert fitted.usual.slope == pytest.approx(2.5, rel=0.15)
    bins = reference.reliability(holds, fitted.scores)
    assert reference.calibration_error(bins) < 0.02
    assert reference.calibration_error(reference.reliability(holds, scores)) > 0.1
    assert sum(one.n for one in bins) == holds.size
    for one in bins:
        assert abs(one.mean_score - one.share) < 0.1


def test_a_tag_that_hardly_ever_holds_keeps_to_the_map_of_all() -> None:
    holds, scores, limits, songs = made_up_scores()
    holds[:, 0] = False
    holds[3, 0] = True
    fitted = reference.fit_maps(holds, scores, limits, songs)
    assert all(math.isfinite(found.slope) and found.slope > 0 for found in fitted.maps)
    assert float(fitted.maps[0](scores[:, 0].max())) < 0.9


def test_thresholds_rise_where_a_tag_is_said_wrongly() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random((300, 3))
    holds = np.stack(
        [
            rng.random(300) < scores[:, 0],
            scores[:, 1] > 0.85,  # below it is always wrong
            np.zeros(300, bool),  # never right
        ],
        axis=1,
    )
    found = reference.thresholds(holds, scores)
    assert found[0] == 0.5
    assert 0.6 < found[1] < 0.85
    assert found[2] == reference.THRESHOLDS[-1]
    assert reference.thresholds(holds[:3], scores[:3] * 0.4).tolist() == [0.5] * 3  # it is never said


def test_a_tag_holds_in_as_large_a_share_as_its_mean_says() -> None:
    labels = np.random.default_rng(3).beta(0.3, 3, (5000, 4)).astype(np.float32)
    limits = reference.reference_limits(labels)
    assert (labels >= limits).mean(axis=0) == pytest.approx(labels.mean(axis=0), abs=0.002)


def test_in_the_reference_no_singer_is_without_a_voice() -> None:
    names = ("vocals", "rock", "female vocals")
    holds = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    found = with_needed(holds, names, usual_rules(names))
    assert found.tolist() == [[True, True, True], [True, False, False], [False, False, False]]
    assert not holds[0, 0]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sets")
    for seed, (name, n) in enumerate({"train": 6, "emotify": 2, "validation": 6, "heldout": 7}.items()):
        write_set(folder / name, n, seed)
    lessons = open_lessons(folder, parts=3)
    recipe = load_recipe("default/compact-1d", TINY)
    found = train(recipe, folder / "run", device="cpu", material=(lessons.dataset, lessons.audio))
    return folder, found.checkpoint


def test_a_student_is_finished_for_people(student: tuple[Path, Path], tmp_path: Path) -> None:
    sets, checkpoint = student
    union = load_union()
    found = finish(checkpoint, sets, tmp_path / "model", name="made", description="A test.", least_correlation=0.2)
    assert 5 < len(found.card.vocabulary) < len(union.tags)
    assert not set(found.left_out) & set(found.card.vocabulary.names)
    assert len(found.left_out) + len(found.card.vocabulary) == len(union.tags)
    assert {tag.kind for tag in found.card.vocabulary} == {"classification"}
    assert set(found.card.calibration) == set(found.card.thresholds) == set(found.card.vocabulary.names)
    assert all(0.5 <= limit <= 0.9 for limit in found.card.thresholds.values())
    assert found.card.training["heard_from"].keys() == set(found.card.vocabulary.names)

    # The smaller network says of its tags what the larger one says of them; and so does the exported one.
    held_out = LabelledSet.open(sets / "heldout")
    before, after = load_model(checkpoint), load_model(tmp_path / "model")
    places = [before.card.vocabulary.index(tag) for tag in found.card.vocabulary.names]
    said = answers(after, held_out)
    assert said == pytest.approx(answers(before, held_out)[:, places], abs=1e-5)
    again = compare(
        said, found.card.vocabulary.names, held_out, merged_labels(held_out, all_teachers(sets, union), union), union
    )
    assert again.mean_correlation == pytest.approx(found.agreement["heldout"].mean_correlation, abs=1e-3)
    windows = np.stack([np.asarray(held_out.audio[0][k][:155_200]) / np.float32(32767) for k in (1, 2)])
    for weights, limit in (("float32", 1e-4), ("float16", 2e-2), ("int8", 2e-1)):
        report = export_onnx(after._model.network, found.card, tmp_path / f"{weights}.onnx", windows, weights)  # type: ignore[attr-defined,arg-type]
        tagger = load_tagger(tmp_path / f"{weights}.onnx")
        assert np.abs(answers(tagger, held_out) - said).max() < limit
        assert report.max_abs_difference < limit
    sizes = [(tmp_path / f"{weights}.onnx").stat().st_size for weights in ("float32", "float16", "int8")]
    assert sizes[0] > sizes[1] > sizes[2]


def test_nothing_left_is_an_error(student: tuple[Path, Path], tmp_path: Path) -> None:
    sets, checkpoint = student
    with pytest.raises(ConfigError, match="no tag can be told from noise"):
        finish(checkpoint, sets, tmp_path / "model", name="made", description="", least_correlation=1.1)
    assert not (tmp_path / "model").exists()


def test_licences_of_the_corpus_are_put_together(tmp_path: Path) -> None:
    rows = [
        '1,a.opus,x,"CC BY-SA 4.0 / CC BY 3.0 (README)",t,3600',
        "2,b.opus,x,CC0-1.0 (LICENSE),t,1800",
        "3,c.opus,y,GPL-3.0,t,1800",
        "4,d.opus,y,CC BY-NC-ND (table),t,7200",
    ]
    (tmp_path / "tracks.csv").write_text("track_id,path,source,licence,label,duration_s\n" + "\n".join(rows) + "\n")
    assert licence_hours(tmp_path) == {"CC BY-NC-ND": 2, "CC BY-SA": 1, "public domain, CC0": 0.5, "GPL": 0.5}


def test_sounds_that_are_no_music_are_sounds() -> None:
    sounds = not_music(1.0)
    assert all(len(sound) == 16_000 and np.abs(sound).max() <= 1 for sound in sounds.values())
    assert sum(float(np.abs(sound).max()) == 0 for sound in sounds.values()) == 1


def test_the_whole_way_to_a_model_and_its_page(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify", seconds=1.0)
    corpus, notes, sets = tmp_path / "corpus", tmp_path / "notes", tmp_path / "sets"
    for folder, labels in ((corpus, ["t"] * 25), (notes, ["one-shot; instrument guitar; E4", "noise"])):
        folder.mkdir()
        rows = [f"{i},{i}.wav,source {i},CC BY 4.0,{label},10" for i, label in enumerate(labels)]
        (folder / "tracks.csv").write_text("track_id,path,source,licence,label,duration_s\n" + "\n".join(rows) + "\n")
        for i in range(len(labels)):
            soundfile.write(folder / f"{i}.wav", np.sin(np.arange(16_000) / 9), 16_000)
    ids = {
        split: [clip.clip_id for clip in load_dataset("emotify", emotify).split(split)]
        for split in ("train", "validation", "test")
    }
    write_set(sets / "train", 6, 0)
    write_set(sets / "heldout", 6, 1)
    for seed, (name, split) in enumerate(
        {"emotify": "train", "validation": "validation", "test": "test"}.items(), start=2
    ):
        # The first of a set is silent, so each song is there twice.
        write_set(sets / name, 1 + len(ids[split]), seed, songs=[ids[split][0], *ids[split]])
    lessons = open_lessons(sets, parts=3, genres=training_genres(emotify))
    run = train(
        load_recipe("default/compact-1d", TINY),
        tmp_path / "run",
        device="cpu",
        material=(lessons.dataset, lessons.audio),
    )
    told = list(
        make_model(run.checkpoint, sets, emotify, corpus, tmp_path / "model", instruments=notes, least_correlation=-1.0)
    )
    assert told[-1] == str(tmp_path / "model" / "earmark-1.md")
    tagger = load_tagger(tmp_path / "model" / "earmark-1.onnx")
    found = {(metric.name, metric.dataset, metric.tag) for metric in tagger.card.metrics}
    assert {("roc_auc", "emotify", None), ("roc_auc", "emotify", "rock"), ("top5_shared", "corpus", None)} <= found
    page = (tmp_path / "model" / "earmark-1.md").read_text(encoding="utf-8")
    assert f"| tags | {len(tagger.card.vocabulary)}: " in page
    assert "| CC BY | 0.07 |" in page  # 25 of ten seconds
    assert "| guitar | 1 |" in page
    assert "| digital silence |" in page
    for name in tagger.card.vocabulary.names:
        assert f"| {name} | " in page
    rows = measure([run.checkpoint], sets, emotify)
    assert rows[0].architecture == "compact_1d"
    assert rows[0].n_windows == 3 * (5 + 12)
    assert "| run | `compact_1d` |" in to_markdown(rows, "earmark distill compare")


def test_a_card_says_that_it_also_learned_from_a_dataset(student: tuple[Path, Path], tmp_path: Path) -> None:
    """Else a split of Emotify with training songs among its test songs would flatter it without a word."""
    sets, checkpoint = student
    card = finish(checkpoint, sets, tmp_path / "model", name="made", description="", least_correlation=-1.0).card
    emotify = load_dataset("emotify", write_emotify(tmp_path / "emotify", seconds=0.1))
    assert not any("another protocol" in line for line in _warnings(card, emotify, "test"))
    other = dataclasses.replace(emotify, protocol="random-by-track")
    assert any("another protocol of this dataset (artist-disjoint)" in line for line in _warnings(card, other, "test"))


def test_mistakes_are_of_genres_that_the_model_knows(tmp_path: Path) -> None:
    """A try on little music leaves out tags that it cannot tell from noise, genres among them."""
    emotify = write_emotify(tmp_path / "emotify")
    two = Vocabulary((Tag("pop", category="genre"), Tag("slow", category="tempo"), Tag("classical", category="genre")))
    spec = InputSpec(16_000, 8_000, 8_000)
    tagger = Tagger.from_file(tiny(tmp_path / "two.onnx", made_card(two, input=spec)))
    found, n_songs = mistakes(tagger, emotify)
    assert n_songs == 4  # of eight test songs
    assert 0 < len(found) < 4
    assert {one.genre for one in found} | {one.heard for one in found} == {"pop", "classical"}
    assert all(one.scores[1] > one.scores[0] for one in found)
