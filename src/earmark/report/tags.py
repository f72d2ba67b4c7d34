"""The tables of a report's tags: one row per tag, and below it a row with its figures, which can be opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation.report import Report
from earmark.metrics import FloatArray, metric_label
from earmark.plots.calibration import SHARE_LABELS, bin_hints, plot_reliability
from earmark.plots.confusion import Confusion
from earmark.plots.reliability import Reliability
from earmark.plots.style import house_style, small_axes
from earmark.plots.thresholds import ThresholdCurve, plot_threshold_curve
from earmark.report.inline_svg import figure_svg

_CellsOf = Callable[[Report, str], tuple["Cell", ...]]

RMSE_SCALE = 0.5
"""Where the bars of RMSE end: the RMSE of always answering 0.5 is at most that."""
_MOST_CONFUSED = 6
_DECISIONS = ("precision", "recall", "f1")
_LEAST_CLIPS = 3


@dataclass(frozen=True)
class TagResults:
    """Results of single tags, by name; empty or None where they do not apply."""

    calibration: Mapping[str, Reliability]
    curves: Mapping[str, ThresholdCurve]
    confusion: Confusion | None


@dataclass(frozen=True)
class Bar:
    """A value from 0 to ``scale``, its interval, and the value of a model that knows nothing. None: unknown."""

    value: float | None
    low: float | None
    high: float | None
    chance: float | None
    scale: float = 1.0

    def at(self, value: float) -> float:
        """Where a value is along the bar, 0..120."""
        return 120 * min(max(value / self.scale, 0.0), 1.0)


@dataclass(frozen=True)
class Column:
    """A column of a table. Columns of numbers can be sorted."""

    name: str
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """What a cell shows: a number, a count of clips, perhaps with a total, or a bar."""

    number: float | None = None
    count: int | None = None
    of: int | None = None
    bar: Bar | None = None

    @property
    def value(self) -> str:
        """What its column is sorted by; empty where there is nothing, which comes last."""
        known = self.count if self.count is not None else self.number
        return "" if known is None else repr(known if isinstance(known, int) else float(known))


@dataclass(frozen=True)
class Confused:
    """A tag that is confused with another: on ``share`` of ``clips`` the wrong one scores higher."""

    tag: str
    share: float
    clips: int


@dataclass(frozen=True)
class Details:
    """What is known of one tag beyond its row."""

    calibration: Reliability | None
    calibration_svg: Markup | None
    curve: ThresholdCurve | None
    curve_svg: Markup | None
    in_confusion: bool
    outranked_by: tuple[Confused, ...]
    outranks: tuple[Confused, ...]

    def __bool__(self) -> bool:
        return self.calibration is not None or self.curve is not None or self.in_confusion


@dataclass(frozen=True)
class Row:
    """A tag's row."""

    tag: Tag
    cells: tuple[Cell, ...]
    details: Details


@dataclass(frozen=True)
class TagTable:
    """A table of tags of one kind."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def tag_tables(report: Report, vocabulary: Vocabulary, results: TagResults) -> list[TagTable]:
    """Classification tags, then regression tags, if there are any."""
    tables = []
    error = (Column("Calibration error"),) if results.calibration else ()
    if places := vocabulary.indices("classification"):
        limits = (Column("Threshold"),) if report.thresholds else ()
        decided = (*map(_column, _DECISIONS), *limits) if report.thresholds or report.classes else ()
        columns = (
            *(Column("Clips with it"), _column("roc_auc"), Column("95 %", numeric=False), _column("pr_auc")),
            *(_column("pr_auc", ", knowing nothing"), *decided, *error),
        )
        rows = tuple(_row(i, vocabulary.tags[i], _classification_cells, report, results) for i in places)
        tables.append(TagTable("Tags that hold or do not", columns, rows))
    if places := vocabulary.indices("regression"):
        columns = (
            *(Column("Clips"), _column("rmse"), Column("95 %", numeric=False), _column("rmse", ", knowing nothing")),
            *error,
        )
        rows = tuple(_row(i, vocabulary.tags[i], _regression_cells, report, results) for i in places)
        tables.append(TagTable("Tags of degrees", columns, rows))
    return tables


def _column(metric: str, more: str = "") -> Column:
    label = metric_label(metric)
    return Column(f"{label[0].upper()}{label[1:]}{more}")


def _row(place: int, tag: Tag, cells_of: _CellsOf, report: Report, results: TagResults) -> Row:
    cells = cells_of(report, tag.name)
    if results.calibration:
        found = results.calibration.get(tag.name)
        cells = (*cells, Cell(None if found is None else found.error))
    return Row(tag, cells, _details(place, tag.name, results))


def _classification_cells(report: Report, tag: str) -> tuple[Cell, ...]:
    roc, pr, count = report.find("roc_auc", tag), report.find("pr_auc", tag), report.counts[tag]
    decided: list[Cell] = []
    if report.thresholds or report.classes:
        is_decided = tag in report.thresholds or tag in report.classes
        decided += [Cell(report.find(name, tag).value if is_decided else None) for name in _DECISIONS]
    if report.thresholds:
        decided.append(Cell(report.thresholds.get(tag)))
    return (
        Cell(count=count["positives"], of=count["clips"]),
        Cell(roc.value),
        Cell(bar=Bar(roc.value, roc.low, roc.high, 0.5)),
        Cell(pr.value),
        Cell(report.baselines.get("pr_auc", {}).get(tag)),
        *decided,
    )


def _regression_cells(report: Report, tag: str) -> tuple[Cell, ...]:
    rmse, base = report.find("rmse", tag), report.baselines.get("rmse", {}).get(tag)
    return (
        Cell(count=report.counts[tag]["clips"]),
        Cell(rmse.value),
        Cell(bar=Bar(rmse.value, rmse.low, rmse.high, base, RMSE_SCALE)),
        Cell(base),
    )


def _details(place: int, tag: str, results: TagResults) -> Details:
    calibration, curve, confusion = results.calibration.get(tag), results.curves.get(tag), results.confusion
    outranked_by: tuple[Confused, ...] = ()
    outranks: tuple[Confused, ...] = ()
    in_confusion = confusion is not None and tag in confusion.tags
    if confusion is not None and in_confusion:
        own = confusion.tags.index(tag)
        outranked_by = _confused(confusion, own, confusion.outranks[own], confusion.counts[own])
        outranks = _confused(confusion, own, confusion.outranks[:, own], confusion.counts[:, own])
    return Details(
        calibration,
        None if calibration is None else _calibration_svg(calibration, f"calibration-{place}"),
        curve,
        None if curve is None else _threshold_svg(curve, f"threshold-{place}"),
        in_confusion,
        outranked_by,
        outranks,
    )


@house_style()
def _calibration_svg(one: Reliability, key: str) -> Markup:
    figure, axes = small_axes()
    plot_reliability(axes, one, small=True)
    axes.set_xlabel("score")
    axes.set_ylabel(SHARE_LABELS[one.kind])
    return figure_svg(figure, key, f"Calibration of {one.tag}", {"curve": bin_hints(one)})


@house_style()
def _threshold_svg(curve: ThresholdCurve, key: str) -> Markup:
    figure, axes = small_axes()
    plot_threshold_curve(axes, curve, most_points=120)
    axes.set_xlabel("threshold on the score")
    label = f"Precision, recall and F1 of {curve.tag} over the threshold"
    return figure_svg(figure, key, label)


def _confused(confusion: Confusion, own: int, rates: FloatArray, clips: npt.NDArray[np.int64]) -> tuple[Confused, ...]:
    """The tags with the highest rates, on enough clips."""
    enough = np.where((clips >= _LEAST_CLIPS) & (np.arange(len(clips)) != own), np.nan_to_num(rates), 0.0)
    order = np.lexsort((-clips, -enough))[:_MOST_CONFUSED]
    return tuple(Confused(confusion.tags[i], float(rates[i]), int(clips[i])) for i in order if enough[i] > 0)
