"""The charts of the report page."""

from __future__ import annotations

import math

import numpy as np

from earmark.evaluation.report import Report
from earmark.metrics import metric_label
from earmark.plots.calibration import Reliability
from earmark.plots.clips import ClipList
from earmark.plots.confusion import Confusion, order_together
from earmark.plots.epochs import RunLog
from earmark.plots.thresholds import ThresholdCurve
from earmark.report.svg import Axis, Chart, linear_axis, log_axis, picture, plain, thin_out, unit_axis

_MOST_NAMED = 4
_MOST_POINTS = 120


def over_count(report: Report) -> str | None:
    """ROC-AUC of each tag over the clips that have it; best and worst named. None where no tag has one."""
    found = [
        (report.counts[metric.tag]["positives"], metric)
        for metric in report.metrics
        if metric.name == "roc_auc" and metric.tag is not None and metric.value is not None
    ]
    if not found:
        return None
    counts = [count for count, _ in found]
    values = [metric.value or 0.0 for _, metric in found]
    low = min(0.5, *values, *(m.low for _, m in found if m.low is not None))
    chart = Chart(
        "ROC-AUC of each tag over the number of clips that have it",
        log_axis("clips with the tag", min(counts) / 1.3, max(counts) * 1.3),
        linear_axis("ROC-AUC", max(0.0, low), 1.0),
    )
    chart.level(0.5, "ideal", "knowing nothing")
    for count, metric in found:
        if metric.low is not None and metric.high is not None:
            chart.whisker(count, metric.low, metric.high, "soft")
    for (count, metric), value in zip(found, values, strict=True):
        chart.dot(count, value, "a", f"{metric.tag}: {value:.3f}, {count} clips")
    order = np.argsort(values, kind="stable").tolist()
    for i in dict.fromkeys([*order[:_MOST_NAMED], *order[::-1][:_MOST_NAMED]]):
        chart.name(counts[i], values[i], found[i][1].tag or "")
    return chart.to_svg()


def reliability(one: Reliability) -> str:
    """A calibration curve with intervals and, along the bottom, how many clips each bin holds."""
    graded = one.kind == "regression"
    chart = Chart(
        f"Calibration of {one.tag or 'all tags'}",
        unit_axis("score"),
        unit_axis("mean degree in the labels" if graded else "share that have the tag", percent=not graded),
    )
    most = math.log10(int(one.counts.max()) + 1)
    for low, high, count in zip(one.low_edges, one.high_edges, one.counts, strict=True):
        height = 0.18 * math.log10(int(count) + 1) / most
        chart.box(low + 0.004, 0, high - 0.004, height, "soft", f"{int(count):,} between {low:.2f} and {high:.2f}")
    chart.line([0, 1], [0, 1], "ideal")
    for x, low, high in zip(one.mean_scores, one.low, one.high, strict=True):
        chart.whisker(x, low, high, "a")
    chart.line(one.mean_scores.tolist(), one.shares.tolist(), "a")
    for x, y, count in zip(one.mean_scores, one.shares, one.counts, strict=True):
        chart.dot(x, y, "a", f"score {x:.3f}: {y:.3f} of {int(count):,}")
    return chart.to_svg()


def threshold(curve: ThresholdCurve) -> str:
    """Precision, recall and F1 of a tag over the threshold."""
    at = thin_out(len(curve.thresholds), _MOST_POINTS)
    highest = max(float(curve.thresholds[-1]), curve.chosen or 0.0)
    x = linear_axis("threshold on the score", min(0.0, float(curve.thresholds[0])), highest)
    chart = Chart(f"Precision, recall and F1 of {curve.tag} over the threshold", x, unit_axis("value"))
    if curve.nearly_to > curve.nearly_from:
        chart.box(curve.nearly_from, 0, curve.nearly_to, 1, "soft", "F1 within 5 % of the highest", opacity=0.5)
    for values, look, name in (
        (curve.precision, "c", "precision"),
        (curve.recall, "b", "recall"),
        (curve.f1, "a", "F1"),
    ):
        chart.line(curve.thresholds[at].tolist(), values[at].tolist(), look, name)
    chart.dot(curve.best, curve.best_f1, "a", f"highest F1 {curve.best_f1:.3f} at {curve.best:.3f}", 4.5)
    if curve.chosen is not None:
        chart.upright(curve.chosen, "ideal", f"in use: {curve.chosen:.3f}")
    return chart.to_svg()


def threshold_rows(curves: list[ThresholdCurve], most: int = 60) -> str | None:
    """Every tag's best threshold, the stretch that is nearly as good, and the one in use."""
    if not curves:
        return None
    shown = sorted(sorted(curves, key=lambda one: -one.n_positives)[:most], key=lambda one: one.best)
    n = len(shown)
    names = tuple((i + 0.5, one.tag if len(one.tag) <= 20 else one.tag[:19] + "…") for i, one in enumerate(shown))
    highest = max(max(one.nearly_to, one.chosen or 0.0) for one in shown)
    chart = Chart(
        "The threshold of each tag with the highest F1",
        linear_axis("threshold on the score", min(0.0, *(one.nearly_from for one in shown), 0.0), highest),
        Axis("", 0, n, names),
        height=60.0 + 15 * n,
        left=max(48.0, 14 + 6.2 * max(len(name) for _, name in names)),
    )
    for i, one in enumerate(shown):
        chart.box(
            one.nearly_from, i + 0.25, one.nearly_to, i + 0.75, "soft", f"{one.tag}: F1 within 5 % of the highest"
        )
        chart.dot(one.best, i + 0.5, "a", f"{one.tag}: highest F1 {one.best_f1:.3f} at {one.best:.3f}")
        if one.chosen is not None:
            chart.dot(one.chosen, i + 0.5, "b hollow", f"{one.tag}: in use {one.chosen:.3f}")
    return chart.to_svg()


def confusion_matrix(found: Confusion, most: int = 30) -> str | None:
    """Which tag outranks which, the darker the more often."""
    shown = order_together(found, most)
    if len(shown) < 2:
        return None
    names = [found.tags[i] if len(found.tags[i]) <= 18 else found.tags[i][:17] + "…" for i in shown]
    n, size = len(shown), max(13.0, min(40.0, 260.0 / len(shown)))
    left = 16 + 6.2 * max(map(len, names))
    top = 6.0
    parts = []
    for i, a in enumerate(shown):
        parts.append(
            f'<text class="tick" x="{left - 5:.1f}" y="{top + (i + 0.5) * size + 4:.1f}" text-anchor="end">{plain(names[i])}</text>'
        )
        for j, b in enumerate(shown):
            x, y, rate = left + j * size, top + i * size, found.outranks[a, b]
            box = f'x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}"'
            if a == b or math.isnan(rate):
                parts.append(f'<rect class="bar soft" {box}/>')
                continue
            said = f"{found.tags[a]}, not {found.tags[b]}: {rate:.0%} of {found.counts[a, b]:,} clips score higher on the latter"
            parts.append(
                f'<rect class="cell" {box}/><rect class="bar b" {box} fill-opacity="{rate:.2f}"><title>{plain(said)}</title></rect>'
            )
    down = top + n * size + 8
    for j, name in enumerate(names):
        x = left + (j + 0.5) * size + 4
        parts.append(
            f'<text class="tick" transform="translate({x:.1f} {down:.1f}) rotate(-60)" text-anchor="end">{plain(name)}</text>'
        )
    height = down + 10 + 5.6 * max(map(len, names))
    return picture("How often one tag outranks another that is right", left + n * size + 8, height, parts)


def training_curves(log: RunLog) -> list[tuple[str, str]]:
    """A title and a chart each: the losses by epoch, and the metrics on validation clips."""
    epochs = log.rows["epoch"].to_numpy(dtype=float)
    x = linear_axis("epoch", float(epochs.min()), float(epochs.max()), exact=True)
    charts = []
    groups = (
        ("Loss by epoch", "loss", (("train_loss", "b", "training"), ("validation_loss", "a", "validation"))),
        ("Validation by epoch", "", (("roc_auc", "a", "ROC-AUC"), ("pr_auc", "b", "PR-AUC"), ("rmse", "c", "RMSE"))),
    )
    for title, label, columns in groups:
        there = [
            (log.rows[column].to_numpy(dtype=float), look, name)
            for column, look, name in columns
            if column in log.rows and log.rows[column].notna().any()
        ]
        if not there:
            continue
        known = np.concatenate([values[np.isfinite(values)] for values, _, _ in there])
        chart = Chart(title, x, linear_axis(label or "value", float(known.min()), float(known.max())))
        if log.kept_epoch is not None:
            chart.upright(log.kept_epoch, "ideal", f"the checkpoint: epoch {log.kept_epoch}")
        for values, look, name in there:
            measured = np.isfinite(values)  # epochs that were not validated leave no gap
            chart.line(epochs[measured].tolist(), values[measured].tolist(), look, name)
            if measured.sum() == 1:
                chart.dot(float(epochs[measured][0]), float(values[measured][0]), look, name)
        legend = ", ".join(f'<span class="key {look}">{plain(name)}</span>' for _, look, name in there)
        kept = "" if log.kept_epoch is None else f"; dashed: epoch {log.kept_epoch}, the checkpoint"
        charts.append((f"{title}", f'{chart.to_svg()}<p class="caption">{legend}{kept}</p>'))
    return charts


def clip_values(clips: ClipList) -> str:
    """The metric of every clip, rising: how many clips a model fails on."""
    n = len(clips.values)
    at = thin_out(n, 400)
    better = "higher is better" if clips.metric == "roc_auc" else "lower is better"
    high = 1.0 if clips.metric == "roc_auc" else max(clips.values)
    chart = Chart(
        f"{metric_label(clips.metric)} of each clip, sorted",
        linear_axis("clips, sorted", 0, n, exact=True),
        linear_axis(f"{metric_label(clips.metric)} ({better})", 0.0, high),
    )
    if clips.metric == "roc_auc":
        chart.level(0.5, "ideal", "knowing nothing")
    chart.line([i + 1 for i in at], [clips.values[i] for i in at], "a")
    return chart.to_svg()


def interval_bar(
    value: float | None, low: float | None, high: float | None, chance: float | None, *, whole: float = 1.0
) -> str:
    """A value between 0 and ``whole`` with its interval and where knowing nothing stands, a line high."""
    if value is None:
        return ""

    def at(x: float) -> float:
        return 120 * min(max(x / whole, 0.0), 1.0)

    parts = ['<path class="grid" d="M0 7H120"/>']
    if low is not None and high is not None:
        width = max(1.0, at(high) - at(low))
        parts.append(f'<rect class="bar soft" x="{at(low):.1f}" y="3" width="{width:.1f}" height="8"/>')
    if chance is not None:
        parts.append(f'<path class="nothing" d="M{at(chance):.1f} 0V14"/>')
    parts.append(f'<circle class="dot a" cx="{at(value):.1f}" cy="7" r="3.5"/>')
    return f'<svg class="mini" viewBox="-4 0 128 14" aria-hidden="true">{"".join(parts)}</svg>'
