"""A report as a page (Markdown) and as lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.core.card import Metric
from earmark.core.markdown import render_markdown
from earmark.core.vocabulary import TagKind
from earmark.evaluation.metric_values import Interval
from earmark.evaluation.report import Report
from earmark.metrics import list_metrics, metric_info, metric_label

_OF = {"macro": "macro", "micro": "micro", "weighted": "weighted", "clip": "per clip", "classes": ""}
"""What an average is called in front of its metric; accuracy is one number, and needs no word."""


def to_markdown(report: Report) -> str:
    """The report as a Markdown page."""
    kinds: tuple[tuple[TagKind, bool], ...] = (
        ("classification", False),
        ("regression", False),
        ("classification", True),
    )
    return render_markdown(
        "report.md.j2",
        Path(__file__).parent,
        report=report,
        title=title(report),
        bootstrap_line=bootstrap_line(report),
        label=metric_label,
        means=_OF,
        sizes={name: _sizes(report, name) for name in report.averages},
        tables=[made for kind, decisions in kinds if (made := _tag_table(report, kind, decisions))],
        threshold_words=_threshold_words(report),
    )


def to_lines(report: Report, *, per_tag: bool = False) -> list[str]:
    """The report for a terminal: the means, and each tag if requested."""
    lines = []
    for name, averages in report.averages.items():
        for key, mean in averages.items():
            ends = _ends(mean, 4)
            lines.append(
                f"{f'{_OF[key]} {metric_label(name)}'.strip():<20} {_number(mean.value, 4)}{f'  ({ends})' if ends else ''}"
            )
    if per_tag:
        tags = [metric.tag for metric in report.metrics if metric.tag is not None]
        names = [name for name in list_metrics() if name in report.averages]
        width = max(map(len, tags))
        lines += ["", " ".join([" " * width, *(f"{metric_label(name):>9}" for name in names), "  clips with it"])]
        for tag in dict.fromkeys(tags):
            measured = {metric.name: metric for metric in report.metrics if metric.tag == tag}
            cells = [f"{_number(measured[name].value, 4) if name in measured else '':>9}" for name in names]
            count = _count(report, tag) + ("" if "positives" in report.counts[tag] else " clips")
            lines.append(" ".join([f"{tag:<{width}}", *cells, f"  {count}"]))
        lines.append("")
    lines += [f"undefined {metric_label(name)}: {', '.join(tags)}" for name, tags in report.undefined.items() if tags]
    if report.thresholds or report.classes:
        lines.append(f"thresholds of precision, recall and F1: {_threshold_words(report)}")
    return lines


def title(report: Report) -> str:
    """Model, dataset and split, as far as they are known."""
    about = report.about
    split = ", ".join(about[name] for name in ("protocol", "split") if about[name])
    return f"{about['model'] or 'Scores'} on {about['dataset'] or 'labels'}" + (f" ({split})" if split else "")


def bootstrap_line(report: Report) -> str:
    """A sentence about the intervals."""
    if report.n_resamples == 0:
        return "No intervals: none were wanted."
    if report.resampled is None:
        return "No intervals: all clips are of one artist."
    return (
        f"Intervals: {report.level:.0%}, bootstrap over {report.n_groups} {report.resampled}s "
        f"({report.n_resamples} resamples, seed {report.seed})."
    )


def _sizes(report: Report, name: str) -> dict[str, str]:
    """Text: how many tags or clips are in the means of a metric."""
    sizes = {"macro": f" ({len(_tags(report, name)) - len(report.undefined[name])} tags)"}
    if name in report.clips:
        sizes["clip"] = f" ({report.clips[name].n_clips} clips)"
    return sizes


def _tag_table(report: Report, kind: TagKind, decisions: bool) -> dict[str, Any] | None:
    """Columns and rows of the metrics of every tag; None where there are none."""
    names = [name for name in list_metrics(kind, decisions=decisions) if name in report.averages]
    if not names:
        return None
    # Where it is the same for all tags, the table of means says it.
    with_chance = [name for name in names if isinstance(metric_info(name).chance, str)]
    columns = ["tag", "threshold" if decisions else "clips with it" if kind == "classification" else "clips"]
    for name in names:
        columns += [metric_label(name), *(["interval"] if not decisions or name == names[-1] else [])]
        columns += ["knowing nothing"] if name in with_chance else []
    rows = []
    for tag in _tags(report, names[0]):
        limit = f"{report.thresholds[tag]:.3f}" if tag in report.thresholds else "highest"
        count = limit if decisions else _count(report, tag)
        rows.append((tag, count, {name: report.find(name, tag) for name in names}))
    return {"kind": kind, "decisions": decisions, "columns": columns, "with_chance": with_chance, "rows": rows}


def _count(report: Report, tag: str) -> str:
    count = report.counts[tag]
    return f"{count['positives']} of {count['clips']}" if "positives" in count else f"{count['clips']}"


def _threshold_words(report: Report) -> str:
    lacking = [tag for tag in _tags(report, "roc_auc") if tag not in (*report.thresholds, *report.classes)]
    words = [
        *([f"the {len(report.classes)} classes that exclude each other: the highest"] if report.classes else []),
        *([report.thresholds_from] if report.thresholds else []),
        *([f"none, and so left out: {', '.join(lacking)}"] if lacking else []),
    ]
    return "; ".join(words)


def _tags(report: Report, name: str) -> list[str]:
    return [metric.tag for metric in report.metrics if metric.name == name and metric.tag is not None]


def _number(value: float | None, places: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{places}f}"


def _ends(measured: Interval | Metric, places: int = 3) -> str:
    return (
        ""
        if measured.low is None or measured.high is None
        else f"{measured.low:.{places}f} to {measured.high:.{places}f}"
    )
