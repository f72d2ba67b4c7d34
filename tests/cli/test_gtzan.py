"""From a single-label dataset to a tagger that names one class: check, train, evaluate, compare, export, tag, write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mutagen
import numpy as np
import onnxruntime
import pytest

from earmark.core.card import ModelCard
from earmark.datasets.gtzan import GENRES, TAGS
from tests.helpers.command import earmark_here
from tests.helpers.dataset_folders import tone, write_gtzan
from tests.helpers.sounds import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

RECIPE = """
name: genres
data: {dataset: gtzan}
model: {name: samplecnn_basic, options: {n_samples: 2187, sample_rate_hz: 8000, width: 0.25}}
training: {epochs: 6, batch_size: 20, windows_per_clip: 6}
optimiser: {learning_rate: 0.003}
loss: {classification: softmax}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small GTZAN, and a model that has learned from it: run/checkpoint and genres.onnx."""
    folder = tmp_path_factory.mktemp("genres")
    write_gtzan(folder / "gtzan", each=3, seconds=1.0)
    (folder / "genres.yaml").write_text(RECIPE)
    for words in (
        ("train", "genres.yaml", "--root", "gtzan", "--out", "run", "--device", "cpu"),
        ("export", "run/checkpoint", "--out", "genres.onnx"),
    ):
        done = earmark_here(*words, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("model", ["run/checkpoint", "genres.onnx"])
def test_it_is_measured_by_accuracy(folder: Path, model: str) -> None:
    words = (
        "evaluate",
        model,
        "--dataset",
        "gtzan",
        "--root",
        "gtzan",
        "--out",
        f"results/{Path(model).name}",
        "--html",
    )
    done = earmark_here(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("accuracy"))
    assert float(line.split()[1]) > 0.8
    out = folder / "results" / Path(model).name
    report = json.loads((out / "report.json").read_text())
    assert report["classes"] == list(TAGS)
    assert report["baselines"]["accuracy"][""] == pytest.approx(0.1)
    page = (out / "report.html").read_text()
    assert "Confusion of classes" in page
    assert "accuracy" in page


def test_both_runtimes_are_compared_and_drawn(folder: Path) -> None:
    for model, name in (("run/checkpoint", "torch"), ("genres.onnx", "onnx")):
        words = ("evaluate", model, "--dataset", "gtzan", "--root", "gtzan", "--out", name, "--resamples", "50")
        assert earmark_here(*words, cwd=folder).returncode == 0
    done = earmark_here("compare", "torch/scores.parquet", "onnx/scores.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "  accuracy  " in done.stdout
    assert "accuracy, macro" not in done.stdout
    done = earmark_here("analyze", "class-confusion", "torch/scores.parquet", "--out", "figures", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "figures" / "class-confusion.svg").is_file()


def test_the_file_gives_probabilities_that_sum_to_one(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "genres.onnx", providers=["CPUExecutionProvider"])
    card = ModelCard.read(folder / "genres.json")
    assert card.softmax == TAGS
    windows = np.random.default_rng(0).normal(0, 0.1, (4, card.input.window_samples)).astype(np.float32)
    scores = session.run(["probabilities"], {"waveform": windows})[0]
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_tagging_names_one_class(folder: Path) -> None:
    songs = [next((folder / "gtzan" / "genres" / genre).iterdir()) for genre in ("blues", "hiphop", "rock")]
    done = earmark_here("tag", *songs, "--model", folder / "genres.onnx", "--format", "jsonl", "--threshold", "auto")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(record["tags"]) for record in records] == [1, 1, 1]
    assert [record["tags"][0]["tag"] for record in records] == ["blues", "hip hop", "rock"]
    done = earmark_here("tag", songs[0], "--model", folder / "genres.onnx", "--format", "jsonl", "--threshold", "none")
    tags = json.loads(done.stdout)["tags"]
    assert len(tags) == len(GENRES)
    assert sum(tag["score"] for tag in tags) == pytest.approx(1, abs=1e-3)
    done = earmark_here("models", "show", folder / "genres.onnx")
    assert "highest" in done.stdout


def test_the_class_is_written_into_files_and_found(folder: Path, tmp_path: Path) -> None:
    song = write(tmp_path / "song.flac", tone(110 * 2 ** (TAGS.index("rock") / 2), 1.0), 8000)
    shutil.copy(folder / "genres.onnx", tmp_path)
    shutil.copy(folder / "genres.json", tmp_path)
    words = ("tag", song, "--model", tmp_path / "genres.onnx", "--write", "--apply")
    done = earmark_here(*words, environment={"EARMARK_INDEX": str(tmp_path / "library.sqlite")})
    assert done.returncode == 0, done.stderr
    assert mutagen.File(song)["genre"] == ["Rock"]
