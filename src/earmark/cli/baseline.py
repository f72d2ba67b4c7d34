"""`earmark baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.console import stderr_console
from earmark.cli.evaluate import print_averages
from earmark.cli.options import (
    DatasetRoot,
    Jobs,
    LabelledDataset,
    Protocol,
    Quiet,
    Resamples,
    out_option,
    seed_option,
    split_option,
)
from earmark.cli.progress import count_bar


def baseline(
    dataset: LabelledDataset,
    root: DatasetRoot,
    out: Annotated[Path, out_option("Folder for scores, report and the table of the trees.")],
    protocol: Protocol = None,
    split: Annotated[str, split_option("Measured on: train, validation or test.")] = "test",
    seed: Annotated[int, seed_option("Of the trees, the share and the intervals.")] = 0,
    train_share: Annotated[
        float, Option("--train-share", help="Part of the training clips to learn from; parts are nested.")
    ] = 1.0,
    features_cache: Annotated[
        Path | None, Option("--features-cache", help="Where features are kept. Default: OUT/features.")
    ] = None,
    resamples: Resamples = 1000,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Measure what hand-made features and boosted trees reach: a network has to beat it.

    Features of timbre, loudness, rhythm and harmony; gradient boosted trees, one model per tag. A run that was stopped
    finds the features that it had computed.

    \b
    Examples:
      earmark baseline --dataset emotify --root ~/emotify --out results/gbt
      earmark baseline --dataset manifest --root labels.csv --out results/gbt-10 --train-share 0.1
      earmark baseline --dataset emotify --root ~/emotify --out results/gbt-1 --seed 1 --features-cache features
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark baseline`", "librosa", "sklearn", "pyarrow")

    from earmark.baselines import run_baseline
    from earmark.datasets import load_dataset

    loaded = load_dataset(dataset, root, protocol)
    messages = stderr_console()
    bar = count_bar(messages, quiet=quiet)
    with exit_on_interrupt("the features so far are kept: the same command continues from there"), bar as progress:
        tasks = {step: progress.add_task(step, total=None) for step in ("features", "tags")}
        report = run_baseline(
            loaded,
            out,
            seed=seed,
            train_share=train_share,
            split=split,
            n_resamples=resamples,
            cache=features_cache or out / "features",
            jobs=jobs,
            on_done=lambda step, done, total: progress.update(tasks[step], completed=done, total=total),
        )
    for warning in () if quiet else report.warnings:
        messages.print(f"note: {warning}", markup=False)
    click.echo(
        f"{loaded.name} ({loaded.protocol}, {split}): {report.n_clips} clips, learned from "
        f"{report.about['train_clips']}"
    )
    print_averages(report, out)
