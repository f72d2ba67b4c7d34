"""Changes to a dataset: fewer training clips, validation clips to learn from, shorter clips."""

from __future__ import annotations

import dataclasses
import hashlib
import math

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.base import Dataset


def training_subset(dataset: Dataset, share: float, seed: int = 0) -> Dataset:
    """The dataset with a random share of its training clips; validation and test clips all stay.

    Subsets of one seed are nested: the clips of a share of 0.1 are all among those of 0.5. Whether a clip comes
    early depends on seed and clip id alone, so neither the order of the dataset nor the machine matters.

    Args:
        dataset: clips of all splits; clips that stay keep their order.
        share: part of the training clips that stays, above 0 and at most 1. The number is rounded, and at least one.
        seed: another seed, another order.

    Raises:
        ConfigError: ``share`` is out of range.
        DataError: the dataset has no training clips.
    """
    if not (math.isfinite(share) and 0 < share <= 1):
        raise ConfigError(f"share of training clips must be above 0 and at most 1, is {share:g}")
    train = dataset.split("train")
    if share == 1:
        return dataset
    drawn = sorted((clip.clip_id for clip in train), key=lambda clip_id: (_place(seed, clip_id), clip_id))
    kept = set(drawn[: max(1, round(share * len(train)))])
    return dataset.replace(clips=tuple(clip for clip in dataset.clips if clip.split != "train" or clip.clip_id in kept))


def train_on_validation(dataset: Dataset, seed: int = 0) -> Dataset:
    """The dataset with its validation clips as training clips, a third of them left to validate on.

    For training on the outputs of trained models, which are better on their training clips than on other
    clips. Clips of one artist (else of one song, else single clips) stay on one side; which, is drawn from the seed.

    Raises:
        DataError: fewer than two artists (songs, clips) to divide.
    """
    clips = dataset.split("validation")
    owners = {clip.clip_id: clip.artist or clip.song or clip.clip_id for clip in clips}
    drawn = sorted(set(owners.values()), key=lambda owner: (_place(seed, owner), owner))
    if len(drawn) < 2:
        raise DataError(f"dataset {dataset.name}: the validation clips are all of one artist and cannot be divided")
    sides: dict[str, str] = {}
    left = max(1, round(len(clips) / 3))
    for owner in drawn:  # until a third validates, but never the last one
        side = "validation" if left > 0 and len(sides) < len(drawn) - 1 else "train"
        sides[owner] = side
        left -= sum(of_clip == owner for of_clip in owners.values()) if side == "validation" else 0
    moved = tuple(
        dataclasses.replace(clip, split=sides[owners[clip.clip_id]]) if clip.split == "validation" else clip
        for clip in dataset.clips
        if clip.split != "train"
    )
    return dataset.replace(clips=moved)


def trimmed(dataset: Dataset, seconds: float | None) -> Dataset:
    """The dataset with no more than the first seconds of each clip; None for whole clips."""
    if seconds is None:
        return dataset
    return dataset.replace(clips=tuple(dataclasses.replace(clip, seconds=seconds) for clip in dataset.clips))


def _place(seed: int, clip_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{clip_id}".encode("utf-8", "surrogateescape")).digest()
