"""What a report computes and draws beyond its averages: calibration, thresholds, confusion, clips, training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from earmark.core.errors import DataError
from earmark.evaluation.report import Report
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import list_metrics, metric_label
from earmark.plots.calibration import draw_calibration
from earmark.plots.class_confusion import ClassConfusion, class_confusion, draw_class_confusion
from earmark.plots.clips import ClipList, clip_list, draw_clip_values
from earmark.plots.confusion import Confusion, confusion, draw_confusion
from earmark.plots.drawing import Drawing
from earmark.plots.epochs import RunLog, draw_epochs
from earmark.plots.reliability import Reliability, reliabilities
from earmark.plots.tag_auc import draw_tag_aucs
from earmark.plots.thresholds import ThresholdCurve, draw_thresholds, threshold_curves
from earmark.report.inline_svg import inline_svg

_MOST_THRESHOLDS = 60


@dataclass(frozen=True)
class RunResults:
    """What is computed for the page beyond the report."""

    calibration: list[Reliability]
    curves: list[ThresholdCurve]
    confusion: Confusion | None
    clips: ClipList | None
    classes: ClassConfusion | None = None


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    name: str
    svg: Markup
    caption: str
    wide: bool = False


def compute_results(table: ScoreTable, report: Report, n_clips: int) -> RunResults:
    """What can be computed from these scores; what cannot is left out."""
    calibration: list[Reliability] = []
    if float(table.scores.min()) >= 0 and float(table.scores.max()) <= 1:
        calibration = reliabilities(table, n_resamples=report.n_resamples if report.resampled else 0, seed=report.seed)
    confused = None
    if len(table.vocabulary.indices("classification")) > 1:
        confused = confusion(table, drawn=False)
    try:
        clips = clip_list(table, n=n_clips)
    except DataError:
        clips = None
    classes = class_confusion(table) if table.exclusive and not np.isnan(table.labels).all() else None
    return RunResults(calibration, threshold_curves(table, report.thresholds), confused, clips, classes)


def run_figures(report: Report, results: RunResults, log: RunLog | None) -> list[Figure]:
    """The figures that these results have, and those of the training, if its log is known."""
    found: list[Figure] = []

    def add(name: str, drawing: Drawing, caption: str, wide: bool = False) -> None:
        found.append(Figure(name, inline_svg(drawing, f"figure-{len(found)}"), caption, wide))

    aucs = _tag_aucs(report)
    if not aucs.empty:
        add(
            "ROC-AUC over the number of clips",
            draw_tag_aucs(aucs, "", named=4),
            "A dot for each tag, with its interval; the best and the worst are named. Dashed: the mean.",
        )
    for one in results.calibration:
        if one.tag is None:
            graded = " of degrees" if one.kind == "regression" else ""
            add(
                f"Calibration, all tags{graded}",
                draw_calibration(one, ""),
                "Dashed: scores that mean what they say. Grey: pairs of clip and tag in each bin, logarithmic.",
            )
    if results.clips is not None:
        add(
            "Every clip",
            draw_clip_values(results.clips, ""),
            f"{metric_label(results.clips.metric)} over the tags of one clip.",
        )
    if log is not None:
        kept = "" if log.kept_epoch is None else f"Circle: the checkpoint: epoch {log.kept_epoch}."
        for metric in list_metrics(decisions=False):
            if metric in log.rows and log.rows[metric].notna().any():
                add(f"{metric_label(metric)} and loss by epoch", draw_epochs([log], metric, ""), kept)
    if results.curves:
        in_use = " Diamonds: in use." if any(curve.chosen is not None for curve in results.curves) else ""
        add(
            "Thresholds",
            draw_thresholds(results.curves, "", most=_MOST_THRESHOLDS),
            f"Dots: the highest F1 on these clips. Grey: F1 within 5 % of it.{in_use} Thresholds chosen on the clips that "
            "are measured look better than they are.",
        )
    if results.classes is not None:
        add(
            "Confusion of classes",
            draw_class_confusion(results.classes, ""),
            "Rows: classes that exclude each other, with their clips. Columns: what is predicted. Shares of a row.",
            wide=len(results.classes.classes) > 6,
        )
    if results.confusion is not None and results.confusion.worst(least_clips=1):
        n = len(results.confusion.tags)
        add(
            "Confusion between tags",
            draw_confusion(results.confusion, ""),
            "Clips that have the row's tag and not the column's: how often the column's tag scores higher. Empty: the tag "
            "itself, or no such clips. Confused tags are side by side.",
            wide=n > 8,
        )
    return found


def _tag_aucs(report: Report) -> pd.DataFrame:
    """The ROC-AUC of each tag, worst first, as :func:`earmark.plots.tag_auc.tag_aucs` would compute it."""
    rows = [
        (
            metric.tag,
            report.counts[metric.tag]["positives"],
            report.counts[metric.tag]["positives"],
            metric.value,
            np.nan if metric.low is None else metric.low,
            np.nan if metric.high is None else metric.high,
        )
        for metric in report.metrics
        if metric.name == "roc_auc" and metric.tag is not None and metric.value is not None
    ]
    found = pd.DataFrame(rows, columns=["tag", "clips", "positives", "auc", "low", "high"])
    return found.sort_values("auc", kind="stable", ignore_index=True)
