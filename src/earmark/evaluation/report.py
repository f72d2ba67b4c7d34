"""Metrics of a scores table, with intervals, as data and as JSON; :mod:`earmark.evaluation.report_page` makes a page of them.

For classification tags ROC-AUC and PR-AUC, and with thresholds precision, recall and F1; for regression tags RMSE, the
square root of the mean squared error; for classes that exclude each other also accuracy. Of each: every tag, the macro mean over tags, the mean weighted by positives,
micro (over all clip-tag pairs) and the mean over clips. A tag with one class only is undefined: it is listed, and left out of
all means.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import metrics
from earmark.core.card import Metric
from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.evaluation.metric_values import (
    Bootstrap,
    ClipValues,
    Interval,
    averages_of,
    baselines_of,
    clip_values,
    tag_values,
)
from earmark.evaluation.scores import Floats, ScoreTable

REPORT_FORMAT = 1


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        metrics: macro means (tag None) and single tags, each with its interval. Names: roc_auc, pr_auc, rmse, with
            thresholds precision, recall, f1, and of classes that exclude each other accuracy (tag None alone).
        averages: metric name -> "macro", "micro", "weighted" (by positives), "clip" (over clips) or, of classes as a whole,
            "classes" -> value and interval.
        clips: for roc_auc and pr_auc the clips whose tags are ranked best and worst.
        baselines: the same values for knowing nothing: ROC-AUC 0.5, PR-AUC the share of positives, RMSE that of each
            tag's mean over the training clips (absent without training clips). Key: metric name, then tag ("" = macro).
        undefined: metric name -> tags for which it is undefined.
        counts: tag -> clips labelled for it, and for classification tags how many of them have it.
        thresholds: tag -> score from which it was predicted; empty where none were given.
        thresholds_from: where they come from, as text.
        resampled: what the bootstrap drew, e.g. "artist", "song" or "clip"; None where there were no resamples, or only
            one group.
        n_groups, n_resamples, level, seed: of the bootstrap.
        thin: tags with one class only in some resamples, and in how many; these do not count in the interval.
        about: model, dataset and versions, as the run gives them.
        warnings: what a reader must know, one line each.
        classes: tags that exclude each other. Of these the one that scores highest is predicted, whatever the thresholds.
    """

    metrics: tuple[Metric, ...]
    averages: dict[str, dict[str, Interval]]
    clips: dict[str, ClipValues]
    baselines: dict[str, dict[str, float]]
    undefined: dict[str, tuple[str, ...]]
    counts: dict[str, dict[str, int]]
    thresholds: dict[str, float]
    thresholds_from: str
    resampled: str | None
    n_clips: int
    n_groups: int
    n_resamples: int
    level: float
    seed: int
    thin: dict[str, int]
    about: dict[str, Any]
    warnings: tuple[str, ...]
    classes: tuple[str, ...] = ()

    def find(self, name: str, tag: str | None = None) -> Metric:
        """One value, with its interval. Raises KeyError where it was not measured."""
        for metric in self.metrics:
            if (metric.name, metric.tag) == (name, tag):
                return metric
        raise KeyError((name, tag))

    def to_json(self) -> str:
        """All of it, indented."""
        document = {"format": REPORT_FORMAT, **dataclasses.asdict(self)}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_report(path: str | Path) -> Report:
    """A report from its report.json.

    Raises:
        DataError: no such file, or no report of this format.
    """
    try:
        document = parse_json(Path(path).read_text(encoding="utf-8"))
        if (kind := document.pop("format")) != REPORT_FORMAT:
            raise DataError(f"{path}: a report of format {kind}; this earmark reads format {REPORT_FORMAT}")
        document["metrics"] = tuple(Metric(**metric) for metric in document["metrics"])
        document["averages"] = {
            name: {key: Interval(**ends) for key, ends in averages.items()}
            for name, averages in document["averages"].items()
        }
        document["clips"] = {
            name: ClipValues(ends["n_clips"], *(tuple(map(tuple, ends[end])) for end in ("best", "worst")))
            for name, ends in document["clips"].items()
        }
        document["undefined"] = {name: tuple(tags) for name, tags in document["undefined"].items()}
        document["warnings"], document["classes"] = tuple(document["warnings"]), tuple(document.get("classes", ()))
        return Report(**document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a report that can be read ({error!r})") from error


def make_report(
    table: ScoreTable,
    *,
    train_labels: npt.NDArray[np.float32] | None = None,
    thresholds: Mapping[str, float] | None = None,
    thresholds_from: str = "the model's card",
    groups: str | tuple[str, Sequence[str]] | None = None,
    n_resamples: int = 1000,
    level: float = metrics.CONFIDENCE_LEVEL,
    seed: int = 0,
    about: dict[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Report:
    """Measure a scores table.

    Args:
        table: labels and scores.
        train_labels: (n_train_clips, n_tags) of the same tags, for the baseline of the regression tags.
        thresholds: tag -> score from which it is predicted, for precision, recall and F1 of these tags.
        thresholds_from: where they come from, as text.
        groups: what the bootstrap draws, see :meth:`ScoreTable.groups`; or a word for it and the group of each clip.
        n_resamples, level, seed: of the bootstrap, see :func:`earmark.metrics.bootstrap`; no resamples, no intervals.
        about, warnings: copied into the report.

    Raises:
        DataError: labels or scores out of range; groups not known for all clips.
    """
    resampled, members = (groups[0], tuple(groups[1])) if isinstance(groups, tuple) else table.groups(groups)
    n_groups = len(set(members))
    draw = Bootstrap(members, n_resamples, level, seed) if n_groups > 1 and n_resamples > 0 else None
    measured: list[Metric] = []
    averages: dict[str, dict[str, Interval]] = {}
    clips: dict[str, ClipValues] = {}
    baselines: dict[str, dict[str, float]] = {}
    undefined: dict[str, tuple[str, ...]] = {}
    thin: dict[str, int] = {}
    classes = table.exclusive
    limits = {tag: x for tag, x in (thresholds or {}).items() if tag in table.vocabulary.names and tag not in classes}
    for name in metrics.list_metrics():
        info = metrics.metric_info(name)
        places = list(table.vocabulary.indices(info.kind))
        if info.decisions:
            places = [i for i in places if table.vocabulary.names[i] in (*limits, *classes)]
        if not places:
            continue
        names = [table.vocabulary.names[i] for i in places]
        labels, scores = table.labels[:, places], table.scores[:, places]
        if info.decisions:
            scores = _decisions(names, scores, limits, classes)
        values = tag_values(name, labels, scores, draw)
        averages[name] = averages_of(name, labels, scores, values, draw)
        undefined[name] = tuple(names[i] for i in values.undefined)
        thin |= {names[i]: n for i, n in values.thin.items() if not info.decisions}
        for tag, interval in [(None, averages[name]["macro"]), *zip(names, values.intervals, strict=True)]:
            measured.append(_metric(name, tag, interval, table, resampled if draw else None))
        if info.kind == "classification" and not info.decisions and len(places) > 1:
            averages[name]["clip"], clips[name] = clip_values(name, table.clips, labels, scores, draw)
        if not info.decisions:
            of_train = None if train_labels is None else train_labels[:, places]
            baselines[name] = baselines_of(name, names, labels, of_train)
    of_classes = [table.vocabulary.index(tag) for tag in classes]
    for name in metrics.list_metrics(of_classes=True) if classes else ():
        labels, scores = table.labels[:, of_classes], table.scores[:, of_classes]
        (interval,) = tag_values(name, labels, scores, draw).intervals
        averages[name], undefined[name] = {"classes": interval}, ()
        measured.append(_metric(name, None, interval, table, resampled if draw else None))
        of_train = None if train_labels is None else train_labels[:, of_classes]
        if (chance := metrics.metric_info(name).chance_levels(labels, of_train)) is not None:
            baselines[name] = {"": float(chance[0])}
    return Report(
        metrics=tuple(measured),
        averages=averages,
        clips=clips,
        baselines=baselines,
        undefined=undefined,
        counts=_counts(table),
        thresholds=limits,
        thresholds_from=thresholds_from if limits else "",
        resampled=resampled if draw else None,
        n_clips=len(table.clips),
        n_groups=n_groups,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
        thin=thin,
        about={**_about(table), **(about or {})},
        warnings=warnings + tuple(table.warnings),
        classes=classes,
    )


def _metric(name: str, tag: str | None, interval: Interval, table: ScoreTable, resampled: str | None) -> Metric:
    of = (table.dataset, table.protocol, table.split, tag)
    return Metric(name, interval.value, *of, interval.low, interval.high, resampled, len(table.clips))


def _decisions(
    names: Sequence[str], scores: Floats, limits: Mapping[str, float], classes: Sequence[str]
) -> metrics.FloatArray:
    """Which tags (n_clips, n_tags) are predicted: those that reach their thresholds, and the highest of classes."""
    decisions = metrics.decide(scores, [limits.get(tag, 0.0) for tag in names])
    if places := [names.index(tag) for tag in classes]:
        decisions[:, places] = metrics.decide_class(scores[:, places])
    return decisions


def best_thresholds(table: ScoreTable) -> dict[str, float]:
    """For each classification tag the score with the highest F1 on these clips, where it is defined.

    Make them of validation scores: thresholds chosen on the measured clips give results that are too good.
    """
    places = list(table.vocabulary.indices("classification"))
    if not places:
        return {}
    limits, _ = metrics.best_f1_thresholds(table.labels[:, places], table.scores[:, places])
    return {table.vocabulary.names[i]: float(x) for i, x in zip(places, limits, strict=True) if not np.isnan(x)}


def _about(table: ScoreTable) -> dict[str, Any]:
    return {"model": table.model, "dataset": table.dataset, "protocol": table.protocol, "split": table.split}


def _counts(table: ScoreTable) -> dict[str, dict[str, int]]:
    counts = {}
    for i, tag in enumerate(table.vocabulary):
        known = table.labels[:, i][~np.isnan(table.labels[:, i])]
        counts[tag.name] = {"clips": len(known)}
        if tag.kind == "classification":
            counts[tag.name]["positives"] = int(known.sum())
    return counts
