"""`earmark train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.commands import Option
from earmark.cli.options import DecodingJobs, Device, Quiet, out_option
from earmark.cli.training_options import (
    KeepAudio,
    ListRecipes,
    MeasureTraining,
    Override,
    Recipe,
    RecipeRoot,
    Resume,
    Shards,
    TensorBoard,
    with_root,
)


def train(
    recipe: Recipe,
    out: Annotated[Path, out_option("Folder of the run: checkpoint, log, recipe, state.")],
    root: RecipeRoot = None,
    override: Override = None,
    begin: Annotated[
        Path | None,
        Option(
            metavar="CHECKPOINT",
            help="Begin with the weights of another run of the same network; for other tags with a fresh last layer.",
            show_default="fresh ones",
        ),
    ] = None,
    resume: Resume = False,
    device: Device = "auto",
    devices: Annotated[
        int, Option("--devices", min=1, help="So many of them train together and divide each batch.")
    ] = 1,
    nodes: Annotated[
        int, Option("--nodes", min=1, help="Number of machines; start the command with torchrun on each.")
    ] = 1,
    shards: Shards = None,
    workers: Annotated[
        int | None,
        Option(
            "--workers",
            min=0,
            help="Processes that read ahead. Default: none; with shards above 2 GB of audio one per core, 8 at most.",
        ),
    ] = None,
    keep_audio: KeepAudio = None,
    jobs: DecodingJobs = None,
    tensorboard: TensorBoard = True,
    measure_training: MeasureTraining = 0,
    _wanted: ListRecipes = False,
    quiet: Quiet = False,
) -> None:
    """Train a model by a recipe and keep the best epoch.

    \b
    Examples:
      earmark train first --root ~/emotify --out runs/first
      earmark train first --root ~/emotify --out runs/first --resume
      earmark train my.yaml --root labels.csv --out runs/tuned --begin runs/first/checkpoint -o transfer.freeze=trunk
      earmark train my.yaml --root labels.csv --out runs/mine -o training.epochs=20
      earmark train kim2018/se-multi --root ~/mtat --out runs/se --devices 2
      torchrun --nnodes 2 --nproc-per-node 4 ... -m earmark.cli.main train ... --devices 4 --nodes 2
      earmark train --list

    The best epoch on the validation clips is kept in OUT/checkpoint, by its skill: 0 knows nothing, 1 is perfect; the
    mean of 2 x ROC-AUC - 1 and of 1 - RMSE / RMSE of the mean. earmark export OUT/checkpoint --out my.onnx
    makes a model of it that tags. A run that was killed continues with --resume and ends as if it had not been.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark train`", "torch", "lightning", "yaml", *(["tensorboard"] if tensorboard else []))

    from earmark.cli.train.progress import TerminalWatcher
    from earmark.training.config import load_recipe
    from earmark.training.lightning_setup import is_first_process
    from earmark.training.run import train as run_training

    loaded = load_recipe(recipe, with_root(override, None if root is None else Path(root).expanduser()))
    quiet = quiet or not is_first_process()  # one process speaks for all devices
    advice = f"continue with --resume: `earmark train {recipe} ... --out {out} --resume`"
    with (
        exit_on_interrupt(advice if is_first_process() else None),
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
            progress=watcher,
        )
        watcher.finished(result)
