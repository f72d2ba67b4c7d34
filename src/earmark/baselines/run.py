"""One run of the baseline: from a dataset to scores, a report, and the learned trees."""

from __future__ import annotations

import importlib.metadata
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from earmark.baselines.cache import dataset_features
from earmark.baselines.features import FEATURES, features_version
from earmark.baselines.gbt import BaselineConfig, TagModel, fit_tags
from earmark.core.atomic_files import write_atomic
from earmark.core.csv_text import csv_rows
from earmark.core.errors import ConfigError
from earmark.core.version import __version__
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import Dataset, label_matrix
from earmark.datasets.leaks import leak_warnings
from earmark.datasets.subset import training_subset
from earmark.evaluation.report import Report, make_report
from earmark.evaluation.report_page import to_markdown
from earmark.evaluation.scores import ScoreTable

MODEL_NAME = "gbt"
RUN_FORMAT = 1


def run_baseline(
    dataset: Dataset,
    out: str | Path,
    *,
    seed: int = 0,
    config: BaselineConfig | None = None,
    train_share: float = 1.0,
    split: str = "test",
    n_resamples: int = 1000,
    cache: Path | None = None,
    jobs: int | None = None,
    on_done: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Learn one gradient-boosted model per tag from hand-made features and measure it as a network is measured.

    Trees learn from the training clips, the validation clips decide their number. The models themselves are not
    kept: a baseline is measured, not shipped, and scikit-learn would keep them as pickles. ``baseline.json`` says what
    is needed to fit them again; with the same versions and seed they are the same.

    Args:
        dataset: labelled clips under a protocol.
        out: folder for scores.parquet, report.json, report.md, trees.csv (one row per tag: labelled clips, number of
            trees, validation loss, notes on anything unusual), features.csv (names and units) and baseline.json.
            Made where missing; older files in it are replaced.
        seed: of the trees, of ``train_share`` and of the bootstrap.
        config: hyper-parameters of the trees.
        train_share: part of the training clips to learn from, see :func:`earmark.datasets.subset.training_subset`.
        split: which clips to measure on.
        n_resamples: draws behind the intervals.
        cache: folder where features are kept, to be shared between runs; None for none.
        jobs: processes that compute features, and threads that fit; None for one per core.
        on_done: called with "features" or "tags", how many are done and how many there are.

    Raises:
        ConfigError: ``train_share`` is out of range, or ``split`` is none of train, validation and test.
        DataError: no such clips, or files that cannot be read (all are named).
    """
    config = config or BaselineConfig()
    part = training_subset(dataset, train_share, seed)
    measured = part.split(split)
    part.split("train")
    if n_resamples < 1:
        raise ConfigError(f"n_resamples must be at least 1, is {n_resamples}")
    wanted = tuple(name for name in part.counts if name in ("train", "validation", split))
    started = time.monotonic()
    vectors, warnings = dataset_features(
        part, *wanted, cache=cache, jobs=jobs, on_done=_about_step(on_done, "features")
    )
    features_seconds = time.monotonic() - started

    clips = {name: tuple(clip for clip in part.clips if clip.split == name) for name in wanted}
    tables = {name: np.stack([vectors[clip.clip_id] for clip in clips[name]]) for name in wanted}
    labels = {name: label_matrix(clips[name]) for name in wanted}
    kinds = tuple(tag.kind for tag in dataset.vocabulary)
    none = (np.empty((0, len(FEATURES)), np.float32), np.empty((0, len(kinds)), np.float32))
    x_val, y_val = (tables["validation"], labels["validation"]) if "validation" in wanted else none
    started = time.monotonic()
    models = fit_tags(
        kinds,
        tables["train"],
        labels["train"],
        x_val,
        y_val,
        config=config,
        seed=seed,
        jobs=jobs,
        on_done=_about_step(on_done, "tags"),
    )
    fit_seconds = time.monotonic() - started

    measured_ids = {clip.clip_id for clip in measured}
    table = ScoreTable(
        vocabulary=dataset.vocabulary,
        clips=tuple(clip.clip_id for clip in measured),
        artists=tuple(clip.artist for clip in measured),
        songs=tuple(clip.song for clip in measured),
        labels=labels[split],
        scores=np.stack([model.predict(tables[split]) for model in models], axis=1).astype(np.float32),
        dataset=dataset.name,
        protocol=dataset.protocol,
        split=split,
        model=MODEL_NAME,
        warnings=tuple(line for line in warnings if line.partition(":")[0] in measured_ids),
        exclusive=dataset.exclusive,
    )
    about = {
        **_recipe(dataset, seed, config, train_share),
        "train_clips": len(clips["train"]),
        "validation_clips": len(x_val),
        "trees": {tag.name: model.n_trees for tag, model in zip(dataset.vocabulary, models, strict=True)},
        "features_seconds": round(features_seconds, 3),
        "fit_seconds": round(fit_seconds, 3),
    }
    report = make_report(
        table,
        train_labels=labels["train"],
        n_resamples=n_resamples,
        seed=seed,
        about=about,
        warnings=_warnings(part, split, models),
    )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table.write(folder / "scores.parquet")
    texts = {
        "report.json": report.to_json(),
        "report.md": to_markdown(report),
        "trees.csv": _trees_csv(dataset.vocabulary, models),
        "features.csv": csv_rows([("feature", "unit", "group"), *((f.name, f.unit, f.group) for f in FEATURES)]),
        "baseline.json": json.dumps({"format": RUN_FORMAT, **about}, indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    return report


def _about_step(on_done: Callable[[str, int, int], None] | None, step: str) -> Callable[[int, int], None] | None:
    return None if on_done is None else lambda done, total: on_done(step, done, total)


def _recipe(dataset: Dataset, seed: int, config: BaselineConfig, train_share: float) -> dict[str, Any]:
    """What is needed to repeat the run."""
    return {
        "dataset_title": dataset.info.title,
        "dataset_sha256": dataset.fingerprint,
        "dataset_citation": dataset.info.citation,
        "dataset_licence": dataset.info.licence,
        "seed": seed,
        "train_share": train_share,
        "config": config.to_dict(),
        "features_version": features_version(),
        "n_features": len(FEATURES),
        "versions": {
            "earmark": __version__,
            **{name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "librosa")},
        },
    }


def _warnings(dataset: Dataset, split: str, models: list[TagModel]) -> tuple[str, ...]:
    """Caveats for readers of the scores."""
    warnings = ["A baseline: a clip's score is of the features of the whole clip, not a mean over windows."]
    if split == "train":
        warnings.append("These are training clips: the scores show what was memorised, not what was learned.")
    elif split == "validation":
        warnings.append("These are the validation clips that chose the numbers of trees: the scores flatter.")
    warnings += leak_warnings(dataset)
    notes: dict[str, list[str]] = {}
    for tag, model in zip(dataset.vocabulary.names, models, strict=True):
        if model.note:
            notes.setdefault(model.note, []).append(tag)
    return (*warnings, *(f"{', '.join(tags)}: {note}." for note, tags in notes.items()))


def _trees_csv(vocabulary: Vocabulary, models: list[TagModel]) -> str:
    columns = ("kind", "n_train", "n_validation", "mean", "n_trees", "loss", "constant_loss", "note")
    rows = [
        (tag.name, *(_cell(getattr(model, name)) for name in columns))
        for tag, model in zip(vocabulary, models, strict=True)
    ]
    names = ("tag", "kind", "train_clips", "validation_clips", "train_mean", "trees")
    return csv_rows([(*names, "validation_loss", "constant_validation_loss", "note"), *rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else str(value)
