"""Labelled sets without their audio, small enough to be kept in a repository; the audio is made again from the recipes.

The teachers of one vocabulary become one: their mean on a common scale (:mod:`earmark.datasets.labelled_set.label_fusion`),
for each third of an example. So the networks that labelled are not needed again, and what each vocabulary counts for can
still be chosen.

    DIR/SET.npz     labels      (n, n_vocabularies, 3, n_tags) float16 probabilities, NaN where no teacher answered
                    checksums   (n,) CRC-32 of the 16-bit samples of every example
                    recipes     what every example is made of, as JSON Lines
                    document    set.json with a teacher for each vocabulary, and the tags of the vocabularies
"""

from __future__ import annotations

import dataclasses
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS, problem_of
from earmark.core.atomic_files import write_atomic
from earmark.core.calibration import logit, sigmoid
from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.datasets.labelled_set.label_fusion import LEAST, MOST, LabelFusion
from earmark.datasets.labelled_set.shards import (
    EXAMPLE_SAMPLES,
    RATE_HZ,
    SET_FILE,
    SHARD_EXAMPLES,
    SONGS_FILE,
    TAGS_FILE,
    TRAIN_SET,
    LabelledSet,
    LabelledSets,
)
from earmark.datasets.labelled_set.songs import read_songs, songs_csv
from earmark.datasets.labelled_set.tag_union import TagUnion, read_tag_union
from earmark.distillation.label import Shard, write_shard
from earmark.distillation.labelling_inputs import CANCELLED_SHARE, conditioning_of
from earmark.distillation.plan import LabellingPlan
from earmark.distillation.windows import make_example
from earmark.training.audio_store import AudioStore, Waveform

PARTS = 3
FITTED_ON = ("validation", "heldout")
"""The scale is fitted on these sets, which stay the same when more is labelled."""
_PART_SAMPLES = EXAMPLE_SAMPLES // PARTS


@dataclass(frozen=True, eq=False)
class PackedSet:
    """One packed set; see the module docstring for the arrays.

    Attributes:
        name: of the set.
        labels: probabilities.
        checksums: of the audio.
        recipes: of the examples.
        document: for set.json.
        vocabularies: vocabulary -> its tags, in the order of the labels.
    """

    name: str
    labels: npt.NDArray[np.float16]
    checksums: npt.NDArray[np.uint32]
    recipes: list[dict[str, Any]]
    document: dict[str, Any]
    vocabularies: dict[str, tuple[str, ...]]

    def write(self, path: Path) -> None:
        """Write the file."""
        lines = "".join(json.dumps(recipe) + "\n" for recipe in self.recipes)
        document = json.dumps({"set": self.document, "vocabularies": self.vocabularies})
        file = io.BytesIO()
        np.savez_compressed(
            file,
            labels=self.labels,
            checksums=self.checksums,
            recipes=np.frombuffer(lines.encode(), np.uint8),
            document=np.frombuffer(document.encode(), np.uint8),
        )
        write_atomic(path, file.getbuffer())

    @classmethod
    def read(cls, path: Path) -> PackedSet:
        """Read a file. Raises DataError where it is none."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                document = parse_json(arrays["document"].tobytes())
                recipes = [parse_json(line) for line in arrays["recipes"].tobytes().splitlines()]
                labels, checksums = arrays["labels"], arrays["checksums"]
            names = {name: tuple(tags) for name, tags in document["vocabularies"].items()}
            return cls(path.stem, labels, checksums, recipes, document["set"], names)
        except (*ARRAY_FILE_ERRORS, LookupError, TypeError, AttributeError) as error:
            reason = problem_of(error, "make them with `earmark distill pack`")
            raise DataError(f"{path}: no packed labels: {reason}") from error

    def shards(self) -> list[Shard]:
        """Its examples in shards."""
        starts = range(0, len(self.recipes), SHARD_EXAMPLES)
        return [
            Shard(self.name, k, tuple(self.recipes[start : start + SHARD_EXAMPLES])) for k, start in enumerate(starts)
        ]


def pack(sets: LabelledSets, name: str) -> PackedSet:
    """Pack one set of a folder.

    Args:
        sets: the folder; the sets "validation" and "heldout" must exist.
        name: of the set.

    Raises:
        DataError: a set is missing.
    """
    labelled = sets[name]
    vocabularies = {
        vocabulary: _used_tags(sets.union, vocabulary) for vocabulary in dict.fromkeys(labelled.vocabularies)
    }
    labels = np.zeros((len(labelled), len(vocabularies), PARTS, max(map(len, vocabularies.values()))), np.float16)
    teachers = []
    parts = [labelled.part_means(k * _PART_SAMPLES, _PART_SAMPLES) for k in range(PARTS)]
    for row, (vocabulary, tags) in enumerate(vocabularies.items()):
        all_tags = sets.union.vocabularies[vocabulary]
        columns = [all_tags.index(tag) for tag in tags]
        names = [known for known, of in zip(labelled.teachers, labelled.vocabularies, strict=True) if of == vocabulary]
        fusion = _fit(sets, names, columns)
        places = [labelled.teachers.index(teacher) for teacher in names]
        for k, means in enumerate(parts):
            labels[:, row, k, : len(tags)] = fusion.soft_labels(_logits(means[:, places][..., columns]))
        teachers.append(
            {
                "name": f"all-{vocabulary}",
                "vocabulary": vocabulary,
                "starts": [k * _PART_SAMPLES for k in range(PARTS)],
                "window_samples": _PART_SAMPLES,
                "mean_of": [labelled.document["teachers"][place] for place in places],
            }
        )
    document = {
        **labelled.document,
        "teachers": teachers,
        "teachers_by_window": [teacher["name"] for teacher in teachers],
    }
    checksums = [zlib.crc32(samples.tobytes()) for audio in labelled.audio for samples in audio]
    return PackedSet(name, labels, np.array(checksums, np.uint32), labelled.recipes, document, vocabularies)


def continue_training(before: Mapping[str, PackedSet], after: Mapping[str, PackedSet]) -> PackedSet:
    """One training set of two that were labelled one after the other, perhaps by fewer teachers the second time.

    Both labelled the same unchanged sets, on which the second is brought to the scale of the first: each tag of each
    vocabulary to the same mean and deviation of its logits. Vocabularies that the second lacks have no labels there.

    Args:
        before, after: name -> set: "train" and those of :data:`FITTED_ON`. The second begins where the first ends, as
            ``earmark distill label --after-hours`` makes it.

    Raises:
        DataError: a set is missing, or the two do not fit together.
    """
    for name in (*FITTED_ON, TRAIN_SET):
        for which, sets in (("first", before), ("second", after)):
            if name not in sets:
                raise DataError(f"the {which} labels have no set {name!r}")
    old, new = before[TRAIN_SET], after[TRAIN_SET]
    problems = [f"{name}: other examples" for name in FITTED_ON if before[name].recipes != after[name].recipes] + [
        f"train: another {key}" for key in ("seed", "songs", "sample_rate_hz") if old.document[key] != new.document[key]
    ]
    problems += [
        f"{vocabulary}: other tags"
        for vocabulary, tags in new.vocabularies.items()
        if old.vocabularies.get(vocabulary) != tags
    ]
    there = {json.dumps(recipe, sort_keys=True) for recipe in old.recipes}
    if n_same := sum(json.dumps(recipe, sort_keys=True) in there for recipe in new.recipes):
        problems.append(f"train: {n_same} examples are in both; label with --after-hours")
    if len(old.recipes) % SHARD_EXAMPLES:
        problems.append("train: the first ends with a shard that is not whole")
    if problems:
        raise DataError(f"these labels do not continue those: {'; '.join(problems)}")
    labels = np.full((len(new.labels), *old.labels.shape[1:]), np.nan, np.float16)
    for row, (vocabulary, tags) in enumerate(old.vocabularies.items()):
        if vocabulary in new.vocabularies:
            place, columns = list(new.vocabularies).index(vocabulary), slice(len(tags))
            was, now = (
                _logits(
                    np.concatenate([sets[name].labels[:, k, :, columns] for name in FITTED_ON]).reshape(-1, len(tags))
                )
                for sets, k in ((before, row), (after, place))
            )
            scale = np.nanstd(was, axis=0) / np.nanstd(now, axis=0).clip(1e-3)
            logits = _logits(new.labels[:, place, :, columns])
            logits = (logits - np.nanmean(now, axis=0)) * scale + np.nanmean(was, axis=0)
            labels[:, row, :, columns] = sigmoid(logits).clip(LEAST, MOST)
    continued = {"first_example": len(old.recipes), "teachers": new.document["teachers"]}
    return dataclasses.replace(
        old,
        labels=np.concatenate([old.labels, labels]),
        checksums=np.concatenate([old.checksums, new.checksums]),
        recipes=[*old.recipes, *new.recipes],
        document={**old.document, "continued": [*old.document.get("continued", ()), continued]},
    )


def prepare(packed: Sequence[PackedSet], plan: LabellingPlan, songs: Path, out: Path) -> dict[str, Waveform]:
    """Write the tables of tags and music, and decode the songs. Returns song -> its audio at 16 kHz.

    Args:
        packed: the sets.
        plan: says the student's tags.
        songs: the table of music.
        out: folder of the sets.

    Raises:
        ConfigError: tags that were not packed.
        DataError: tables or audio with problems.
    """
    used = {part["song"] for one in packed for recipe in one.recipes for part in recipe["parts"]}
    music = read_songs(songs)
    known = tuple(dict.fromkeys(tag for song in music for tag in song.labels))
    union = read_tag_union(plan.tags, None, packed[0].vocabularies, known)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / TAGS_FILE, union.to_json().encode())
    write_atomic(out / SONGS_FILE, songs_csv(music).encode())
    wanted = [song for song in music if song.song_id in used]
    conditioning = conditioning_of(packed[0].document.get(CANCELLED_SHARE))
    decoded = AudioStore(RATE_HZ, out / "songs", conditioning).load([song.path for song in wanted], jobs=1)
    return {song.song_id: waveform for song, waveform in zip(wanted, decoded, strict=True)}


def unpack(packed: PackedSet, shard: Shard, waveforms: Mapping[str, Waveform], out: Path) -> int:
    """Write one shard of a packed set, with its audio, into a folder of labelled sets.

    Args:
        packed: the set.
        shard: of :meth:`PackedSet.shards`.
        waveforms: song -> its audio.
        out: the folder; :func:`write_document` has written the set's document.

    Returns:
        How many examples differ from those that were labelled: another version of a codec decodes them otherwise.

    Raises:
        DataError: a song is not there.
    """
    first = shard.number * SHARD_EXAMPLES
    labels = packed.labels[first : first + len(shard.recipes)]
    try:
        audio = np.stack([make_example(recipe, waveforms) for recipe in shard.recipes])
    except KeyError as error:
        raise DataError(f"{packed.name}: the song {error} is not in the table of music") from error
    checksums = np.array([zlib.crc32(samples.tobytes()) for samples in audio], np.uint32)
    means = labels.mean(axis=2, dtype=np.float32).astype(np.float16)
    write_shard(shard.folder(out), {"audio": audio, "means": means, "windows": labels}, shard.recipes)
    return int((checksums != packed.checksums[first : first + len(checksums)]).sum())


def write_document(packed: PackedSet, out: Path) -> None:
    """Write set.json of a packed set.

    Raises:
        DataError: a set of that name was begun with other labels.
    """
    path, text = out / packed.name / SET_FILE, json.dumps(packed.document, indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise DataError(f"{path}: was begun with other labels; use another folder or delete it")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())


def _used_tags(union: TagUnion, vocabulary: str) -> tuple[str, ...]:
    """Tags of a vocabulary that mean a tag of the student, in its order."""
    used = {tag for row in union.tags for tag in row.sources.get(vocabulary, ())}
    return tuple(tag for tag in union.vocabularies[vocabulary] if tag in used)


def _fit(sets: LabelledSets, names: Sequence[str], columns: Sequence[int]) -> LabelFusion:
    fitted = []
    for name in FITTED_ON:
        labelled: LabelledSet = sets[name]
        places = [labelled.teachers.index(teacher) for teacher in names]
        fitted.append(labelled.means[:, places][..., columns])
    return LabelFusion.fit(_logits(np.concatenate(fitted)))


def _logits(probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    return logit(probabilities.astype(np.float64).clip(LEAST, MOST))
