"""One training run: recipe in, folder out.

    OUT/checkpoint/model.safetensors, card.json   the best epoch by the selection metric
    OUT/tensorboard/                              the same for TensorBoard, where asked for
    OUT/log.csv                                   one row an epoch, see keeper.LOG_COLUMNS
    OUT/recipe.yaml                               the recipe with every default written out
    OUT/state.ckpt                                what --resume goes on from: weights, optimiser, schedule, history

Randomness is a function of seed, epoch and batch, so a run that is killed and resumed ends, on the CPU, with the very
weights of one that was not.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.rank_zero import _get_rank

from earmark.datasets import label_matrix, load_dataset
from earmark.datasets.leaks import leak_warnings
from earmark.errors import ConfigError, DataError
from earmark.files import write_atomic
from earmark.training.data import TrainingData
from earmark.training.keeper import (
    CHECKPOINT_FOLDER,
    RECIPE_NAME,
    STATE_NAME,
    Keeper,
    checkpoint_writer,
)
from earmark.training.material import build_model, chosen_clips, load_material
from earmark.training.module import TaggingModule
from earmark.training.provenance import filled_card, fingerprint, first_card
from earmark.training.schedule import Plateau
from earmark.training.sections import Recipe
from earmark.training.selection import Judge
from earmark.training.watching import LogRow, Watcher

DEVICES = ("auto", "cpu", "cuda", "mps")

_log = logging.getLogger("earmark.training")


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        checkpoint: folder of the best weights and their card.
        best_epoch: from 1.
        selection: what it is best in, higher is better: the skill (see :mod:`earmark.training.selection`), or the
            validation loss with a minus, as the recipe's ``training.select`` has it.
        history: a row an epoch, as in log.csv.
        resumed_after: the epoch that the run went on from; 0 for a fresh one.
    """

    checkpoint: Path
    best_epoch: int
    selection: float
    history: tuple[LogRow, ...]
    resumed_after: int


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    keep_audio: str | Path | None = None,
    shards: str | Path | None = None,
    workers: int | None = None,
    jobs: int | None = None,
    tensorboard: bool = False,
    watcher: Watcher | None = None,
) -> TrainingResult:
    """Train a model by a recipe.

    Args:
        recipe: with ``data.root`` set.
        out: the run's folder; see the head of this module.
        resume: go on with the run that lies there; where none does, a fresh one is begun.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        devices, nodes: devices on each of so many machines that train together (DistributedDataParallel). They divide
            each batch, and the recipe means the same on any number of them. On several machines start the program
            under torchrun.
        keep_audio: folder to keep decoded audio in for other runs; None keeps it in memory only.
        shards: folder that ``earmark data prepare`` has made; audio is read from there, as it is needed, and not from
            the dataset's files.
        workers: processes that read ahead; None for none, with shards for one a core but at most four.
        jobs: files decoded side by side; None for one a core.
        tensorboard: log for TensorBoard, too.
        watcher: is told how the run gets on.

    Raises:
        ConfigError: recipe and device problems, a folder with a run in it without ``resume``, or resuming with another
            recipe or other data.
        DataError: data missing, not as it must be, or audio that cannot be listened to; a tag without a clip to learn
            it from; a full disk.
    """
    folder = Path(out)
    state = folder / STATE_NAME
    if recipe.data.root is None:
        raise ConfigError("data.root is not set: say where the dataset lies, with --root DIR or -o data.root=DIR")
    accelerator = _accelerator(device)
    is_first = _get_rank() in (None, 0)  # processes for further devices start this program again
    if is_first and (folder / RECIPE_NAME).exists() and not resume:
        raise ConfigError(f"{folder}: a run lies there; go on with it by --resume, or choose another folder")
    dataset = chosen_clips(load_dataset(recipe.data.dataset, recipe.data.root, recipe.data.protocol), recipe)
    for warning in (*leak_warnings(dataset), *dataset.notes) if is_first else ():
        _log.warning("%s", warning)

    # Weights and dropout draw from torch's global generators: they are given back as they were.
    with torch.random.fork_rng(devices=[0] if torch.cuda.is_available() else []), _quiet():
        torch.manual_seed(recipe.training.seed)
        model, members = build_model(recipe, dataset)
        card = first_card(recipe, dataset, model, members)
        judge = Judge(
            dataset.vocabulary, label_matrix(dataset.split("validation")), label_matrix(dataset.split("train"))
        )
        material = load_material(
            recipe,
            dataset,
            card.input,
            keep_audio=keep_audio,
            shards=shards,
            workers=workers,
            jobs=jobs,
            watcher=watcher,
        )
        steps = -(-len(material.make_windows(0, 1)) // recipe.training.accumulate_batches) * recipe.training.epochs
        module = TaggingModule(model, recipe, dataset.vocabulary, judge, steps)
        keeper = Keeper(
            folder,
            fingerprint=fingerprint(recipe, dataset, members),
            training=recipe.training,
            plateau=Plateau(recipe.optimiser),
            save_best=checkpoint_writer(folder, lambda _, found, epoch: filled_card(card, dataset, found, epoch)),
            watcher=watcher,
            tensorboard=tensorboard,
        )
        if is_first:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / RECIPE_NAME).exists():
                write_atomic(folder / RECIPE_NAME, recipe.to_yaml().encode())
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            use_distributed_sampler=False,
            precision=recipe.training.precision,
            max_epochs=recipe.training.epochs,
            check_val_every_n_epoch=recipe.training.validate_every,
            accumulate_grad_batches=recipe.training.accumulate_batches,
            gradient_clip_val=recipe.optimiser.gradient_clip,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[keeper],
            default_root_dir=folder,
        )
        _fit(trainer, module, material, state if resume else None)
    if not keeper.best_epoch:
        raise DataError(f"{folder}: no epoch of this run could be validated")
    return TrainingResult(
        folder / CHECKPOINT_FOLDER,
        keeper.best_epoch,
        keeper.best_selection,
        tuple(keeper.history),
        keeper.resumed_after,
    )


def _fit(trainer: pl.Trainer, module: TaggingModule, material: TrainingData, state: Path | None) -> None:
    """Run Lightning, from a state where there is one."""
    resuming = state is not None and state.is_file()
    if resuming:
        _log.info("resuming from %s", state)
    elif state is not None:
        _log.warning("%s: nothing to resume yet, starting from the beginning", state)
    try:
        trainer.fit(module, datamodule=material, ckpt_path=state if resuming else None, weights_only=True)
    except SystemExit as error:
        if trainer.interrupted:  # Lightning turns Ctrl-C into an exit
            raise KeyboardInterrupt from error
        raise


def _accelerator(device: str) -> str:
    """Lightning's word for a device. A device that is asked for and not there is an error, not a slow surprise."""
    if device not in DEVICES:
        raise ConfigError(f"device {device!r}: must be one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: PyTorch finds no CUDA device here; use cpu or auto")
    if device == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps: PyTorch finds no Apple GPU here; use cpu or auto")
    return device


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on devices and its advice on loaders and logging, which do not apply here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*does not have many workers")
            warnings.filterwarnings(
                "ignore", message=r".*isinstance\(treespec, LeafSpec\)"
            )  # PyTorch 2.13's, at Lightning
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
