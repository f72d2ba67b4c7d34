"""The student learns: labelled sets as a dataset, for the trainer that all networks share.

Every tag is a degree here, what the teachers think on average, and the loss is cross-entropy against it. An example is
29.1 s, which the student hears as windows side by side, whose answers are averaged before the loss: the teachers heard
exactly this. Validation is Emotify's validation songs, unchanged, against the same teachers; the held-out part of the
corpus is not looked at before the student is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.base import Clip, Dataset, DatasetInfo
from earmark.datasets.base import Protocol as NamedSplit
from earmark.datasets.emotify import GENRES
from earmark.distillation.label_fusion import Merger, union_logits
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.tags import Union, load_union
from earmark.distillation.windows import EXAMPLE_SAMPLES
from earmark.training.audio_store import PackedAudio

NAME, PROTOCOL = "distilled", "teachers"
SILENT_PEAK = 1e-3
"""-60 dBFS: below it there is nothing to hear."""
_PEAK_STEP = 16

INFO = DatasetInfo(
    NAME,
    "Music labelled by published networks",
    "What `earmark distill label` writes: examples of 29.1 s and what the teachers say of them",
    "",
    "audio: CC BY-NC-SA (Emotify) and that of each source of the corpus; weights of the teachers: ISC and MIT",
    "",
    (NamedSplit(PROTOCOL, "train: augmented; validation: songs of Emotify's validation split, unchanged"),),
)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a student learns from.

    Attributes:
        dataset: splits "train" and "validation", tags of degrees.
        audio: of every clip of the two splits, in their order; mapped from disk.
        merger: what made labels of the teachers' answers.
        teachers: names of those that were merged.
    """

    dataset: Dataset
    audio: tuple[PackedAudio, ...]
    merger: Merger
    teachers: tuple[str, ...]


def open_lessons(
    folder: str | Path,
    plain: tuple[str, ...] = ("emotify",),
    union: Union | None = None,
    genres: Mapping[str, npt.NDArray[np.float32]] | None = None,
    genre_share: float = 0.5,
    parts: int = 1,
    hours: float | None = None,
) -> Lessons:
    """Read the sets under a folder.

    Args:
        folder: where `earmark distill label` wrote.
        plain: further sets to learn from, as they are.
        union: the tags; None for those that come with earmark.
        genres: song -> (4,) its real genres, in the order of :data:`earmark.datasets.emotify.GENRES`. They count with
            what the teachers say of these tags, in training examples that are of this song alone.
        genre_share: how much they count, 0..1.
        parts: into so many parts each training example is cut, each with what the teachers say of it: those with
            short windows of this part alone, those that hear all of an example at once of the whole.
        hours: learn from so much of the training set alone, rounded up to whole shards; None for all of it.

    Raises:
        ConfigError: a share or a number of parts out of range.
        DataError: a set that is not there.
    """
    if not 0 <= genre_share <= 1:
        raise ConfigError(f"genre_share {genre_share}: must be 0 to 1")
    if parts < 1:
        raise ConfigError(f"parts {parts}: must be 1 or more")
    folder = Path(folder)
    union = union or load_union()
    train = LabelledSet.open(folder / "train")
    merger, teachers = lesson_merger(folder, union)
    vocabulary = Vocabulary(tuple(Tag(tag.name, "regression", tag.category) for tag in union.vocabulary))
    clips: list[Clip] = []
    audio: list[PackedAudio] = []
    for split, names in (("train", ("train", *plain)), ("validation", ("validation",))):
        n_parts = parts if split == "train" else 1
        for name in names:
            labelled = train.first(hours) if name == "train" else LabelledSet.open(folder / name)
            songs = labelled.songs()
            for part in range(n_parts):
                labels = labels_of(labelled, merger, teachers, union, part, n_parts)
                if split == "train":
                    _add_genres(labels, labelled, union, genres or {}, genre_share)
                for clip, samples in _cut(labelled, split, name, labels, songs, part, n_parts):
                    clips.append(clip)
                    audio.append(samples)
    return Lessons(Dataset(NAME, PROTOCOL, vocabulary, tuple(clips), INFO), tuple(audio), merger, teachers)


def _cut(
    labelled: LabelledSet,
    split: str,
    name: str,
    labels: npt.NDArray[np.float32],
    songs: list[str],
    part: int,
    parts: int,
) -> Iterator[tuple[Clip, PackedAudio]]:
    """The same part of every example that is audible there."""
    length, row = EXAMPLE_SAMPLES // parts, 0
    inside = slice(part * length, (part + 1) * length)
    for shard, samples in zip(labelled.shards, labelled.audio, strict=True):
        for k in range(len(samples)):
            if _peak(samples[k, inside]) > SILENT_PEAK:
                clip_id = f"{name}/{shard.name}/{k}" + (f"/{part}" if parts > 1 else "")
                clip = Clip(clip_id, shard / "audio.npy", split, labels[row], song=songs[row])
                yield clip, PackedAudio(samples[k, inside], float(np.float32(1 / 32767)))
            row += 1


def training_genres(emotify: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Song -> genres (4,) of Emotify's training songs, and of no others. Raises DataError for tables not as they must be."""
    clips = load_dataset("emotify", emotify, "artist-disjoint").split("train")
    return {clip.clip_id: clip.labels[: len(GENRES)] for clip in clips}


def _add_genres(
    labels: npt.NDArray[np.float32],
    labelled: LabelledSet,
    union: Union,
    genres: Mapping[str, npt.NDArray[np.float32]],
    share: float,
) -> None:
    """Put real genres into soft labels (n, n_tags), in place, where one song is heard whose genres are known."""
    places = [union.vocabulary.index(genre) for genre in GENRES]
    for row, recipe in enumerate(labelled.recipes):
        real = genres.get(recipe["parts"][0]["song"])
        if real is not None and len(recipe["parts"]) == 1:
            labels[row, places] = (1 - share) * labels[row, places] + share * real


def lesson_merger(folder: Path, union: Union) -> tuple[Merger, tuple[str, ...]]:
    """The common scale of the teachers that labelled the training set, and their names. Raises DataError without one."""
    train = LabelledSet.open(folder / "train")
    return Merger.fit(_logits(train, train.teachers, union)), train.teachers


def labels_of(
    labelled: LabelledSet, merger: Merger, teachers: tuple[str, ...], union: Union, part: int = 0, parts: int = 1
) -> npt.NDArray[np.float32]:
    """Soft labels (n, n_tags) of a set by some of its teachers, for one of so many equal parts of its examples."""
    return merger.merge(_logits(labelled, teachers, union, part, parts))


def _logits(
    labelled: LabelledSet, teachers: tuple[str, ...], union: Union, part: int = 0, parts: int = 1
) -> npt.NDArray[np.float64]:
    """Of the teachers named, in their order, for one of so many equal parts of every example."""
    places = [labelled.teachers.index(name) for name in teachers]
    vocabularies = [labelled.vocabularies[place] for place in places]
    length = EXAMPLE_SAMPLES // parts
    means = labelled.means if parts == 1 else labelled.part_means(part * length, length)
    return union_logits(means[:, places].astype(np.float32), vocabularies, union)


def _peak(samples: npt.NDArray[np.int16]) -> float:
    return float(np.abs(samples[::_PEAK_STEP].astype(np.float32)).max(initial=0.0)) / 32767
