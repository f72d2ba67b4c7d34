"""`earmark distill pack` and `earmark distill unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.distill.options import Part, part_of
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import out_option


def pack(
    folder: Annotated[Path, Argument(metavar="DIR", help="Written by `earmark distill label`.")],
    out: Annotated[Path, out_option("Folder for SET.npz of every set.", metavar="DIR")],
    onto: Annotated[
        Path | None,
        Option("--onto", metavar="DIR", help="Packed labels that these continue, labelled with --after-hours."),
    ] = None,
) -> None:
    """Keep labelled sets without their audio, small enough for a repository.

    The teachers of one vocabulary become their mean; `earmark distill unpack` makes the audio again. With --onto
    the training set is that of both, the new labels on the scale of the former; the other sets stay the former.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch")
    from earmark.datasets.labelled_set import LabelledSets
    from earmark.datasets.labelled_set.shards import TRAIN_SET
    from earmark.distillation.label import unchanged_sets
    from earmark.distillation.packed_labels import PackedSet, continue_training
    from earmark.distillation.packed_labels import pack as pack_set

    sets = LabelledSets.open(folder)
    found = {
        name: pack_set(sets, name) for name in (*unchanged_sets(sets.songs), TRAIN_SET) if (folder / name).is_dir()
    }
    if onto is not None:
        before = {path.stem: PackedSet.read(path) for path in sorted(onto.glob("*.npz"))}
        found = {**before, TRAIN_SET: continue_training(before, found)}
    out.mkdir(parents=True, exist_ok=True)
    for name, packed in found.items():
        path = out / f"{name}.npz"
        packed.write(path)
        click.echo(f"{path}: {len(packed.recipes)} examples, {path.stat().st_size / 1e6:.1f} MB")


def unpack(
    folder: Annotated[Path, Argument(metavar="DIR", help="Written by `earmark distill pack`.")],
    plan: Annotated[
        Path, Option("--plan", metavar="FILE.yaml", help="As for `earmark distill label`; its tags are used.")
    ],
    songs: Annotated[Path, Option("--songs", metavar="FILE", help="The table of music that was labelled.")],
    out: Annotated[Path, out_option("Folder for the labelled sets: 115 MB per hour.", metavar="DIR")],
    part: Part = "1/1",
) -> None:
    """Make labelled sets of packed ones: the audio is cut and changed as it was when it was labelled.

    The same command again continues where it was stopped.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch", "yaml")
    from earmark.core.errors import DataError
    from earmark.distillation.packed_labels import PackedSet, prepare, write_document
    from earmark.distillation.packed_labels import unpack as unpack_shard
    from earmark.distillation.plan import read_plan

    index, count = part_of(part)
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"{folder}: no SET.npz there; make them with `earmark distill pack`")
    with exit_on_interrupt("the same command continues where it was stopped"):
        found = [PackedSet.read(path) for path in files]
        waveforms = prepare(found, read_plan(plan), songs, out)
        for packed in found:
            write_document(packed, out)
            n_differing = 0
            for shard in packed.shards()[index - 1 :: count]:
                if not shard.folder(out).is_dir():
                    n_differing += unpack_shard(packed, shard, waveforms, out)
            note = f"; {n_differing} of them not exactly what was labelled" if n_differing else ""
            click.echo(f"{out / packed.name}: {len(packed.recipes)} examples{note}")
