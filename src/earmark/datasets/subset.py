"""A smaller training split, to learn how a model depends on the number of its training clips."""

from __future__ import annotations

import hashlib
import math

from earmark.datasets.base import Dataset
from earmark.errors import ConfigError


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


def _place(seed: int, clip_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{clip_id}".encode("utf-8", "surrogateescape")).digest()
