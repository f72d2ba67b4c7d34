"""`earmark evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console
from earmark.cli.options import (
    DatasetRoot,
    EmbedAudio,
    Groups,
    Jobs,
    LabelledDataset,
    Protocol,
    Quiet,
    Resamples,
    Seed,
    Split,
    decision_threshold_option,
    out_option,
)
from earmark.cli.progress import progress_bar

if TYPE_CHECKING:
    from earmark.datasets import Dataset
    from earmark.evaluation import Report


def evaluate(
    model: Annotated[str, Argument(help="A checkpoint folder, an .onnx file, or the name of an installed model.")],
    dataset: LabelledDataset,
    root: DatasetRoot,
    out: Annotated[Path, out_option("Folder for scores.parquet, report.json and report.md.")],
    protocol: Protocol = None,
    split: Split = "test",
    groups: Groups = None,
    threshold: Annotated[str | None, decision_threshold_option("the model's card")] = None,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    html: Annotated[
        bool, Option("--html", help="Write report.html, too: one page with figures and players, for a browser.")
    ] = False,
    embed_audio: EmbedAudio = False,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled music, with 95 % intervals over artists.

    Files are decoded and scored as by `earmark tag`, so these are the scores that a user gets.

    \b
    Examples:
      earmark evaluate first --dataset emotify --root ~/emotify --out results/first --html
      earmark evaluate my.onnx --dataset manifest --root labels.csv --out results/mine
      earmark evaluate runs/mine/checkpoint --dataset manifest --root labels.csv --split validation --out v
      earmark evaluate my.onnx --dataset manifest --root labels.csv --threshold v/scores.parquet --out t
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
    from earmark.core.errors import ConfigError

    if embed_audio and not html:
        raise ConfigError("--embed-audio: only with --html")
    require_extra("train", "`earmark evaluate`", "pyarrow", *(["pandas", "matplotlib"] if html else []))

    from earmark.datasets import load_dataset
    from earmark.evaluation import evaluate as run_evaluation
    from earmark.evaluation.thresholds import read_thresholds

    loaded = load_dataset(dataset, root, protocol)
    limits, limits_from = (None, "") if threshold is None else read_thresholds(threshold, loaded.vocabulary)
    messages = stderr_console()
    bar = progress_bar(messages, quiet=quiet)
    with exit_on_interrupt("nothing was written"), bar as progress:
        task = progress.add_task("scoring", total=None)
        report = run_evaluation(
            model,
            loaded,
            out,
            split=split,
            thresholds=limits,
            thresholds_from=limits_from,
            groups=groups,
            n_resamples=resamples,
            seed=seed,
            jobs=jobs,
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
        notes = _write_page(out, model, loaded, report, embed_audio) if html else []
    for warning in () if quiet else (*report.warnings, *notes):
        messages.print(f"note: {warning}", markup=False)
    click.echo(f"{loaded.name} ({loaded.protocol}, {split}): {report.n_clips} clips, {report.n_groups} groups")
    print_averages(report, out)
    if html:
        click.echo(f"{out / 'report.html'}")


def print_averages(report: Report, out: Path) -> None:
    """The means over tags, tags without one, and where the report is, on stdout."""
    from earmark.metrics import metric_info, metric_label

    for metric in report.metrics:
        if metric.tag is None:
            name = metric_label(metric.name)
            name = name if metric_info(metric.name).of_classes else f"macro {name}"
            value = "undefined" if metric.value is None else f"{metric.value:.4f}"
            ends = "" if metric.low is None else f"  ({metric.low:.4f} to {metric.high:.4f})"
            click.echo(f"{name:<16} {value}{ends}")
    for name, tags in report.undefined.items():
        if tags:
            click.echo(f"undefined {metric_label(name)}: {', '.join(tags)}")
    click.echo(f"{out / 'report.md'}")


def _write_page(out: Path, model: str, dataset: Dataset, report: Report, embed_audio: bool) -> list[str]:
    """report.html beside report.md; what could not be put into it, one per line."""
    from earmark.cli.analyze.report import find_log
    from earmark.evaluation import read_scores
    from earmark.evaluation.run import SCORES_NAME
    from earmark.report.run_page import write_page

    return write_page(
        out / "report.html",
        read_scores(out / SCORES_NAME),
        report,
        audio={clip.clip_id: clip.path for clip in dataset.clips},
        embed_audio=embed_audio,
        log=find_log(Path(model)) if Path(model).is_dir() else None,
    )
