"""`earmark analyze epochs`, `training-size` and `cost`: figures of training runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.analyze.options import Out
from earmark.cli.commands import Argument, Option
from earmark.cli.options import Device, Groups, Resamples, metric_option, root_option

if TYPE_CHECKING:
    from earmark.plots.epochs import Point


def epochs(
    runs: Annotated[list[Path], Argument(help="Folders of training runs, with log.csv.")],
    out: Out,
    metric: Annotated[str, metric_option()] = "roc_auc",
    test: Annotated[
        list[Path] | None,
        Option("--test", help="Results of `earmark evaluate`, one for each run. Default: RUN/test, if there."),
    ] = None,
    on_training: Annotated[
        bool, Option("--on-training", help="Also measure each run's checkpoint on its training clips, all of them.")
    ] = False,
    root: Annotated[Path | None, root_option("The dataset's folder now, for --on-training.")] = None,
) -> None:
    """AUC and loss by epoch, the epoch that was kept, and its test.

    \b
    Examples:
      earmark analyze epochs runs/mine --test results/mine --out figures
      earmark analyze epochs results/bristol/dropout-40-epochs/seed-* --on-training --out figures

    A run's log has the AUC on validation clips and the loss on both. That on training clips is in it if it was trained with
    --measure-training; otherwise --on-training measures it, for the epoch that was kept.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError

    require_figures()
    import dataclasses

    from earmark.core.card import ModelCard
    from earmark.plots.axes import distinct_names
    from earmark.plots.epochs import draw_epochs, read_log, read_point
    from earmark.plots.style import about_model

    if test and len(test) != len(runs):
        raise ConfigError(f"--test: {len(test)} given for {len(runs)} runs; give one for each")
    logs, names = [], distinct_names(runs)
    with exit_on_interrupt("nothing was written"):
        for i, run in enumerate(runs):
            log = read_log(run, names[i])
            report = (test[i] if test else run / "test") / "report.json"
            if test or report.is_file():
                log = dataclasses.replace(log, test=read_point(report, metric))
            if on_training:
                log = dataclasses.replace(log, train=_on_training(run, metric, root))
            logs.append(log)
    cards = [ModelCard.read(run / "checkpoint" / "card.json") for run in runs if (run / "checkpoint").is_dir()]
    lines = {about_model(card) for card in cards}
    if len(lines) > 1:  # what all have in common
        lines = {about_model(card.replace(name="")) for card in cards}
    write_drawings([draw_epochs(logs, metric, lines.pop() if len(lines) == 1 else "")], out)


def training_size(
    points: Annotated[
        list[str],
        Argument(help="results.json of `earmark reproduce` beside its runs, or SERIES@CLIPS=SCORES, repeated."),
    ],
    out: Out,
    difference: Annotated[
        str | None,
        Option("--difference", metavar="A,B", help="Draw B minus A. Default: the two series that go together best."),
    ] = None,
    groups: Groups = None,
    resamples: Resamples = 1000,
) -> None:
    """Metrics over the number of training clips, and the difference between two front-ends.

    \b
    Examples:
      earmark analyze training-size results/pons2017/results.json --out figures
      earmark analyze training-size mel@100=a.parquet mel@900=b.parquet raw@100=c.parquet raw@900=d.parquet --out f

    The same SERIES@CLIPS again is a further run of it. Intervals are over artists, and over runs where there are some.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.reproduced import points_of
    from earmark.plots.training_size import draw_training_size, size_tables

    pair = None
    if difference is not None:
        names = [name.strip() for name in difference.split(",")]
        if len(names) != 2 or not all(names):
            raise ConfigError(f"--difference {difference!r}: must be two series, A,B")
        pair = (names[0], names[1])
    found = size_tables(points_of(points), pair, groups=groups, n_resamples=resamples)
    write_drawings([draw_training_size(found)], out)


def cost(
    results: Annotated[Path, Argument(help="results.json of `earmark reproduce`, its runs beside it.")],
    out: Out,
    metric: Annotated[str, metric_option()] = "roc_auc",
    song_seconds: Annotated[float, Option("--song-seconds", help="Length of the song that is timed.")] = 29.1,
    repeats: Annotated[int, Option("--repeats", min=1, help="Timings of each network; the fastest counts.")] = 20,
    threads: Annotated[int, Option("--threads", min=1, help="Of PyTorch.")] = 1,
    batch_songs: Annotated[int, Option("--batch-songs", min=1, help="Songs at a time, as one batch.")] = 1,
    device: Device = "cpu",
) -> None:
    """Accuracy over seconds for 1000 songs and over size, of models and every combination of them.

    \b
    Examples:
      earmark analyze cost results/ensemble/results.json --out figures
      earmark analyze cost results/kim2018/results.json --metric pr_auc --threads 4 --out figures
      earmark analyze cost results/ensemble/results.json --device cuda --batch-songs 100 --out figures

    Each network is timed here and now: noise in, scores out, without reading and decoding files.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()
    import torch

    from earmark.cli.analyze.reproduced import read_runs, trained_models
    from earmark.papers.results import machine
    from earmark.plots.cost import cost_table, draw_cost, timing_words
    from earmark.plots.style import about
    from earmark.training.lightning_setup import checked_accelerator

    found, folder = read_runs(results)
    models = trained_models(found, folder, metric)
    with exit_on_interrupt("nothing was written"):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            name = checked_accelerator(device, 1, 1, "32")
            table = cost_table(models, song_seconds=song_seconds, repeats=repeats, batch_songs=batch_songs, device=name)
            words = timing_words(song_seconds, repeats, machine().split(",")[0], batch_songs=batch_songs, device=name)
        finally:
            torch.set_num_threads(before)
    for model in models:
        if model.checkpoint is None:
            click.echo(f"note: left out, without a checkpoint: {model.row}", err=True)
    n_runs = {len(found.runs[row]) for row in table.row}
    line = about(found.tables.key, found.dataset, found.protocol, "test")
    line += f", mean of {n_runs.pop()} runs" if len(n_runs) == 1 and n_runs != {1} else ""
    write_drawings([draw_cost(table, line, metric=metric, timed=words)], out)


def _on_training(run: Path, metric: str, root: Path | None) -> Point:
    """The macro mean of a run's checkpoint on the training clips that its recipe names."""
    from earmark.core.errors import ConfigError
    from earmark.datasets import load_dataset
    from earmark.evaluation import load_model, score_dataset
    from earmark.metrics import macro, metric_info
    from earmark.metrics.tags import each_tag
    from earmark.plots.epochs import Point
    from earmark.training.config import load_recipe
    from earmark.training.data_setup import chosen_clips

    recipe = load_recipe(str(run / "recipe.yaml"))
    where = root or (Path(recipe.data.root) if recipe.data.root else None)
    if where is None:
        raise ConfigError(f"{run / 'recipe.yaml'}: has no folder for the dataset; give --root")
    loaded = chosen_clips(load_dataset(recipe.data.dataset, where, recipe.data.protocol), recipe)
    table = score_dataset(load_model(run / "checkpoint"), loaded, split="train")
    places = list(table.vocabulary.indices(metric_info(metric).kind))
    values = each_tag(metric, table.labels[:, places], table.scores[:, places])
    return Point(macro(values).value if places else float("nan"))
