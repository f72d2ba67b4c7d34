"""Boosted trees learn what is planted, say what they could not learn, and are the same again by seed."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from earmark.baselines import BaselineConfig, run_baseline
from earmark.baselines.gbt import fit_tag, fit_tags
from earmark.core.errors import ConfigError, DataError
from earmark.datasets.manifest import load_manifest
from earmark.evaluation import read_scores
from tests.helpers.sounds import write

pytestmark = pytest.mark.slow

QUICK = BaselineConfig(learning_rate=0.2, max_trees=40, patience=10)


def planted(n_clips: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features, and labels of two tags that depend on the first two of twelve, and of one that depends on none."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_clips, 12)).astype(np.float32)
    noise = 0.1 * rng.standard_normal(n_clips)
    tag = features[:, 0] + features[:, 1] > 0.3
    degree = np.clip(0.5 + 0.3 * features[:, 0] + noise, 0, 1)
    return features, np.stack([tag, degree, rng.random(n_clips) < 0.5], axis=1).astype(np.float32)


def test_planted_tags_are_learned_and_noise_is_said_to_be_noise() -> None:
    train, validation, test = planted(300, 0), planted(150, 1), planted(150, 2)
    kinds = ("classification", "regression", "classification")
    done: list[tuple[int, int]] = []
    models = fit_tags(kinds, *train, *validation, config=QUICK, seed=0, jobs=1, on_done=lambda *n: done.append(n))
    assert done == [(1, 3), (2, 3), (3, 3)]
    scores = np.stack([model.predict(test[0]) for model in models], axis=1)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert ((scores[:, 0] > 0.5) == test[1][:, 0]).mean() > 0.85
    assert math.sqrt(((scores[:, 1] - test[1][:, 1]) ** 2).mean()) < 0.16, "0.1 is noise; a constant has 0.29"
    for model in models[:2]:
        assert model.loss < 0.6 * model.constant_loss
        assert model.note == ""
    assert models[0].n_trees > 5
    assert models[2].n_trees <= 5, "what cannot be learned gets the fewest trees"


def test_the_validation_clips_choose_the_number_of_trees() -> None:
    """The loss that is reported is that of the trees that answer, and no other number of trees has a lower one."""
    train, validation = planted(200, 0), planted(100, 1)
    for place, kind in ((0, "classification"), (1, "regression")):
        model = fit_tag(
            kind, train[0], train[1][:, place], validation[0], validation[1][:, place], config=QUICK, seed=0
        )
        truth = validation[1][:, place].astype(np.float64)
        losses = []
        whole = model.n_trees
        for n_trees in range(1, model.estimator.n_iter_ + 1):
            object.__setattr__(model, "n_trees", n_trees)
            p = model.predict(validation[0])
            loss = -np.log(np.where(truth == 1, p, 1 - p)) if kind == "classification" else (p - truth) ** 2
            losses.append(float(loss.mean()))
        assert int(np.argmin(losses)) + 1 == whole
        assert min(losses) == pytest.approx(model.loss)
        assert len(losses) == QUICK.max_trees or len(losses) - whole >= QUICK.patience


def test_a_seed_gives_the_same_trees_again() -> None:
    train, validation = planted(120, 0), planted(60, 1)

    def scores(seed: int) -> np.ndarray:
        model = fit_tag(
            "regression", train[0], train[1][:, 1], validation[0], validation[1][:, 1], config=QUICK, seed=seed
        )
        return model.predict(validation[0])

    assert np.array_equal(scores(3), scores(3))
    assert not np.array_equal(scores(3), scores(4))


def test_unlabelled_clips_are_left_out() -> None:
    (x, y), (xv, yv) = planted(100, 0), planted(50, 1)
    gaps = y[:, 0].copy()
    gaps[::2] = np.nan
    v_gaps = yv[:, 0].copy()
    v_gaps[:25] = np.nan
    a = fit_tag("classification", x, gaps, xv, v_gaps, config=QUICK, seed=0)
    b = fit_tag("classification", x[1::2], y[1::2, 0], xv[25:], yv[25:, 0], config=QUICK, seed=0)
    assert (a.n_train, a.n_validation) == (50, 25)
    assert np.array_equal(a.predict(xv), b.predict(xv))


@pytest.mark.parametrize(
    ("labels", "score", "said"),
    [(1.0, 1.0, "all 20 training labels are 1"), (0.0, 0.0, "are 0"), (np.nan, 0.0, "no training labels")],
)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_one_class_gives_a_constant_that_is_said(kind: str, labels: float, score: float, said: str) -> None:
    x = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    mixed = (np.arange(20) % 2).astype(np.float32)
    model = fit_tag(kind, x, np.full(20, labels, np.float32), x, mixed, config=QUICK, seed=0)
    assert model.n_trees == 0
    assert model.predict(x).tolist() == [score] * 20
    assert said in model.note


def test_without_validation_labels_the_number_of_trees_is_fixed_and_said() -> None:
    x, y = planted(60, 0)
    config = BaselineConfig(trees_without_validation=7)
    for xv, yv in ((x[:0], y[:0, 0]), (x, np.full(60, np.nan, np.float32))):
        model = fit_tag("classification", x, y[:, 0], xv, yv, config=config, seed=0)
        assert model.n_trees == 7
        assert model.loss is None
        assert "not chosen" in model.note
        assert model.predict(x).std() > 0.01


def test_all_wrong_hyper_parameters_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        BaselineConfig(learning_rate=0, max_trees=0, max_leaves=1, l2=-1, feature_share=1.5)
    assert len(caught.value.problems) == 5
    assert "feature_share must be above 0 and at most 1, is 1.5" in caught.value.problems


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 clips of 0.5 s: tones or noise ("noisy"), loud or soft ("loud", a degree), and a tag that all have."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    rows = ["path,split,artist,noisy,loud [regression mood],all"]
    for i in range(48):
        noisy, loud = i % 2, (i // 2 % 4) / 3
        t = np.arange(4000) / 8000
        wave = rng.standard_normal(4000) / 3 if noisy else np.sin(2 * np.pi * rng.uniform(200, 900) * t)
        write(folder / f"{i}.wav", 0.01 * 10 ** (1.5 * loud) * wave, 8000)
        split = "train" if i < 24 else "validation" if i < 36 else "test"
        rows.append(f"{i}.wav,{split},artist {i // 4},{noisy},{loud:.3f},1")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_run_learns_from_sound_and_says_all_in_its_files(music: Path, tmp_path: Path) -> None:
    dataset = load_manifest(music / "clips.csv")
    config = BaselineConfig(learning_rate=0.2, max_trees=60, patience=20, min_clips_in_leaf=2)
    steps: list[str] = []

    def run(name: str, **options: object) -> Path:
        out = tmp_path / name
        report = run_baseline(
            dataset, out, config=config, cache=tmp_path / "kept", jobs=1, n_resamples=30,
            on_done=lambda step, *_: steps.append(step), **options,
        )  # fmt: skip
        assert report.about["train_clips"] == (24 if "train_share" not in options else 12)
        return out

    out = run("a", seed=1)
    assert set(steps) == {"features", "tags"}
    assert {path.name for path in out.iterdir()} == {
        "scores.parquet",
        "report.json",
        "report.md",
        "trees.csv",
        "features.csv",
        "baseline.json",
    }
    table = read_scores(out / "scores.parquet")
    assert table.clips == tuple(f"{i}.wav" for i in range(36, 48))
    assert (table.model, table.split, table.vocabulary.names) == ("gbt", "test", ("noisy", "loud", "all"))
    report = json.loads((out / "report.json").read_text())
    found = {(m["name"], m["tag"]): m["value"] for m in report["metrics"]}
    assert found["roc_auc", "noisy"] == 1
    assert found["rmse", "loud"] < 0.5 * report["baselines"]["rmse"]["loud"]
    assert found["roc_auc", "all"] is None
    assert any("all: constant 1: all 24 training labels are 1" in warning for warning in report["warnings"])
    trees = {row["tag"]: row for row in csv.DictReader((out / "trees.csv").read_text().splitlines())}
    assert list(trees) == ["noisy", "loud", "all"]
    assert int(trees["noisy"]["trees"]) == report["about"]["trees"]["noisy"] > 0
    assert trees["all"]["trees"] == "0"
    recipe = json.loads((out / "baseline.json").read_text())
    assert recipe["config"]["max_trees"] == 60
    assert (recipe["seed"], recipe["n_features"]) == (1, len((out / "features.csv").read_text().splitlines()) - 1)

    again = read_scores(run("b", seed=1) / "scores.parquet")
    assert np.array_equal(again.scores, table.scores)
    half = read_scores(run("c", seed=1, train_share=0.5) / "scores.parquet")
    assert half.clips == table.clips
    assert not np.array_equal(half.scores, table.scores)
    assert len(list((tmp_path / "kept").iterdir())) == 48


def test_a_run_without_validation_or_training_clips(music: Path, tmp_path: Path) -> None:
    dataset = load_manifest(music / "clips.csv")

    def without(split: str) -> object:
        return dataset.replace(clips=tuple(clip for clip in dataset.clips if clip.split != split))

    with pytest.raises(DataError, match="no clips in split 'train'"):
        run_baseline(without("train"), tmp_path / "a")
    with pytest.raises(DataError, match="no clips in split 'test'"):
        run_baseline(without("test"), tmp_path / "a")
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        run_baseline(dataset, tmp_path / "a", train_share=0)
    assert not (tmp_path / "a").exists()
    config = BaselineConfig(trees_without_validation=3)
    report = run_baseline(without("validation"), tmp_path / "a", config=config, jobs=1, n_resamples=20)
    assert report.about["validation_clips"] == 0
    assert report.about["trees"] == {"noisy": 3, "loud": 3, "all": 0}
    assert any("number of trees not chosen" in warning for warning in report.warnings)
