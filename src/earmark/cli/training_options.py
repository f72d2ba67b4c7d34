"""Options that commands which train share: see :mod:`earmark.cli.options`."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import root_option


def _list_recipes(wanted: bool) -> None:
    """Print the recipes that come with earmark, by paper."""
    if not wanted:
        return
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "`earmark train`", "yaml")

    from earmark.training.config import list_recipes, recipe_summary

    names = list_recipes()
    width = max(map(len, names))
    for paper, group in groupby(sorted(names, key=_paper), key=_paper):
        click.echo(f"{paper}:" if paper else "of earmark itself:")
        for name in group:
            click.echo(f"  {name:{width}}  {recipe_summary(name)}")
    raise click.exceptions.Exit


def _paper(name: str) -> str:
    return name.rpartition("/")[0]


def with_root(override: list[str] | None, root: Path | None) -> list[str]:
    """The overrides, with --root as one of them, in YAML text whatever characters it has."""
    return [*(override or ()), *([] if root is None else [f"data.root={json.dumps(str(root))}"])]


Recipe = Annotated[
    str,
    Argument(help="A recipe that comes with earmark (e.g. first, see --list), or a YAML file."),
]
RecipeRoot = Annotated[str | None, root_option("The dataset's folder; short for -o data.root=DIR.")]
Override = Annotated[
    list[str] | None,
    Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of the recipe; may be repeated."),
]
Resume = Annotated[bool, Option("--resume", help="Continue the run in --out.")]
KeepAudio = Annotated[
    Path | None,
    Option("--keep-audio", help="Keep decoded audio in this folder: each file is decoded once for all runs."),
]
TensorBoard = Annotated[
    bool, Option("--tensorboard/--no-tensorboard", help="Write OUT/tensorboard, beside OUT/log.csv.")
]
MeasureTraining = Annotated[
    int,
    Option(
        "--measure-training",
        metavar="N",
        min=0,
        help="Also score N training clips at each validation: train_roc_auc in OUT/log.csv.",
    ),
]
ListRecipes = Annotated[bool, Option("--list", callback=_list_recipes, is_eager=True, help="List recipes and stop.")]
Shards = Annotated[
    Path | None,
    Option("--shards", help="Read audio from shards that earmark data prepare has made."),
]
