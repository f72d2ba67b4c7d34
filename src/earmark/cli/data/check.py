"""`earmark data check`."""

from __future__ import annotations

from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.console import print_json, stderr_console
from earmark.cli.options import DatasetName, DatasetRoot, Format, Jobs, Protocol, Quiet, TextFormat
from earmark.cli.progress import progress_bar
from earmark.core.exit_codes import EXIT_FAILED


def check(
    name: DatasetName,
    root: DatasetRoot,
    protocol: Protocol = None,
    quick: Annotated[
        bool,
        Option("--quick", help="Decode nothing: find only missing and empty files, and files that are the same."),
    ] = False,
    min_seconds: Annotated[
        float | None,
        Option("--min-seconds", min=0.0, help="Clips below this length are too short.", show_default=False),
    ] = None,
    output: Format = TextFormat.text,
    most: Annotated[int, Option("--most", min=1, help="Clips named for each kind of fault; json names all.")] = 20,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Check every clip of a dataset: missing, unreadable, too short, silent, or there twice?

    Also counted: clips of each split and tag, clips without tags, and songs and artists on both sides of the split.

    \b
    Examples:
      earmark data check magnatagatune --root ~/mtat --min-seconds 29
      earmark data check magnatagatune --root ~/mtat --protocol mtat-lee --quick
      earmark data check manifest --root labels.csv --format json > check.json

    Exit code: 0 all clips are good, 1 some are not or the dataset cannot be read, 2 wrong usage.
    """
    from earmark.cli.data.report_text import report_lines
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError
    from earmark.datasets import load_dataset
    from earmark.datasets.check import check_dataset

    if quick and min_seconds is not None:
        raise ConfigError("--min-seconds needs the files to be decoded: not together with --quick")
    if name == "manifest" and protocol is None:
        from earmark.datasets.manifest import load_manifest

        loaded = load_manifest(root, check_files=False)  # missing files are for the report
    else:
        loaded = load_dataset(name, root, protocol)
    with exit_on_interrupt("nothing was changed"), progress_bar(stderr_console(), quiet=quiet) as progress:
        task = progress.add_task("checking" if quick else "decoding", total=None)
        report = check_dataset(
            loaded,
            decode=not quick,
            min_seconds=min_seconds,
            jobs=jobs,
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if output is TextFormat.json:
        print_json(report.to_dict())
    else:
        for line in report_lines(report, most=most):
            click.echo(line)
    if not report.ok:
        raise click.exceptions.Exit(EXIT_FAILED)
