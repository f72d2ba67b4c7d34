"""Labelling: examples and what every teacher says of them, in shards that are whole or not there.

    OUT/songs/          decoded songs
    OUT/teachers/       ONNX files
    OUT/SET/set.json    seed, teachers and their windows, vocabularies
    OUT/SET/00000/      audio.npy    (n, EXAMPLE_SAMPLES) int16
                        means.npy    (n, n_teachers, 50) float16: probabilities, means over a teacher's windows
                        windows.npy  (n, n_short, n_windows, 50) float16: those of the teachers with several windows
                        recipes.jsonl

Sets: train (augmented, as many hours as wanted, labelled by the faster teachers), and, by all teachers, unchanged: heldout, of the corpus; validation, test and emotify, of
Emotify's splits, the last one being its training songs as they are. Shards are written beside and renamed, so that a
labelling that is killed loses the shard at hand alone; several processes share the work by parts.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.distillation.augment import RATE_HZ
from earmark.distillation.corpus import EMOTIFY, Song, read_songs
from earmark.distillation.teachers import FAST_TEACHERS, TEACHERS, VOCABULARY_OF, Teacher, load_teacher, prepare_teacher
from earmark.distillation.windows import EXAMPLE_SAMPLES, Examples, Recipe, make_example, plain_recipes, to_float
from earmark.training.audio_store import AudioStore, PackedAudio

FORMAT = 1
SHARD_EXAMPLES = 64
PLAIN_SETS = ("heldout", "validation", "emotify", "test")
TRAIN_SET = "train"
SET_FILE = "set.json"
_LEFTOVER_SECONDS = 3600.0
EXAMPLE_HOURS = EXAMPLE_SAMPLES / RATE_HZ / 3600


@dataclass(frozen=True)
class Shard:
    """A stretch of a set's examples.

    Attributes:
        set_name: train or one of :data:`PLAIN_SETS`.
        number: of the shard in its set.
        recipes: what its examples are made of.
    """

    set_name: str
    number: int
    recipes: tuple[Recipe, ...]

    def folder(self, out: Path) -> Path:
        """Where it lies once it is whole."""
        return out / self.set_name / f"{self.number:05d}"


@dataclass(frozen=True, eq=False)
class Material:
    """What labelling needs: songs, decoded, and teachers; ``train_teachers`` names those that label the train set."""

    songs: tuple[Song, ...]
    waveforms: dict[str, PackedAudio]
    teachers: tuple[Teacher, ...]
    train_teachers: tuple[str, ...] = FAST_TEACHERS

    def teachers_of(self, set_name: str) -> tuple[Teacher, ...]:
        """Those that label a set."""
        if set_name != TRAIN_SET:
            return self.teachers
        return tuple(teacher for teacher in self.teachers if teacher.name in self.train_teachers)

    @property
    def seconds(self) -> dict[str, float]:
        """Real length of every song, by id."""
        return {song_id: len(waveform) / RATE_HZ for song_id, waveform in self.waveforms.items()}


@dataclass(frozen=True)
class Labelled:
    """One shard is done: which, what it took, and whether it was there before."""

    shard: Shard
    seconds: float
    before: bool


def load_material(
    emotify: Path,
    corpus: Path,
    out: Path,
    weights: Path | None,
    teachers: Sequence[str] = TEACHERS,
    on_song: Callable[[int, int], None] | None = None,
) -> Material:
    """Read and decode the songs, and load the teachers; what is made is kept in ``out``.

    Raises:
        DataError: tables or audio that are not as they must be.
        ModelError: a teacher is not there.
    """
    songs = read_songs(emotify, corpus)
    paths = [prepare_teacher(name, out / "teachers", weights) for name in teachers]
    packed = AudioStore(RATE_HZ, out / "songs").load([song.path for song in songs], jobs=1, on_done=on_song)
    waveforms = {song.song_id: waveform for song, waveform in zip(songs, packed, strict=True)}
    return Material(songs, waveforms, tuple(load_teacher(path, EXAMPLE_SAMPLES) for path in paths))


def plan(material: Material, hours: float, seed: int) -> list[Shard]:
    """All shards, in the order in which they are made: the small unchanged sets first.

    Args:
        material: songs and their lengths.
        hours: of augmented training audio, rounded up to whole shards.
        seed: of the training examples.
    """
    shards = []
    for name in PLAIN_SETS:
        recipes = plain_recipes([song for song in material.songs if _used(song, name)], material.seconds)
        starts = range(0, len(recipes), SHARD_EXAMPLES)
        shards += [Shard(name, i, tuple(recipes[start : start + SHARD_EXAMPLES])) for i, start in enumerate(starts)]
    examples = Examples(material.songs, material.seconds, seed)
    for number in range(n_train_shards(hours)):
        first = number * SHARD_EXAMPLES
        recipes = [examples.recipe(k) for k in range(first, first + SHARD_EXAMPLES)]
        shards.append(Shard(TRAIN_SET, number, tuple(recipes)))
    return shards


def n_train_shards(hours: float) -> int:
    """Shards that hold at least so many hours. Raises ConfigError for a negative number."""
    if not hours >= 0:
        raise ConfigError(f"hours {hours}: must be 0 or more")
    return int(np.ceil(round(hours / EXAMPLE_HOURS, 6) / SHARD_EXAMPLES))


def label(
    shards: Sequence[Shard], material: Material, out: Path, seed: int, part: tuple[int, int] = (1, 1)
) -> Iterator[Labelled]:
    """Make and label the shards that are not there yet.

    Args:
        shards: from :func:`plan`.
        material: songs and teachers.
        out: folder of the sets.
        seed: of the plan; a set that was begun with another one, or with other teachers or songs, is refused.
        part: (i, n): only every n-th shard, from the i-th on; i = 1 .. n.

    Yields:
        Every shard of this part, once it is there.

    Raises:
        ConfigError: a part that is none.
        DataError: a set that was begun otherwise.
    """
    index, count = part
    if not 1 <= index <= count:
        raise ConfigError(f"part {index}/{count}: must be 1/{count} to {count}/{count}")
    for name in dict.fromkeys(shard.set_name for shard in shards):
        _begin(name, material, out, seed)
    for shard in shards[index - 1 :: count]:
        if shard.folder(out).is_dir():
            yield Labelled(shard, 0.0, before=True)
            continue
        started = time.monotonic()
        _label_shard(shard, material, out)
        yield Labelled(shard, time.monotonic() - started, before=False)


def _begin(set_name: str, material: Material, out: Path, seed: int) -> None:
    """Write what is known of the set before its first example, or hold it against what was written before."""
    teachers = material.teachers_of(set_name)
    several = [teacher for teacher in teachers if len(teacher.starts) > 1]
    document = {
        "format": FORMAT,
        "set": set_name,
        "sample_rate_hz": RATE_HZ,
        "example_samples": EXAMPLE_SAMPLES,
        "seed": seed if set_name == TRAIN_SET else None,
        "teachers": [
            {"name": t.name, "vocabulary": VOCABULARY_OF.get(t.name), "starts": list(t.starts), "sha256": t.sha256}
            for t in teachers
        ],
        "teachers_by_window": [teacher.name for teacher in several],
        "songs": {
            song.song_id: len(material.waveforms[song.song_id]) for song in material.songs if _used(song, set_name)
        },
    }
    path = out / set_name / SET_FILE
    for left_over in path.parent.glob(".*.part"):  # of processes that were killed; younger ones may be at work
        if left_over.is_dir() and time.time() - left_over.stat().st_mtime > _LEFTOVER_SECONDS:
            shutil.rmtree(left_over, ignore_errors=True)
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key, value in document.items() if found.get(key) != value]
        if differing:
            raise DataError(f"{path}: was begun with other {', '.join(differing)}; use another folder or delete it")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(document, indent=1) + "\n").encode())


def _used(song: Song, set_name: str) -> bool:
    return song.role == "train" and song.source == EMOTIFY if set_name == "emotify" else song.role == set_name


def _label_shard(shard: Shard, material: Material, out: Path) -> None:
    audio = np.stack([make_example(recipe, material.waveforms) for recipe in shard.recipes])
    means, windows = [], []
    for samples in audio:
        answers = [teacher.listen(to_float(samples)) for teacher in material.teachers_of(shard.set_name)]
        means.append(np.stack([answer.mean(axis=0, dtype=np.float64) for answer in answers]))
        several = [answer for answer in answers if len(answer) > 1]
        windows.append(np.stack(several) if several else np.empty((0, 0, answers[0].shape[1]), np.float32))
    _write_shard(
        shard.folder(out),
        {
            "audio": audio,
            "means": np.stack(means).astype(np.float16),
            "windows": np.stack(windows).astype(np.float16),
        },
        shard.recipes,
    )


def _write_shard(folder: Path, arrays: dict[str, Any], recipes: Sequence[Recipe]) -> None:
    """A folder beside, then renamed. Of two processes that made the same shard one stays, and they are the same."""
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
