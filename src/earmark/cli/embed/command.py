"""`earmark embed`: files, folders, tables and datasets in, a table of embeddings out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import (
    Damaged,
    DamagedFiles,
    DecodingJobs,
    Force,
    NetworkDevice,
    Protocol,
    QuietSummary,
    dataset_option,
    layer_option,
    model_option,
    out_option,
    root_option,
    split_option,
    windows_option,
)
from earmark.core.errors import ConfigError


class PoolChoice(StrEnum):
    """``--pool``."""

    mean = "mean"
    mean_std = "mean+std"
    max = "max"
    none = "none"


class WithinChoice(StrEnum):
    """``--within``."""

    mean = "mean"
    mean_std = "mean+std"
    max = "max"


class UnitChoice(StrEnum):
    """``--unit``."""

    window = "window"
    frame = "frame"


def embed(
    paths: Annotated[
        list[Path] | None,
        Argument(metavar="[PATH...]", help="Audio files, folders, playlists; - for stdin.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, out_option("The table to write: .parquet or .npz (NumPy).", metavar="FILE", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        model_option(
            "Which model: a name from `earmark models list`, an .onnx file, or a checkpoint folder.",
            metavar="NAME|FILE|DIR",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        layer_option("Whose values: of an ONNX model a value of its graph, of a checkpoint a module."),
    ] = None,
    layers: Annotated[bool, Option("--layers", help="List the model's layers with their shapes, and stop.")] = False,
    pool: Annotated[
        PoolChoice, Option(help="Over time: a vector for each file; or none: a row per window or frame.")
    ] = PoolChoice.mean,
    unit: Annotated[
        UnitChoice, Option(help="What is pooled, or has a row: the model's windows, or the layer's own frames.")
    ] = UnitChoice.window,
    within: Annotated[
        WithinChoice, Option(help="How the layer's frames are pooled within a window; with --unit window.")
    ] = WithinChoice.mean,
    time_axis: Annotated[
        int | None,
        Option(
            min=1,
            help="Which axis of the layer's values is time, 1 behind the batch.",
            show_default="the last of 3 or more",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        Option(
            metavar="TABLE",
            help="Embed the files in the column path of a CSV, TSV, JSON Lines or Parquet file; relative to its folder.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str | None, dataset_option("Embed the clips of a dataset: one of `earmark data list`.", show_default=False)
    ] = None,
    root: Annotated[Path | None, root_option("The dataset's folder.", show_default=False)] = None,
    protocol: Protocol = None,
    split: Annotated[str | None, split_option("Only these clips: train, validation or test.")] = None,
    step: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            help="With --pool none: windows overlap, and begin at least this often.",
            show_default=False,
        ),
    ] = None,
    windows: Annotated[
        int | None, windows_option("Only N windows of each file, spread over it and found by seeking.")
    ] = None,
    jobs: DecodingJobs = None,
    damaged: DamagedFiles = Damaged.error,
    device: NetworkDevice = "cpu",
    quiet: QuietSummary = False,
    force: Force = False,
) -> None:
    """Write embeddings of music: a table of the values of one layer of a model.

    A file that cannot be read is reported as by `earmark tag`, has a row with its error, and the rest continues. A run
    that is stopped continues where it was when the same command is given again.

    \b
    Examples:
      earmark embed ~/Music --out music.parquet
      earmark embed album/ --out album.npz --pool mean+std
      earmark embed song.mp3 --pool none --step 1 --out song.npz
      earmark embed --layers --model runs/mine/checkpoint
      earmark embed --dataset emotify --root ~/emotify --model runs/mine/checkpoint --layer blocks.8 --out x.npz
      earmark embed --manifest labels.csv --layer relu_9 --unit frame --pool max --out x.parquet

    In Python: earmark.tagging.embedding_table.read_embeddings, or pandas.read_parquet and numpy.load.
    Exit code: 0 all done, 1 some file failed or nothing was found, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    from earmark.cli.embed.run import EmbedRun, layer_model, print_layers, sources
    from earmark.core.atomic_files import refuse_existing
    from earmark.tagging.embedder import Embedder

    if layers:
        print_layers(model)
        return
    if out is None:
        raise ConfigError("--out is missing: name the table to write, .parquet or .npz")
    given = [name for name, value in (("PATH", paths), ("--manifest", manifest), ("--dataset", dataset)) if value]
    problems = [] if len(given) == 1 else [f"{', '.join(given) or 'nothing'}: give one of PATH, --manifest, --dataset"]
    if dataset is None:
        of_dataset = {"--root": root, "--protocol": protocol, "--split": split}
        problems += [f"{name}: only with --dataset" for name, value in of_dataset.items() if value is not None]
    elif root is None:
        problems.append("--dataset: say where it is, with --root")
    if problems:
        raise ConfigError(problems)
    refuse_existing([out], force=force)
    embedder = Embedder(
        layer_model(model, layer, device),
        pool=pool.value,
        unit=unit.value,
        within=within.value,
        time_axis=time_axis,
        damaged=damaged.value,
        windows=windows,
        step_seconds=step,
    )
    run = EmbedRun(embedder, out, jobs=jobs, quiet=quiet, anew=force)
    with sources(paths or [], manifest, dataset, root, protocol, split, run.left_out) as found:
        code = run.over(found)
    if code:
        sys.stdout.flush()
        raise click.exceptions.Exit(code)
