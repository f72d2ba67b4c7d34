"""A run as one file of HTML: averages, tags, figures, clips to listen to. It needs no network and asks for none.

The page's own policy forbids it to fetch anything but local audio, and to run any script but its own; names of tags, clips
and models are text wherever they stand.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from earmark import __version__
from earmark.core.atomic_files import write_atomic
from earmark.core.errors import AudioError, DataError
from earmark.evaluation.report import Report
from earmark.evaluation.report_page import bootstrap_line, title
from earmark.evaluation.scores import ScoreTable
from earmark.metrics import list_metrics, metric_info, metric_label
from earmark.plots.calibration import Reliability, reliabilities
from earmark.plots.clips import ClipList, ClipRow, TagOfClip, clip_list
from earmark.plots.confusion import Confusion, confusion
from earmark.plots.epochs import RunLog
from earmark.plots.thresholds import ThresholdCurve, threshold_curves
from earmark.report import charts
from earmark.report.audio import embedded, link
from earmark.report.svg import plain
from earmark.report.tags import RMSE_WHOLE, OfTags, number, tag_tables

_OF = {
    "macro": "mean over tags",
    "micro": "all clip-tag pairs as one",
    "weighted": "weighted by positives",
    "clip": "mean over clips",
}


@dataclass(frozen=True)
class _Known:
    """All that is computed for the page beyond the report."""

    calibration: list[Reliability]
    curves: list[ThresholdCurve]
    confusion: Confusion | None
    clips: ClipList | None


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
        audio: clip -> its file; of the worst and best clips those that are there get a player.
        embed_audio: put the first seconds of these into the page, in place of links.
        log: of the training, where it is known.
        n_clips: how many of the worst, and of the best.

    Returns:
        What a person should know, a line each: audio that could not be embedded.

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
    known = _known(table, report, n_clips)
    of_tags = OfTags(
        {one.tag: one for one in known.calibration if one.tag is not None},
        {one.tag: one for one in known.curves},
        known.confusion,
    )
    sections = [
        ("averages", "Averages", _averages(report)),
        ("tags", "Tags", tag_tables(report, table.vocabulary, of_tags)),
        ("figures", "Figures", _figures(report, known, log)),
    ]
    if known.clips is not None:
        sections.append(("clips", "Clips", _clips(known.clips, out, audio, embed_audio, notes)))
    sections.append(("notes", "Notes", _notes(report, known)))
    body = "".join(f'<section id="{key}"><h2>{name}</h2>{part}</section>' for key, name, part in sections)
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in sections)
    style, script = (Path(__file__).with_name(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "media-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{plain(title(report))}</title><style>{style}</style></head>\n'
        f"<body><header><div><h1>{plain(title(report))}</h1>"
        f'<p class="muted">{report.n_clips:,} clips, {len(table.vocabulary)} tags. {plain(bootstrap_line(report))}</p>'
        f"{''.join(f'<p class=warning>{plain(line)}</p>' for line in report.warnings)}</div></header>\n"
        f'<nav aria-label="Sections"><div>{links}<button type="button" id="theme" aria-label="Light or dark" title="Light or dark">\N{CIRCLE WITH LEFT HALF BLACK}</button></div></nav>\n'
        f"<main>{body}</main>\n<footer><p>Made by earmark {plain(__version__)}. This page is complete in itself and fetches "
        f"nothing from any network.</p></footer>\n<script>{script}</script></body></html>\n"
    )


def _known(table: ScoreTable, report: Report, n_clips: int) -> _Known:
    """What can be computed of these scores; what cannot is left out."""
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
    return _Known(calibration, threshold_curves(table, report.thresholds), confused, clips)


def _averages(report: Report) -> str:
    cards = []
    for name in list_metrics():
        meaning = metric_info(name).description
        if name not in report.averages or not meaning:
            continue
        macro = report.averages[name]["macro"]
        base = report.baselines.get(name, {}).get("")
        ends = "" if macro.low is None else f"{number(macro.low)} to {number(macro.high)}"
        nothing = "" if base is None else f"; knowing nothing {number(base)}"
        cards.append(
            f'<div class="card"><h3>{metric_label(name)}</h3><div class="big">{number(macro.value)}</div>'
            f"<div>{ends}</div>{charts.interval_bar(macro.value, macro.low, macro.high, base, whole=RMSE_WHOLE if name == 'rmse' else 1.0)}"
            f'<p class="caption">Mean over tags: {meaning}{nothing}.</p></div>'
        )
    rows = [
        f'<tr><th scope="row">{metric_label(name)}, {_OF[key]}</th><td>{number(figure.value)}</td>'
        f"<td>{'' if figure.low is None else f'{number(figure.low)} to {number(figure.high)}'}</td></tr>"
        for name, averages in report.averages.items()
        for key, figure in averages.items()
    ]
    every = (
        '<details><summary>All averages</summary><div class="scroll" tabindex="0" role="region" aria-label="All averages">'
        '<table><thead><tr><th scope="col">Average</th><th scope="col">Value</th><th scope="col">95 % interval</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )
    return f'<div class="cards">{"".join(cards)}</div><p></p>{every}'


def _figures(report: Report, known: _Known, log: RunLog | None) -> str:
    found: list[str] = []

    def figure(name: str, drawn: str | None, caption: str = "", wide: bool = False) -> None:
        if drawn:
            below = f'<p class="caption">{caption}</p>' if caption else ""
            found.append(
                f"<figure{' class=wide' if wide else ''}><figcaption>{plain(name)}</figcaption>{drawn}{below}</figure>"
            )

    figure(
        "ROC-AUC over the number of clips",
        charts.over_count(report),
        "A dot a tag, with its interval; the best and the worst are named. Dashed: knowing nothing.",
    )
    for one in known.calibration:
        if one.tag is None:
            graded = " of degrees" if one.kind == "regression" else ""
            chance = "" if one.chance is None else f" (by chance alone {one.chance:.3f})"
            figure(
                f"Calibration, all tags{graded}",
                charts.reliability(one),
                f"Expected calibration error {one.error:.3f}{chance}. Dashed: scores that mean what they say. Grey: how many "
                "pairs of clip and tag, logarithmic.",
            )
    if known.clips is not None:
        figure(
            "Every clip",
            charts.clip_values(known.clips),
            f"{metric_label(known.clips.metric)} over the tags of one clip.",
        )
    if log is not None:
        for name, drawn in charts.training_curves(log):
            figure(name, drawn)
    in_use = " Circles: in use." if any(curve.chosen is not None for curve in known.curves) else ""
    figure(
        "Thresholds",
        charts.threshold_rows(known.curves),
        f"Dots: the highest F1 on these clips. Grey: F1 within 5 % of it.{in_use} Thresholds chosen on the clips that are "
        "measured flatter.",
    )
    if known.confusion is not None:
        figure(
            "Confusion between tags",
            charts.confusion_matrix(known.confusion),
            "Clips that have the row's tag and not the column's: the stronger the colour, the more often the column's tag "
            "scores higher. Grey: the tag itself, or no such clips. Tags that are confused stand side by side.",
            wide=len(known.confusion.tags) > 8,
        )
    return f'<div class="figures">{"".join(found)}</div>'


def _clips(clips: ClipList, out: Path, audio: Mapping[str, Path], embed: bool, notes: list[str]) -> str:
    parts = [
        f"<p>By {metric_label(clips.metric)} over the tags of one clip ({clips.n_clips:,} clips can be judged). Bold: tags that the "
        "clip has. Bars are scores; for degrees the upright mark is the label.</p>"
    ]
    for name, rows in (("Worst", clips.worst), ("Best", clips.best)):
        cards = "".join(_clip(row, _source(row.clip, out, audio, embed, notes)) for row in rows)
        if cards:
            parts.append(f'<h3>{name}</h3><div class="clips" data-end="{name.lower()}">{cards}</div>')
    return "".join(parts)


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


def _clip(row: ClipRow, source: str | None) -> str:
    whose = " · ".join(plain(part) for part in (row.artist, row.song) if part)
    player = ""
    if source is not None:
        player = (
            f'<audio controls preload="none" src="{plain(source)}" aria-label="{plain(f"Play {row.clip}")}"></audio>'
        )
    lines = "".join(_said(tag) for tag in (*row.said, *row.degrees))
    return (
        f'<article class="card clip"><h3><span>{plain(row.clip)}</span><b>{row.value:.3f}</b></h3>'
        f"{f'<div class=muted>{whose}</div>' if whose else ''}{player}<ul>{lines}</ul></article>"
    )


def _said(tag: TagOfClip) -> str:
    width = 100 * min(1.0, max(0.0, tag.score))
    graded = tag.kind == "regression"
    holds = not graded and tag.label == 1
    mark = "✓" if holds else "" if tag.label is not None else "?"
    look = ' class="holds"' if holds else ' class="degree"' if graded else ""
    label = f'<u style="left:{100 * tag.label:.1f}%"></u>' if graded and tag.label is not None else ""
    if graded:
        said = "not labelled" if tag.label is None else f"label {tag.label:.2f}"
    else:
        said = "has it" if holds else "not labelled" if tag.label is None else "has it not"
    return (
        f'<li{look} title="{plain(f"{tag.tag}: score {tag.score:.3f}, {said}")}"><span aria-label="{said}">{mark}</span>'
        f'<span>{plain(tag.tag)}</span><span class="track"><i style="width:{width:.1f}%"></i>{label}</span>'
        f"<span>{tag.score:.2f}</span></li>"
    )


def _notes(report: Report, known: _Known) -> str:
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
    if not known.calibration:
        lines.append("No calibration: scores are not in 0..1.")
    about = "".join(
        f"<dt>{plain(name.replace('_', ' '))}</dt><dd>{plain(_text(value))}</dd>"
        for name, value in report.about.items()
        if value not in (None, "", [], {})
    )
    return f"<ul>{''.join(f'<li>{plain(line)}</li>' for line in lines)}</ul><dl>{about}</dl>"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
