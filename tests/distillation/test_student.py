"""Labelled sets as a dataset: the fused labels of the teachers, for the audio that they were given."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag
from earmark.datasets import Dataset, load_dataset
from earmark.datasets.labelled_set import (
    LabelFusion,
    LabelledSets,
    Song,
    UnionTag,
    soft_labels,
    training_fusion,
    union_logits,
)
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, FORMAT, SET_FILE
from earmark.distillation.calibration import calibrate_student
from earmark.distillation.card_text import CardText
from earmark.distillation.student_comparison import compare_students
from earmark.distillation.teacher_comparison import compare_teachers
from earmark.evaluation.run import load_model
from earmark.evaluation.scoring import score_dataset
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import load_recipe
from earmark.training.data_setup import stored_audio
from earmark.training.run import train
from tests.helpers.labelled_sets import EXTRA, default_union, write_tables

VOCABULARIES = ("mtat-50", "msd-50", "mtg-jamendo-50")


def write_set(
    folder: Path, n: int, seed: int, teachers: tuple[str, ...] = VOCABULARIES, songs: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A set of one shard: noise, of which the first example is silent, and what made-up teachers say."""
    names = songs or [f"song {i}" for i in range(n)]
    rng = np.random.default_rng(seed)
    audio = rng.integers(-9000, 9000, (n, EXAMPLE_SAMPLES)).astype(np.int16)
    audio[0] = 0
    means = rng.uniform(0.01, 0.9, (n, len(teachers), 50)).astype(np.float16)
    shard = folder / "00000"
    shard.mkdir(parents=True)
    np.save(shard / "audio.npy", audio)
    np.save(shard / "means.npy", means)
    np.save(shard / "windows.npy", np.empty((n, 0, 0, 50), np.float16))
    recipes = [json.dumps({"parts": [{"song": name}]}) for name in names]
    (shard / "recipes.jsonl").write_text("\n".join(recipes) + "\n")
    document = {
        "format": FORMAT,
        "teachers": [{"name": name, "vocabulary": name, "starts": [0], "sha256": "0" * 64} for name in teachers],
        "teachers_by_window": [],
    }
    (folder / SET_FILE).write_text(json.dumps(document))
    return audio, means


SPEC = InputSpec(16_000, 155_200, 155_200)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tables(tmp_path_factory.mktemp("sets"), EXTRA)
    write_set(folder / "train", 5, seed=0)
    write_set(folder / "emotify", 2, seed=1, teachers=VOCABULARIES[::-1])
    write_set(folder / "validation", 4, seed=2)
    return folder


def read(folder: Path, **options: object) -> Dataset:
    return load_dataset("labelled_set", folder, **options)


def test_labels_are_the_fused_outputs_for_the_same_audio(sets: Path) -> None:
    dataset = read(sets)
    union = default_union()
    _, teachers = training_fusion(LabelledSets.open(sets))
    assert teachers == VOCABULARIES
    assert dataset.vocabulary.names == union.vocabulary.names
    assert dataset.counts["train"] == 4 + 1  # the silent ones are left out
    assert dataset.counts["validation"] == 3
    audio, means = write_set(sets / "again", 5, seed=0)
    logits = union_logits(means.astype(np.float32), VOCABULARIES, union)
    expected = LabelFusion.fit(logits).soft_labels(logits)
    waveforms = stored_audio(dataset.clips, SPEC)
    for place, (clip, waveform) in enumerate(zip(dataset.clips[:4], waveforms[:4], strict=True), start=1):
        assert np.allclose(clip.labels, expected[place], atol=1e-6)
        assert np.array_equal(np.rint(waveform.read() * 32767).astype(np.int16), audio[place])
        assert clip.song == f"song {place}"


def test_parts_of_examples_are_clips_of_their_own(sets: Path) -> None:
    dataset = read(sets, parts=3)
    assert dataset.counts == {"train": 3 * 5, "validation": 3}
    clip = next(clip for clip in dataset.clips if clip.clip_id == "train/00000/2/1")
    whole = np.load(clip.path)[2]
    (waveform,) = stored_audio([clip], SPEC)
    assert np.array_equal(waveform.values, whole[155_200 : 2 * 155_200])
    with pytest.raises(ConfigError, match="44100 Hz"):
        stored_audio([clip], InputSpec(44_100, 44_100, 44_100))
    with pytest.raises(ConfigError, match="parts 0"):
        read(sets, parts=0)
    with pytest.raises(ConfigError, match=r"no option pieces; it has: parts, hours, known_share, vocabulary_weights"):
        read(sets, pieces=3)


def test_teachers_in_another_order_are_the_same_teachers(sets: Path, tmp_path: Path) -> None:
    """The set "emotify" has them backwards: written in order, with the same outputs, it gives the same labels."""
    _, means = write_set(tmp_path / "emotify", 2, seed=1, teachers=VOCABULARIES[::-1])
    (label,) = [clip.labels for clip in read(sets).clips if clip.clip_id.startswith("emotify/")]
    logits = union_logits(means[:, ::-1].astype(np.float32), VOCABULARIES, default_union())
    fusion, _ = training_fusion(LabelledSets.open(sets))
    assert np.allclose(label, fusion.soft_labels(logits)[1], atol=1e-6)


def test_known_labels_count_where_an_example_is_one_song(sets: Path, tmp_path: Path) -> None:
    genres = ("classical", "rock", "electronic", "pop")
    real = np.array([1, 0, 0, 0], np.float32)
    before = {clip.clip_id: clip.labels for clip in read(sets).clips}
    labels = dict(zip(genres, real.tolist(), strict=True))
    known = [Song(name, Path("none.wav"), "artist", "train", 0.0, labels=labels) for name in ("song 2", "song 3")]
    write_tables(tmp_path, [*EXTRA, *known])
    for name in ("train", "emotify", "validation"):
        (tmp_path / name).symlink_to(sets / name)
    dataset = read(tmp_path, known_share=0.75)
    places = [dataset.vocabulary.index(genre) for genre in genres]
    for clip in dataset.clips:
        blended = clip.split == "train" and clip.song in ("song 2", "song 3")
        expected = before[clip.clip_id].copy()
        if blended:
            expected[places] = 0.25 * expected[places] + 0.75 * real
        assert np.allclose(clip.labels, expected), clip.clip_id
    with pytest.raises(ConfigError, match="known_share 2"):
        read(sets, known_share=2)


def test_what_is_certain_is_as_sure_as_teachers_ever_are(sets: Path, tmp_path: Path) -> None:
    plain = [clip for clip in read(sets, known_share=0).clips if clip.split == "train"]
    labels = np.stack([clip.labels for clip in plain])
    certain = {"rock": 0.0, "pop": 1.0}
    song = Song("song 2", Path("none.wav"), "artist", "train", 0.0, labels=certain, known_share=1.0)
    write_tables(tmp_path, [*EXTRA, song])
    for name in ("train", "emotify", "validation"):
        (tmp_path / name).symlink_to(sets / name)
    dataset = read(tmp_path, known_share=0.25)
    rock, pop = (dataset.vocabulary.index(name) for name in certain)
    after = np.stack([clip.labels for clip in dataset.clips if clip.split == "train"])
    opened = LabelledSets.open(sets)
    fusion, teachers = training_fusion(opened)
    changed = np.flatnonzero((after != labels).any(axis=1))
    assert {plain[k].song for k in changed} == {"song 2"}
    for k in changed:
        soft = soft_labels(opened[plain[k].clip_id.split("/")[0]], fusion, teachers, opened.union)
        assert after[k, rock] == pytest.approx(np.quantile(soft[:, rock], 0.01), rel=1e-4)
        assert after[k, pop] == pytest.approx(np.quantile(soft[:, pop], 0.99), rel=1e-4)
    assert LabelledSets.open(tmp_path).known_tags == ()


def test_vocabularies_can_count_more(sets: Path) -> None:
    union = default_union()
    rock, jazz, harp = (union.vocabulary.index(name) for name in ("rock", "jazz", "harp"))
    opened = LabelledSets.open(sets)
    weights = {"mtat-50": {"rock": 4, "*": 2}, "msd-50": 0.5}
    fusion, _ = training_fusion(opened, weights)
    np.testing.assert_allclose(fusion.weights[:, rock], np.array([4, 0.5, 1]) / 5.5)
    np.testing.assert_allclose(fusion.weights[:, jazz], np.array([0, 0.5, 1]) / 1.5)
    np.testing.assert_allclose(fusion.weights[:, harp], [1, 0, 0])
    before, after = (
        np.stack([clip.labels for clip in read(sets, **options).clips])
        for options in ({}, {"vocabulary_weights": weights})
    )
    changed = np.abs(after - before).max(axis=0) > 1e-4
    assert changed[rock]
    assert not changed[harp]  # MagnaTagATune's network is the only one that knows it
    for wrong, problem in (
        ({"mtat": 2}, "no teacher has the vocabulary 'mtat'"),
        ({"mtat-50": {"rok": 2}}, "mtat-50: no tag 'rok'"),
        ({"mtat-50": -1}, "-1 must be a number, 0 or more"),
        ({"mtat-50": "two"}, "'two' must be a number"),
        ({"mtat-50": 0}, "above 0 for each tag"),
    ):
        with pytest.raises(ConfigError, match=problem):
            read(sets, vocabulary_weights=wrong)


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets of which the third teacher labelled every second example, with one tag that only songs' own labels have."""
    folder = tmp_path_factory.mktemp("partly")
    union = default_union()
    union = dataclasses.replace(
        union, tags=(*union.tags, UnionTag(Tag("nostalgic", category="mood"), {})), known=("nostalgic",)
    )
    labels = [{"nostalgic": 0.4}, {"nostalgic": 0.0, "rock": 1.0}, {}, {"rock": 0.0}, {"nostalgic": 1.0}]
    songs = [
        Song(f"{split} {k}", Path("none.wav"), f"artist {k}", split, 0.0, labels=found)
        for split in ("train", "validation")
        for k, found in enumerate(labels)
    ]
    write_tables(folder, songs)
    (folder / "tags.json").write_text(union.to_json())
    for seed, split in enumerate(("train", "validation")):
        write_set(folder / split, 5, seed, songs=[f"{split} {k}" for k in range(5)])
        means = np.load(folder / split / "00000" / "means.npy")
        if split == "train":
            means[::2, 2] = np.nan
        np.save(folder / split / "00000" / "means.npy", means)
    return folder


def test_what_nobody_labelled_is_masked(partly: Path) -> None:
    dataset = read(partly)
    names = dataset.vocabulary.names
    labels = {clip.song: clip.labels for clip in dataset.clips}
    nostalgic, rock = names.index("nostalgic"), names.index("rock")
    found = [labels[f"{split} {k}"][nostalgic] for split in ("train", "validation") for k in range(1, 5)]
    np.testing.assert_allclose(found, [0.02, np.nan, np.nan, 0.98] * 2)  # the first example is silent
    only_third = [k for k, row in enumerate(default_union().tags) if set(row.sources) == {"mtg-jamendo-50"}]
    for k in range(1, 5):
        assert np.isnan(labels[f"train {k}"][only_third]).all() == (k % 2 == 0)
        assert not np.isnan(labels[f"validation {k}"][only_third]).any()
    others = [k for k in range(len(names)) if k not in (*only_third, nostalgic)]
    assert not any(np.isnan(label[others]).any() for label in labels.values())
    plain = {clip.song: clip.labels for clip in read(partly, known_share=0).clips}
    assert labels["train 3"][rock] == pytest.approx(plain["train 3"][rock] / 2)
    assert labels["validation 3"][rock] == plain["validation 3"][rock]  # judged by the teachers, where there are any


@pytest.mark.slow
def test_teachers_and_students_are_compared_where_labels_are_known(partly: Path, tmp_path: Path) -> None:
    options = [
        "data.options.parts=1",
        "training.epochs=1",
        "training.batch_size=4",
        "model.options={width: 0.1, hidden: 8}",
    ]
    run = train(load_recipe("default/compact-1d", [f"data.root={partly}", *options]), tmp_path / "run", device="cpu")
    for name in ("train", "validation"):
        (tmp_path / "sets" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "sets" / name).symlink_to(partly / name)
    (tmp_path / "sets" / "tags.json").write_text((partly / "tags.json").read_text())
    # Of the tags that are there or not, pop is known of no validation song.
    lines = (partly / "songs.csv").read_text().splitlines()
    more = [f"{line},{'1.0' if line.startswith('train 1') else ''}" for line in lines[1:]]
    (tmp_path / "sets" / "songs.csv").write_text("\n".join([f"{lines[0]},pop", *more]) + "\n")
    write_set(tmp_path / "sets" / "heldout", 5, seed=3)
    sets = LabelledSets.open(tmp_path / "sets")
    assert sets.known_tags == ("rock", "pop")
    teachers = compare_teachers(sets)
    assert {tag.name: tag.n_teachers for tag in teachers.agreement[0].tags}["nostalgic"] == 0
    for row in teachers.known[0].rows:
        assert np.isfinite(row.values[0])
        assert np.isnan(row.values[1])
    students = compare_students([run.checkpoint], tmp_path / "sets")
    finished = calibrate_student(run.checkpoint, tmp_path / "sets", tmp_path / "model", CardText(name="mine"), -1.0)
    assert finished.left_out["nostalgic"].startswith("rank correlation with the known labels of unseen songs is ")
    assert {"rock", "indian"} <= {*finished.card.vocabulary.names}
    assert all(np.isfinite([found.slope, found.offset]).all() for found in finished.card.calibration.values())
    agreement = students.rows[0].agreement["heldout"]
    assert np.isnan(agreement.correlations[agreement.tags.index("nostalgic")])
    assert np.isfinite(agreement.mean_correlation)
    assert np.isfinite(students.rows[0].known_auc)
    assert np.isfinite(agreement.intervals(n_resamples=10)).all()


@pytest.mark.slow
def test_a_student_learns_from_masked_labels(partly: Path, tmp_path: Path) -> None:
    options = [
        "data.options.parts=1",
        "training.epochs=2",
        "training.batch_size=4",
        "model.options={width: 0.1, hidden: 8}",
    ]
    result = train(load_recipe("default/compact-1d", [f"data.root={partly}", *options]), tmp_path / "run", device="cpu")
    losses = [row["validation_loss"] for row in result.history]
    assert np.isfinite(np.array(losses, float)).all()
    assert losses[1] < losses[0]  # type: ignore[operator]
    _, card = load_checkpoint(result.checkpoint)
    assert {metric.tag: metric.value for metric in card.metrics}["nostalgic"] is not None


@pytest.mark.slow
def test_a_small_student_learns_from_them(sets: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        "default/compact-1d",
        [
            f"data.root={sets}",
            "data.options.parts=1",
            "training.epochs=2",
            "training.batch_size=4",
            "model.options={width: 0.1, hidden: 8}",
        ],
    )
    result = train(recipe, tmp_path / "run", device="cpu")
    assert len(result.history) == 2
    assert result.history[1]["validation_loss"] < result.history[0]["validation_loss"]  # type: ignore[operator]
    assert (result.checkpoint / "model.safetensors").is_file()
    dataset = read(sets)
    tagger = load_model(result.checkpoint)
    table = score_dataset(tagger, dataset, split="validation")
    samples = np.load(sets / "validation" / "00000" / "audio.npy")[1] / np.float32(32767)
    assert np.allclose(table.scores[0], tagger.tag_waveform(samples, 16_000).scores)
    assert table.labels.shape == (3, len(dataset.vocabulary))


@pytest.mark.slow
def test_a_run_begins_where_another_ended(sets: Path, tmp_path: Path) -> None:
    options = [
        f"data.root={sets}",
        "training.epochs=1",
        "training.batch_size=4",
        "model.options={width: 0.1, hidden: 8}",
    ]
    first = train(load_recipe("default/compact-1d", options), tmp_path / "a", device="cpu")
    still = load_recipe("default/compact-1d", [*options, "optimiser.learning_rate=1e-12", "optimiser.weight_decay=0"])
    again = train(still, tmp_path / "b", device="cpu", begin=first.checkpoint)
    before, after = (load_checkpoint(found.checkpoint) for found in (first, again))
    assert after[1].training["begun_with"]["weights_sha256"] == before[1].weights_sha256
    for name, weights in before[0].named_parameters():
        assert torch.allclose(weights, after[0].get_parameter(name), atol=1e-6), name
    other = load_recipe("default/compact-1d", [*options[:3], "model.options={width: 0.2, hidden: 8}"])
    with pytest.raises(ConfigError, match="another network"):
        train(other, tmp_path / "c", device="cpu", begin=first.checkpoint)
    assert not (tmp_path / "c").exists()


def test_without_sets_there_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="earmark distill label"):
        read(tmp_path)


def test_clips_know_their_audio_by_place_and_can_be_sent_to_other_processes(sets: Path) -> None:
    clip = read(sets).clips[0]
    assert clip.stored is not None
    assert dataclasses.astuple(clip.stored)[1:] == (1, 0, EXAMPLE_SAMPLES, 16_000)


@pytest.mark.slow
def test_the_one_command_for_training_takes_labelled_sets(sets: Path, tmp_path: Path) -> None:
    overrides = ["training.epochs=1", "training.batch_size=4", "model.options={width: 0.1, hidden: 8}"]
    changed = [word for text in overrides for word in ("-o", text)]
    result = CliRunner().invoke(
        app,
        [
            "train",
            "default/compact-1d",
            "--root",
            str(sets),
            "--out",
            str(tmp_path / "a"),
            "--no-tensorboard",
            "-q",
            *changed,
        ],
    )
    assert result.exit_code == 0, result.output
    same = ["distill", "train", "default/compact-1d", "--sets", str(sets), "--out", str(tmp_path / "b"), "-q", *changed]
    result = CliRunner().invoke(app, same)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "a" / "checkpoint")[1].weights_sha256 == (
        load_checkpoint(tmp_path / "b" / "checkpoint")[1].weights_sha256
    )
