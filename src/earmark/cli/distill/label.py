"""`earmark distill label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.distill.options import Part, part_of
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import out_option, seed_option
from earmark.core.clock import clock


def label(
    plan: Annotated[Path, Option("--plan", metavar="FILE.yaml", help="Teachers and the student's tags.")],
    songs: Annotated[Path, Option("--songs", metavar="FILE", help="Table of music: path, split, group and more.")],
    out: Annotated[Path, out_option("Folder for the labelled sets: 115 MB per hour.", metavar="DIR")],
    weights: Annotated[
        Path | None,
        Option(
            "--weights",
            metavar="DIR",
            help="Folder with published weights. Default: those that `earmark models pull` has downloaded.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[float, Option("--hours", min=0, help="Hours of augmented audio.")] = 80.0,
    after_hours: Annotated[
        float, Option("--after-hours", min=0, help="So many of these hours were labelled elsewhere, and are left out.")
    ] = 0.0,
    seed: Annotated[int, seed_option("Which augmented audio.")] = 0,
    part: Part = "1/1",
) -> None:
    """Label music with trained networks, for a student to learn from.

    \b
    Examples:
      earmark distill label --plan plan.yaml --songs songs.csv --weights ~/weights --out sets
      earmark distill label ... --out sets --part 1/2 &  earmark distill label ... --out sets --part 2/2

    The same command again continues where it was stopped. With more --hours the set grows; existing shards are kept.
    docs/distillation.md describes both files.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch", "yaml")
    import time

    from earmark.datasets.labelled_set.shards import EXAMPLE_HOURS
    from earmark.distillation.label import label as label_shards
    from earmark.distillation.label import plan_shards
    from earmark.distillation.labelling_inputs import load_inputs, write_tables
    from earmark.distillation.plan import read_plan

    chosen = part_of(part)
    with exit_on_interrupt("the same command continues where it was stopped"):
        given = read_plan(plan)
        inputs = load_inputs(given, songs, out, weights, continued=after_hours > 0)
        write_tables(inputs, out)
        shards = plan_shards(inputs, hours, seed, given.examples_per_song, after_hours=after_hours)
        n_mine = len(shards[chosen[0] - 1 :: chosen[1]])
        started, n_made = time.monotonic(), 0
        for n_done, done in enumerate(label_shards(shards, inputs, out, seed, chosen), start=1):
            if done.before:
                continue
            n_made += 1
            n_examples = len(done.shard.recipes)
            speed = n_examples * EXAMPLE_HOURS * 3600 / max(done.seconds, 1e-9)
            left = (time.monotonic() - started) / n_made * (n_mine - n_done)
            click.echo(
                f"{n_done}/{n_mine}  {done.shard.set_name} {done.shard.number:05d}: {n_examples} examples, "
                f"{speed:.0f} x real time; about {clock(left)} left",
                err=True,
            )
    click.echo(f"{out}: {n_mine} shards exist")
