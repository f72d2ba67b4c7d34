"""`earmark analyze clips-per-tag`, `epochs`, `tag-auc` and `clip-auc`: the figures of the Bristol replication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.analyze.options import Out
from earmark.cli.analyze.tables import About, DatasetName, Groups, Labels, LeastDegree, ProtocolName, Resamples, Root

if TYPE_CHECKING:
    from earmark.plots.epochs import Point

Scores = Annotated[Path, typer.Argument(help="A scores file, or any table of scores with --labels.")]


def register(app: typer.Typer) -> None:
    """Put the commands on the group."""
    app.command("clips-per-tag", no_args_is_help=True)(clips_per_tag)
    app.command("epochs", no_args_is_help=True)(epochs)
    app.command("tag-auc", no_args_is_help=True)(tag_auc)
    app.command("clip-auc", no_args_is_help=True)(clip_auc)


def clips_per_tag(
    dataset: DatasetName,
    root: Root,
    out: Out,
    protocol: ProtocolName = None,
    least_degree: LeastDegree = 0.5,
) -> None:
    """Clips of each tag in training, validation and test.

    \b
    Example:
      earmark analyze clips-per-tag --dataset magnatagatune --root ~/mtat --protocol mtat-bristol --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_dataset
    from earmark.datasets import load_dataset
    from earmark.plots.tag_counts import draw_tag_counts, tag_counts

    loaded = load_dataset(dataset, root, protocol)
    line = about_dataset(loaded)
    if any(tag.kind == "regression" for tag in loaded.vocabulary):
        line += f"; degrees count from {least_degree:g} on"
    table = tag_counts(loaded, least_degree=least_degree)
    write_drawings([draw_tag_counts(table, line, sizes=loaded.counts)], out)


def epochs(
    runs: Annotated[list[Path], typer.Argument(help="Folders of training runs, with log.csv.")],
    out: Out,
    metric: Annotated[str, typer.Option("--metric", help="roc_auc, pr_auc or rmse.")] = "roc_auc",
    test: Annotated[
        list[Path] | None,
        typer.Option("--test", help="Results of `earmark evaluate`, one for each run. Default: RUN/test, if there."),
    ] = None,
    on_training: Annotated[
        bool, typer.Option("--on-training", help="Also measure each run's checkpoint on its training clips: hears all.")
    ] = False,
    root: Annotated[Path | None, typer.Option("--root", help="Where the dataset lies now, for --on-training.")] = None,
) -> None:
    """AUC and loss by epoch, the epoch that was kept, and its test.

    \b
    Examples:
      earmark analyze epochs runs/mine --test results/mine --out figures
      earmark analyze epochs results/bristol/dropout-40-epochs/seed-* --on-training --out figures

    A run's log has the AUC on validation clips and the loss on both. That on training clips is there where it was
    trained with --measure-training; otherwise it is measured with
    --on-training, for the epoch that was kept.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError

    require_figures()
    import dataclasses

    from earmark.core.card import ModelCard
    from earmark.plots.axes import telling_names
    from earmark.plots.epochs import METRICS, draw_epochs, read_log, read_point
    from earmark.plots.style import about_model

    if metric not in METRICS:
        raise ConfigError(f"--metric {metric!r}: must be one of {', '.join(METRICS)}")
    if test and len(test) != len(runs):
        raise ConfigError(f"--test: {len(test)} given for {len(runs)} runs; give one for each")
    logs, names = [], telling_names(runs)
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


def tag_auc(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    metric: Annotated[str, typer.Option("--metric", help="roc_auc or pr_auc.")] = "roc_auc",
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Count the training clips of this dataset. Default: the clips scored."),
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Where that dataset lies.")] = None,
    protocol: ProtocolName = None,
    about: About = None,
    named: Annotated[int, typer.Option("--named", min=0, help="Name so many tags at each end.")] = 5,
    groups: Groups = None,
    resamples: Resamples = 1000,
) -> None:
    """AUC of each tag over its number of clips; the worst and the best by name.

    \b
    Examples:
      earmark analyze tag-auc results/first/scores.parquet --dataset emotify --root ~/emotify --out figures
      earmark analyze tag-auc scores.csv --labels labels.csv --metric pr_auc --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_table
    from earmark.datasets import label_matrix, load_dataset
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.tag_auc import NAMES, draw_tag_aucs, tag_aucs

    if metric not in NAMES:
        raise ConfigError(f"--metric {metric!r}: must be one of {', '.join(NAMES)}")
    if (dataset is None) != (root is None):
        raise ConfigError("tag-auc: --dataset and --root belong together")
    table = read_table(scores, labels)
    counts = None
    if dataset is not None and root is not None:
        loaded = load_dataset(dataset, root, protocol)
        holds = binarize_labels(label_matrix(loaded.split("train")))
        counts = dict(zip(loaded.vocabulary.names, holds.sum(axis=0).tolist(), strict=True))
    found = tag_aucs(table, metric=metric, counts=counts, groups=groups, n_resamples=resamples)
    counted = "training" if counts is not None else table.split
    drawing = draw_tag_aucs(found, about or about_scores(table), metric=metric, counted=counted, named=named)
    write_drawings([drawing], out)


def clip_auc(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    about: About = None,
    named: Annotated[int, typer.Option("--named", min=0, help="Name so many clips at each end.")] = 4,
) -> None:
    """AUC of each clip over its tags; the worst and the best by name, with what they are and what was heard.

    \b
    Example:
      earmark analyze clip-auc results/first/scores.parquet --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_table
    from earmark.plots.clip_auc import clip_aucs, draw_clip_aucs

    table = read_table(scores, labels)
    write_drawings([draw_clip_aucs(clip_aucs(table), about or about_scores(table), named=named)], out)


def _on_training(run: Path, metric: str, root: Path | None) -> Point:
    """The macro mean of a run's checkpoint on the training clips that its recipe names."""
    from earmark.core.errors import ConfigError
    from earmark.datasets import load_dataset
    from earmark.evaluation import load_model, score_dataset
    from earmark.evaluation.figures import KINDS
    from earmark.metrics import macro
    from earmark.metrics.tags import each_tag
    from earmark.plots.epochs import Point
    from earmark.training.config import load_recipe
    from earmark.training.data_setup import chosen_clips

    recipe = load_recipe(str(run / "recipe.yaml"))
    where = root or (Path(recipe.data.root) if recipe.data.root else None)
    if where is None:
        raise ConfigError(f"{run / 'recipe.yaml'}: does not say where the dataset lies; give --root")
    loaded = chosen_clips(load_dataset(recipe.data.dataset, where, recipe.data.protocol), recipe)
    table = score_dataset(load_model(run / "checkpoint"), loaded, split="train")
    places = list(table.vocabulary.indices(KINDS[metric]))  # type: ignore[index]
    values = each_tag(metric, table.labels[:, places], table.scores[:, places])  # type: ignore[arg-type]
    return Point(macro(values).value if places else float("nan"))
