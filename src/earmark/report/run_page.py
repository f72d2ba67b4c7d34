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
from markupsafe import Markup

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import AudioError
from earmark.core.version import __version__
from earmark.evaluation.report import Report
from earmark.evaluation.report_page import bootstrap_line, title
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import list_metrics, metric_info, metric_label
from earmark.plots.clips import ClipRow
from earmark.plots.epochs import RunLog
from earmark.report.audio import embedded, link
from earmark.report.figures import RunResults, compute_results, run_figures
from earmark.report.tags import RMSE_SCALE, Bar, TagResults, tag_tables

_FOLDER = Path(__file__).parent
_AVERAGES = {
    "macro": "mean over tags",
    "micro": "all clip-tag pairs as one",
    "weighted": "weighted by positives",
    "clip": "mean over clips",
    "classes": "of all clips",
}


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
    results = compute_results(table, report, n_clips)
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
        figures=run_figures(report, results, log),
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


def _cards(report: Report) -> list[_Card]:
    cards = []
    for name in (*list_metrics(of_classes=True), *list_metrics()):
        meaning = metric_info(name).description
        if name in report.averages and meaning:
            averages = report.averages[name]
            macro, base = averages.get("macro") or averages["classes"], report.baselines.get(name, {}).get("")
            scale = RMSE_SCALE if name == "rmse" else 1.0
            cards.append(_Card(metric_label(name), meaning, Bar(macro.value, macro.low, macro.high, base, scale)))
    return cards


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


def _notes(report: Report, results: RunResults) -> Sequence[str]:
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
    if report.classes:
        lines.append(
            f"{len(report.classes)} tags exclude each other: the one that scores highest is predicted. Accuracy, knowing "
            "nothing: always the most frequent class of the training clips, where these are known."
        )
    if not results.calibration:
        lines.append("No calibration: scores are not in 0..1.")
    return lines


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
