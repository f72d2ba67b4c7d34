"""`earmark analyze filters`, `layer-responses` and `excitations`: what the layers of a network respond to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from earmark.cli.analyze.options import Checkpoint, Out
from earmark.cli.analyze.tables import LeastDegree
from earmark.cli.commands import Option
from earmark.cli.console import stderr_console
from earmark.cli.options import DatasetRoot, LabelledDataset, Protocol, Quiet, Split, jobs_option, seed_option
from earmark.cli.progress import progress_bar


class By(StrEnum):
    """How the responses of a network are found."""

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


def layer_responses(
    checkpoint: Checkpoint,
    out: Out,
    by: Annotated[
        By,
        Option(
            "--by",
            help="filters: weights on axes of frequency and time. sweep: responses of each layer to tones. ascent: sounds "
            "that units respond to most (slow). auto: filters for networks on spectrograms, sweep for raw audio.",
        ),
    ] = By.auto,
    layers: Annotated[
        int, Option("--layers", min=1, max=20, help="Layers drawn at most, from the first to the last.")
    ] = 10,
    units: Annotated[int, Option("--units", min=1, help="Units of a layer with --by ascent, at most.")] = 32,
    seed: Annotated[int, seed_option("Of the noise that --by ascent begins with.")] = 0,
    quiet: Quiet = False,
) -> None:
    """What the layers of any network respond to: filters, responses to tones, or sounds that excite them most.

    Writes layer-filters, layer-sweep or layer-ascent; of an ensemble, one for each member, numbered.

    \b
    Examples:
      earmark analyze layer-responses weights/musicnn --out figures
      earmark analyze layer-responses runs/se-multi/checkpoint --out figures
      earmark analyze layer-responses runs/se-multi/checkpoint --by ascent --units 16 --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()

    from earmark.models.checkpoint import load_checkpoint
    from earmark.plots.layer_responses import draw_layer_responses

    model, card = load_checkpoint(checkpoint)
    messages = stderr_console()
    bar = progress_bar(messages, quiet=quiet)
    with exit_on_interrupt("nothing was written"), bar as progress:
        task = progress.add_task("computing", total=None)
        drawings = draw_layer_responses(
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
    dataset: LabelledDataset,
    root: DatasetRoot,
    out: Out,
    protocol: Protocol = None,
    split: Split = "test",
    tag: Annotated[
        list[str] | None,
        Option("--tag", help="Draw this tag; may be repeated. Default: three that are rarely given together."),
    ] = None,
    least_degree: LeastDegree = 0.5,
    jobs: Annotated[int, jobs_option("Files decoded side by side.", True, metavar=None)] = 1,
    quiet: Quiet = False,
) -> None:
    """How squeeze-and-excitation scales channels for each tag, at the first, middle and last block.

    \b
    Examples:
      earmark analyze excitations runs/se/checkpoint --dataset emotify --root ~/emotify --out figures
      earmark analyze excitations runs/se/checkpoint --dataset manifest --root mine.csv --tag rock --tag folk --out f

    Writes excitations (mean gate per channel, sorted, one line per tag) and excitation-spread (how far mean gates
    differ between all tags, block by block, compared with randomly assigned labels).
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()
    from earmark.datasets import label_matrix, load_dataset
    from earmark.models.checkpoint import load_checkpoint
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.cooccurrence import cooccurrence, unlike
    from earmark.plots.excitations import by_tag, draw_channels, draw_spread, measure_excitations
    from earmark.plots.style import about

    loaded = load_dataset(dataset, root, protocol)
    clips = loaded.split(split)
    loaded.require_files(split)
    holds = binarize_labels(label_matrix(clips), least_degree=least_degree)
    names = loaded.vocabulary.names
    shown = tuple(tag or unlike(cooccurrence(holds, names)))
    for name in shown:
        loaded.vocabulary.index(name)  # a wrong name is reported before minutes of computing
    model, card = load_checkpoint(checkpoint)
    messages = stderr_console()
    with (
        exit_on_interrupt("nothing was written"),
        progress_bar(messages, quiet=quiet) as progress,
    ):
        task = progress.add_task("computing", total=len(clips))
        gates = measure_excitations(
            model,
            card.input,
            [clip.path for clip in clips],
            jobs=jobs,
            on_done=lambda done, _: progress.update(task, completed=done),
        )
        found = by_tag(gates, holds, names)
    line = about(card.name, loaded.name, loaded.protocol, split)
    write_drawings([draw_channels(found, shown, line), draw_spread(found, line)], out)
