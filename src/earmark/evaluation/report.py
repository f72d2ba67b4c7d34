"""Figures of a scores table, with intervals: as data, as JSON and as a page to read.

ROC-AUC and PR-AUC for classification tags, RMSE for regression tags; macro means and each tag. A tag with one class
only is undefined: it is listed, and no mean counts it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import metrics
from earmark.card import Metric
from earmark.evaluation.scores import Floats, ScoreTable

REPORT_FORMAT = 1
NAMES = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "rmse": "RMSE"}
_KIND: dict[metrics.MetricName, Any] = {
    "roc_auc": "classification",
    "pr_auc": "classification",
    "rmse": "regression",
}


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        metrics: macro means (tag None) and single tags, each with its interval.
        baselines: the same figures for knowing nothing: ROC-AUC 0.5, PR-AUC the share of positives, RMSE that of each
            tag's mean over the training clips (absent without training clips). Key: metric name, then tag ("" = macro).
        undefined: metric name -> tags for which it is undefined.
        counts: tag -> clips labelled for it, and for classification tags how many of them have it.
        resampled: what the bootstrap drew: "artist", "song" or "clip"; None where there is but one.
        n_groups, n_resamples, level, seed: of the bootstrap.
        thin: tags with one class only in some resamples, and in how many; these do not count in the interval.
        about: model, dataset and versions, as the run gives them.
        warnings: what a reader must know, one line each.
    """

    metrics: tuple[Metric, ...]
    baselines: dict[str, dict[str, float]]
    undefined: dict[str, tuple[str, ...]]
    counts: dict[str, dict[str, int]]
    resampled: str | None
    n_clips: int
    n_groups: int
    n_resamples: int
    level: float
    seed: int
    thin: dict[str, int]
    about: dict[str, Any]
    warnings: tuple[str, ...]

    def find(self, name: str, tag: str | None = None) -> Metric:
        """One figure. Raises KeyError where it was not measured."""
        for metric in self.metrics:
            if (metric.name, metric.tag) == (name, tag):
                return metric
        raise KeyError((name, tag))

    def to_json(self) -> str:
        """All of it, indented."""
        document = {"format": REPORT_FORMAT, **dataclasses.asdict(self)}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def make_report(
    table: ScoreTable,
    *,
    train_labels: npt.NDArray[np.float32] | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    about: dict[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Report:
    """Measure a scores table.

    Args:
        table: labels and scores.
        train_labels: (n_train_clips, n_tags) of the same tags, for the baseline of the regression tags.
        n_resamples, level, seed: of the bootstrap, see :func:`earmark.metrics.bootstrap`.
        about, warnings: put into the report as they are.

    Raises:
        DataError: labels or scores out of range.
    """
    resampled, groups = table.groups()
    n_groups = len(set(groups))
    measured: list[Metric] = []
    baselines: dict[str, dict[str, float]] = {}
    undefined: dict[str, tuple[str, ...]] = {}
    thin: dict[str, int] = {}
    for name, kind in _KIND.items():
        places = list(table.vocabulary.indices(kind))
        if not places:
            continue
        names = [table.vocabulary.names[i] for i in places]
        labels, scores = table.labels[:, places], table.scores[:, places]
        values = getattr(metrics, name)(labels, scores)
        mean = metrics.macro(values)
        undefined[name] = tuple(names[i] for i in mean.undefined)
        ends: list[tuple[float, float]] = [(math.nan, math.nan)] * (len(places) + 1)
        if n_groups > 1 and mean.n_tags:
            drawn = metrics.bootstrap(name, labels, scores, groups, seed=seed, n_resamples=n_resamples, level=level)
            ends = [(drawn.macro_low, drawn.macro_high), *zip(drawn.low.tolist(), drawn.high.tolist(), strict=True)]
            for i, n in enumerate(drawn.n_undefined):
                if n and i not in mean.undefined:
                    thin[names[i]] = int(n)
        rows: list[tuple[str | None, float]] = [(None, mean.value), *zip(names, values.tolist(), strict=True)]
        for (tag, value), (low, high) in zip(rows, ends, strict=True):
            measured.append(
                Metric(
                    name,
                    _known(value),
                    table.dataset,
                    table.protocol,
                    table.split,
                    tag,
                    _known(low),
                    _known(high),
                    resampled if n_groups > 1 else None,
                    len(table.clips),
                )
            )
        baselines[name] = _baseline(name, names, labels, None if train_labels is None else train_labels[:, places])
    return Report(
        metrics=tuple(measured),
        baselines=baselines,
        undefined=undefined,
        counts=_counts(table),
        resampled=resampled if n_groups > 1 else None,
        n_clips=len(table.clips),
        n_groups=n_groups,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
        thin=thin,
        about={**_about(table), **(about or {})},
        warnings=warnings + tuple(table.warnings),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


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


def _baseline(
    name: str, names: list[str], labels: Floats, train_labels: npt.NDArray[np.float32] | None
) -> dict[str, float]:
    """What knowing nothing scores, by tag and (key "") as the mean over tags."""
    known = ~np.isnan(labels)
    if name == "roc_auc":
        values = np.full(len(names), 0.5)
    elif name == "pr_auc":
        values = np.nansum(labels, axis=0) / np.maximum(known.sum(axis=0), 1)
    elif train_labels is None or np.isnan(train_labels).all(axis=0).any():
        return {}
    else:
        means = np.nanmean(train_labels, axis=0, dtype=np.float64)
        values = metrics.rmse(labels, np.broadcast_to(means, labels.shape))
    by_tag = {tag: float(x) for tag, x in zip(names, values, strict=True) if not math.isnan(x)}
    return {"": round(float(np.mean(list(by_tag.values()))), 6), **{tag: round(x, 6) for tag, x in by_tag.items()}}


def to_markdown(report: Report) -> str:
    """The report as a page."""
    about = report.about
    lines = [
        f"# {about['model']} on {about['dataset']} ({about['protocol']}, {about['split']})",
        "",
        f"{report.n_clips} clips. {_bootstrap_line(report)} A clip's score is the mean over its windows.",
        "",
    ]
    lines += [f"> {warning}" for warning in report.warnings] + ([""] if report.warnings else [])
    macros = [metric for metric in report.metrics if metric.tag is None]
    lines += ["| macro mean | value | interval | knowing nothing |", "|---|---|---|---|"]
    for metric in macros:
        base = report.baselines[metric.name].get("")
        tags = len([m for m in report.metrics if m.name == metric.name]) - 1 - len(report.undefined[metric.name])
        lines.append(
            f"| {NAMES[metric.name]} ({tags} tags) | {_number(metric.value)} | {_interval(metric)} | {_number(base)} |"
        )
    for name, tags_without in report.undefined.items():
        if tags_without:
            lines += ["", f"{NAMES[name]} is undefined, and in no mean, for: {', '.join(tags_without)}."]
    named = [metric.tag for metric in report.metrics if metric.tag is not None]
    binary = [tag for tag in dict.fromkeys(named) if "positives" in report.counts[tag]]
    graded = [tag for tag in dict.fromkeys(named) if "positives" not in report.counts[tag]]
    if binary:
        lines += ["", "| tag | clips with it | ROC-AUC | interval | PR-AUC | interval | knowing nothing |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for tag in binary:
            roc, pr = report.find("roc_auc", tag), report.find("pr_auc", tag)
            count = f"{report.counts[tag]['positives']} of {report.counts[tag]['clips']}"
            lines.append(
                f"| {tag}{'*' if tag in report.thin else ''} | {count} | {_number(roc.value)} | {_interval(roc)} "
                f"| {_number(pr.value)} | {_interval(pr)} | {_number(report.baselines['pr_auc'].get(tag))} |"
            )
    if graded:
        lines += ["", "| tag | clips | RMSE | interval | knowing nothing |", "|---|---|---|---|---|"]
        for tag in graded:
            metric = report.find("rmse", tag)
            base = report.baselines["rmse"].get(tag)
            lines.append(
                f"| {tag} | {report.counts[tag]['clips']} | {_number(metric.value)} | {_interval(metric)} "
                f"| {_number(base)} |"
            )
    notes = [
        "Knowing nothing: PR-AUC of a random order (the share of clips with the tag); RMSE of always answering the "
        "tag's mean over the training clips. For RMSE lower is better."
    ]
    if report.thin:
        said = ", ".join(f"{tag} ({n} of {report.n_resamples})" for tag, n in report.thin.items())
        notes.append(f"\\* one class only in some resamples, which are left out of its interval: {said}.")
    return "\n".join([*lines, "", *notes, ""])


def _bootstrap_line(report: Report) -> str:
    if report.resampled is None:
        return "No intervals: all clips are of one artist."
    return (
        f"Intervals: {report.level:.0%}, bootstrap over {report.n_groups} {report.resampled}s "
        f"({report.n_resamples} resamples, seed {report.seed})."
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(metric: Metric) -> str:
    return "" if metric.low is None or metric.high is None else f"{metric.low:.3f} to {metric.high:.3f}"
