"""`earmark distill train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.commands import Argument, Option
from earmark.cli.distill.options import Sets
from earmark.cli.options import Quiet, out_option


def train(
    recipe: Annotated[str, Argument(help="A recipe for students, or a YAML file.")],
    sets: Sets,
    out: Annotated[Path, out_option("Folder of the run; created if it does not exist.", metavar="DIR")],
    known_share: Annotated[
        float | None,
        Option(
            "--known-share", min=0, max=1, help="How much known labels count beside the teachers.", show_default="half"
        ),
    ] = None,
    override: Annotated[
        list[str] | None, Option("--override", "-o", metavar="KEY=VALUE", help="Change a value of the recipe.")
    ] = None,
    parts: Annotated[
        int | None,
        Option(
            "--parts",
            min=1,
            help="Cut examples of 29.1 s into N parts, each with labels of its own.",
            show_default="as the recipe says",
        ),
    ] = None,
    hours: Annotated[
        float | None,
        Option("--hours", min=0, help="Learn from this much of the training set only.", show_default="all of it"),
    ] = None,
    begin: Annotated[
        Path | None,
        Option(metavar="CHECKPOINT", help="Begin with the weights of another run.", show_default="fresh ones"),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Continue the run in that folder.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a student on labelled sets: earmark train with options for them.

    \b
    Examples:
      earmark distill train default/compact-1d --sets sets --out runs/student
      earmark train default/compact-1d --root sets --out runs/student              (the same)
      earmark train default/compact-1d --root sets --out short -o data.options.hours=10
    """
    from earmark.cli.train.command import train as train_command

    given = {"parts": parts, "hours": hours, "known_share": known_share}
    options = [f"data.options.{name}={value}" for name, value in given.items() if value is not None]
    train_command(
        recipe,
        out,
        root=str(sets),
        override=[*(override or ()), *options],
        begin=begin,
        resume=resume,
        tensorboard=False,
        quiet=quiet,
    )
