"""The results of a paper's rows as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from earmark.metrics import list_metrics, metric_label
from earmark.papers.statistics import ClaimStatistics, Estimate, Results
from earmark.papers.tables import Row, Table

CLAIM_COLUMNS = ("order", "by", "paper", "here", "pairs better / worse / open", "here it")


def to_markdown(results: Results) -> str:
    """A page: the paper's tables with its numbers and ours, then its claims."""
    tables, figures = results.tables, results.figures
    reported_on = f"{tables.dataset} ({tables.protocol})" if tables.protocol else "the paper's own data"
    lines = [
        f"# {tables.key}: {tables.title}",
        "",
        f"Trained and measured on **{results.dataset}** ({results.protocol}): {figures.n_clips} test clips, "
        f'{figures.n_groups} {figures.resampled}s. The numbers under "paper" are the paper\'s own, on {reported_on}: '
        "other clips, other tags, other budgets, so compare orders and not values.",
        "",
        "In brackets: 95 % intervals, from a bootstrap that draws "
        f"{figures.resampled}s and runs ({figures.n_resamples} times). Machine: {results.machine}.",
        "",
    ]
    return "\n".join([*lines, *table_sections(results), *_claims(results)])


def table_sections(results: Results, heading: str = "##") -> list[str]:
    """Lines of the paper's tables, each under a heading; without the rows that were not run."""
    return [line for table in results.tables.tables for line in _table(results, table, heading)]


def claim_lines(results: Results) -> list[str]:
    """One table row per claim, under :data:`CLAIM_COLUMNS`."""
    return [_claim_row(found) for found in results.figures.claims]


def _table(results: Results, table: Table, heading: str) -> list[str]:
    """One table; nothing where none of its rows was run."""
    rows = [row for row in table.rows if row.row in results.figures.rows]
    if not rows:
        return []
    metrics = [
        name
        for name in list_metrics(decisions=False)
        if any(name in results.figures.rows[row.row].metrics for row in rows)
    ]
    said = [name for name in list_metrics(decisions=False) if any(name in row.reported for row in rows)]
    head = [
        "row",
        *(metric_label(name) for name in metrics),
        *(f"paper's {metric_label(name)}" for name in said),
        "weights",
        "epochs",
        "CPU s",
        "runs",
    ]
    lines = [f"{heading} {table.title}", "", f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    lines += [f"| {' | '.join(_cells(results, row, metrics, said))} |" for row in rows]
    return [*lines, ""]


def _cells(results: Results, row: Row, metrics: Sequence[str], said: Sequence[str]) -> list[str]:
    figures, runs = results.figures.rows[row.row], results.runs[row.row]
    weights = runs[0].get("n_parameters")
    epochs = [run["epochs"] for run in runs if "epochs" in run]
    return [
        _cell(row.label),
        *(_estimate(figures.metrics.get(name)) for name in metrics),
        *(f"{row.reported[name]:.4f}" if name in row.reported else "" for name in said),
        f"{weights:,}" if weights is not None else "",
        _range(epochs),
        f"{sum(run['cpu_seconds'] for run in runs) / len(runs):.0f}",
        str(len(runs)),
    ]


def _claims(results: Results) -> list[str]:
    claims = results.figures.claims
    if not claims:
        return []
    lines = [
        "## Which orders hold here",
        "",
        "The advantage of the first over the second, mean over the pairs of rows; of RMSE, too, above 0 is better. "
        'An order "holds" or is "reversed" where the interval of the mean excludes 0.',
        "",
        f"| {' | '.join(CLAIM_COLUMNS)} |",
        "|---|---|---:|---:|---:|---|",
    ]
    return [*lines, *claim_lines(results), ""]


def _claim_row(found: ClaimStatistics) -> str:
    verdicts = [pair.verdict for pair in found.pairs]
    counts = " / ".join(str(verdicts.count(v)) for v in ("holds", "reversed", "cannot be told apart"))
    return (
        f"| {_cell(found.claim.text)} | {metric_label(found.metric)} | {'' if found.paper is None else f'{found.paper:+.4f}'} | "
        f"{_estimate(found.overall, signed=True)} | {counts if found.claim.kind == 'order' else ''} | "
        f"{found.overall.verdict} |"
    )


def _estimate(value: Estimate | None, *, signed: bool = False) -> str:
    if value is None or math.isnan(value.value):
        return ""
    form = "+.3f" if signed else ".3f"
    if math.isnan(value.low):  # no resample had both classes of a tag
        return f"{value.value:{form}}"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def _range(numbers: Sequence[int]) -> str:
    values = sorted(set(numbers))
    if not values:
        return ""
    return str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _cell(text: str) -> str:
    """Text that is safe in a table cell."""
    return text.replace("|", "\\|")
