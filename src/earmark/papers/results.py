"""The results of a paper's rows as files: results.json for programs, results.md for people (:mod:`earmark.papers.page`).

Rows of another dataset than the paper's main one have a file of their own, results-DATASET.json, and so
have those of another protocol, results-DATASET-PROTOCOL.json; the page has them all.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.core.json_records import parse_json
from earmark.core.version import __version__
from earmark.evaluation.scores import ScoreTable, read_scores
from earmark.papers.page import to_markdown
from earmark.papers.statistics import ClaimStatistics, Estimate, Results, RowStatistics, Statistics, compute_statistics
from earmark.papers.tables import PaperTables, load_tables
from earmark.papers.task import TEST_FOLDER, Task

JSON_NAME, PAGE_NAME = "results.json", "results.md"
RESULTS_FORMAT = 1

_Run = tuple[ScoreTable, dict[str, Any]]
"""Its scores of the test clips, and what it wrote when it was done."""


def collect(tables: PaperTables, tasks: Sequence[Task], *, n_resamples: int = 2000) -> list[Results]:
    """Results of the tasks that are done, one for each dataset and protocol; rows of which none is done are left out.

    Raises:
        DataError: none is done, or scores on one dataset and protocol are of different clips.
    """
    done: dict[tuple[str, str], dict[str, list[_Run]]] = {}
    for task in tasks:
        if (document := task.done()) is not None:
            scores = read_scores(task.folder / TEST_FOLDER / "scores.parquet")
            done.setdefault((task.dataset, scores.protocol), {}).setdefault(task.row, []).append((scores, document))
    if not done:
        raise DataError(f"{tables.key}: no row has been run yet")
    return [_collected(tables, *of, found, n_resamples) for of, found in done.items()]


def _collected(
    tables: PaperTables, dataset: str, protocol: str, done: Mapping[str, Sequence[_Run]], n_resamples: int
) -> Results:
    scores = {row: [table for table, _ in runs] for row, runs in done.items()}
    runs = {row: [document for _, document in runs] for row, runs in done.items()}
    return Results(
        tables, dataset, protocol, compute_statistics(tables, scores, n_resamples=n_resamples), runs, machine()
    )


def machine() -> str:
    """A description of this machine."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_results(results: Sequence[Results], folder: Path, dataset: str | None = None) -> None:
    """results.json and results.md into a folder.

    Args:
        results: of :func:`collect`.
        folder: made where missing.
        dataset: whose results are results.json; None for the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    main = dataset or results[0].dataset
    first = next((one for one in results if one.dataset == main), None)
    for one in results:
        text = json.dumps(to_document(one), indent=2, ensure_ascii=False, allow_nan=False)
        name = f"results-{one.dataset}" + (f"-{one.protocol}" if one.dataset == main else "") + ".json"
        write_atomic(folder / (JSON_NAME if one is first else name), f"{text}\n".encode())
    write_atomic(folder / PAGE_NAME, to_markdown(results).encode())


def to_document(results: Results) -> dict[str, Any]:
    """All statistics as JSON: null where one is undefined."""
    statistics = results.statistics
    return {
        "format": RESULTS_FORMAT,
        "earmark": __version__,
        "machine": results.machine,
        "paper": results.tables.key,
        "dataset": results.dataset,
        "protocol": results.protocol,
        "bootstrap": {
            "over": statistics.resampled,
            "n_clips": statistics.n_clips,
            "n_groups": statistics.n_groups,
            "n_resamples": statistics.n_resamples,
        },
        "rows": {
            name: {
                "metrics": {metric: _estimate(value) for metric, value in row.metrics.items()},
                "of_runs": row.of_runs,
                "reported": results.tables.rows[name].reported,
                "runs": results.runs[name],
            }
            for name, row in statistics.rows.items()
        },
        "differences": [
            {"better": better, "worse": worse, "metrics": {metric: _estimate(value) for metric, value in found.items()}}
            for (better, worse), found in statistics.differences.items()
        ],
        "claims": [
            {
                "id": found.claim.id,
                "text": found.claim.text,
                "metric": found.metric,
                "verdict": found.overall.verdict,
                "overall": _estimate(found.overall),
                "paper": found.paper,
                "pairs": [
                    {"better": better, "worse": worse, **_estimate(value), "verdict": value.verdict}
                    for (better, worse), value in zip(found.claim.pairs, found.pairs, strict=True)
                ],
            }
            for found in statistics.claims
        ],
    }


def read_results(path: str | Path) -> Results:
    """What :func:`write_results` wrote as results.json.

    Raises:
        DataError: no such file, or not of that format.
        ConfigError: of a paper that is not known.
    """
    try:
        document = parse_json(Path(path).read_text(encoding="utf-8"))
        if document["format"] != RESULTS_FORMAT:
            raise DataError(f"{path}: has format {document['format']!r}, this version reads {RESULTS_FORMAT}")
        return _from_document(document)
    except ConfigError as error:
        raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no results.json of `earmark reproduce` ({type(error).__name__}: {error})") from error


def _from_document(document: dict[str, Any]) -> Results:
    tables = load_tables(document["paper"])
    claims = {claim.id: claim for claim in tables.claims}
    rows = {
        name: RowStatistics(
            {metric: _read_estimate(value) for metric, value in row["metrics"].items()},
            {metric: tuple(values) for metric, values in row["of_runs"].items()},
        )
        for name, row in document["rows"].items()
    }
    found = tuple(
        ClaimStatistics(
            claims[claim["id"]],
            claim["metric"],
            tuple(_read_estimate(pair) for pair in claim["pairs"]),
            _read_estimate(claim["overall"]),
            claim["paper"],
        )
        for claim in document["claims"]
    )
    drawn = document["bootstrap"]
    differences = {
        (pair["better"], pair["worse"]): {metric: _read_estimate(value) for metric, value in pair["metrics"].items()}
        for pair in document.get("differences", ())  # earlier versions have none
    }
    return Results(
        tables,
        document["dataset"],
        document["protocol"],
        Statistics(rows, found, drawn["over"], drawn["n_clips"], drawn["n_groups"], drawn["n_resamples"], differences),
        {name: row["runs"] for name, row in document["rows"].items()},
        document["machine"],
    )


def _estimate(value: Estimate) -> dict[str, float | None]:
    return {name: None if math.isnan(x) else x for name, x in dataclasses.asdict(value).items()}


def _read_estimate(value: dict[str, Any]) -> Estimate:
    return Estimate(*(math.nan if value[name] is None else float(value[name]) for name in ("value", "low", "high")))
