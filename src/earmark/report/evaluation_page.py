"""A report as a page (Markdown) and as lines for a terminal."""

from __future__ import annotations

from earmark.core.card import Metric
from earmark.evaluation.figures import Figure
from earmark.evaluation.report import Report
from earmark.metrics import list_metrics, metric_label

_OF = {"macro": "macro", "micro": "micro", "weighted": "weighted", "clip": "per clip"}
_OF_DECISIONS = ("precision", "recall", "f1")


def to_markdown(report: Report) -> str:
    """The report as a page."""
    lines = [
        f"# {title(report)}",
        "",
        f"{report.n_clips} clips. {bootstrap_line(report)}{_windows(report)}",
        "",
    ]
    lines += [f"> {warning}" for warning in report.warnings] + ([""] if report.warnings else [])
    lines += _averages(report)
    for name, tags_without in report.undefined.items():
        if tags_without:
            label = metric_label(name)
            said = label[0].upper() + label[1:]
            lines += ["", f"{said} is undefined, and in no mean, for: {', '.join(tags_without)}."]
    lines += [*_binary(report), *_graded(report), *_decisions(report), *_clips(report)]
    notes = [
        "Macro: mean over tags. Micro: all pairs of a clip and a tag as one. Weighted: mean over tags, each as heavy as "
        "the clips that have it. Per clip: mean over clips, of their tags.\n",
        "Knowing nothing: PR-AUC of a random order (the share of clips with the tag); RMSE of always answering the "
        "tag's mean over the training clips. For RMSE, the square root of the mean squared error, lower is better.",
    ]
    if report.thin:
        said = ", ".join(f"{tag} ({n} of {report.n_resamples})" for tag, n in report.thin.items())
        notes.append(f"\n\\* one class only in some resamples, which are left out of its interval: {said}.")
    return "\n".join([*lines, "", *notes, ""])


def to_lines(report: Report, *, per_tag: bool = False) -> list[str]:
    """The report for a terminal: the means, and each tag if wished."""
    lines = []
    for name, averages in report.averages.items():
        for key, figure in averages.items():
            ends = _ends(figure, 4)
            lines.append(
                f"{_OF[key] + ' ' + metric_label(name):<20} {_number(figure.value, 4)}{f'  ({ends})' if ends else ''}"
            )
    if per_tag:
        tags = [metric.tag for metric in report.metrics if metric.tag is not None]
        names = [name for name in list_metrics() if name in report.averages]
        width = max(map(len, tags))
        lines += ["", " ".join([" " * width, *(f"{metric_label(name):>9}" for name in names), "  clips with it"])]
        for tag in dict.fromkeys(tags):
            figures = {metric.name: metric for metric in report.metrics if metric.tag == tag}
            cells = [f"{_number(figures[name].value, 4) if name in figures else '':>9}" for name in names]
            count = report.counts[tag]
            held = f"{count['positives']} of {count['clips']}" if "positives" in count else f"{count['clips']} clips"
            lines.append(" ".join([f"{tag:<{width}}", *cells, f"  {held}"]))
        lines.append("")
    lines += [f"undefined {metric_label(name)}: {', '.join(tags)}" for name, tags in report.undefined.items() if tags]
    if report.thresholds:
        lines.append(f"thresholds of precision, recall and F1: {_threshold_words(report)}")
    return lines


def title(report: Report) -> str:
    """Model, dataset and split, as far as they are known."""
    about = report.about
    split = ", ".join(about[name] for name in ("protocol", "split") if about[name])
    return f"{about['model'] or 'Scores'} on {about['dataset'] or 'labels'}" + (f" ({split})" if split else "")


def bootstrap_line(report: Report) -> str:
    """What the intervals are, in a sentence."""
    if report.n_resamples == 0:
        return "No intervals: none were wanted."
    if report.resampled is None:
        return "No intervals: all clips are of one artist."
    return (
        f"Intervals: {report.level:.0%}, bootstrap over {report.n_groups} {report.resampled}s "
        f"({report.n_resamples} resamples, seed {report.seed})."
    )


def _windows(report: Report) -> str:
    """How clips got their scores, where our own Tagger gave them."""
    if "window_seconds" not in report.about:
        return ""
    window, hop = report.about["window_seconds"], report.about["hop_seconds"]
    return f" A clip's score is the mean over windows of {window:.3g} s, {hop:.3g} s apart."


def _averages(report: Report) -> list[str]:
    lines = ["| mean | value | interval | knowing nothing |", "|---|---|---|---|"]
    for name, averages in report.averages.items():
        tags = len([m for m in report.metrics if m.name == name]) - 1 - len(report.undefined[name])
        size = {
            "macro": f" ({tags} tags)",
            "clip": f" ({report.clips[name].n_clips} clips)" if name in report.clips else "",
        }
        for key, figure in averages.items():
            base = report.baselines.get(name, {}).get("") if key == "macro" else None
            lines.append(
                f"| {metric_label(name)}, {_OF[key]}{size.get(key, '')} | {_number(figure.value)} | {_ends(figure)} "
                f"| {_number(base) if base is not None else ''} |"
            )
    return lines


def _binary(report: Report) -> list[str]:
    lines = ["", "| tag | clips with it | ROC-AUC | interval | PR-AUC | interval | knowing nothing |"]
    lines += ["|---|---|---|---|---|---|---|"]
    tags = _tags(report, "roc_auc")
    for tag in tags:
        roc, pr = report.find("roc_auc", tag), report.find("pr_auc", tag)
        count = f"{report.counts[tag]['positives']} of {report.counts[tag]['clips']}"
        lines.append(
            f"| {tag}{'*' if tag in report.thin else ''} | {count} | {_number(roc.value)} | {_ends(roc)} "
            f"| {_number(pr.value)} | {_ends(pr)} | {_number(report.baselines['pr_auc'].get(tag))} |"
        )
    return lines if tags else []


def _graded(report: Report) -> list[str]:
    lines = ["", "| tag | clips | RMSE | interval | knowing nothing |", "|---|---|---|---|---|"]
    tags = _tags(report, "rmse")
    for tag in tags:
        metric = report.find("rmse", tag)
        base = report.baselines["rmse"].get(tag)
        lines.append(
            f"| {tag} | {report.counts[tag]['clips']} | {_number(metric.value)} | {_ends(metric)} | {_number(base)} |"
        )
    return lines if tags else []


def _decisions(report: Report) -> list[str]:
    tags = _tags(report, "f1")
    if not tags:
        return []
    lines = ["", f"A tag is said to hold from its threshold on: {_threshold_words(report)}.", ""]
    lines += ["| tag | threshold | precision | recall | F1 | interval |", "|---|---|---|---|---|---|"]
    for tag in tags:
        precision, recall, f1 = (report.find(name, tag) for name in _OF_DECISIONS)
        lines.append(
            f"| {tag} | {report.thresholds[tag]:.3f} | {_number(precision.value)} | {_number(recall.value)} "
            f"| {_number(f1.value)} | {_ends(f1)} |"
        )
    return lines


def _threshold_words(report: Report) -> str:
    lacking = [tag for tag in _tags(report, "roc_auc") if tag not in report.thresholds]
    without = f"; none, and so left out: {', '.join(lacking)}" if lacking else ""
    return f"{report.thresholds_from}{without}"


def _clips(report: Report) -> list[str]:
    lines = []
    for name, found in report.clips.items():
        if not found.best:
            continue
        left_out = report.n_clips - found.n_clips
        lines += [
            "",
            f"Clips whose tags are ranked best and worst, by {metric_label(name)} over the tags of one clip"
            + (f" ({left_out} clips have none of the tags, or all, and are left out):" if left_out else ":"),
            "",
            "| best | | worst | |",
            "|---|---|---|---|",
        ]
        for (best, high), (worst, low) in zip(found.best, found.worst, strict=True):
            lines.append(f"| {_cell(best)} | {high:.3f} | {_cell(worst)} | {low:.3f} |")
    return lines


def _tags(report: Report, name: str) -> list[str]:
    return [metric.tag for metric in report.metrics if metric.name == name and metric.tag is not None]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _number(value: float | None, places: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{places}f}"


def _ends(figure: Figure | Metric, places: int = 3) -> str:
    return "" if figure.low is None or figure.high is None else f"{figure.low:.{places}f} to {figure.high:.{places}f}"
