"""The course of a run: AUC and loss by epoch, and the test (bristol, Figure 3).

log.csv has the validation's AUC and both losses, and the AUC on training clips where the run measured it
(`earmark train --measure-training`). Afterwards it can be measured for the kept checkpoint only: earlier epochs' weights
are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.metrics import metric_label
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, GREY, PALETTE, house_style, new_figure, plain_text
from earmark.training.callbacks import LOG_COLUMNS


@dataclass(frozen=True)
class Point:
    """A macro mean with the ends of its interval, NaN where there is none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True, eq=False)
class RunLog:
    """One run.

    Attributes:
        name: how it is called in the legend.
        rows: log.csv, a row per epoch.
        kept_epoch: the epoch whose weights are the checkpoint; None where none was kept yet.
        test: the checkpoint on test clips.
        train: the checkpoint on the training clips.
    """

    name: str
    rows: pd.DataFrame
    kept_epoch: int | None
    test: Point | None = None
    train: Point | None = None


def read_log(folder: Path, name: str) -> RunLog:
    """The log of a training run.

    Raises:
        DataError: no log.csv there, or not one of `earmark train`.
    """
    path = folder / "log.csv"
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not the log of a training run ({error})") from error
    missing = [column for column in ("epoch", "train_loss", "validation_loss", "best") if column not in rows]
    if missing or rows.empty:
        raise DataError(f"{path}: {'columns missing: ' + ', '.join(missing) if missing else 'no epochs yet'}")
    for column in LOG_COLUMNS:
        if column not in rows:
            rows[column] = np.nan
    kept = rows.loc[rows.best == 1, "epoch"]
    return RunLog(name, rows, int(kept.iloc[-1]) if len(kept) else None)


def read_point(report: Path, metric: str) -> Point | None:
    """The macro mean in a report.json; None where the metric was not measured.

    Raises:
        DataError: not a report.
    """
    try:
        document = parse_json(report.read_text(encoding="utf-8"))
        found = [one for one in document["metrics"] if one["name"] == metric and one["tag"] is None]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{report}: no report of `earmark evaluate` ({error})") from error
    if not found or found[0]["value"] is None:
        return None
    nan = float("nan")
    return Point(*(nan if found[0][key] is None else float(found[0][key]) for key in ("value", "low", "high")))


def epoch_table(runs: Sequence[RunLog], metric: str) -> pd.DataFrame:
    """Columns: run, epoch, split, quantity (the metric or "loss"), value, low, high; a test has the kept epoch.

    Raises:
        DataError: no run has that metric.
    """
    rows: list[tuple[str, int, str, str, float, float, float]] = []
    nan = float("nan")
    for run in runs:
        for split, quantity, column in (
            ("train", "loss", "train_loss"),
            ("validation", "loss", "validation_loss"),
            ("validation", metric, metric),
            ("train", metric, f"train_{metric}"),
        ):
            measured = run.rows[run.rows[column].notna()]
            rows += [
                (run.name, int(epoch), split, quantity, float(value), nan, nan)
                for epoch, value in zip(measured.epoch, measured[column], strict=True)
            ]
        for split, point in (("train", run.train), ("test", run.test)):
            if point is not None and run.kept_epoch is not None:
                rows.append((run.name, run.kept_epoch, split, metric, point.value, point.low, point.high))
    table = pd.DataFrame(rows, columns=["run", "epoch", "split", "quantity", "value", "low", "high"])
    if not (table.quantity == metric).any():
        raise DataError(f"no run has a {metric_label(metric)}: tags of its kind are missing")
    return table


@house_style()
def draw_epochs(runs: Sequence[RunLog], metric: str, about: str) -> Drawing:
    """Above, the metric on validation clips by epoch, with the kept epoch and the test; below, both losses."""
    table = epoch_table(runs, metric)
    figure = new_figure(
        f"{metric_label(metric)} and loss by epoch", about, height_inches=4.2 + 0.13 * max(0, len(runs) - 4)
    )
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
    last = max(int(run.rows.epoch.max()) for run in runs)
    step = max(1.0, last / 30)
    for i, run in enumerate(runs):
        colour = PALETTE[i % len(PALETTE)]
        of_run = table[table.run == run.name]
        measured = of_run[(of_run.split == "validation") & (of_run.quantity == metric)]
        above.plot(measured.epoch, measured.value, "-", color=colour, lw=1, marker="o", ms=2)
        learned = run.rows[["epoch", f"train_{metric}"]].dropna()
        above.plot(learned.epoch, learned[f"train_{metric}"], ":", color=colour, lw=1)
        kept = measured[measured.epoch == run.kept_epoch]
        above.plot(kept.epoch, kept.value, "o", ms=7, mfc="none", mec=colour, mew=1)
        if run.train is not None and run.kept_epoch is not None:
            above.plot(run.kept_epoch, run.train.value, "^", color=colour, ms=5)
        if run.test is not None:
            at = last + step * (1.5 + 0.8 * i)
            above.vlines(at, run.test.low, run.test.high, color=colour, lw=0.8)
            above.plot(at, run.test.value, "D", color=colour, ms=4)
        losses = of_run[of_run.quantity == "loss"]
        for split, style in (("train", ":"), ("validation", "-")):
            part = losses[losses.split == split]
            below.plot(part.epoch, part.value, style, color=colour, lw=1)
    above.set_ylabel(metric_label(metric))
    below.set_ylabel("loss")
    below.set_xlabel("epoch")
    for axes in (above, below):
        axes.grid(axis="y")
    below.set_xticks(
        [tick for tick in MaxNLocator(6, integer=True).tick_values(0, last) if 1 <= tick <= last] or [last]
    )
    names = [
        Line2D([], [], color=PALETTE[i % len(PALETTE)], label=plain_text(run.name, 20)) for i, run in enumerate(runs)
    ]
    marks = [
        Line2D([], [], color=GREY, marker="o", ms=2, lw=1, label="validation"),
        Line2D([], [], color=GREY, marker="o", ms=7, mfc="none", ls="", label="kept epoch"),
    ]
    if any(run.rows[f"train_{metric}"].notna().any() for run in runs):
        marks.append(Line2D([], [], color=GREY, ls=":", lw=1, label="training clips"))
    if any(run.train is not None for run in runs):
        marks.append(Line2D([], [], color=GREY, marker="^", ms=5, ls="", label="kept, on training clips"))
    if any(run.test is not None for run in runs):
        marks.append(Line2D([], [], color=GREY, marker="D", ms=4, ls="", label="kept, on test clips (95 %)"))
    length = max(len(names), len(marks))
    blank = [Line2D([], [], ls="", label=" ")]
    columns = [column + blank * (length - len(column)) for column in ([names, marks] if len(runs) > 1 else [marks])]
    below.plot([], [], ":", color=BLACK, lw=1, label="training, as it learns")
    below.plot([], [], "-", color=BLACK, lw=1, label="validation")
    below.legend(loc="best")
    figure.legend(handles=[line for column in columns for line in column], loc="outside lower left", ncols=len(columns))
    return Drawing("epochs", figure, table)
