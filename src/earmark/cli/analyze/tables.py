"""What commands of `earmark analyze` share that read scores, labels and datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.analyze.options import Out, require_figures, write_drawings
from earmark.cli.commands import Argument, Option
from earmark.cli.lazy_group import import_object

if TYPE_CHECKING:
    from earmark.datasets import Dataset
    from earmark.evaluation import ScoreTable

LeastDegree = Annotated[float, Option("--least-degree", help="A tag of degrees applies to a clip from this degree on.")]
Labels = Annotated[
    Path | None, Option("--labels", help="Table of labels, where the scores file has none. CSV, TSV or Parquet.")
]
About = Annotated[str | None, Option("--about", help="The line under the title, where the tables do not say enough.")]

Scores = Annotated[
    Path,
    Argument(help="scores.parquet of an evaluation, or any CSV, TSV or Parquet table of scores, with --labels."),
]
Tags = Annotated[
    list[str] | None, Option("--tag", help="Draw this tag; may be repeated. Default: those most worth seeing.")
]


def read_scores_and_labels(scores: Path, labels: Path | None) -> ScoreTable:
    """A scores file of any kind that `earmark score` takes, with the clips and tags that both tables have."""
    from earmark.evaluation.tables import match, read_matrix, read_score_table

    if labels is None:
        return read_score_table(scores)
    table, notes = match(read_matrix(scores, "score"), read_matrix(labels, "label"), allow_missing=True)
    for note in notes:
        click.echo(f"note: left out: {note}", err=True)
    return table


def about_scores(table: ScoreTable) -> str:
    """The line under a title."""
    from earmark.plots.style import about

    return about(table.model, table.dataset, table.protocol, table.split)


def about_dataset(dataset: Dataset, split: str = "") -> str:
    """The line under a title."""
    from earmark.plots.style import about

    return about("", dataset.name, dataset.protocol, split)


def figure_of_scores(target: str, help: str) -> Callable[..., None]:
    """The command of a figure that is drawn from a scores file alone.

    Args:
        target: ``module:function``; the function takes a ScoreTable and the line under the title, and gives a Drawing.
        help: of the command.
    """

    def command(scores: Scores, out: Out, labels: Labels = None) -> None:
        require_figures()
        table = read_scores_and_labels(scores, labels)
        write_drawings([import_object(target)(table, about_scores(table))], out)

    command.__doc__ = help
    return command
