"""`earmark score`."""

from __future__ import annotations

import json
from contextlib import nullcontext as _nothing
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import print_json, stderr_console
from earmark.cli.options import (
    GROUPS_DEFAULT,
    Format,
    Seed,
    TextFormat,
    decision_threshold_option,
    groups_option,
    out_option,
    quiet_option,
    resamples_option,
)


def score(
    scores: Annotated[Path, Argument(help="Table of scores: CSV, TSV or Parquet.")],
    labels: Annotated[
        Path | None, Argument(help="Table of labels. Not needed where the scores file has them, as ours do.")
    ] = None,
    groups: Annotated[
        str | None,
        groups_option(
            "What the intervals are drawn over: artist, song, clip, or a table clip -> artist or song. "
            f"{GROUPS_DEFAULT}",
        ),
    ] = None,
    threshold: Annotated[str | None, decision_threshold_option()] = None,
    allow_missing: Annotated[
        bool, Option("--allow-missing", help="Measure the clips and tags that both tables have.")
    ] = False,
    per_tag: Annotated[bool, Option("--per-tag", help="Show every tag, too.")] = False,
    resamples: Annotated[int, resamples_option(0, "Bootstrap draws for the 95 % intervals; 0 for none.")] = 1000,
    seed: Seed = 0,
    output_format: Format = TextFormat.text,
    out: Annotated[Path | None, out_option("Folder for scores.parquet, report.json and report.md.")] = None,
    quiet: Annotated[bool, quiet_option("No notes on stderr.")] = False,
) -> None:
    """Measure any table of scores against any table of labels, with 95 % intervals.

    A wide table names the clip in its first column and has a column per tag.
    A long one has the columns clip, tag and score or label. Labels are 0 or 1,
    or empty where a clip is not labelled; a column "calm [regression]" holds
    degrees in 0..1. Clips are matched by name, in any order.

    \b
    Examples:
      earmark score scores.csv labels.csv
      earmark score scores.csv labels.csv --groups artists.csv --per-tag
      earmark score results/first/scores.parquet --format json
      earmark score test.parquet --threshold validation.parquet --out results/test
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark score`", "pyarrow")

    from earmark.evaluation.report import make_report
    from earmark.evaluation.report_page import bootstrap_line, title, to_lines
    from earmark.evaluation.run import write_results
    from earmark.evaluation.tables import match, read_groups, read_matrix, read_score_table
    from earmark.evaluation.thresholds import read_thresholds

    messages = stderr_console()
    with exit_on_interrupt("nothing was written"):
        notes: list[str] = []
        if labels is None:
            table = read_score_table(scores)
        else:
            table, notes = match(
                read_matrix(scores, "score"), read_matrix(labels, "label"), allow_missing=allow_missing
            )
        words = groups in (None, "artist", "song", "clip")
        drawn = groups if words else read_groups(Path(str(groups)), table.clips)
        limits, limits_from = read_thresholds(threshold, table.vocabulary) if threshold is not None else ({}, "")
        with messages.status("drawing resamples", spinner="line") if messages.is_terminal and not quiet else _nothing():
            report = make_report(
                table,
                thresholds=limits,
                thresholds_from=limits_from,
                groups=drawn,
                n_resamples=resamples,
                seed=seed,
                about={"scores_file": str(scores), "labels_file": str(labels) if labels else None},
                warnings=tuple(f"Left out: {note}." for note in notes),
            )
        if out is not None:
            write_results(table, report, out)
    for warning in () if quiet else report.warnings:
        messages.print(f"note: {warning}", markup=False)
    if output_format is TextFormat.json:
        print_json(json.loads(report.to_json()))
        return
    click.echo(f"{title(report)}: {report.n_clips} clips, {len(table.vocabulary)} tags")
    for line in to_lines(report, per_tag=per_tag):
        click.echo(line)
    click.echo(bootstrap_line(report))
