"""The page of all papers on a dataset that two cores bear, from the results of `earmark reproduce`.

    python benchmarks/paper_orders.py emotify --results results --out docs/results/emotify.md
    python benchmarks/paper_orders.py labelled_tags --results results --out docs/results/architectures.md

Reads RESULTS/PAPER/results.json of every paper. Hand-written text between the two markers of the page
at --out is kept; --reading FILE inserts the text of a file. Exits with 1 if a paper has no results yet.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.datasets import dataset_info
from earmark.metrics import list_metrics, metric_label
from earmark.papers.page import CLAIM_COLUMNS, claim_rows, tables_markdown
from earmark.papers.results import JSON_NAME, read_results
from earmark.papers.statistics import ClaimStatistics, Results
from earmark.papers.tables import list_papers

BEGIN = "<!-- The reading is written by hand. This script keeps what stands from here ... -->"
END = "<!-- ... to here. -->"
EMPTY_READING = "Not written yet."

ABOUT = {
    "emotify": (
        "Five papers on Emotify",
        "Every row of the papers' tables, trained from scratch on Emotify's 159 training songs at a budget that two cores"
        " bear, and measured on songs by other artists. The papers' numbers stand beside ours; they are of other data,"
        " other tags and far longer trainings, so compare orders and not values.",
        "~/emotify",
        "emotify.md",
    ),
    "labelled_tags": (
        "Five papers on fifty hours of labelled music",
        "Every row of the papers' tables, trained from scratch on the music that earmark-2 learned from, with the fifty tags"
        " that its teachers give most often, at a budget that two cores bear, and measured on music by other artists and from"
        " other sources. The labels are what trained networks say, not people: a score says how much of that a network learned."
        " The papers' numbers stand beside ours; they are of other data, other tags and far longer trainings, so compare"
        " orders and not values. `earmark distill unpack` makes the data"
        " ([how](../../tools/default_model/README.md)).",
        "~/sets",
        "architectures.md",
    ),
}
"""Dataset -> title and first words of its page, where its folder is in the commands, and the page's name."""


def read_commentary(page: str) -> str | None:
    """The text between the markers; None if there are no markers."""
    before, begin, rest = page.partition(BEGIN)
    reading, end, _ = rest.partition(END)
    if bool(begin) != bool(end) or END in before:
        raise SystemExit(f"the page has one of its two markers, or has them the wrong way round: {BEGIN} and {END}")
    return reading.strip() if begin else None


def make_page(dataset: str, found: Mapping[str, Results], reading: str, date: datetime.date) -> str:
    """The whole page. ``found`` are the results by the papers' keys; papers without are named."""
    missing = [key for key in list_papers() if key not in found]
    title, about, _, name = ABOUT[dataset]
    lines = [
        f"# {title}",
        "",
        about,
        "",
        f"Written by `python benchmarks/paper_orders.py {dataset} --results results --out docs/results/{name}`, {date.isoformat()}.",
        "",
        *([f"No results yet: {', '.join(missing)}.", ""] if missing else []),
        "## Reading",
        "",
        BEGIN,
        "",
        reading,
        "",
        END,
        "",
        *overview(found),
        *how_it_was_done(dataset, found),
    ]
    for key, results in found.items():
        lines += [f"## {key}: {results.tables.title}", "", f"{results.tables.citation}."]
        lines += [*tables_markdown(results, "###").splitlines(), ""]
    return "\n".join(lines).rstrip() + "\n"


def overview(found: Mapping[str, Results]) -> list[str]:
    """All claims in one table."""
    lines = [
        "## Which of the papers' orders hold here",
        "",
        "The advantage of the first over the second, mean over the pairs of rows that the order speaks of; of RMSE, too, "
        'above 0 is better. An order "holds" or is "reversed" where the 95 % interval of the mean excludes 0. "Paper" is '
        "the same mean from the paper's numbers.",
        "",
    ]
    for metric in list_metrics(decisions=False):
        verdicts = Counter(claim.overall.verdict for claim in claims_of(found) if claim.metric == metric)
        if total := sum(verdicts.values()):
            lines.append(
                f"- By {metric_label(metric)}: of {total} orders {verdicts['holds']} hold, {verdicts['reversed']} are reversed, "
                f"{verdicts['cannot be told apart']} cannot be told apart."
            )
    lines += ["", f"| paper | {' | '.join(CLAIM_COLUMNS)} |", "|---|---|---|---:|---:|---:|---|"]
    lines += [f"| {key} | {' | '.join(row)} |" for key, results in found.items() for row in claim_rows(results)]
    return [*lines, ""]


def claims_of(found: Mapping[str, Results]) -> list[ClaimStatistics]:
    """Of all papers."""
    return [claim for results in found.values() for claim in results.statistics.claims]


def how_it_was_done(dataset: str, found: Mapping[str, Results]) -> list[str]:
    """Data, machine, budget, commands."""
    lines = ["## How it was done", ""]
    about = {protocol.name: protocol.description for protocol in dataset_info(dataset).protocols}
    for protocol in sorted({results.protocol for results in found.values()}):
        lines.append(f"- Protocol **{protocol}**: {about.get(protocol, 'not known to this version')}.")
    bootstraps = {
        f"{x.n_clips} test clips by {x.n_groups} {x.resampled}s; a bootstrap of {x.n_resamples} draws of {x.resampled}s "
        "and of runs, the same clips for all rows of a paper"
        for x in (results.statistics for results in found.values())
    }
    lines += [f"- Intervals: {line}." for line in sorted(bootstraps)]
    lines += [f"- Machine: {machine}." for machine in sorted({results.machine for results in found.values()})]
    lines += ["- Budget, with the time of training and measuring:", ""]
    lines += [
        "| paper | rows | runs | runs per row | epochs | CPU s per run | CPU hours |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    hours = 0.0
    for key, results in found.items():
        runs = runs_of(results)
        seconds = [float(run["cpu_seconds"]) for run in runs]
        hours += sum(seconds) / 3600
        cells = [
            key,
            str(len(results.runs)),
            str(len(runs)),
            span([len(of_row) for of_row in results.runs.values()]),
            span([run["epochs"] for run in runs if "epochs" in run]),
            span([round(x) for x in seconds]),
            f"{sum(seconds) / 3600:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"In all {hours:.1f} CPU hours. The budgets are in `src/earmark/papers/recipes/PAPER/_{dataset}.yaml`.",
        "",
        "```console",
    ]
    for key, results in found.items():
        seeds = max(len(of_row) for of_row in results.runs.values())
        lines.append(
            f"$ earmark reproduce {key} --dataset {dataset} --root {ABOUT[dataset][2]} --out results --seeds {seeds}"
        )
    return [*lines, "```", ""]


def runs_of(results: Results) -> list[dict[str, Any]]:
    """Every run once."""
    return [run for of_row in results.runs.values() for run in of_row]


def span(values: Sequence[int]) -> str:
    """Smallest to largest."""
    if not values:
        return ""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=ABOUT)
    parser.add_argument("--results", type=Path, required=True, help="--out of `earmark reproduce`")
    parser.add_argument("--out", type=Path, help="Markdown file to write; without it the page is printed")
    parser.add_argument(
        "--reading", type=Path, help="Markdown to put into the page; otherwise what stands there is kept"
    )
    parser.add_argument("--date", type=datetime.date.fromisoformat, default=None, help="of the page; default: today")
    options = parser.parse_args(arguments)

    found = {}
    for key in list_papers():
        path = options.results / key / JSON_NAME
        if not path.is_file():
            print(f"no {path}", file=sys.stderr)
            continue
        found[key] = read_results(path)
        if found[key].dataset != options.dataset:
            raise SystemExit(f"{path}: is of {found[key].dataset}, not of {options.dataset}")
    if not found:
        raise SystemExit("nothing to write")
    reading = None
    if options.reading is not None:
        reading = options.reading.read_text(encoding="utf-8").strip()
    elif options.out is not None and options.out.is_file():
        reading = read_commentary(options.out.read_text(encoding="utf-8"))
        if reading is None:
            raise SystemExit(f"{options.out}: has no markers, so its text would be lost; give --reading FILE")
    page = make_page(
        options.dataset, found, reading or EMPTY_READING, options.date or datetime.datetime.now().astimezone().date()
    )
    if options.out is None:
        print(page, end="")
    else:
        write_atomic(options.out, page.encode())
    return 0 if len(found) == len(list_papers()) else 1


if __name__ == "__main__":
    sys.exit(main())
