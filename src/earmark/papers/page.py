"""The results of a paper's rows as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.core.markdown import cell, render_markdown
from earmark.metrics import list_metrics, metric_label
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
        not_run=[row for row in results[0].tables.rows if row not in run],
    )


def _of_dataset(results: Results) -> dict[str, Any]:
    tables = [table for table in results.tables.tables if _rows(results, table)]
    own = {(table.dataset or results.tables.dataset, table.protocol or results.tables.protocol) for table in tables}
    return {
        "name": results.dataset,
        "protocol": results.protocol,
        "figures": results.figures,
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
    return [_claim_cells(found) for found in results.figures.claims]


def _tables(results: Results) -> list[dict[str, Any]]:
    """Title, columns and rows of each table; without the tables of which no row was run."""
    return [_table(results, table) for table in results.tables.tables if _rows(results, table)]


def _rows(results: Results, table: Table) -> list[Row]:
    return [row for row in table.rows if row.row in results.figures.rows]


def _table(results: Results, table: Table) -> dict[str, Any]:
    rows, names = _rows(results, table), list_metrics(decisions=False)
    metrics = [name for name in names if any(name in results.figures.rows[row.row].metrics for row in rows)]
    reported = [name for name in names if any(name in row.reported for row in rows)]
    columns = [
        "row",
        *(metric_label(name) for name in metrics),
        *(f"paper's {metric_label(name)}" for name in reported),
        "weights",
        "epochs",
        "CPU s",
        "runs",
    ]
    cells = [_cells(results, row, metrics, reported) for row in rows]
    return {"title": table.title, "columns": columns, "rows": cells}


def _cells(results: Results, row: Row, metrics: Sequence[str], reported: Sequence[str]) -> list[str]:
    figures, runs = results.figures.rows[row.row], results.runs[row.row]
    weights = runs[0].get("n_parameters")
    epochs = [run["epochs"] for run in runs if "epochs" in run]
    return [
        cell(row.label),
        *(_estimate(figures.metrics.get(name)) for name in metrics),
        *(f"{row.reported[name]:.4f}" if name in row.reported else "" for name in reported),
        f"{weights:,}" if weights is not None else "",
        _range(epochs),
        f"{sum(run['cpu_seconds'] for run in runs) / len(runs):.0f}",
        str(len(runs)),
    ]


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
