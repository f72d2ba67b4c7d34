"""A labelled set as tags that hold or not, with test songs of its own: a registered dataset, "labelled_tags".

The papers' networks can be compared on it: it has as many tags as theirs, labels of the same kind, and more music than the
public sets whose audio can be had. What is measured is how well a network learns what the teachers know, on music by
others than those that it was trained on.

A tag holds for the examples with the highest soft labels, for as many as the labels add up to. The tags that hold most
often are used. An artist, album or source is in one split; which one follows from its name alone. Examples that are
mixed of songs of several splits are left out.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import SPLITS, Clip, Dataset, DatasetInfo, Protocol, StoredAudio
from earmark.datasets.labelled_set.dataset import SILENT_PEAK, peak_of, soft_labels, training_fusion
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, TRAIN_SET, LabelledSets
from earmark.datasets.registry import register_dataset

Floats = npt.NDArray[np.float32]

GROUPS_APART = Protocol(
    "groups-apart",
    "70 / 10 / 20 % of the artists, albums or sources for train / validation / test, by a hash of their names",
)
SHARES = (("test", 0.2), ("validation", 0.1), ("train", 0.7))

INFO = DatasetInfo(
    "labelled_tags",
    "Music labelled by trained networks, as tags",
    "a folder written by `earmark distill label`, of which the training set is divided",
    "",
    "that of the music and of the teachers' weights",
    "",
    (GROUPS_APART,),
    tags_from="those given to `earmark distill label` that hold most often",
)


@register_dataset(INFO)
def labelled_tags(
    root: Path,
    protocol: str | None = None,  # noqa: ARG001  the registry passes it
    *,
    n_tags: int = 50,
    hours: float | None = None,
) -> Dataset:
    """Read the training set of a folder of labelled sets.

    Args:
        root: the folder that `earmark distill label` wrote.
        protocol: "groups-apart", or None for the same.
        n_tags: so many tags, those that hold most often.
        hours: read so much of the set only, rounded up to whole shards; None for all.

    Raises:
        ConfigError: an option out of range.
        DataError: a set is missing, or songs that its examples are made of.
    """
    if n_tags < 1:
        raise ConfigError(f"n_tags {n_tags}: must be 1 or more")
    sets = LabelledSets.open(root)
    fusion, teachers = training_fusion(sets)
    labelled = sets[TRAIN_SET].first(hours)
    labels = tag_labels(soft_labels(labelled, fusion, teachers, sets.union))
    tags, degrees = tuple(sets.union.vocabulary), sets.union.vocabulary.indices("regression")
    counts = np.nansum(labels, axis=0)
    counts[list(degrees)] = 0
    used = np.sort(np.argsort(-counts, kind="stable")[: min(n_tags, int((counts > 0).sum()))])
    if not len(used):
        raise DataError(f"{root}: no tag holds for any example")
    vocabulary = Vocabulary(tuple(tags[i] for i in used))
    groups = {song.song_id: song.group for song in sets.songs}
    of_examples = [[part["song"] for part in recipe["parts"]] for recipe in labelled.recipes]
    if missing := sorted({song for songs in of_examples for song in songs} - set(groups)):
        raise DataError(f"{root}: songs.csv does not list {len(missing)} of its songs, such as {missing[0]!r}")
    places = (
        (shard, audio, k)
        for shard, audio in zip(labelled.shards, labelled.audio, strict=True)
        for k in range(len(audio))
    )
    clips = []
    for (shard, audio, k), songs, row in zip(places, of_examples, labels[:, used], strict=True):
        splits = {group_split(groups[song]) for song in songs}
        if len(splits) == 1 and peak_of(audio[k]) > SILENT_PEAK and not np.isnan(row).all():
            path = shard / "audio.npy"
            clips.append(
                Clip(
                    f"{shard.name}/{k}", path, splits.pop(), row, artist=groups[songs[0]], song=songs[0],
                    stored=StoredAudio(path, k, 0, EXAMPLE_SAMPLES, RATE_HZ),
                )
            )  # fmt: skip
    return Dataset(INFO.name, GROUPS_APART.name, vocabulary, tuple(clips), INFO)


def tag_labels(soft: Floats) -> Floats:
    """Soft labels (n, n_tags) as 0 or 1: 1 for as many of the highest of each tag as the labels add up to; NaN stays.

    >>> tag_labels(np.array([[0.9], [0.1], [0.2], [np.nan], [0.7]], np.float32)).ravel()
    array([ 1.,  0.,  0., nan,  1.], dtype=float32)
    """
    out = np.where(np.isnan(soft), np.nan, 0).astype(np.float32)
    for tag, column in enumerate(soft.T):
        n_positive = round(float(np.nansum(column)))
        highest = np.argsort(-np.nan_to_num(column, nan=-1.0), kind="stable")[:n_positive]
        out[highest, tag] = 1
    return out


def group_split(group: str) -> str:
    """The split of an artist, album or source, from its name alone.

    >>> group_split("Kevin MacLeod"), group_split("warzone2100")
    ('train', 'train')
    """
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    for split, share in SHARES:
        if place < share:
            return split
        place -= share
    return SPLITS[0]
