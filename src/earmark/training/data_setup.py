"""Data and model of a run: the clips that the recipe chooses, their audio, and the network to train."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from earmark.core.card import ModelCard
from earmark.core.cpu import available_cores
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.datasets import Clip, Dataset, label_matrix
from earmark.datasets.base import raise_problems
from earmark.datasets.stored_audio import FULL_SCALE, open_stored
from earmark.datasets.subset import train_on_validation, training_subset, trimmed
from earmark.models import TaggingModel, create_model
from earmark.models.checkpoint import load_checkpoint
from earmark.models.ensemble_combiner import combine
from earmark.shards import ShardAudio
from earmark.training.audio_store import AudioStore, PackedAudio, TrimmedAudio, Waveform
from earmark.training.callbacks import TrainingProgress
from earmark.training.data import TrainingData, TrainingWindows, ValidationClips
from earmark.training.sections import Recipe

_MOST_WORKERS = 8
SHARD_MEMORY_BYTES = 2 * 2**30
"""Shards that take no more than this when decoded, 18 hours at 16 kHz, are decoded once and kept in memory."""


def chosen_clips(dataset: Dataset, recipe: Recipe) -> Dataset:
    """The clips that the recipe learns from and validates on, trimmed as it says.

    Raises:
        DataError: classification tags that no training clip has: nothing could be learned about them.
    """
    if recipe.data.train_split == "validation":
        dataset = train_on_validation(dataset, recipe.training.seed)
    dataset = trimmed(training_subset(dataset, recipe.data.train_share, recipe.training.seed), recipe.data.trim_seconds)
    labels = label_matrix(dataset.split("train"))
    missing = [
        f"tag {dataset.vocabulary.names[i]!r}: no training clip has it; leave it out, or train on more clips"
        for i in dataset.vocabulary.indices("classification")
        if not (labels[:, i] > 0).any()
    ]
    raise_problems(f"dataset {dataset.name} ({dataset.protocol})", missing)
    return dataset


def build_model(recipe: Recipe, dataset: Dataset) -> tuple[TaggingModel, tuple[ModelCard, ...]]:
    """A fresh model, or a fresh combiner over trained members; and the members' cards.

    Raises:
        ConfigError: options out of range, or members whose tags are not those of the dataset.
        ModelError: a member is no checkpoint.
    """
    if not recipe.model.members:
        return create_model(recipe.model.name, len(dataset.vocabulary), **recipe.model.options), ()
    loaded = [load_checkpoint(folder) for folder in recipe.model.members]
    problems = [
        f"model.members {folder}: its tags are not those of {dataset.name} in the same order"
        for folder, (_, card) in zip(recipe.model.members, loaded, strict=True)
        if card.vocabulary.names != dataset.vocabulary.names
    ]
    if problems:
        raise ConfigError(problems)
    try:
        model = combine([member for member, _ in loaded], **recipe.model.options)
    except TypeError as error:
        raise ConfigError(f"model.options: {error}; a combiner of members has width and dropout") from error
    return model, tuple(card for _, card in loaded)


def load_training_data(
    recipe: Recipe,
    dataset: Dataset,
    spec: InputSpec,
    *,
    audio: Sequence[Waveform] | None = None,
    keep_audio: str | Path | None = None,
    shards: str | Path | None = None,
    workers: int | None = None,
    jobs: int | None = None,
    progress: TrainingProgress | None = None,
    measured: Sequence[int] = (),
    shard_memory_bytes: int = SHARD_MEMORY_BYTES,
) -> TrainingData:
    """Both splits with their audio, for Lightning; arguments as in :func:`earmark.training.run.train`.

    ``audio``: of the training and validation clips, where it is loaded already.
    ``measured``: indices of training clips that are scored after the validation clips.
    ``shard_memory_bytes``: shards with no more audio than that are decoded beforehand and kept in memory.
    """
    train, validation = dataset.split("train"), dataset.split("validation")
    clips = (*train, *validation)
    if audio is not None:
        workers = workers or 0
    elif shards is None and all(clip.stored is not None for clip in clips):
        audio, workers = stored_audio(clips, spec), workers or 0
    elif shards is None:
        dataset.require_files("train", "validation")
        store = AudioStore(spec.sample_rate_hz, None if keep_audio is None else Path(keep_audio), spec.conditioning)
        on_done = None if progress is None else progress.decoding
        audio = store.load([clip.path for clip in clips], jobs=jobs, on_done=on_done)
        workers = workers or 0
    else:
        audio, workers = _from_shards(shards, clips, spec, workers, jobs, progress, shard_memory_bytes)

    audio = [
        waveform if clip.seconds is None else TrimmedAudio(waveform, round(clip.seconds * spec.sample_rate_hz))
        for clip, waveform in zip(clips, audio, strict=True)
    ]

    def make_windows(rank: int, world_size: int) -> TrainingWindows:
        return TrainingWindows(
            train,
            audio[: len(train)],
            spec=spec,
            training=recipe.training,
            augmentation=recipe.augmentation,
            rank=rank,
            world_size=world_size,
        )

    scored = [*audio[len(train) :], *(audio[i] for i in measured)]
    return TrainingData(make_windows, ValidationClips(scored, spec), workers)


def stored_audio(clips: Sequence[Clip], spec: InputSpec) -> list[PackedAudio]:
    """The decoded audio of clips whose dataset keeps it, mapped from disk.

    Raises:
        DataError: an array file cannot be read.
        ConfigError: audio of another sample rate than the network's.
    """
    rates = {clip.stored.sample_rate_hz for clip in clips if clip.stored is not None}
    if rates - {spec.sample_rate_hz}:
        raise ConfigError(
            f"model: takes {spec.sample_rate_hz} Hz, the dataset's audio is kept at {min(rates)} Hz; "
            "choose a model of that rate"
        )
    return [PackedAudio(values, float(np.float32(1 / FULL_SCALE))) for values in open_stored(clips)]


def _from_shards(
    folder: str | Path,
    clips: Sequence[Clip],
    spec: InputSpec,
    workers: int | None,
    jobs: int | None,
    progress: TrainingProgress | None,
    memory_bytes: int,
) -> tuple[Sequence[Waveform], int]:
    """Every clip's audio, decoded or still in its shard; and how many processes are to read it.

    Small networks learn from a window faster than one core decodes it, so what is small enough is decoded beforehand,
    unless workers are requested. It is bit for bit the same: only FLAC of the wanted rate is kept in this way.

    Raises DataError where clips are not there or damaged, ConfigError for the rate or the mix of the channels.
    """
    shards, rate = ShardAudio(folder), spec.sample_rate_hz
    shards.require([clip.clip_id for clip in clips], rate, spec.conditioning)
    waveforms = [shards.waveform(clip.clip_id, rate, spec.conditioning) for clip in clips]
    n_bytes = 2 * sum(len(waveform) for waveform in waveforms)
    if workers is not None:
        return waveforms, workers
    if shards.sample_rate_hz != rate or n_bytes > memory_bytes:
        return waveforms, min(_MOST_WORKERS, available_cores())
    packed: list[Waveform] = []
    with ThreadPoolExecutor(jobs or available_cores(), thread_name_prefix="earmark-decode") as pool:
        for values, scale in pool.map(lambda clip: shards.packed(clip.clip_id, rate, spec.conditioning), clips):
            packed.append(PackedAudio(values, scale))
            if progress is not None:
                progress.decoding(len(packed), len(clips))
    return packed, 0
