"""Options that `earmark train` and `earmark cluster train` share."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.optional_dependencies import require_extra


def _list(wanted: bool) -> None:
    """The recipes that come with earmark, on stdout, by paper."""
    if not wanted:
        return
    require_extra("train", "`earmark train`", "yaml")

    from earmark.training.config import list_recipes, recipe_summary

    names = list_recipes()
    width = max(map(len, names))
    for paper, group in groupby(sorted(names, key=_paper), key=_paper):
        typer.echo(f"{paper}:" if paper else "of earmark itself:")
        for name in group:
            typer.echo(f"  {name:{width}}  {recipe_summary(name)}")
    raise typer.Exit


def _paper(name: str) -> str:
    return name.rpartition("/")[0]


Recipe = Annotated[
    str,
    typer.Argument(help="A recipe that comes with earmark (e.g. [bold]first[/bold], see --list), or a YAML file."),
]
Root = Annotated[str | None, typer.Option("--root", help="Where the dataset lies; short for -o data.root=DIR.")]
Override = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of the recipe; may be repeated."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that lies in --out.")]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard/--no-tensorboard", help="Write OUT/tensorboard, beside OUT/log.csv.")
]
MeasureTraining = Annotated[
    int,
    typer.Option(
        "--measure-training",
        metavar="N",
        min=0,
        help="Score so many training clips at each validation, too: train_roc_auc in OUT/log.csv.",
    ),
]
ListRecipes = Annotated[bool, typer.Option("--list", callback=_list, is_eager=True, help="List the recipes and stop.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def with_root(override: list[str] | None, root: Path | None) -> list[str]:
    """The overrides, --root among them as YAML text, whatever characters it has."""
    return [*(override or ()), *([] if root is None else [f"data.root={json.dumps(str(root))}"])]
