"""`earmark train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _list(wanted: bool) -> None:
    """The recipes that come with earmark, on stdout, by paper."""
    if not wanted:
        return
    from earmark.cli.extra import require_extra

    require_extra("train", "`earmark train`", "yaml")

    from itertools import groupby

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


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe that comes with earmark (e.g. [bold]first[/bold], see --list), or a YAML file."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoint, log, recipe, state.")],
    root: Annotated[
        str | None, typer.Option("--root", help="Where the dataset lies; short for -o data.root=DIR.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of the recipe; may be repeated."),
    ] = None,
    begin: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Begin with the weights of another run, of the same network and tags.",
            show_default="fresh ones",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that lies in --out.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[
        int, typer.Option("--devices", min=1, help="So many of them train together and divide each batch.")
    ] = 1,
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, help="On so many machines; start the command with torchrun on each.")
    ] = 1,
    shards: Annotated[
        Path | None,
        typer.Option("--shards", help="Read audio from shards that [bold]earmark data prepare[/bold] has made."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            help="Processes that read ahead. Default: none; with shards above 2 GB of audio one a core, 8 at most.",
        ),
    ] = None,
    keep_audio: Annotated[
        Path | None, typer.Option("--keep-audio", help="Keep decoded audio in this folder for further runs.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Files decoded side by side. Default: one a core.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard/--no-tensorboard", help="Write OUT/tensorboard, beside OUT/log.csv.")
    ] = True,
    measure_training: Annotated[
        int,
        typer.Option(
            "--measure-training",
            metavar="N",
            min=0,
            help="Score so many training clips at each validation, too: train_roc_auc in OUT/log.csv.",
        ),
    ] = 0,
    _wanted: Annotated[
        bool, typer.Option("--list", callback=_list, is_eager=True, help="List the recipes and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Train a model by a recipe and keep the best epoch.

    \b
    Examples:
      earmark train first --root ~/emotify --out runs/first
      earmark train first --root ~/emotify --out runs/first --resume
      earmark train my.yaml --root labels.csv --out runs/mine -o training.epochs=20
      earmark train kim2018/se-multi --root ~/mtat --out runs/se --devices 2
      torchrun --nnodes 2 --nproc-per-node 4 ... -m earmark.cli.main train ... --devices 4 --nodes 2
      earmark train --list

    The best epoch on the validation clips is kept in OUT/checkpoint, by its skill: 0 knows nothing, 1 is perfect; the
    mean of 2 x ROC-AUC - 1 and of 1 - RMSE / RMSE of the mean. [bold]earmark export OUT/checkpoint --out my.onnx[/bold]
    makes a model of it that tags. A run that was killed goes on with --resume and ends as if it had not been.
    """
    from earmark.cli.extra import require_extra, stopping_kindly

    require_extra("train", "`earmark train`", "torch", "lightning", "yaml", *(["tensorboard"] if tensorboard else []))

    from earmark.cli.train_watch import TerminalWatcher
    from earmark.distillation import student
    from earmark.errors import ConfigError
    from earmark.training.config import load_recipe
    from earmark.training.fitting import is_first_process
    from earmark.training.run import train as run_training

    overrides = list(override or ())
    if root is not None:
        overrides.append(f"data.root={_quoted(root)}")
    loaded = load_recipe(recipe, overrides)
    if loaded.data.dataset == student.NAME:
        raise ConfigError(
            f"recipe {recipe}: learns from teachers; use `earmark distill train {recipe} --sets DIR --out DIR`"
        )
    quiet = quiet or not is_first_process()  # one process speaks for all devices
    advice = f"go on with --resume: `earmark train {recipe} ... --out {out} --resume`"
    with (
        stopping_kindly(advice if is_first_process() else None),
        TerminalWatcher(loaded.training.epochs, quiet=quiet) as watcher,
    ):
        result = run_training(
            loaded,
            out,
            resume=resume,
            device=device,
            devices=devices,
            nodes=nodes,
            keep_audio=keep_audio,
            shards=shards,
            workers=workers,
            jobs=jobs,
            tensorboard=tensorboard,
            measure_training=measure_training,
            begin=begin,
            watcher=watcher,
        )
        watcher.finished(result)


def _quoted(text: str) -> str:
    """A path as YAML text, whatever characters it has."""
    import json

    return json.dumps(str(Path(text).expanduser()))
