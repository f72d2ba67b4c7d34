"""The results of a paper's rows as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.core.markdown import cell, render_markdown
from earmark.metrics import list_metrics, metric_info, metric_label
from earmark.papers.costs import Costs
from earmark.papers.statistics import ClaimStatistics, Estimate, Results
from earmark.papers.tables import Row, Table

CLAIM_COLUMNS = ("order", "by", "paper", "here", "pairs better / worse / open", "here it")
_TEMPLATES = Path(__file__).parent


def to_markdown(results: Sequence[Results]) -> str:
    """A page: for each dataset the paper's tables with its numbers and ours, then its claims."""
    run = {row for one in results for row in one.runs}
    return render_markdown(
        "results.md.j2",
        _TEMPLATES,
        paper=results[0].tables,
        machine=results[0].machine,
        datasets=[_of_dataset(one) for one in results],
        heading="##" if len(results) == 1 else "###",
        claim_columns=CLAIM_COLUMNS,
        not_run=[name for name, row in results[0].tables.rows.items() if row.kind != "reported" and name not in run],
    )


def _of_dataset(results: Results) -> dict[str, Any]:
    tables = _shown(results)
    own = {(table.dataset or results.tables.dataset, table.protocol or results.tables.protocol) for table in tables}
    return {
        "name": results.dataset,
        "protocol": results.protocol,
        "statistics": results.statistics,
        "of_the_paper": [
            f"{name} ({protocol})" if protocol else "the paper's own data" for name, protocol in sorted(own, key=str)
        ],
        "same_data": own == {(results.dataset, results.protocol)},
        "tables": _tables(results),
        "claims": claim_rows(results),
    }


def tables_markdown(results: Results, heading: str = "##") -> str:
    """The paper's tables alone, each after a blank line and a heading; without the rows that were not run."""
    return render_markdown("tables.md.j2", _TEMPLATES, heading=heading, tables=_tables(results))


def claim_rows(results: Results) -> list[list[str]]:
    """The cells of each claim, under :data:`CLAIM_COLUMNS`."""
    return [_claim_cells(found) for found in results.statistics.claims]


def _shown(results: Results) -> list[Table]:
    """The tables of which some row was run."""
    return [table for table in results.tables.tables if any(row.row in results.runs for row in table.rows)]


def _tables(results: Results) -> list[dict[str, Any]]:
    """Title, columns, rows, differences and notes of each table; without the tables of which no row was run."""
    return [_table(results, table) for table in _shown(results)]


def _table(results: Results, table: Table) -> dict[str, Any]:
    rows = [row for row in table.rows if row.row in results.runs or row.kind == "reported"]
    names = list_metrics(decisions=False)
    run = [row.row for row in rows if row.row in results.runs]
    metrics = [name for name in names if any(name in results.statistics.rows[row].metrics for row in run)]
    reported = [name for name in names if any(name in row.reported for row in rows)]
    costs = Costs.of(results, table)
    columns = [
        "row",
        *(metric_label(name) for name in metrics),
        *(f"paper's {metric_label(name)}" for name in reported),
        *costs.columns,
        *("weights", "epochs", "CPU s", "runs"),
    ]
    return {
        "title": table.title,
        "columns": columns,
        "rows": [
            [
                cell(row.label + (" (reported)" if row.kind == "reported" else "")),
                *(_estimate(_metrics(results, row).get(name)) for name in metrics),
                *(f"{row.reported[name]:.4f}" if name in row.reported else "" for name in reported),
                *costs.cells(row),
                *_about_runs(results.runs.get(row.row, [])),
            ]
            for row in rows
        ],
        "differences": _differences(results, table, metrics),
        "notes": [f"{row.label}: {row.note}." for row in rows if row.note],
        "cost_notes": costs.notes,
    }


def _metrics(results: Results, row: Row) -> dict[str, Estimate]:
    found = results.statistics.rows.get(row.row)
    return {} if found is None else found.metrics


def _about_runs(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Weights, epochs, CPU seconds and number of runs."""
    if not runs:
        return ["", "", "", ""]
    weights = runs[0].get("n_parameters")
    return [
        f"{weights:,}" if weights is not None else "",
        _range([run["epochs"] for run in runs if "epochs" in run]),
        f"{sum(run['cpu_seconds'] for run in runs) / len(runs):.0f}",
        str(len(runs)),
    ]


def _differences(results: Results, table: Table, metrics: Sequence[str]) -> dict[str, Any] | None:
    """Columns and rows of the differences that the paper shows, of the rows that were run."""
    known = {pair: found for pair, found in results.statistics.differences.items() if pair in table.differences}
    shown = [metric for metric in metrics if any(metric in found for found in known.values())]
    if not shown:
        return None
    labels = {row.row: row for row in table.rows}
    rows = []
    for (better, worse), found in known.items():
        cells = [cell(f"{labels[better].label} over {labels[worse].label}")]
        for metric in shown:
            paper = [labels[row].reported.get(metric) for row in (better, worse)]
            gain = None if None in paper else metric_info(metric).gain(*paper)  # type: ignore[arg-type]
            cells += [
                _estimate(found.get(metric), signed=True),
                "" if gain is None else f"{gain:+.4f}",
            ]
        rows.append(cells)
    return {
        "columns": ["difference", *(x for m in shown for x in (metric_label(m), f"paper's {metric_label(m)}"))],
        "rows": rows,
    }


def _claim_cells(found: ClaimStatistics) -> list[str]:
    verdicts = [pair.verdict for pair in found.pairs]
    counts = " / ".join(str(verdicts.count(v)) for v in ("holds", "reversed", "cannot be told apart"))
    return [
        cell(found.claim.text),
        metric_label(found.metric),
        "" if found.paper is None else f"{found.paper:+.4f}",
        _estimate(found.overall, signed=True),
        counts if found.claim.kind == "order" else "",
        found.overall.verdict,
    ]


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
