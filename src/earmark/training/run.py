"""One training run: recipe in, folder out.

    OUT/checkpoint/model.safetensors, card.json   the best epoch by the selection metric
    OUT/log.csv                                   one row an epoch, see keeper.LOG_COLUMNS
    OUT/recipe.yaml                               the recipe with every default written out
    OUT/state.ckpt                                what --resume goes on from: weights, optimiser, schedule, history

Randomness is a function of seed, epoch and batch, so a run that is killed and resumed ends, on the CPU, with the very
weights of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import lightning.pytorch as pl
import numpy as np
import torch

import earmark
from earmark.card import ModelCard
from earmark.checkpoint import make_card
from earmark.datasets import Dataset, label_matrix, load_dataset
from earmark.errors import ConfigError, DataError
from earmark.files import write_atomic
from earmark.models import create_model
from earmark.training.config import Recipe
from earmark.training.data import AudioStore, TrainingWindows, ValidationClips
from earmark.training.keeper import (
    CHECKPOINT_FOLDER,
    RECIPE_NAME,
    STATE_NAME,
    Keeper,
    LogRow,
    Watcher,
    checkpoint_writer,
)
from earmark.training.module import TaggingModule
from earmark.training.selection import Judge, Validation

DEVICES = ("auto", "cpu", "cuda", "mps")

_log = logging.getLogger("earmark.training")


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        checkpoint: folder of the best weights and their card.
        best_epoch: from 1.
        selection: its selection metric, see :mod:`earmark.training.selection`.
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
    keep_audio: str | Path | None = None,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> TrainingResult:
    """Train a model by a recipe.

    Args:
        recipe: with ``data.root`` set.
        out: the run's folder; see the head of this module.
        resume: go on with the run that lies there; where none does, a fresh one is begun.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        keep_audio: folder to keep decoded audio in for other runs; None keeps it in memory only.
        jobs: files decoded side by side; None for one a core.
        watcher: is told how the run gets on.

    Raises:
        ConfigError: recipe and device problems, a folder with a run in it without ``resume``, or resuming with another
            recipe or other data.
        DataError: data missing, not as it must be, or audio that cannot be listened to.
    """
    folder = Path(out)
    state = folder / STATE_NAME
    if recipe.data.root is None:
        raise ConfigError("data.root is not set: say where the dataset lies, with --root DIR or -o data.root=DIR")
    accelerator = _accelerator(device)
    if (folder / RECIPE_NAME).exists() and not resume:
        raise ConfigError(f"{folder}: a run lies there; go on with it by --resume, or choose another folder")
    dataset = load_dataset(recipe.data.dataset, recipe.data.root, recipe.data.protocol)
    dataset.require_files("train", "validation")

    # Weights and dropout draw from torch's global generators: they are given back as they were.
    with torch.random.fork_rng(devices=[0] if torch.cuda.is_available() else []), _quiet():
        torch.manual_seed(recipe.training.seed)
        model = create_model(recipe.model.name, len(dataset.vocabulary), **recipe.model.options)
        card = _card(recipe, dataset, model)
        judge = Judge(
            dataset.vocabulary, label_matrix(dataset.split("validation")), label_matrix(dataset.split("train"))
        )
        windows, validation = _load_audio(recipe, dataset, card, keep_audio, jobs, watcher)
        module = TaggingModule(model, recipe, dataset.vocabulary, judge, len(windows) * recipe.training.epochs)
        keeper = Keeper(
            folder,
            fingerprint=_fingerprint(recipe, dataset),
            patience=recipe.training.patience,
            save_best=checkpoint_writer(folder, lambda _, found, epoch: _filled(card, dataset, found, epoch)),
            watcher=watcher,
        )
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / RECIPE_NAME).exists():
            write_atomic(folder / RECIPE_NAME, recipe.to_yaml().encode())
        _fit(module, keeper, windows, validation, recipe, accelerator, state if resume else None)
    if not keeper.best_epoch:
        raise DataError(f"{folder}: no epoch of this run could be validated")
    return TrainingResult(
        folder / CHECKPOINT_FOLDER,
        keeper.best_epoch,
        keeper.best_selection,
        tuple(keeper.history),
        keeper.resumed_after,
    )


def _load_audio(
    recipe: Recipe,
    dataset: Dataset,
    card: ModelCard,
    keep_audio: str | Path | None,
    jobs: int | None,
    watcher: Watcher | None,
) -> tuple[TrainingWindows, ValidationClips]:
    """Decode both splits once."""
    train, validation = dataset.split("train"), dataset.split("validation")
    store = AudioStore(card.input.sample_rate_hz, None if keep_audio is None else Path(keep_audio))
    on_done = None if watcher is None else watcher.decoding
    audio = store.load([clip.path for clip in (*train, *validation)], jobs=jobs, on_done=on_done)
    windows = TrainingWindows(
        train,
        audio[: len(train)],
        window_samples=card.input.window_samples,
        batch_size=recipe.training.batch_size,
        windows_per_clip=recipe.training.windows_per_clip,
        seed=recipe.training.seed,
        augmentation=recipe.augmentation,
    )
    return windows, ValidationClips(audio[len(train) :], card.input)


def _fit(
    module: TaggingModule,
    keeper: Keeper,
    windows: TrainingWindows,
    validation: ValidationClips,
    recipe: Recipe,
    accelerator: str,
    state: Path | None,
) -> None:
    """Run Lightning, from a state where there is one."""
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        precision=recipe.training.precision,
        max_epochs=recipe.training.epochs,
        check_val_every_n_epoch=recipe.training.validate_every,
        gradient_clip_val=recipe.optimiser.gradient_clip,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[keeper],
        default_root_dir=keeper.out,
    )
    resuming = state is not None and state.is_file()
    if resuming:
        _log.info("resuming from %s", state)
    elif state is not None:
        _log.warning("%s: nothing to resume yet, starting from the beginning", state)
    try:
        trainer.fit(
            module,
            train_dataloaders=windows.loader(),
            val_dataloaders=validation.loader(),
            ckpt_path=state if resuming else None,
            weights_only=True,
        )
    except SystemExit as error:
        if trainer.interrupted:  # Lightning turns Ctrl-C into an exit
            raise KeyboardInterrupt from error
        raise


def _card(recipe: Recipe, dataset: Dataset, model: Any) -> ModelCard:
    """The card as far as it is known before training. Raises ConfigError where hop and window contradict."""
    hop_seconds = recipe.input.hop_seconds
    info = dataset.info
    return make_card(
        model,
        name=recipe.name,
        vocabulary=dataset.vocabulary,
        hop_samples=None if hop_seconds is None else round(hop_seconds * model.sample_rate_hz),
        last_window=recipe.input.last_window,
        description=recipe.card.description,
        version=recipe.card.version,
        licence=recipe.card.licence,
        limits=recipe.card.limits,
        citations=(info.citation,) if info.citation else (),
        training={
            "dataset": dataset.name,
            "protocol": dataset.protocol,
            "dataset_licence": info.licence,
            "dataset_sha256": dataset.fingerprint,
            "clips": dataset.counts,
            "recipe": recipe.to_document(with_root=False),
            "versions": {
                "earmark": earmark.__version__,
                "torch": str(torch.__version__),
                "lightning": lightning.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        },
    )


def _filled(card: ModelCard, dataset: Dataset, found: Validation, epoch: int) -> ModelCard:
    """The card with what a validation found."""
    n_clips = len(dataset.split("validation"))
    return card.replace(
        thresholds=found.card_thresholds(dataset.vocabulary),
        metrics=found.card_metrics(dataset.vocabulary, dataset.name, dataset.protocol, n_clips),
        training={**card.training, "best_epoch": epoch, "selection": round(found.selection, 6)},
    )


def _fingerprint(recipe: Recipe, dataset: Dataset) -> str:
    document = json.dumps([recipe.to_document(with_root=False), dataset.protocol, dataset.fingerprint], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


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
