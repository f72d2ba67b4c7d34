"""Labelled sets become lessons: what the teachers say, merged, for the audio that they heard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError, DataError
from earmark.distillation.label import FORMAT, SET_FILE
from earmark.distillation.label_fusion import Merger, union_logits
from earmark.distillation.student_dataset import open_lessons
from earmark.distillation.tags import load_union
from earmark.distillation.windows import EXAMPLE_SAMPLES
from earmark.models.checkpoint import load_checkpoint
from earmark.training.config import load_recipe
from earmark.training.run import train

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


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "train", 5, seed=0)
    write_set(folder / "emotify", 2, seed=1, teachers=VOCABULARIES[::-1])
    write_set(folder / "validation", 4, seed=2)
    return folder


def test_labels_are_the_merged_answers_for_what_was_heard(sets: Path) -> None:
    lessons = open_lessons(sets)
    union = load_union()
    assert lessons.teachers == VOCABULARIES
    assert lessons.dataset.vocabulary.names == union.vocabulary.names
    assert lessons.dataset.counts["train"] == 4 + 1  # the silent ones are left out
    assert lessons.dataset.counts["validation"] == 3
    audio, means = write_set(sets / "again", 5, seed=0)
    logits = union_logits(means.astype(np.float32), VOCABULARIES, union)
    expected = Merger.fit(logits).merge(logits)
    for place, (clip, heard) in enumerate(zip(lessons.dataset.clips[:4], lessons.audio[:4], strict=True), start=1):
        assert np.allclose(clip.labels, expected[place], atol=1e-6)
        assert np.array_equal(np.rint(heard.read() * 32767).astype(np.int16), audio[place])
        assert clip.song == f"song {place}"


def test_teachers_in_another_order_are_the_same_teachers(sets: Path, tmp_path: Path) -> None:
    """The set "emotify" has them backwards: written in order, with the same answers, it gives the same labels."""
    _, means = write_set(tmp_path / "emotify", 2, seed=1, teachers=VOCABULARIES[::-1])
    (label,) = [clip.labels for clip in open_lessons(sets).dataset.clips if clip.clip_id.startswith("emotify/")]
    logits = union_logits(means[:, ::-1].astype(np.float32), VOCABULARIES, load_union())
    assert np.allclose(label, open_lessons(sets).merger.merge(logits)[1], atol=1e-6)


def test_real_genres_count_where_one_song_is_heard(sets: Path) -> None:
    real = np.array([1, 0, 0, 0], np.float32)
    before = {clip.clip_id: clip.labels for clip in open_lessons(sets).dataset.clips}
    lessons = open_lessons(sets, genres={"song 2": real, "song 3": real}, genre_share=0.75)
    places = [lessons.dataset.vocabulary.index(genre) for genre in ("classical", "rock", "electronic", "pop")]
    for clip in lessons.dataset.clips:
        told = clip.split == "train" and clip.song in ("song 2", "song 3")
        expected = before[clip.clip_id].copy()
        if told:
            expected[places] = 0.25 * expected[places] + 0.75 * real
        assert np.allclose(clip.labels, expected), clip.clip_id
    with pytest.raises(ConfigError, match="genre_share 2"):
        open_lessons(sets, genre_share=2)


def test_a_small_student_learns_from_them(sets: Path, tmp_path: Path) -> None:
    lessons = open_lessons(sets)
    recipe = load_recipe(
        "default/compact-1d", ["training.epochs=2", "training.batch_size=4", "model.options={width: 0.1, hidden: 8}"]
    )
    result = train(recipe, tmp_path / "run", device="cpu", material=(lessons.dataset, lessons.audio))
    assert len(result.history) == 2
    assert result.history[1]["validation_loss"] < result.history[0]["validation_loss"]  # type: ignore[operator]
    assert (result.checkpoint / "model.safetensors").is_file()


def test_a_run_begins_where_another_ended(sets: Path, tmp_path: Path) -> None:
    lessons = open_lessons(sets)
    material = (lessons.dataset, lessons.audio)
    options = ["training.epochs=1", "training.batch_size=4", "model.options={width: 0.1, hidden: 8}"]
    first = train(load_recipe("default/compact-1d", options), tmp_path / "a", device="cpu", material=material)
    still = load_recipe("default/compact-1d", [*options, "optimiser.learning_rate=1e-12", "optimiser.weight_decay=0"])
    again = train(still, tmp_path / "b", device="cpu", material=material, begin=first.checkpoint)
    before, after = (load_checkpoint(found.checkpoint) for found in (first, again))
    assert after[1].training["begun_with"]["weights_sha256"] == before[1].weights_sha256
    for name, weights in before[0].named_parameters():
        assert torch.allclose(weights, after[0].get_parameter(name), atol=1e-6), name
    other = load_recipe("default/compact-1d", [*options[:2], "model.options={width: 0.2, hidden: 8}"])
    with pytest.raises(ConfigError, match="another network"):
        train(other, tmp_path / "c", device="cpu", material=material, begin=first.checkpoint)
    assert not (tmp_path / "c").exists()


def test_without_sets_there_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="earmark distill label"):
        open_lessons(tmp_path)


def test_the_command_for_other_recipes_names_the_one_for_students(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earmark.cli.main", "train", "default/compact-1d", "--root", ".", "--out", "run"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode == 2
    assert "earmark distill train default/compact-1d" in told.stderr
    assert not (tmp_path / "run").exists()
