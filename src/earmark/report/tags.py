"""The tables of the report's tags: a row a tag, with what is known of it behind a click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.vocabulary import Vocabulary
from earmark.evaluation.report import Report
from earmark.metrics import FloatArray
from earmark.plots.calibration import Reliability
from earmark.plots.confusion import Confusion
from earmark.plots.thresholds import ThresholdCurve
from earmark.report import charts as charts
from earmark.report.svg import plain

RMSE_WHOLE = 0.5
"""Where the bars of RMSE end: always answering 0.5 is never farther off."""
_MOST_CONFUSED = 6
_LEAST_CLIPS = 3


@dataclass(frozen=True)
class OfTags:
    """What is known of single tags, by name; empty or None where it does not apply."""

    calibration: Mapping[str, Reliability]
    curves: Mapping[str, ThresholdCurve]
    confusion: Confusion | None


@dataclass(frozen=True)
class _Cell:
    """A cell: what it shows (HTML), and by what it is sorted; empty: nothing to sort by, last."""

    shown: str
    value: str = ""


def tag_tables(report: Report, vocabulary: Vocabulary, known: OfTags) -> str:
    """Search field and tables: classification tags, then tags of degrees."""
    parts = [
        '<div class="tools"><label for="search">Search tags</label>'
        '<input id="search" type="search" autocomplete="off" placeholder="name or category  ( / )">'
        '<span id="shown" role="status" aria-live="polite"></span></div>'
    ]
    binary = [vocabulary.tags[i] for i in vocabulary.indices("classification")]
    graded = [vocabulary.tags[i] for i in vocabulary.indices("regression")]
    decided = bool(report.thresholds)
    if binary:
        columns = [("Clips with it", "number"), ("ROC-AUC", "number"), ("95 %", ""), ("PR-AUC", "number")]
        columns += [("PR-AUC, knowing nothing", "number")]
        columns += [(name, "number") for name in ("Precision", "Recall", "F1", "Threshold")] if decided else []
        columns += [("Calibration error", "number")] if known.calibration else []
        rows = [
            _row(
                tag.name,
                tag.category,
                _binary(report, tag.name, known, decided),
                _detail(tag.name, known),
                len(columns) + 1,
            )
            for tag in binary
        ]
        parts.append(_table("Tags that hold or do not", columns, rows))
    if graded:
        columns = [("Clips", "number"), ("RMSE", "number"), ("95 %", ""), ("RMSE, knowing nothing", "number")]
        columns += [("Calibration error", "number")] if known.calibration else []
        rows = [
            _row(tag.name, tag.category, _graded(report, tag.name, known), _detail(tag.name, known), len(columns) + 1)
            for tag in graded
        ]
        parts.append(_table("Tags of degrees", columns, rows))
    return "".join(parts)


def number(value: float | None, places: int = 3) -> str:
    """A figure, or a dash."""
    return "–" if value is None else f"{value:.{places}f}"


def _table(title: str, columns: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    heads = ['<th scope="col" aria-sort="none" data-kind="text"><button type="button">Tag</button></th>']
    for words, kind in columns:
        name = words.replace("-", "\N{NON-BREAKING HYPHEN}")
        if kind:
            heads.append(
                f'<th scope="col" aria-sort="none" data-kind="{kind}"><button type="button">{plain(name)}</button></th>'
            )
        else:
            heads.append(f'<th scope="col" class="bars">{plain(name)}</th>')
    return (
        f'<div class="block"><h3>{plain(title)}</h3>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{plain(title)}"><table class="tags">'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def _row(tag: str, category: str, cells: Sequence[_Cell], detail: str, n_columns: int) -> str:
    name = plain(tag)
    shown = f'<button type="button" class="open" aria-expanded="false">{name}</button>' if detail else name
    body = "".join(f'<td data-value="{plain(cell.value)}">{cell.shown}</td>' for cell in cells)
    row = f'<tr class="tag" data-search="{plain(f"{tag} {category}")}"><th scope="row" data-value="{name}">{shown}</th>{body}</tr>'
    if detail:
        row += f'<tr class="detail" hidden><td colspan="{n_columns}">{detail}</td></tr>'
    return row


def _binary(report: Report, tag: str, known: OfTags, decided: bool) -> list[_Cell]:
    roc, pr = report.find("roc_auc", tag), report.find("pr_auc", tag)
    count = report.counts[tag]
    share = f'{count["positives"]:,}<span class="ends"> of {count["clips"]:,}</span>'
    cells = [
        _Cell(share, str(count["positives"])),
        _value(roc.value),
        _Cell(charts.interval_bar(roc.value, roc.low, roc.high, 0.5)),
        _value(pr.value),
        _value(report.baselines.get("pr_auc", {}).get(tag)),
    ]
    if decided:
        for name in ("precision", "recall", "f1"):
            cells.append(_value(report.find(name, tag).value if tag in report.thresholds else None))
        cells.append(_value(report.thresholds.get(tag)))
    return cells + _calibration(tag, known)


def _graded(report: Report, tag: str, known: OfTags) -> list[_Cell]:
    rmse = report.find("rmse", tag)
    base = report.baselines.get("rmse", {}).get(tag)
    count = report.counts[tag]["clips"]
    cells = [
        _Cell(f"{count:,}", str(count)),
        _value(rmse.value),
        _Cell(charts.interval_bar(rmse.value, rmse.low, rmse.high, base, whole=RMSE_WHOLE)),
        _value(base),
    ]
    return cells + _calibration(tag, known)


def _calibration(tag: str, known: OfTags) -> list[_Cell]:
    if not known.calibration:
        return []
    return [_value(known.calibration[tag].error if tag in known.calibration else None)]


def _value(value: float | None) -> _Cell:
    return _Cell(number(value), "" if value is None else repr(float(value)))


def _detail(tag: str, known: OfTags) -> str:
    """What stands behind a click: charts of this tag, and what it is taken for. Empty where nothing is known."""
    parts = []
    if (one := known.calibration.get(tag)) is not None:
        chance = "" if one.chance is None else f", by chance alone {one.chance:.3f}"
        parts.append(
            f"<figure><figcaption>Calibration</figcaption>{charts.reliability(one)}"
            f'<p class="caption">Expected calibration error {one.error:.3f}{chance}. Grey: clips per bin, logarithmic.</p></figure>'
        )
    if (curve := known.curves.get(tag)) is not None:
        used = "" if curve.chosen is None else f"; in use (dashed) {curve.chosen:.3f}: F1 {number(curve.chosen_f1)}"
        parts.append(
            f"<figure><figcaption>Threshold</figcaption>{charts.threshold(curve)}"
            '<p class="caption"><span class="key a">F1</span>, <span class="key b">recall</span>, '
            f'<span class="key c">precision</span>. Highest F1 {curve.best_f1:.3f} at {curve.best:.3f}{used}. '
            "Grey: F1 within 5 % of the highest.</p></figure>"
        )
    if known.confusion is not None and tag in known.confusion.tags:
        parts.append(f"<figure><figcaption>Confusion</figcaption>{_confused(tag, known.confusion)}</figure>")
    return f'<div class="figures">{"".join(parts)}</div>' if parts else ""


def _confused(tag: str, found: Confusion) -> str:
    place = found.tags.index(tag)

    def listed(rates: FloatArray, clips: npt.NDArray[np.int64]) -> str:
        enough = np.where((clips >= _LEAST_CLIPS) & (np.arange(len(clips)) != place), np.nan_to_num(rates), 0.0)
        order = np.lexsort((-clips, -enough))[:_MOST_CONFUSED]
        lines = [
            f"<li>{plain(found.tags[other])}: {rates[other]:.0%} of {clips[other]:,} clips</li>"
            for other in order
            if enough[other] > 0
        ]
        return f"<ul>{''.join(lines)}</ul>" if lines else '<p class="muted">none</p>'

    return (
        f"<p>On clips with <b>{plain(tag)}</b> and without the other, these score higher:</p>"
        + listed(found.outranks[place], found.counts[place])
        + f"<p>On clips without <b>{plain(tag)}</b>, it scores higher than these, which hold:</p>"
        + listed(found.outranks[:, place], found.counts[:, place])
    )
