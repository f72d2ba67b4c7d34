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

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.json_records import parse_json
from earmark.datasets.labelled_set.shards import (
    EXAMPLE_SAMPLES,
    FORMAT,
    RATE_HZ,
    SET_FILE,
    SHARD_EXAMPLES,
    SONGS_FILE,
    TAGS_FILE,
    TRAIN_SET,
    n_train_shards,
)
from earmark.datasets.labelled_set.songs import Song, extra_sets, read_songs, songs_csv
from earmark.datasets.labelled_set.tag_union import TagUnion, read_tag_union, tag_names
from earmark.distillation.plan import LabellingPlan
from earmark.distillation.teachers import Teacher, check_names, load_teacher, prepare_teacher, vocabularies_of
from earmark.distillation.windows import Examples, Recipe, make_example, plain_recipes, to_float
from earmark.training.audio_store import AudioStore, PackedAudio

CANCELLED_SHARE = "cancelled_share"
_LEFTOVER_SECONDS = 3600.0
_GOLDEN_RATIO = (5**0.5 - 1) / 2


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


@dataclass(frozen=True, eq=False)
class LabellingInputs:
    """What labelling needs.

    Attributes:
        songs: the music.
        waveforms: song -> its audio at 16 kHz.
        teachers: the networks.
        train_teachers: names of those that label the train set.
        union: the student's tags; None where they are not written.
        train_shares: name of a teacher -> the share of the train set that it labels; 1 for those that are not there.
        cancelled_share: how songs were mixed to mono, see :func:`conditioning_of`.
    """

    songs: tuple[Song, ...]
    waveforms: dict[str, PackedAudio]
    teachers: tuple[Teacher, ...]
    train_teachers: tuple[str, ...]
    union: TagUnion | None = None
    train_shares: Mapping[str, float] = field(default_factory=dict)
    cancelled_share: float | None = None

    def teachers_of(self, set_name: str) -> tuple[Teacher, ...]:
        """Those that label a set."""
        if set_name != TRAIN_SET:
            return self.teachers
        return tuple(teacher for teacher in self.teachers if teacher.name in self.train_teachers)

    def labels(self, teacher: Teacher, shard: Shard) -> bool:
        """Does a teacher of the set label this shard?"""
        share = self.train_shares.get(teacher.name, 1.0) if shard.set_name == TRAIN_SET else 1.0
        return share >= 1 or is_in_share(teacher.name, shard.number, share)

    @property
    def seconds(self) -> dict[str, float]:
        """Real length of every song, by id."""
        return {song_id: len(waveform) / RATE_HZ for song_id, waveform in self.waveforms.items()}


def is_in_share(name: str, number: int, share: float) -> bool:
    """Does a number belong to the share of this name? Evenly spread, so that every run of numbers has about its share.

    A golden-ratio sequence: unlike every n-th number it never falls on the shards of one process alone.

    Example:
        >>> [number for number in range(12) if is_in_share("essentia-happy", number, 0.25)]
        [0, 2, 5, 10]
    """
    begin = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    return (begin + number * _GOLDEN_RATIO) % 1 < share


@dataclass(frozen=True)
class ShardDone:
    """A finished shard, the seconds it took, and whether it existed before."""

    shard: Shard
    seconds: float
    before: bool


def load_inputs(
    plan: LabellingPlan,
    songs: Path,
    out: Path,
    weights: Path | None = None,
    on_song: Callable[[int, int], None] | None = None,
    *,
    continued: bool = False,
) -> LabellingInputs:
    """Load the teachers, read and decode the songs; converted networks and decoded songs are kept in ``out``.

    Args:
        plan: teachers and tags.
        songs: the table of music, see :mod:`earmark.datasets.labelled_set.songs`.
        out: folder of the sets.
        weights: folder with published weights; None for those that `earmark models pull` has downloaded.
        on_song: called with how many songs are decoded and how many there are.
        continued: other labels come first, so tags of the table may be in none of these teachers' vocabularies.

    Raises:
        DataError: tables or audio with problems.
        ModelError: a teacher is missing.
        ConfigError: tables of tags with problems, or known labels of tags that the student does not have.
    """
    music = read_songs(songs)
    names = {}
    for given in plan.teachers:
        path = Path(given) if given.endswith(".onnx") else prepare_teacher(given, out / "teachers", weights)
        names[given] = load_teacher(path, EXAMPLE_SAMPLES)
    teachers = tuple(names.values())
    check_names(teachers)
    known = tuple(dict.fromkeys(tag for song in music for tag in song.labels))
    elsewhere = tag_names(plan.tags) if continued else ()
    union = read_tag_union(plan.tags, plan.left_out, vocabularies_of(teachers), (*known, *elsewhere))
    if unknown := [tag for tag in known if tag not in union.vocabulary.names]:
        raise ConfigError(
            f"{songs}: columns {', '.join(unknown)}: not tags of {plan.tags}; a column that is no tag is named #NAME"
        )
    share = _share_begun_with(out)
    store = AudioStore(RATE_HZ, out / "songs", conditioning_of(share))
    packed = store.load([song.path for song in music], jobs=1, on_done=on_song)
    waveforms = {song.song_id: waveform for song, waveform in zip(music, packed, strict=True)}
    return LabellingInputs(
        music,
        waveforms,
        teachers,
        tuple(names[given].name for given in plan.train_teachers),
        union,
        {names[given].name: part for given, part in plan.train_shares.items()},
        share,
    )


def conditioning_of(cancelled_share: float | None) -> Conditioning | None:
    """How songs are mixed to mono, by the cancelled_share of set.json; None, as in older sets, for the mean of their channels."""
    return None if cancelled_share is None else Conditioning(cancelled_share=cancelled_share)


def _share_begun_with(out: Path) -> float | None:
    """That of the sets in a folder, or of a new one. Raises DataError for a damaged set.json."""
    for path in sorted(out.glob(f"*/{SET_FILE}")):
        try:
            share: float | None = parse_json(path.read_text(encoding="utf-8")).get(CANCELLED_SHARE)
            conditioning_of(share)
        except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from error
        return share
    return Conditioning().cancelled_share


def write_tables(inputs: LabellingInputs, out: Path) -> None:
    """Write tags and music beside the sets, so that the folder can be read on its own.

    Raises:
        DataError: sets there were unpacked. Their tables have the tags that were packed alone, and would be lost.
    """
    for path in sorted(out.glob(f"*/{SET_FILE}")):
        if any("mean_of" in teacher for teacher in parse_json(path.read_text(encoding="utf-8"))["teachers"]):
            raise DataError(f"{path}: was made by `earmark distill unpack`; label into another folder")
    out.mkdir(parents=True, exist_ok=True)
    if inputs.union is not None:
        write_atomic(out / TAGS_FILE, inputs.union.to_json().encode())
    write_atomic(out / SONGS_FILE, songs_csv(inputs.songs).encode())


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
            if inputs.labels(teacher, shard)
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
