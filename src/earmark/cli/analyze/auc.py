"""`earmark analyze tag-auc` and `clip-auc`: AUC of each tag and of each clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.analyze.options import Out
from earmark.cli.analyze.tables import About, Labels, Scores
from earmark.cli.commands import Option
from earmark.cli.options import Groups, Protocol, Resamples, dataset_option, metric_option, root_option


def tag_auc(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    metric: Annotated[str, metric_option("classification")] = "roc_auc",
    dataset: Annotated[
        str | None,
        dataset_option("Count the training clips of this dataset. Default: the clips scored."),
    ] = None,
    root: Annotated[Path | None, root_option("The folder of that dataset.")] = None,
    protocol: Protocol = None,
    about: About = None,
    named: Annotated[int, Option("--named", min=0, help="Number of tags named at each end.")] = 5,
    groups: Groups = None,
    resamples: Resamples = 1000,
) -> None:
    """AUC of each tag over its number of clips; the worst and the best by name.

    A second figure has all by name, beside bars of their clips.

    \b
    Examples:
      earmark analyze tag-auc results/first/scores.parquet --dataset emotify --root ~/emotify --out figures
      earmark analyze tag-auc scores.csv --labels labels.csv --metric pr_auc --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.datasets import label_matrix, load_dataset
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.tag_auc import draw_tag_aucs, tag_aucs
    from earmark.plots.tag_auc_bars import draw_tag_auc_bars

    if (dataset is None) != (root is None):
        raise ConfigError("tag-auc: --dataset and --root belong together")
    table = read_scores_and_labels(scores, labels)
    counts = None
    if dataset is not None and root is not None:
        loaded = load_dataset(dataset, root, protocol)
        holds = binarize_labels(label_matrix(loaded.split("train")))
        counts = dict(zip(loaded.vocabulary.names, holds.sum(axis=0).tolist(), strict=True))
    found = tag_aucs(table, metric=metric, counts=counts, groups=groups, n_resamples=resamples)
    counted = "training" if counts is not None else table.split
    line = about or about_scores(table)
    drawing = draw_tag_aucs(found, line, metric=metric, counted=counted, named=named)
    write_drawings([drawing, draw_tag_auc_bars(found, line, metric=metric, counted=counted)], out)


def clip_auc(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    about: About = None,
    named: Annotated[int, Option("--named", min=0, help="Number of clips named at each end.")] = 4,
) -> None:
    """AUC of each clip over its tags; the worst and the best by name, with what they are and what the model found.

    \b
    Example:
      earmark analyze clip-auc results/first/scores.parquet --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.plots.clip_auc import clip_aucs, draw_clip_aucs

    table = read_scores_and_labels(scores, labels)
    write_drawings([draw_clip_aucs(clip_aucs(table), about or about_scores(table), named=named)], out)
