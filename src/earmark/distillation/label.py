"""Labelling: examples and the teachers' probabilities for them, in shards that are either whole or absent.

    OUT/songs/                   decoded songs
    OUT/teachers/                ONNX files of published networks
    OUT/tags.json, songs.csv     tags and music
    OUT/SET/...                  see :mod:`earmark.datasets.labelled_set.shards`

Sets: train (augmented, as many hours as wanted, labelled by the teachers chosen for it), and, unchanged and labelled by
all teachers: heldout, validation and test, and the further sets of training songs that the table of music names. Shards are
written to a temporary folder and renamed, so an interrupted labelling loses only the current shard; several processes
share the work by parts. A slow teacher may label a share of the training shards only. Teachers that are added at the end of
a plan label the training shards that do not exist yet.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.core.json_records import parse_json
from earmark.datasets.labelled_set.shards import (
    EXAMPLE_SAMPLES,
    FORMAT,
    RATE_HZ,
    SET_FILE,
    SHARD_EXAMPLES,
    TRAIN_SET,
    n_train_shards,
)
from earmark.datasets.labelled_set.songs import Song, extra_sets
from earmark.distillation.labelling_inputs import CANCELLED_SHARE, LabellingInputs
from earmark.distillation.teachers import Teacher
from earmark.distillation.windows import Examples, Recipe, make_example, plain_recipes, to_float

_LEFTOVER_SECONDS = 3600.0


def unchanged_sets(songs: Sequence[Song]) -> tuple[str, ...]:
    """Names of the sets that are labelled unchanged, in the order in which they are made."""
    return ("heldout", "validation", *extra_sets(songs), "test")


@dataclass(frozen=True)
class Shard:
    """A range of a set's examples.

    Attributes:
        set_name: train or one of :func:`unchanged_sets`.
        number: of the shard in its set.
        recipes: what its examples are made of.
    """

    set_name: str
    number: int
    recipes: tuple[Recipe, ...]

    def folder(self, out: Path) -> Path:
        """Its folder once it is complete."""
        return out / self.set_name / f"{self.number:05d}"


@dataclass(frozen=True)
class ShardDone:
    """A finished shard, the seconds it took, and whether it existed before."""

    shard: Shard
    seconds: float
    before: bool


def plan_shards(
    inputs: LabellingInputs, hours: float, seed: int, examples_per_song: int | None = None, *, after_hours: float = 0
) -> list[Shard]:
    """All shards, in the order in which they are made: the small unchanged sets first.

    Args:
        inputs: songs and their lengths.
        hours: of augmented training audio, rounded up to whole shards.
        seed: of the training examples.
        examples_per_song: most of a song in the unchanged sets; None for as many as cover it.
        after_hours: so much of the training audio, rounded up to whole shards, was labelled elsewhere.

    Raises:
        ConfigError: after_hours above hours, or a negative number.
    """
    if after_hours > hours:
        raise ConfigError(f"after_hours {after_hours:g}: must be at most hours ({hours:g})")
    shards = []
    for name in unchanged_sets(inputs.songs):
        recipes = plain_recipes([song for song in inputs.songs if _used(song, name)], inputs.seconds, examples_per_song)
        starts = range(0, len(recipes), SHARD_EXAMPLES)
        shards += [Shard(name, i, tuple(recipes[start : start + SHARD_EXAMPLES])) for i, start in enumerate(starts)]
    examples = Examples(inputs.songs, inputs.seconds, seed)
    for number in range(n_train_shards(after_hours), n_train_shards(hours)):
        first = number * SHARD_EXAMPLES
        recipes = [examples.recipe(k) for k in range(first, first + SHARD_EXAMPLES)]
        shards.append(Shard(TRAIN_SET, number, tuple(recipes)))
    return shards


def label(
    shards: Sequence[Shard], inputs: LabellingInputs, out: Path, seed: int, part: tuple[int, int] = (1, 1)
) -> Iterator[ShardDone]:
    """Make and label the shards that do not exist yet.

    Args:
        shards: from :func:`plan_shards`.
        inputs: songs and teachers.
        out: folder of the sets.
        seed: of the shards; a set begun with another seed, or with other teachers or songs, is refused.
        part: (i, n): only every n-th shard, from the i-th on; i = 1 .. n.

    Yields:
        Every shard of this part, once it is complete.

    Raises:
        ConfigError: a part out of range.
        DataError: a set that was begun with other inputs.
    """
    index, count = part
    if not 1 <= index <= count:
        raise ConfigError(f"part {index}/{count}: must be 1/{count} to {count}/{count}")
    for name in dict.fromkeys(shard.set_name for shard in shards):
        _begin(name, inputs, out, seed)
    for shard in shards[index - 1 :: count]:
        if shard.folder(out).is_dir():
            yield ShardDone(shard, 0.0, before=True)
            continue
        started = time.monotonic()
        _label_shard(shard, inputs, out)
        yield ShardDone(shard, time.monotonic() - started, before=False)


def _begin(set_name: str, inputs: LabellingInputs, out: Path, seed: int) -> None:
    """Write set.json before the first example, or compare it with what was written before."""
    teachers = inputs.teachers_of(set_name)
    several = [teacher for teacher in teachers if len(teacher.starts) > 1]
    document = {
        "format": FORMAT,
        "set": set_name,
        "sample_rate_hz": RATE_HZ,
        "example_samples": EXAMPLE_SAMPLES,
        "seed": seed if set_name == TRAIN_SET else None,
        "teachers": [_entry(teacher, inputs, set_name) for teacher in teachers],
        "teachers_by_window": [teacher.name for teacher in several],
        "songs": {song.song_id: len(inputs.waveforms[song.song_id]) for song in inputs.songs if _used(song, set_name)},
    }
    if inputs.cancelled_share is not None:
        document[CANCELLED_SHARE] = inputs.cancelled_share
    path = out / set_name / SET_FILE
    for left_over in path.parent.glob(".*.part"):  # of killed processes; younger ones may still be written
        if left_over.is_dir() and time.time() - left_over.stat().st_mtime > _LEFTOVER_SECONDS:
            shutil.rmtree(left_over, ignore_errors=True)
    if path.is_file():
        found = parse_json(path.read_text(encoding="utf-8"))
        differing = [key for key, value in document.items() if found.get(key) != value]
        if set_name == TRAIN_SET and differing and all(_begins(document, found, key) for key in differing):
            write_atomic(path, (json.dumps(document, indent=1) + "\n").encode())  # teachers were added
            return
        if differing:
            raise DataError(f"{path}: was begun with other {', '.join(differing)}; use another folder or delete it")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(document, indent=1) + "\n").encode())


def _entry(teacher: Teacher, inputs: LabellingInputs, set_name: str) -> dict[str, Any]:
    """Of a teacher in set.json."""
    share = inputs.train_shares.get(teacher.name, 1.0)
    return teacher.to_document() | ({"share": share} if set_name == TRAIN_SET and share < 1 else {})


def _begins(document: dict[str, Any], found: dict[str, Any], key: str) -> bool:
    """Is what was found for this key the beginning of a longer list of teachers?"""
    if key not in ("teachers", "teachers_by_window") or not isinstance(found.get(key), list):
        return False
    before: list[Any] = found[key]
    return bool(document[key][: len(before)] == before)


def _used(song: Song, set_name: str) -> bool:
    return set_name in (song.split, song.unchanged_set)


def _label_shard(shard: Shard, inputs: LabellingInputs, out: Path) -> None:
    audio = np.stack([make_example(recipe, inputs.waveforms) for recipe in shard.recipes])
    means, windows = [], []
    teachers = inputs.teachers_of(shard.set_name)
    for samples in audio:
        outputs = [
            teacher.predict(to_float(samples))
            if inputs.labels(teacher, shard.set_name, shard.number)
            else np.full((len(teacher.starts), len(teacher.tags)), np.nan, np.float32)
            for teacher in teachers
        ]
        n_tags = max(output.shape[1] for output in outputs)
        outputs = [np.pad(output, ((0, 0), (0, n_tags - output.shape[1]))) for output in outputs]
        means.append(np.stack([output.mean(axis=0, dtype=np.float64) for output in outputs]))
        several = [output for output in outputs if len(output) > 1]
        n_windows = max((len(output) for output in several), default=0)
        several = [np.pad(output, ((0, n_windows - len(output)), (0, 0))) for output in several]
        windows.append(np.stack(several) if several else np.empty((0, 0, n_tags), np.float32))
    write_shard(
        shard.folder(out),
        {
            "audio": audio,
            "means": np.stack(means).astype(np.float16),
            "windows": np.stack(windows).astype(np.float16),
        },
        shard.recipes,
    )


def write_shard(folder: Path, arrays: dict[str, Any], recipes: Sequence[Recipe]) -> None:
    """Write a shard: to a temporary folder that is renamed. Two processes that make the same shard make identical ones."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name, array in arrays.items():
            with (part / f"{name}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
        lines = "".join(json.dumps(recipe) + "\n" for recipe in recipes)
        (part / "recipes.jsonl").write_text(lines, encoding="utf-8")
        if not folder.is_dir():
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
