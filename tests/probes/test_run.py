"""A probe from labels to a tagger: its scores are those of its report, and test clips are never learned from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import Dataset
from earmark.datasets.manifest import load_manifest
from earmark.evaluation.scores import read_scores
from earmark.evaluation.torch_model import TorchModel
from earmark.export import check_signals, export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.probes.run import FOLDS_SPLIT, ProbeResult, probe
from earmark.tagging.runtime import OnnxModel
from earmark.tagging.tagger import load_tagger
from tests.helpers.command import earmark_here
from tests.helpers.training_runs import RATE, tones

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones with a test split, and a table of two classes that exclude each other."""
    table = tones(tmp_path_factory.mktemp("tones"), 48)
    with table.open() as file:
        head, *rows = csv.reader(file)
    for i, row in enumerate(rows):
        row[1] = ("train", "train", "validation", "test")[i // 2 % 4]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    with table.with_name("classes.csv").open("w", newline="") as file:
        pitches = [[row[0], "high" if row[3] == "1" else "low", row[2]] for row in rows]
        csv.writer(file).writerows([["path", "tag", "artist"], *pitches])
    return table.parent


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trunk")
    torch.manual_seed(0)
    model = create_model("samplecnn_basic", 2, n_samples=3**5, sample_rate_hz=RATE, width=0.125).eval()
    save_checkpoint(folder, model, make_card(model, name="trunk", vocabulary=Vocabulary.of(["a", "b"])))
    return folder


@pytest.fixture(scope="module")
def trunk(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    model = TorchModel(checkpoint)
    out = tmp_path_factory.mktemp("onnx") / "trunk.onnx"
    export_onnx(model.network, model.card, out, check_signals(model.card.input))
    return OnnxModel(out)


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_manifest(root / "tones.csv")


@pytest.fixture(scope="module")
def result(trunk: OnnxModel, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ProbeResult:
    return probe(trunk, dataset, tmp_path_factory.mktemp("probe"), name="tones", n_folds=3, n_resamples=50)


def test_it_learns(result: ProbeResult) -> None:
    assert result.report.find("roc_auc", "high").value > 0.9  # type: ignore[operator]
    assert result.report.about["split"] == "test"
    assert result.report.resampled == "artist"


def test_the_tagger_gives_the_scores_of_the_report(result: ProbeResult, root: Path, tmp_path: Path) -> None:
    done = earmark_here(
        "evaluate",
        result.model,
        "--dataset",
        "manifest",
        "--root",
        root / "tones.csv",
        "--out",
        tmp_path,
        "--resamples",
        50,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = (read_scores(folder / "scores.parquet") for folder in (result.model.parent, tmp_path))
    assert ours.clips == theirs.clips
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    found, measured = (json.loads((folder / "report.json").read_text()) for folder in (result.model.parent, tmp_path))
    for mine, other in zip(found["metrics"], measured["metrics"], strict=True):
        assert (mine["name"], mine["tag"]) == (other["name"], other["tag"])
        assert mine["value"] == pytest.approx(other["value"], abs=1e-3)


def test_the_card_says_what_it_was_learned_from(result: ProbeResult, trunk: OnnxModel, dataset: Dataset) -> None:
    card = ModelCard.read(result.model.with_suffix(".json"))
    assert card.vocabulary == dataset.vocabulary
    assert card.training["dataset_sha256"] == dataset.fingerprint
    assert card.training["probe"]["trunk"]["weights_sha256"] == trunk.card.weights_sha256
    assert set(card.thresholds) == {"high", "whistle"}
    assert set(card.calibration) == {"high", "whistle"}  # ten clips of each in the folds
    assert [metric.split for metric in card.metrics[:1]] == ["test"]
    chosen = json.loads((result.model.parent / "probe.json").read_text())
    losses = {float(strength): loss for strength, loss in chosen["strengths"].items()}
    assert result.strength == chosen["strength"] == min(losses, key=losses.__getitem__)


def test_labels_of_test_clips_change_nothing_but_the_report(
    trunk: OnnxModel, dataset: Dataset, result: ProbeResult, tmp_path: Path
) -> None:
    import dataclasses

    turned = dataset.replace(
        clips=tuple(
            dataclasses.replace(clip, labels=1 - clip.labels) if clip.split == "test" else clip
            for clip in dataset.clips
        )
    )
    again = probe(trunk, turned, tmp_path / "p", name="tones", n_folds=3, n_resamples=0)
    first, second = (read_scores(one.model.parent / "scores.parquet") for one in (result, again))
    np.testing.assert_array_equal(first.scores, second.scores)
    a, b = (one.report.find("roc_auc", "high").value for one in (result, again))
    assert a is not None
    assert b == pytest.approx(1 - a)


def test_the_validation_clips_alone(trunk: OnnxModel, dataset: Dataset, tmp_path: Path) -> None:
    found = probe(trunk, dataset, tmp_path, name="tones", tags=["high"], n_folds=0, hidden=4, n_resamples=0)
    validation = read_scores(tmp_path / "validation.parquet")
    assert set(validation.clips) == {clip.clip_id for clip in dataset.split("validation")}
    assert found.report.n_clips == len(dataset.split("test"))
    train_only = dataset.replace(clips=tuple(clip for clip in dataset.clips if clip.split != "validation"))
    with pytest.raises(DataError, match="no validation clips"):
        probe(trunk, train_only, tmp_path, name="tones", n_folds=0)


def test_a_table_of_classes_by_nested_cross_validation(checkpoint: Path, root: Path, tmp_path: Path) -> None:
    song = root / "1.wav"
    command = ("probe", root / "classes.csv", "--model", checkpoint, "--folds", 2, "--resamples", 50)
    done = earmark_here(*command, "--out", tmp_path / "pitch")
    assert done.returncode == 0, done.stderr
    assert FOLDS_SPLIT in done.stdout
    assert "accuracy" in done.stdout
    table = read_scores(tmp_path / "pitch" / "scores.parquet")
    assert len(table.clips) == 48
    assert table.exclusive == ("high", "low")
    np.testing.assert_allclose(table.scores.sum(axis=1), 1, atol=1e-5)
    assert np.mean(table.scores.argmax(axis=1) == table.labels.argmax(axis=1)) > 0.85
    model = tmp_path / "pitch" / "pitch.onnx"
    (tag,) = load_tagger(model).tag(song).top(0, "auto")
    assert tag.tag == "high"
    tagged = earmark_here("tag", song, "--model", model)
    assert "high" in tagged.stdout
    # Another head finds the embeddings.
    time_ns = (tmp_path / "pitch" / "embeddings.npz").stat().st_mtime_ns
    assert earmark_here(*command, "--out", tmp_path / "pitch", "--hidden", 3).returncode == 0
    assert (tmp_path / "pitch" / "embeddings.npz").stat().st_mtime_ns == time_ns


def test_what_cannot_be_learned_is_refused(trunk: OnnxModel, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n_folds 1"):
        probe(trunk, dataset, tmp_path, name="x", n_folds=1)
    without = dataset.replace(clips=tuple(clip for clip in dataset.clips if not clip.labels[0] or clip.split == "test"))
    with pytest.raises(DataError, match="no clip to learn from has 'high'"):
        probe(trunk, without, tmp_path, name="x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["t.csv"], "--out is missing"),
        (["--out", "x"], "give one of TABLE and --dataset"),
        (["--dataset", "emotify", "--out", "x"], "belong together"),
        (["t.csv", "--out", "x", "--name", "a b"], "--name 'a b'"),
        (["t.csv", "--out", "x"], "t.csv: no such file"),
    ],
)
def test_wrong_usage(options: list[str], message: str) -> None:
    done = earmark_here("probe", *options)
    assert done.returncode in (1, 2)
    assert message in done.stderr
