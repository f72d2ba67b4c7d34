"""The results of a paper's rows as files: results.json for programs, results.md for people."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import earmark
from earmark.evaluation.scores import ScoreTable, read_scores
from earmark.files import write_atomic
from earmark.reproduce.figures import ClaimFigures, Estimate, Figures, make_figures
from earmark.reproduce.tables import PaperTables, Row, Table
from earmark.reproduce.task import TEST_FOLDER, Task

JSON_NAME, PAGE_NAME = "results.json", "results.md"
TITLES = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "rmse": "RMSE"}
RESULTS_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Results:
    """All that was run of a paper.

    Attributes:
        tables: of the paper.
        dataset, protocol: what was trained and measured on.
        figures: metrics and claims.
        runs: row -> what the done.json of each of its runs says.
        machine: what it was run on.
    """

    tables: PaperTables
    dataset: str
    protocol: str
    figures: Figures
    runs: dict[str, list[dict[str, Any]]]
    machine: str


def collect(tables: PaperTables, tasks: Sequence[Task], *, n_resamples: int = 2000) -> Results:
    """Results of the tasks that are done; rows of which none is done are left out.

    Raises:
        DataError: none is done, or their scores are of different clips.
    """
    scores: dict[str, list[ScoreTable]] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        document = task.done()
        if document is not None:
            scores.setdefault(task.row, []).append(read_scores(task.folder / TEST_FOLDER / "scores.parquet"))
            runs.setdefault(task.row, []).append(document)
    figures = make_figures(tables, scores, n_resamples=n_resamples)
    first = next(iter(scores.values()))[0]
    return Results(tables, first.dataset, first.protocol, figures, runs, machine())


def machine() -> str:
    """This machine in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_results(results: Results, folder: Path) -> None:
    """results.json and results.md into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / JSON_NAME, (json.dumps(to_document(results), indent=2, ensure_ascii=False) + "\n").encode())
    write_atomic(folder / PAGE_NAME, to_markdown(results).encode())


def to_document(results: Results) -> dict[str, Any]:
    """All figures as JSON knows them."""
    figures = results.figures
    return {
        "format": RESULTS_FORMAT,
        "earmark": earmark.__version__,
        "machine": results.machine,
        "paper": results.tables.key,
        "dataset": results.dataset,
        "protocol": results.protocol,
        "bootstrap": {
            "over": figures.resampled,
            "n_clips": figures.n_clips,
            "n_groups": figures.n_groups,
            "n_resamples": figures.n_resamples,
        },
        "rows": {
            name: {
                "metrics": {metric: dataclasses.asdict(value) for metric, value in row.metrics.items()},
                "of_runs": row.of_runs,
                "reported": results.tables.rows[name].reported,
                "runs": results.runs[name],
            }
            for name, row in figures.rows.items()
        },
        "claims": [
            {
                "id": found.claim.id,
                "text": found.claim.text,
                "metric": found.metric,
                "verdict": found.overall.verdict,
                "overall": dataclasses.asdict(found.overall),
                "paper": found.paper,
                "pairs": [
                    {"better": better, "worse": worse, **dataclasses.asdict(value), "verdict": value.verdict}
                    for (better, worse), value in zip(found.claim.pairs, found.pairs, strict=True)
                ],
            }
            for found in figures.claims
        ],
    }


def to_markdown(results: Results) -> str:
    """A page: the paper's tables with its numbers beside ours, then its claims."""
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
    for table in tables.tables:
        lines += _table(results, table)
    return "\n".join([*lines, *_claims(results)])


def _table(results: Results, table: Table) -> list[str]:
    """One table; nothing where none of its rows was run."""
    rows = [row for row in table.rows if row.row in results.figures.rows]
    if not rows:
        return []
    metrics = [name for name in TITLES if any(name in results.figures.rows[row.row].metrics for row in rows)]
    said = [name for name in TITLES if any(name in row.reported for row in rows)]
    head = [
        "row",
        *(TITLES[name] for name in metrics),
        *(f"paper's {TITLES[name]}" for name in said),
        "weights",
        "epochs",
        "CPU s",
        "runs",
    ]
    lines = [f"## {table.title}", "", f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    lines += [f"| {' | '.join(_cells(results, row, metrics, said))} |" for row in rows]
    return [*lines, ""]


def _cells(results: Results, row: Row, metrics: Sequence[str], said: Sequence[str]) -> list[str]:
    figures, runs = results.figures.rows[row.row], results.runs[row.row]
    weights = runs[0].get("n_parameters")
    epochs = [run["epochs"] for run in runs if "epochs" in run]
    return [
        row.label,
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
        "| order | by | paper | here | pairs better / worse / open | here it |",
        "|---|---|---:|---:|---:|---|",
    ]
    return [*lines, *(_claim_row(found) for found in claims), ""]


def _claim_row(found: ClaimFigures) -> str:
    verdicts = [pair.verdict for pair in found.pairs]
    counts = " / ".join(str(verdicts.count(v)) for v in ("holds", "reversed", "cannot be told apart"))
    return (
        f"| {found.claim.text} | {TITLES[found.metric]} | {'' if found.paper is None else f'{found.paper:+.4f}'} | "
        f"{_estimate(found.overall, signed=True)} | {counts if found.claim.kind == 'order' else ''} | "
        f"{found.overall.verdict} |"
    )


def _estimate(value: Estimate | None, *, signed: bool = False) -> str:
    if value is None or math.isnan(value.value):
        return ""
    form = "+.3f" if signed else ".3f"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def _range(numbers: Sequence[int]) -> str:
    values = sorted(set(numbers))
    if not values:
        return ""
    return str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}"
