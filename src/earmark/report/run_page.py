"""A run as one file of HTML: averages, tags, figures, clips to listen to. It needs no network access.

The page's own policy forbids it to fetch anything but local audio, and to run any script but its own. It is made from
``templates/run.html.j2``, which escapes all text: names of tags, clips and models are never markup.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import AudioError, DataError
from earmark.core.version import __version__
from earmark.evaluation.report import Report
from earmark.evaluation.report_page import bootstrap_line, title
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import list_metrics, metric_info, metric_label
from earmark.plots.calibration import draw_calibration
from earmark.plots.clips import ClipList, ClipRow, clip_list, draw_clip_values
from earmark.plots.confusion import Confusion, confusion, draw_confusion
from earmark.plots.drawing import Drawing
from earmark.plots.epochs import RunLog, draw_epochs
from earmark.plots.reliability import Reliability, reliabilities
from earmark.plots.tag_auc import draw_tag_aucs
from earmark.plots.thresholds import ThresholdCurve, draw_thresholds, threshold_curves
from earmark.report.audio import embedded, link
from earmark.report.inline_svg import inline_svg
from earmark.report.tags import RMSE_SCALE, Bar, TagResults, tag_tables

_FOLDER = Path(__file__).parent
_MOST_THRESHOLDS = 60
_AVERAGES = {
    "macro": "mean over tags",
    "micro": "all clip-tag pairs as one",
    "weighted": "weighted by positives",
    "clip": "mean over clips",
}


@dataclass(frozen=True)
class _Results:
    """What is computed for the page beyond the report."""

    calibration: list[Reliability]
    curves: list[ThresholdCurve]
    confusion: Confusion | None
    clips: ClipList | None


@dataclass(frozen=True)
class _Figure:
    name: str
    svg: Markup
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class _Card:
    """The mean of one metric over tags."""

    name: str
    meaning: str
    bar: Bar


@dataclass(frozen=True)
class _Clip:
    row: ClipRow
    source: str | None
    """Address of its audio; None where there is no file."""


def write_page(
    out: Path,
    table: ScoreTable,
    report: Report,
    *,
    audio: Mapping[str, Path] | None = None,
    embed_audio: bool = False,
    log: RunLog | None = None,
    n_clips: int = 10,
) -> list[str]:
    """Write the report of a run as one HTML file.

    Args:
        out: the file; its folder is made where there is none.
        table: labels and scores.
        report: what was measured on them.
        audio: clip -> its file; the worst and best clips that have one get a player.
        embed_audio: put the first seconds of these into the page, in place of links.
        log: of the training, if known.
        n_clips: how many of the worst, and of the best.

    Returns:
        Notes for the user, one line each: audio that could not be embedded.

    Raises:
        OSError: it cannot be written.
    """
    notes: list[str] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    text = make_page(
        out, table, report, audio=audio or {}, embed_audio=embed_audio, log=log, n_clips=n_clips, notes=notes
    )
    write_atomic(out, text.encode())
    return notes


def make_page(
    out: Path,
    table: ScoreTable,
    report: Report,
    *,
    audio: Mapping[str, Path],
    embed_audio: bool,
    log: RunLog | None,
    n_clips: int,
    notes: list[str],
) -> str:
    """The text of :func:`write_page`'s file; ``notes`` is added to."""
    results = _results(table, report, n_clips)
    by_tag = TagResults(
        {one.tag: one for one in results.calibration if one.tag is not None},
        {one.tag: one for one in results.curves},
        results.confusion,
    )
    style, script = ((_FOLDER / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    ends: list[tuple[str, list[_Clip]]] = []
    if results.clips is not None:
        for name, rows in (("Worst", results.clips.worst), ("Best", results.clips.best)):
            shown = [_Clip(row, _source(row.clip, out, audio, embed_audio, notes)) for row in rows]
            ends += [(name, shown)] if shown else []
    return _render(
        "run.html.j2",
        title=title(report),
        bootstrap_line=bootstrap_line(report),
        report=report,
        n_tags=len(table.vocabulary),
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        cards=_cards(report),
        averages=[
            (f"{metric_label(name)}, {_AVERAGES[key]}", figure)
            for name, averages in report.averages.items()
            for key, figure in averages.items()
        ],
        tables=tag_tables(report, table.vocabulary, by_tag),
        figures=_figures(report, results, log),
        clips=results.clips,
        clip_metric="" if results.clips is None else metric_label(results.clips.metric),
        ends=ends,
        notes=_notes(report, results),
        about=[
            (name.replace("_", " "), _text(value))
            for name, value in report.about.items()
            if value not in (None, "", [], {})
        ],
    )


def _render(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(template).render(**values).lstrip()


def printable(value: Any) -> Any:
    """Text that is safe in a file, whatever the names of tags and files; other values and markup as they are.

    >>> printable("a\\x00b\\udcff")
    'a\ufffdb\ufffd'
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    readable = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in readable)


def number(value: float | None, places: int = 3) -> str:
    """A number, or a dash for None."""
    return "–" if value is None else f"{value:.{places}f}"


def _results(table: ScoreTable, report: Report, n_clips: int) -> _Results:
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
    return _Results(calibration, threshold_curves(table, report.thresholds), confused, clips)


def _cards(report: Report) -> list[_Card]:
    cards = []
    for name in list_metrics():
        meaning = metric_info(name).description
        if name in report.averages and meaning:
            macro, base = report.averages[name]["macro"], report.baselines.get(name, {}).get("")
            scale = RMSE_SCALE if name == "rmse" else 1.0
            cards.append(_Card(metric_label(name), meaning, Bar(macro.value, macro.low, macro.high, base, scale)))
    return cards


def _figures(report: Report, results: _Results, log: RunLog | None) -> list[_Figure]:
    found: list[_Figure] = []

    def add(name: str, drawing: Drawing, caption: str, wide: bool = False) -> None:
        found.append(_Figure(name, inline_svg(drawing, f"figure-{len(found)}"), caption, wide))

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


def _source(clip: str, out: Path, audio: Mapping[str, Path], embed: bool, notes: list[str]) -> str | None:
    path = audio.get(clip)
    if path is None or not path.is_file():
        return None
    if not embed:
        return link(path, out)
    try:
        return embedded(path)
    except AudioError as error:
        notes.append(f"not embedded: {error}")
        return None


def _notes(report: Report, results: _Results) -> Sequence[str]:
    lines = [
        "Mean over tags: each tag counts once. A tag with one class only is undefined and in no mean.",
        "Knowing nothing: ROC-AUC 0.5; PR-AUC the share of clips with the tag; RMSE of always answering the tag's mean over "
        "the training clips, where these are known.",
        "Intervals of calibration: the wider of a bootstrap over groups and of Wilson's interval over clips.",
    ]
    lines += [
        f"{metric_label(name)} is undefined for: {', '.join(tags)}." for name, tags in report.undefined.items() if tags
    ]
    if report.thresholds:
        lines.append(f"Thresholds in use: {report.thresholds_from}.")
    if not results.calibration:
        lines.append("No calibration: scores are not in 0..1.")
    return lines


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
