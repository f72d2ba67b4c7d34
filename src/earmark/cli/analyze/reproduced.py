"""The models and scores of `earmark reproduce`, as the plots need them: its results.json, with the runs beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.core.json_records import parse_json
from earmark.evaluation import ScoreTable, read_scores
from earmark.metrics import list_metrics, metric_label
from earmark.papers.results import read_results
from earmark.papers.statistics import Results
from earmark.plots.cost import TrainedModel
from earmark.plots.training_size import Points

_POINT = re.compile(r"^(?P<series>.+)@(?P<clips>\d+)=(?P<path>.+)$")
_ROW = re.compile(r"^(?P<series>.+)-(?P<size>\d+(?:k|m))$")


def read_runs(path: Path) -> tuple[Results, Path]:
    """A results.json and the folder of its runs. Raises DataError where the file is not one."""
    found = path / "results.json" if path.is_dir() else path
    if not found.is_file():
        raise DataError(f"{found}: no such file; give the results.json of `earmark reproduce`")
    try:
        parse_json(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{found}: not JSON ({error})") from error
    return read_results(found), found.parent


def trained_models(results: Results, folder: Path, metric: str) -> list[TrainedModel]:
    """Each row that has the metric, with the checkpoint of its first run: its runs differ in their weights alone.

    Args:
        results: of results.json.
        folder: with its runs, ROW/seed-N.
        metric: which accuracy.

    Raises:
        ConfigError: no such metric.
        DataError: no row has a checkpoint and that metric.
    """
    if metric not in (known := list_metrics(decisions=False)):
        raise ConfigError(f"metric {metric!r}: must be one of {', '.join(known)}")
    models = []
    for name, row in results.tables.rows.items():
        if name in results.statistics.rows and metric in results.statistics.rows[name].metrics:
            accuracy = results.statistics.rows[name].metrics[metric]
            cards = sorted(folder.joinpath(name).glob("seed-*/checkpoint/card.json"))
            checkpoint = cards[0].parent if cards else None
            models.append(
                TrainedModel(
                    name, row.label, tuple(row.members), checkpoint, accuracy.value, accuracy.low, accuracy.high
                )
            )
    if all(model.checkpoint is None for model in models):
        raise DataError(f"{folder}: no row has a checkpoint with {metric_label(metric)} beside results.json")
    return models


def points_of(arguments: Sequence[str]) -> Points:
    """Scores by series and number of training clips.

    Args:
        arguments: each ``SERIES@CLIPS=SCORES``, where the same series and clips again are further runs, or the
            results.json of `earmark reproduce` with its runs beside it.

    Raises:
        ConfigError: an argument of neither kind.
        DataError: files that cannot be read.
    """
    points: Points = {}
    problems = []
    for argument in arguments:
        found = _POINT.match(argument)
        if found:
            points.setdefault((found["series"], int(found["clips"])), []).append(read_scores(found["path"]))
        elif argument.endswith(".json"):
            for key, runs in _of_results(Path(argument)).items():
                points.setdefault(key, []).extend(runs)
        else:
            problems.append(f"{argument}: must be a results.json, or SERIES@CLIPS=SCORES, e.g. waveform@159=a.parquet")
    if problems:
        raise ConfigError(problems)
    return points


def _of_results(path: Path) -> Points:
    """Runs beside a results.json: rows "NAME-SIZE" are points of NAME, others series of their own.

    The number of training clips is that of the runs' cards; rows whose runs have none (boosted trees) learned from all
    training clips, and are placed where the largest of the others are.
    """
    results = read_results(path)
    points: Points = {}
    without: dict[str, list[ScoreTable]] = {}
    for row in results.runs:
        named = _ROW.match(row)
        for folder in sorted((path.parent / row).glob("seed-*")):
            if not (folder / "done.json").is_file():
                continue
            table = read_scores(folder / "test" / "scores.parquet")
            try:
                counted = ModelCard.read(folder / "checkpoint" / "card.json").training.get("clips", {})
                n_clips = int(counted["train"])
            except (ModelError, KeyError):
                without.setdefault(row, []).append(table)
                continue
            points.setdefault((named["series"] if named else row, n_clips), []).append(table)
    if not points:
        raise DataError(f"{path}: its runs are not beside it ({path.parent}/ROW/seed-N); give SERIES@CLIPS=SCORES")
    largest = max(n_clips for _, n_clips in points)
    for row, tables in without.items():
        points[row, largest] = tables
    return points
