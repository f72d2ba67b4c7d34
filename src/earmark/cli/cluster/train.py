"""`earmark cluster train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.commands import Option
from earmark.cli.options import ClusterAddress, Quiet, device_option, out_option
from earmark.cli.training_options import (
    ListRecipes,
    MeasureTraining,
    Override,
    Recipe,
    RecipeRoot,
    Resume,
    TensorBoard,
    with_root,
)


def train(
    recipe: Recipe,
    out: Annotated[str, out_option("Folder of the run: a path that all machines see, or a URI.")],
    root: RecipeRoot = None,
    shards: Annotated[
        str | None,
        Option(
            "--shards",
            help="Read audio from shards, at a path that all machines see or a URI. Without it all machines must see "
            "the dataset's own files.",
        ),
    ] = None,
    address: ClusterAddress = "auto",
    workers: Annotated[
        int, Option("--workers", min=1, help="Processes that train together; each has a GPU where there are any.")
    ] = 1,
    min_workers: Annotated[
        int | None,
        Option("--min-workers", min=1, help="Go on with so few when machines are lost. Default: wait for all."),
    ] = None,
    cores: Annotated[int, Option("--cores", min=1, help="CPU cores of each worker.")] = 1,
    device: Annotated[str, device_option("auto, cpu or cuda.")] = "auto",
    readers: Annotated[
        int | None,
        Option("--readers", min=0, help="Processes of each worker that read ahead, see `earmark train`."),
    ] = None,
    max_failures: Annotated[
        int, Option("--max-failures", min=0, help="How many times lost workers are restarted.")
    ] = 5,
    override: Override = None,
    resume: Resume = False,
    tensorboard: TensorBoard = True,
    measure_training: MeasureTraining = 0,
    _wanted: ListRecipes = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a Ray cluster, as `earmark train` does on one machine.

    \b
    Examples:
      earmark cluster train kim2018/se-multi --root ~/mtat --shards s3://bucket/mtat-22k --out s3://bucket/runs/se --workers 4
      earmark cluster train first --root /nfs/emotify --out /nfs/runs/first --workers 8 --min-workers 2
      earmark cluster train first --root ~/emotify --out runs/first --address local --workers 2

    The workers divide each batch: a recipe means the same on any number of them. After each epoch the whole run is in
    --out. When a worker or a machine is lost, all begin again from the last epoch; when this command is killed, the same
    with --resume continues. OUT is what `earmark train` leaves, and either can continue the other's.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark cluster train`", "torch", "lightning", "yaml", *(["tensorboard"] * tensorboard))
    require_extra("scale", "`earmark cluster train`", "ray")

    from earmark.cli.train.progress import TerminalWatcher
    from earmark.cluster.ray_session import connected
    from earmark.cluster.train import train as run_training
    from earmark.training.config import load_recipe

    loaded = load_recipe(recipe, with_root(override, None if root is None else Path(root).expanduser().absolute()))
    with (
        exit_on_interrupt(f"continue with --resume: `earmark cluster train {recipe} ... --out {out} --resume`"),
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
            progress=watcher,
        )
        watcher.finished(result)
