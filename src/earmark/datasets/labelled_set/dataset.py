"""Labelled sets as a registered dataset, "labelled_set", for the trainer that all networks share.

Every tag is a degree: the mean of the teachers. An example is 29.1 s long. Cut into parts, each has the labels of the
teachers for that part; whole, the student's logits for the windows in it are averaged before the loss
(``training.sampling: subclips``). Training clips are those of the set "train" and of the further unchanged sets;
validation clips those of "validation". The held-out songs are not used.

Options, under ``data.options`` of a recipe:
    parts        cut each training example into so many equal parts (default 1)
    hours        learn from so much of the set "train" only, rounded up to whole shards (default all)
    known_share  how much the known labels of a song count beside the teachers, 0..1, in training examples made of that
                 song only (default 0.5)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import Clip, Dataset, DatasetInfo, StoredAudio
from earmark.datasets.labelled_set.label_fusion import LabelFusion, union_logits
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, TRAIN_SET, LabelledSet, LabelledSets
from earmark.datasets.labelled_set.tag_union import TagUnion
from earmark.datasets.registry import register_dataset

PROTOCOL = "teachers"
VALIDATION_SET = "validation"
SILENT_PEAK = 1e-3
"""-60 dBFS: examples that nowhere exceed it are silent and left out."""
_PEAK_STEP = 16

INFO = DatasetInfo(
    "labelled_set",
    "Music labelled by trained networks",
    "a folder written by `earmark distill label`: examples of 29.1 s and the probabilities of the teachers",
    "",
    "that of the music and of the teachers' weights",
    "",
    (),
    tags_from="the tags given to `earmark distill label`",
)


@register_dataset(INFO)
def labelled_set(
    root: Path,
    protocol: str | None = None,  # noqa: ARG001  the registry passes it
    *,
    parts: int = 1,
    hours: float | None = None,
    known_share: float = 0.5,
) -> Dataset:
    """Read the sets under a folder.

    Args:
        root: the folder that `earmark distill label` wrote.
        protocol: None; the folder brings its own split.
        parts, hours, known_share: see the module docstring.

    Raises:
        ConfigError: an option out of range.
        DataError: a set is missing.
    """
    if not 0 <= known_share <= 1:
        raise ConfigError(f"known_share {known_share}: must be 0 to 1")
    if parts < 1:
        raise ConfigError(f"parts {parts}: must be 1 or more")
    sets = LabelledSets.open(root)
    fusion, teachers = training_fusion(sets)
    known = {song.song_id: song.labels for song in sets.songs if song.split == "train" and song.labels}
    vocabulary = Vocabulary(tuple(Tag(tag.name, "regression", tag.category) for tag in sets.union.vocabulary))
    clips: list[Clip] = []
    for split, names in (("train", (TRAIN_SET, *sets.extra_sets)), ("validation", (VALIDATION_SET,))):
        n_parts = parts if split == "train" else 1
        for name in names:
            labelled = sets[name].first(hours) if name == TRAIN_SET else sets[name]
            for part in range(n_parts):
                labels = soft_labels(labelled, fusion, teachers, sets.union, part, n_parts)
                if split == "train":
                    _add_known_labels(labels, labelled, vocabulary, known, known_share)
                clips += _clips(labelled, split, name, labels, part, n_parts)
    return Dataset(INFO.name, PROTOCOL, vocabulary, tuple(clips), INFO)


def _clips(
    labelled: LabelledSet, split: str, name: str, labels: npt.NDArray[np.float32], part: int, parts: int
) -> Iterator[Clip]:
    """The same part of every example that is audible there."""
    length, row, songs = EXAMPLE_SAMPLES // parts, 0, labelled.songs()
    start = part * length
    for shard, samples in zip(labelled.shards, labelled.audio, strict=True):
        for k in range(len(samples)):
            if _peak(samples[k, start : start + length]) > SILENT_PEAK:
                clip_id = f"{name}/{shard.name}/{k}" + (f"/{part}" if parts > 1 else "")
                path = shard / "audio.npy"
                stored = StoredAudio(path, k, start, start + length, RATE_HZ)
                yield Clip(clip_id, path, split, labels[row], song=songs[row], stored=stored)
            row += 1


def _add_known_labels(
    labels: npt.NDArray[np.float32],
    labelled: LabelledSet,
    vocabulary: Vocabulary,
    known: Mapping[str, Mapping[str, float]],
    share: float,
) -> None:
    """Blend known labels into soft labels (n, n_tags), in place, for examples made of one song only."""
    for row, recipe in enumerate(labelled.recipes):
        values = known.get(recipe["parts"][0]["song"])
        if values and len(recipe["parts"]) == 1:
            places = [vocabulary.index(tag) for tag in values]
            labels[row, places] = (1 - share) * labels[row, places] + share * np.array([*values.values()], np.float32)


def training_fusion(sets: LabelledSets) -> tuple[LabelFusion, tuple[str, ...]]:
    """The common scale of the teachers that labelled the training set, and their names. Raises DataError without one."""
    train = sets[TRAIN_SET]
    return LabelFusion.fit(_logits(train, train.teachers, sets.union)), train.teachers


def soft_labels(
    labelled: LabelledSet,
    fusion: LabelFusion,
    teachers: tuple[str, ...],
    union: TagUnion,
    part: int = 0,
    parts: int = 1,
) -> npt.NDArray[np.float32]:
    """Soft labels (n, n_tags) of a set by some of its teachers, for one of so many equal parts of its examples."""
    return fusion.soft_labels(_logits(labelled, teachers, union, part, parts))


def _logits(
    labelled: LabelledSet, teachers: tuple[str, ...], union: TagUnion, part: int = 0, parts: int = 1
) -> npt.NDArray[np.float64]:
    """Of the named teachers, in their order, for one of so many equal parts of every example."""
    places = [labelled.teachers.index(name) for name in teachers]
    vocabularies = [labelled.vocabularies[place] for place in places]
    length = EXAMPLE_SAMPLES // parts
    means = labelled.means if parts == 1 else labelled.part_means(part * length, length)
    return union_logits(means[:, places].astype(np.float32), vocabularies, union)


def _peak(samples: npt.NDArray[np.int16]) -> float:
    return float(np.abs(samples[::_PEAK_STEP].astype(np.float32)).max(initial=0.0)) / 32767
