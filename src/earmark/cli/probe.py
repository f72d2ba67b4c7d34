"""`earmark probe`."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console
from earmark.cli.evaluate import print_averages
from earmark.cli.options import (
    Groups,
    Jobs,
    Protocol,
    Quiet,
    Resamples,
    dataset_option,
    layer_option,
    model_option,
    out_option,
    root_option,
    seed_option,
)
from earmark.cli.progress import count_bar
from earmark.core.errors import ConfigError


class Within(StrEnum):
    """``--within``."""

    mean = "mean"
    mean_std = "mean+std"
    max = "max"


def probe(
    table: Annotated[
        Path | None,
        Argument(
            metavar="[TABLE]",
            help="Labels: columns path and tag, or a manifest with or without a split.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, out_option("Folder for the tagger, scores and report.", show_default=False)] = None,
    model: Annotated[
        str | None,
        model_option(
            "The trunk: a name from `earmark models list`, an .onnx file, or a checkpoint folder.",
            metavar="NAME|FILE|DIR",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        layer_option("Its layer, as `earmark embed --layers` lists them."),
    ] = None,
    within: Annotated[Within, Option(help="How the layer's frames are pooled within a window.")] = Within.mean,
    time_axis: Annotated[
        int | None,
        Option(min=1, help="Which axis of the layer's values is time.", show_default="the last of 3 or more"),
    ] = None,
    dataset: Annotated[
        str | None, dataset_option("In place of TABLE: one of `earmark data list`.", show_default=False)
    ] = None,
    root: Annotated[Path | None, root_option("The dataset's folder.", show_default=False)] = None,
    protocol: Protocol = None,
    tags: Annotated[
        list[str] | None,
        Option(
            "--tag",
            metavar="TAG|CATEGORY",
            help="Learn this tag, or all of a category; may be repeated.",
            show_default="all",
        ),
    ] = None,
    hidden: Annotated[int, Option(metavar="N", min=0, help="Units of a hidden layer; 0 for a linear head.")] = 0,
    folds: Annotated[
        int,
        Option(metavar="N", min=0, help="Of the cross-validation; 0 to choose on the validation clips alone."),
    ] = 5,
    groups: Groups = None,
    name: Annotated[str | None, Option(metavar="NAME", help="Of the tagger.", show_default="that of OUT")] = None,
    seed: Annotated[int, seed_option("Of folds, hidden weights and intervals.")] = 0,
    resamples: Resamples = 1000,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Make a tagger of a table of labels: a head on the frozen embeddings of a trained model.

    Regularisation, thresholds and calibration are chosen by cross-validation over artists in the training and
    validation clips; test clips are measured once, with 95 % intervals. Without test clips, every clip is measured by
    a head that knew nothing of it (nested cross-validation). Tags of which each clip has exactly one get a softmax.

    \b
    Examples:
      earmark probe labels.csv --out probes/mine
      earmark tag song.mp3 --model probes/mine/mine.onnx
      earmark probe --dataset emotify --root ~/emotify --tag genre --out probes/genre
      earmark probe --dataset emotify --root ~/emotify --tag mood --model runs/x/checkpoint --hidden 128 --out p

    A folder that was begun keeps its embeddings, so that the same command continues, and another head is quick.
    """
    from earmark.cli.embed.run import layer_model
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark probe`", "torch", "onnx", "pyarrow")
    if out is None:
        raise ConfigError("--out is missing: name a folder for the tagger and its report")
    if (table is None) == (dataset is None):
        raise ConfigError("give one of TABLE and --dataset")
    if (dataset is None) != (root is None):
        raise ConfigError("--dataset and --root belong together")
    name = name or out.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"--name {name!r}: must be of letters, digits, '.', '_' and '-'")

    from earmark.datasets import load_dataset
    from earmark.datasets.tag_table import load_tag_table
    from earmark.probes.run import probe as run_probe

    if dataset is not None and root is not None:
        loaded = load_dataset(dataset, root, protocol)
    else:
        assert table is not None
        loaded = load_tag_table(table)
    messages = stderr_console()
    bar = count_bar(messages, quiet=quiet)
    with exit_on_interrupt("the embeddings so far are kept: the same command continues"), bar as progress:
        tasks = {step: progress.add_task(step, total=None) for step in ("embedding", "folds")}
        result = run_probe(
            layer_model(model, layer),  # type: ignore[arg-type]
            loaded,
            out,
            name=name,
            tags=tags or (),
            within=within.value,
            time_axis=time_axis,
            hidden=hidden,
            n_folds=folds,
            groups=groups,
            seed=seed,
            n_resamples=resamples,
            jobs=jobs,
            on_done=lambda step, done, total: progress.update(tasks[step], completed=done, total=total),
        )
    for note in () if quiet else result.notes:
        messages.print(f"note: {note}", markup=False)
    report = result.report
    click.echo(
        f"{loaded.name} ({loaded.protocol}, {report.about['split']}): {report.n_clips} clips, {report.n_groups} groups; "
        f"strength {result.strength:g}"
    )
    print_averages(report, out)
    click.echo(f"{result.model}: earmark tag song.mp3 --model {result.model}")
