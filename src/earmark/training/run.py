"""One training run: recipe in, folder out.

    OUT/checkpoint/model.safetensors, card.json   the best epoch by the selection metric
    OUT/tensorboard/                              the same for TensorBoard, if requested
    OUT/log.csv                                   one row per epoch, see callbacks.LOG_COLUMNS
    OUT/recipe.yaml                               the recipe with every default written out
    OUT/state.ckpt                                what --resume starts from: weights, optimiser, schedule, history

Randomness is a function of seed, epoch and batch, so a run that is killed and resumed ends, on the CPU, with exactly
the weights of one that was not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.atomic_files import remove_leftovers, write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.datasets import Dataset, label_matrix, load_dataset
from earmark.datasets.leaks import leak_warnings
from earmark.training.audio_store import Waveform
from earmark.training.callbacks import LogRow, TrainingProgress
from earmark.training.checkpoint_callback import (
    STATE_NAME,
    CheckpointCallback,
    checkpoint_writer,
)
from earmark.training.config import CHECKPOINT_FOLDER, RECIPE_NAME
from earmark.training.contrastive import ContrastiveModule
from earmark.training.data_setup import build_model, chosen_clips, load_training_data
from earmark.training.lightning_setup import (
    DEVICES,
    DistributedContext,
    checked_accelerator,
    fit,
    is_first_process,
    is_restarted,
    make_trainer,
    quiet_lightning,
)
from earmark.training.loss import logit_spreads
from earmark.training.module import TaggingModule
from earmark.training.provenance import filled_card, fingerprint, first_card
from earmark.training.schedule import Plateau
from earmark.training.sections import Recipe
from earmark.training.selection import Validator
from earmark.training.statistics import needs_statistics, standardise_by
from earmark.training.transfer import begin_with

__all__ = ["DEVICES", "TrainingResult", "train"]

_log = logging.getLogger("earmark.training")


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        checkpoint: folder of the best weights and their card.
        best_epoch: from 1.
        selection: its value of the selection metric, higher is better: the skill (see :mod:`earmark.training.selection`), or the
            validation loss with a minus, as the recipe's ``training.select`` has it.
        history: a row per epoch, as in log.csv.
        resumed_after: the epoch after which the run was resumed; 0 for a fresh one.
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
    measure_training: int = 0,
    progress: TrainingProgress | None = None,
    loaded: tuple[Dataset, Sequence[Waveform] | None] | None = None,
    begin: str | Path | None = None,
    distributed: DistributedContext | None = None,
) -> TrainingResult:
    """Train a model by a recipe.

    Args:
        recipe: with ``data.root`` set.
        out: the run's folder; see the module docstring.
        resume: continue the run in this folder; where there is none, start a fresh one. What torchrun restarts
            (``--max-restarts``) is resumed in any case.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        devices, nodes: devices on each of ``nodes`` machines that train together (DistributedDataParallel). They divide
            each batch, and the recipe means the same on any number of them; only batch normalisation, where PyTorch
            cannot share its statistics (on CPUs), sees each device's part alone. Lightning starts this program again
            for each further device. On several machines start the program under torchrun, with ``out`` on a disk that
            all of them see.
        keep_audio: folder to keep decoded audio in for other runs; None keeps it in memory only, in every process.
        shards: folder that ``earmark data prepare`` has made; audio is read from there, as it is needed, and not from
            the dataset's files.
        workers: processes that read ahead. None for none, with audio in memory, as that of loose files always is and
            that of shards where it takes 2 GB at most (18 hours at 16 kHz); with larger shards for one per core but at
            most eight. With a number, 0 among them, shards are read window by window. The weights are the same.
        jobs: files decoded at a time; None for one per core.
        tensorboard: log for TensorBoard, too.
        measure_training: so many training clips, spread evenly over the split, are scored at each validation as
            validation clips are, for ``train_roc_auc`` and similar columns of log.csv. Weights are the same.
        progress: called after every batch and epoch.
        loaded: a dataset that is loaded already, instead of the recipe's, and the audio of its training and validation
            clips, in this order; None for the audio where it is to be read from files or shards.
        begin: checkpoint whose weights training begins with, instead of fresh ones: of the same network. For other tags
            the last layer is replaced; ``recipe.transfer`` freezes the rest, or lets it learn more slowly.
        distributed: the rank of this process, where something other than Lightning and torchrun has started it; ``devices`` and ``nodes`` are 1 then.

    Raises:
        ConfigError: recipe and device problems, a folder with a run in it without ``resume``, or resuming with another
            recipe or other data.
        DataError: data missing, not as it must be, or audio that cannot be decoded; a tag without a training
            clip; a full disk.
    """
    folder = Path(out)
    state = folder / STATE_NAME
    resume = resume or is_restarted()
    if recipe.transfer.freeze == "trunk" and begin is None:
        raise ConfigError("transfer.freeze trunk: needs a checkpoint to begin with (--begin); fresh weights must learn")
    accelerator = checked_accelerator(device, devices, nodes, recipe.training.precision)
    world_size = devices * nodes if distributed is None else distributed.world_size
    is_first = is_first_process() if distributed is None else distributed.rank == 0
    if is_first and (folder / RECIPE_NAME).exists() and not resume:
        raise ConfigError(f"{folder}: a run is already there; continue it with --resume, or choose another folder")
    dataset, audio = (_load(recipe), None) if loaded is None else loaded
    for warning in (*leak_warnings(dataset), *dataset.notes) if is_first else ():
        _log.warning("%s", warning)

    if len(dataset.split("validation")) < world_size:
        raise ConfigError(f"devices {world_size}: there are fewer validation clips than that; use fewer devices")

    # Weights and dropout draw from torch's global generators: they are given back as they were.
    gpus = [int(os.environ.get("LOCAL_RANK", 0))] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=gpus), quiet_lightning():
        torch.manual_seed(recipe.training.seed)
        model, members = build_model(recipe, dataset)
        card = first_card(recipe, dataset, model, members)
        if begin is not None:
            card, begun = begin_with(model, card, begin)
            members = (*members, begun)
        labels = label_matrix(dataset.split("train"))
        measured = np.unique(np.linspace(0, len(labels) - 1, min(measure_training, len(labels))).astype(int)).tolist()
        validator, train_validator = _validators(dataset, labels, measured, softmax=card.softmax)
        if is_first:
            _claim(folder)
        data = load_training_data(
            recipe,
            dataset,
            card.input,
            audio=audio,
            keep_audio=keep_audio,
            shards=shards,
            workers=workers,
            jobs=jobs,
            progress=progress if is_first else None,
            measured=measured,
        )
        windows = data.make_windows(0, world_size)
        if needs_statistics(recipe.model.options):
            standardise_by(model, windows.waveforms, card.input)
            frontend = None if model.frontend is None else model.frontend.config.to_dict()
            card = card.replace(architecture_options=model.architecture_options, frontend=frontend)
        kind = TaggingModule if recipe.contrastive.temperature is None else ContrastiveModule
        module = kind(
            model,
            recipe,
            dataset.vocabulary,
            validator,
            len(windows),
            train_validator,
            complete=not np.isnan(labels).any(),
            spreads=logit_spreads(labels) if recipe.loss.regression == "logits" else None,
            exclusive=card.softmax,
        )
        checkpoints = CheckpointCallback(
            folder,
            fingerprint=fingerprint(recipe, dataset, members),
            training=recipe.training,
            plateau=Plateau(recipe.optimiser),
            save_best=checkpoint_writer(folder, lambda _, found, epoch: filled_card(card, dataset, found, epoch)),
            progress=progress if is_first else None,
            tensorboard=tensorboard,
        )
        if is_first and not state.is_file():
            write_atomic(folder / RECIPE_NAME, recipe.to_yaml().encode())
        trainer = make_trainer(recipe.training, accelerator, devices, nodes, distributed, checkpoints, folder)
        fit(trainer, module, data, state if resume else None)
    if not checkpoints.best_epoch:
        raise DataError(f"{folder}: no epoch of this run could be validated")
    return TrainingResult(
        folder / CHECKPOINT_FOLDER,
        checkpoints.best_epoch,
        checkpoints.best_selection,
        tuple(checkpoints.history),
        checkpoints.resumed_after,
    )


def _load(recipe: Recipe) -> Dataset:
    data = recipe.data
    if data.root is None:
        raise ConfigError("data.root is not set: say where the dataset is, with --root DIR or -o data.root=DIR")
    return chosen_clips(load_dataset(data.dataset, data.root, data.protocol, **data.options), recipe)


def _validators(
    dataset: Dataset, labels: npt.NDArray[np.float32], measured: Sequence[int], *, softmax: Sequence[str]
) -> tuple[Validator, Validator | None]:
    """For the validation clips, and for the training clips that are measured, if any."""
    vocabulary, validation = dataset.vocabulary, label_matrix(dataset.split("validation"))
    of_training = (
        Validator(vocabulary, labels[measured], labels, "training clips measured", softmax) if measured else None
    )
    return Validator(vocabulary, validation, labels, softmax=softmax), of_training


def _claim(folder: Path) -> None:
    """Make the run's folder and clear away what a killed run had begun to write."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder}: cannot be written to; choose another folder")
    for place in (folder, folder / CHECKPOINT_FOLDER):
        remove_leftovers(place)
