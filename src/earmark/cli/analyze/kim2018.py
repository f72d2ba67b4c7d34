"""`earmark analyze excitations` and `tag-pairs`: the figures of Kim, Lee & Nam 2018."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.analyze.options import Checkpoint, Out
from earmark.cli.analyze.tables import About, DatasetName, LeastDegree, ProtocolName, Root


def register(app: typer.Typer) -> None:
    """Put the commands on the group."""
    app.command("excitations", no_args_is_help=True)(excitations)
    app.command("tag-pairs", no_args_is_help=True)(tag_pairs)


def excitations(
    checkpoint: Checkpoint,
    dataset: DatasetName,
    root: Root,
    out: Out,
    protocol: ProtocolName = None,
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Draw this tag; may be repeated. Default: three that are rarely given together."),
    ] = None,
    least_degree: LeastDegree = 0.5,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files decoded side by side.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """How squeeze-and-excitation scales channels for each tag, at the first, middle and last block.

    \b
    Examples:
      earmark analyze excitations runs/se/checkpoint --dataset emotify --root ~/emotify --out figures
      earmark analyze excitations runs/se/checkpoint --dataset manifest --root mine.csv --tag rock --tag folk --out f

    Writes excitations (mean gate per channel, sorted, a line a tag) and excitation-spread (how far mean gates
    differ between all tags, block by block, beside what labels dealt at random give).
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()
    from rich.console import Console
    from rich.progress import Progress

    from earmark.datasets import label_matrix, load_dataset
    from earmark.models.checkpoint import load_checkpoint
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.cooccurrence import cooccurrence, unlike
    from earmark.plots.excitation_figures import draw_channels, draw_spread
    from earmark.plots.excitations import by_tag, listen
    from earmark.plots.style import about

    loaded = load_dataset(dataset, root, protocol)
    clips = loaded.split(split)
    loaded.require_files(split)
    holds = binarize_labels(label_matrix(clips), least_degree=least_degree)
    names = loaded.vocabulary.names
    shown = tuple(tag or unlike(cooccurrence(holds, names)))
    for name in shown:
        loaded.vocabulary.index(name)  # a wrong name is told before minutes of listening
    model, card = load_checkpoint(checkpoint)
    messages = Console(stderr=True)
    with (
        exit_on_interrupt("nothing was written"),
        Progress(console=messages, transient=True, disable=quiet or not messages.is_terminal) as progress,
    ):
        task = progress.add_task("listening", total=len(clips))
        heard = listen(
            model,
            card.input,
            [clip.path for clip in clips],
            jobs=jobs,
            on_done=lambda done, _: progress.update(task, completed=done),
        )
        found = by_tag(heard, holds, names)
    line = about(card.name, loaded.name, loaded.protocol, split)
    write_drawings([draw_channels(found, shown, line), draw_spread(found, line)], out)


def tag_pairs(
    out: Out,
    dataset: Annotated[str | None, typer.Option("--dataset", help="A dataset's name, or manifest.")] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Where the dataset lies.")] = None,
    protocol: ProtocolName = None,
    split: Annotated[str | None, typer.Option("--split", help="train, validation or test. Default: all clips.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="In place of a dataset: a table of labels, or a scores file (its labels)."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Draw this tag; may be repeated. Default: the most frequent.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=2, help="Draw so many tags at most.")] = 50,
    order: Annotated[
        str, typer.Option("--order", help="alike: tags that are given together side by side. frequency: most first.")
    ] = "alike",
    least_degree: LeastDegree = 0.5,
    about: About = None,
) -> None:
    """How often tags are given together: clips that have both, as a matrix.

    \b
    Examples:
      earmark analyze tag-pairs --dataset magnatagatune --root ~/mtat --out figures
      earmark analyze tag-pairs --labels results/first/scores.parquet --tag classical --tag metal --tag dance --out f
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_dataset
    from earmark.datasets import label_matrix, load_dataset
    from earmark.evaluation.tables import read_matrix
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.cooccurrence import cooccurrence
    from earmark.plots.cooccurrence_figure import draw_cooccurrence

    if order not in ("alike", "frequency"):
        raise ConfigError(f"--order {order!r}: must be alike or frequency")
    if labels is not None and dataset is None and root is None:
        table = read_matrix(labels, "label")
        values, names, line = table.values, table.tags, labels.name
    elif labels is None and dataset is not None and root is not None:
        loaded = load_dataset(dataset, root, protocol)
        clips = loaded.clips if split is None else loaded.split(split)
        values, names, line = label_matrix(clips), loaded.vocabulary.names, about_dataset(loaded, split or "")
    else:
        raise ConfigError("tag-pairs: give either --dataset and --root, or --labels")
    pairs = cooccurrence(binarize_labels(values, least_degree=least_degree), names)
    if tag and len(tag) < 2:
        raise ConfigError("tag-pairs: --tag is given once; a pair takes two")
    pairs = pairs.of(tag) if tag else pairs.most_frequent(most)
    if order == "alike" and not tag:
        pairs = pairs.alike_together()
    write_drawings([draw_cooccurrence(pairs, f"{about or line}, {pairs.n_clips:,} clips")], out)
