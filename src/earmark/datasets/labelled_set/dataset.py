"""Labelled sets as a registered dataset, "labelled_set", for the trainer that all networks share.

Every tag is a degree: the mean of the teachers that labelled the example, NaN (masked in the loss and in metrics) where
there is none. An example is 29.1 s long. Cut into parts, each has the labels of the
teachers for that part; whole, the student's logits for the windows in it are averaged before the loss
(``training.sampling: subclips``). Training clips are those of the set "train" and of the further unchanged sets;
validation clips those of "validation". The held-out songs are not used.

Options, under ``data.options`` of a recipe:
    parts        cut each training example into so many equal parts (default 1)
    hours        learn from so much of the set "train" only, rounded up to whole shards (default all)
    known_share  how much the known labels of a song count beside the teachers, 0..1, in training examples made of that
                 song only (default 0.5); the table of music may say otherwise for a song. Where no teacher knows the
                 tag, they count alone, in validation, too.
    vocabulary_weights  how much the teachers of a vocabulary count, ``{mtat-50: 2}``, or for which tags,
                 ``{mtat-50: {vocals: 3, "*": 2}}`` ("*": all others); default 1
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import Clip, Dataset, DatasetInfo, StoredAudio
from earmark.datasets.labelled_set.label_fusion import LabelFusion, union_logits
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, TRAIN_SET, LabelledSet, LabelledSets
from earmark.datasets.labelled_set.songs import Song
from earmark.datasets.labelled_set.tag_union import TagUnion
from earmark.datasets.registry import register_dataset

PROTOCOL = "teachers"
VALIDATION_SET = "validation"
SILENT_PEAK = 1e-3
"""-60 dBFS: examples that nowhere exceed it are silent and left out."""
_PEAK_STEP = 16
_ALL_OTHERS = "*"
_LEAST_KNOWN, _MOST_KNOWN = 0.02, 0.98
"""Of known labels of tags that no teacher knows: a certain one has an infinite logit."""
_SUREST = 0.01
"""Quantile of the teachers' labels that stands for a certain 0, and 1 minus it for a certain 1: as sure as they ever are."""

VocabularyWeights = Mapping[str, float | Mapping[str, float]]

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
    vocabulary_weights: VocabularyWeights | None = None,
) -> Dataset:
    """Read the sets under a folder.

    Args:
        root: the folder that `earmark distill label` wrote.
        protocol: None; the folder brings its own split.
        parts, hours, known_share, vocabulary_weights: see the module docstring.

    Raises:
        ConfigError: an option out of range.
        DataError: a set is missing.
    """
    if not 0 <= known_share <= 1:
        raise ConfigError(f"known_share {known_share}: must be 0 to 1")
    if parts < 1:
        raise ConfigError(f"parts {parts}: must be 1 or more")
    sets = LabelledSets.open(root)
    fusion, teachers = training_fusion(sets, vocabulary_weights)
    vocabulary = Vocabulary(tuple(Tag(tag.name, "regression", tag.category) for tag in sets.union.vocabulary))
    clips: list[Clip] = []
    for split, names in (("train", (TRAIN_SET, *sets.extra_sets)), ("validation", (VALIDATION_SET,))):
        n_parts = parts if split == "train" else 1
        for name in names:
            labelled = sets[name].first(hours) if name == TRAIN_SET else sets[name]
            for part in range(n_parts):
                labels = soft_labels(labelled, fusion, teachers, sets.union, part, n_parts)
                share = known_share if split == "train" else 0.0
                add_known_labels(labels, labelled, sets.songs, vocabulary, share)
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
            if peak_of(samples[k, start : start + length]) > SILENT_PEAK:
                clip_id = f"{name}/{shard.name}/{k}" + (f"/{part}" if parts > 1 else "")
                path = shard / "audio.npy"
                stored = StoredAudio(path, k, start, start + length, RATE_HZ)
                yield Clip(clip_id, path, split, labels[row], song=songs[row], stored=stored)
            row += 1


def add_known_labels(
    labels: npt.NDArray[np.float32],
    labelled: LabelledSet,
    songs: Sequence[Song],
    vocabulary: Vocabulary,
    share: float = 0.0,
) -> None:
    """Blend known labels into soft labels (n, n_tags), in place, for examples made of one song only.

    Args:
        labels: from :func:`soft_labels`.
        labelled: the same set.
        songs: with their known labels.
        vocabulary: the tags.
        share: how much known labels count beside soft ones, 0..1, unless the song says so itself. Where there is no soft
            label (NaN), they count alone.
    """
    known = {song.song_id: song for song in songs if song.labels}
    single = [
        (row, known[song])
        for row, recipe in enumerate(labelled.recipes)
        if len(recipe["parts"]) == 1 and (song := recipe["parts"][0]["song"]) in known
    ]
    surest = None
    if any(song.known_share == 1 for _, song in single):
        answered = ~np.isnan(labels).all(axis=0)
        surest = np.full((2, labels.shape[1]), np.nan, np.float32)
        surest[:, answered] = np.nanquantile(labels[:, answered], (_SUREST, 1 - _SUREST), axis=0)
    for row, song in single:
        places = [vocabulary.index(tag) for tag in song.labels]
        own, soft = np.array([*song.labels.values()], np.float32), labels[row, places]
        counts = share if song.known_share is None else song.known_share
        blended = (1 - counts) * soft + counts * own
        if counts == 1 and surest is not None:
            blended = blended.clip(surest[0, places], surest[1, places])
        labels[row, places] = np.where(np.isnan(soft), own.clip(_LEAST_KNOWN, _MOST_KNOWN), blended)


def training_fusion(
    sets: LabelledSets, vocabulary_weights: VocabularyWeights | None = None
) -> tuple[LabelFusion, tuple[str, ...]]:
    """The common scale of the teachers that labelled the training set, and their names.

    Args:
        sets: the folder.
        vocabulary_weights: see the module docstring; None for all teachers alike.

    Raises:
        DataError: no training set.
        ConfigError: weights of vocabularies or tags that there are not, or below 0; a tag for which no teacher counts.
    """
    train = sets[TRAIN_SET]
    weights = teacher_weights(train.vocabularies, sets.union, vocabulary_weights or {})
    return LabelFusion.fit(_logits(train, train.teachers, sets.union), weights), train.teachers


def teacher_weights(
    vocabularies: Sequence[str], union: TagUnion, vocabulary_weights: VocabularyWeights
) -> npt.NDArray[np.float64]:
    """(n_teachers, n_tags) how much each teacher counts, from the weights of their vocabularies.

    Raises:
        ConfigError: with all vocabularies and tags that there are not, and values that are no numbers or below 0.
    """
    out = np.ones((len(vocabularies), len(union.tags)))
    names = union.vocabulary.names
    problems = [
        f"vocabulary_weights: no teacher has the vocabulary {name!r}; they have {', '.join(dict.fromkeys(vocabularies))}"
        for name in vocabulary_weights
        if name not in vocabularies
    ]
    for name, given in vocabulary_weights.items():
        by_tag = given if isinstance(given, Mapping) else {_ALL_OTHERS: given}
        for tag, weight in by_tag.items():
            if tag != _ALL_OTHERS and tag not in names:
                problems.append(f"vocabulary_weights: {name}: no tag {tag!r}")
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < math.inf:
                problems.append(f"vocabulary_weights: {name}: {weight!r} must be a number, 0 or more")
        if not problems:
            row = [float(by_tag.get(tag, by_tag.get(_ALL_OTHERS, 1.0))) for tag in names]
            out[[k for k, vocabulary in enumerate(vocabularies) if vocabulary == name]] = row
    if problems:
        raise ConfigError(problems)
    return out


def soft_labels(
    labelled: LabelledSet,
    fusion: LabelFusion,
    teachers: tuple[str, ...],
    union: TagUnion,
    part: int = 0,
    parts: int = 1,
) -> npt.NDArray[np.float32]:
    """Soft labels (n, n_tags) of a set by some of its teachers, for one of so many equal parts of its examples.

    NaN where none of them answered.
    """
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


def peak_of(samples: npt.NDArray[np.int16]) -> float:
    """The largest of some of an example's samples, 0..1: enough to know silence."""
    return float(np.abs(samples[::_PEAK_STEP].astype(np.float32)).max(initial=0.0)) / 32767
