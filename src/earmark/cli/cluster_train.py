"""`earmark cluster train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.train import _list, _quoted


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe that comes with earmark (e.g. [bold]first[/bold], see --list), or a YAML file."),
    ],
    out: Annotated[str, typer.Option("--out", help="Folder of the run: a path that all machines see, or a URI.")],
    root: Annotated[
        str | None, typer.Option("--root", help="Where the dataset lies; short for -o data.root=DIR.")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(
            "--shards",
            help="Read audio from shards, at a path that all machines see or a URI. Without it all machines must see "
            "the dataset's own files.",
        ),
    ] = None,
    address: Annotated[
        str,
        typer.Option("--address", help="[bold]auto[/bold]: this machine's cluster; [bold]local[/bold]; or HOST:PORT."),
    ] = "auto",
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that train together; each has a GPU where there are any.")
    ] = 1,
    min_workers: Annotated[
        int | None,
        typer.Option("--min-workers", min=1, help="Go on with so few when machines are lost. Default: wait for all."),
    ] = None,
    cores: Annotated[int, typer.Option("--cores", min=1, help="CPU cores of each worker.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    readers: Annotated[
        int | None,
        typer.Option("--readers", min=0, help="Processes of each worker that read ahead, see `earmark train`."),
    ] = None,
    max_failures: Annotated[int, typer.Option("--max-failures", min=0, help="Start lost workers again so often.")] = 5,
    override: Annotated[
        list[str] | None,
        typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of the recipe; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that lies in --out.")] = False,
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
    """Train a model on a Ray cluster, as `earmark train` does on one machine.

    \b
    Examples:
      earmark cluster train kim2018/se-multi --root ~/mtat --shards s3://bucket/mtat-16k --out s3://bucket/runs/se --workers 4
      earmark cluster train first --root /nfs/emotify --out /nfs/runs/first --workers 8 --min-workers 2
      earmark cluster train first --root ~/emotify --out runs/first --address local --workers 2

    The workers divide each batch: a recipe means the same on any number of them. After each epoch the run lies whole in
    --out. When a worker or a machine is lost, all begin again from the last epoch; when this command is killed, the same
    with --resume goes on. OUT is what `earmark train` leaves, and either can go on with the other's.
    """
    from earmark.cli.extra import require_extra, stopping_kindly

    require_extra("train", "`earmark cluster train`", "torch", "lightning", "yaml", *(["tensorboard"] * tensorboard))
    require_extra("scale", "`earmark cluster train`", "ray")

    from earmark.cli.train_watch import TerminalWatcher
    from earmark.distillation import student
    from earmark.errors import ConfigError
    from earmark.scale.connecting import connected
    from earmark.scale.train import train as run_training
    from earmark.training.config import load_recipe

    overrides = list(override or ())
    if root is not None:
        overrides.append(f"data.root={_quoted(str(Path(root).expanduser().absolute()))}")
    loaded = load_recipe(recipe, overrides)
    if loaded.data.dataset == student.NAME:
        raise ConfigError(f"recipe {recipe}: learns from teachers; use `earmark distill train` on one machine")
    with (
        stopping_kindly(f"go on with --resume: `earmark cluster train {recipe} ... --out {out} --resume`"),
        connected(address),
        TerminalWatcher(loaded.training.epochs, quiet=quiet) as watcher,
    ):
        result = run_training(
            loaded,
            out,
            resume=resume,
            workers=workers,
            min_workers=min_workers,
            cores=cores,
            device=device,
            shards=shards,
            readers=readers,
            max_failures=max_failures,
            tensorboard=tensorboard,
            measure_training=measure_training,
            watcher=watcher,
        )
        watcher.finished(result)
