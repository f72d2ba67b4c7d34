"""`earmark analyze filters`, `hears` and `excitations`: what the layers of a network respond to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from earmark.cli.analyze.options import Checkpoint, Out
from earmark.cli.analyze.tables import (
    DatasetName,
    LeastDegree,
    ProtocolName,
    Root,
)
from earmark.cli.commands import Option


class By(StrEnum):
    """How a network is asked what it hears."""

    auto = "auto"
    filters = "filters"
    sweep = "sweep"
    ascent = "ascent"


def filters(
    checkpoint: Checkpoint,
    out: Out,
    low_pass: Annotated[
        float | None,
        Option("--low-pass", min=1.0, help="Of pooled groups, in Hz. Default: twice each group's dominant frequency."),
    ] = None,
    max_hz: Annotated[
        float | None, Option("--max-hz", min=1.0, help="Upper end of the spectra. Default: half the sample rate.")
    ] = None,
) -> None:
    """Filters on raw audio: spectra by dominant frequency, waveforms, pooled groups.

    For networks that begin with long filters on samples (dieleman2014_raw, bristol_raw). Writes filter-spectra,
    filter-waveforms and, with feature pooling, filter-groups.

    \b
    Examples:
      earmark analyze filters runs/raw-512-512/checkpoint --max-hz 2000 --out figures
      earmark analyze filters runs/raw-1024-1024-l2-4/checkpoint --low-pass 2000 --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()

    from earmark.models.checkpoint import load_checkpoint
    from earmark.plots.filters import draw_groups, draw_spectra, draw_waveforms, first_filters
    from earmark.plots.style import about_model

    model, card = load_checkpoint(checkpoint)
    bank, about = first_filters(model), about_model(card)
    write_drawings([draw_spectra(bank, about, max_hz), draw_waveforms(bank, about)], out)
    if bank.pool_filters > 1:
        write_drawings([draw_groups(bank, about, low_pass)], out)


def hears(
    checkpoint: Checkpoint,
    out: Out,
    by: Annotated[
        By,
        Option(
            "--by",
            help="filters: weights on axes of frequency and time. sweep: answers of each layer to tones. ascent: sounds "
            "that units answer to most (slow). auto: filters for networks on spectrograms, sweep for raw audio.",
        ),
    ] = By.auto,
    layers: Annotated[
        int, Option("--layers", min=1, max=20, help="Layers drawn at most, from the first to the last.")
    ] = 10,
    units: Annotated[int, Option("--units", min=1, help="Units of a layer with --by ascent, at most.")] = 32,
    seed: Annotated[int, Option("--seed", min=0, help="Of the noise that --by ascent begins with.")] = 0,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """What the layers of any network hear: filters, answers to tones, or sounds they answer to most.

    Writes hears-filters, hears-sweep or hears-ascent; of an ensemble, one for each member, numbered.

    \b
    Examples:
      earmark analyze hears weights/musicnn --out figures
      earmark analyze hears runs/se-multi/checkpoint --out figures
      earmark analyze hears runs/se-multi/checkpoint --by ascent --units 16 --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()

    from rich.console import Console
    from rich.progress import Progress

    from earmark.models.checkpoint import load_checkpoint
    from earmark.plots.layer_responses import draw_hears

    model, card = load_checkpoint(checkpoint)
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(console=messages, transient=True, disable=quiet or not messages.is_terminal)
    with exit_on_interrupt("nothing was written"), bar as progress:
        task = progress.add_task("listening", total=None)
        drawings = draw_hears(
            model,
            card,
            by.value,
            most_layers=layers,
            most_units=units,
            seed=seed,
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
    write_drawings(drawings, out)


def excitations(
    checkpoint: Checkpoint,
    dataset: DatasetName,
    root: Root,
    out: Out,
    protocol: ProtocolName = None,
    split: Annotated[str, Option("--split", help="train, validation or test.")] = "test",
    tag: Annotated[
        list[str] | None,
        Option("--tag", help="Draw this tag; may be repeated. Default: three that are rarely given together."),
    ] = None,
    least_degree: LeastDegree = 0.5,
    jobs: Annotated[int, Option("--jobs", "-j", min=1, help="Files decoded side by side.")] = 1,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress on stderr.")] = False,
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
    from earmark.plots.excitations import by_tag, draw_channels, draw_spread, listen
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
