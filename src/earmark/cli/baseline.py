"""`earmark baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def baseline(
    dataset: Annotated[str, typer.Option("--dataset", help="emotify, or manifest for a table of your own.")],
    root: Annotated[Path, typer.Option("--root", help="Where the dataset lies; for a manifest the table itself.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for scores, report and the table of the trees.")],
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="A named split. Default: the one that fits what lies under --root.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Measured on: train, validation or test.")] = "test",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the trees, the share and the intervals.")] = 0,
    train_share: Annotated[
        float, typer.Option("--train-share", help="Part of the training clips to learn from; parts are nested.")
    ] = 1.0,
    features_cache: Annotated[
        Path | None, typer.Option("--features-cache", help="Where features are kept. Default: OUT/features.")
    ] = None,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Draws behind the 95 % intervals.")] = 1000,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Files side by side. Default: one a core.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Measure what hand-made features and boosted trees reach: a network has to beat it.

    Features of timbre, loudness, rhythm and harmony; gradient boosted trees, one model a tag. A run that was stopped
    finds the features that it had computed.

    \b
    Examples:
      earmark baseline --dataset emotify --root ~/emotify --out results/gbt
      earmark baseline --dataset manifest --root labels.csv --out results/gbt-10 --train-share 0.1
      earmark baseline --dataset emotify --root ~/emotify --out results/gbt-1 --seed 1 --features-cache features
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark baseline`", "librosa", "sklearn", "pyarrow")

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from earmark.baselines import run_baseline
    from earmark.datasets import load_dataset
    from earmark.metrics import metric_label

    loaded = load_dataset(dataset, root, protocol)
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=quiet or not messages.is_terminal,
    )
    with exit_on_interrupt("the features so far are kept: the same command goes on from there"), bar as progress:
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
    typer.echo(
        f"{loaded.name} ({loaded.protocol}, {split}): {report.n_clips} clips, learned from "
        f"{report.about['train_clips']}"
    )
    for metric in report.metrics:
        if metric.tag is None:
            value = "undefined" if metric.value is None else f"{metric.value:.4f}"
            ends = "" if metric.low is None else f"  ({metric.low:.4f} to {metric.high:.4f})"
            typer.echo(f"{'macro ' + metric_label(metric.name):<16} {value}{ends}")
    for name, tags in report.undefined.items():
        if tags:
            typer.echo(f"undefined {metric_label(name)}: {', '.join(tags)}")
    typer.echo(f"{out / 'report.md'}")
