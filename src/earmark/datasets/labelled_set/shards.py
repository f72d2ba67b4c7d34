"""Files of labelled examples, written by ``earmark distill label``; they can be read while it is still running.

DIR/tags.json       the student's tags and where they come from, see :mod:`.tag_union`
DIR/songs.csv       the music, see :mod:`.songs`
DIR/SET/set.json    seed, teachers with their windows and vocabularies
DIR/SET/00000/      audio.npy    (n, EXAMPLE_SAMPLES) int16, 32767 is full scale
                    means.npy    (n, n_teachers, n_tags) float16: probabilities, means over a teacher's windows
                    windows.npy  (n, n_short, n_windows, n_tags) float16: those of the teachers with several windows
                    recipes.jsonl   what every example is made of

A teacher may have labelled some shards only. In the others its probabilities are NaN; or their arrays have only the first
teachers of set.json, because it was added when they existed already. Both are read as NaN.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS, problem_of
from earmark.core.errors import ConfigError, DataError
from earmark.core.json_records import parse_json
from earmark.datasets.labelled_set.songs import Song, extra_sets, known_tags, read_songs
from earmark.datasets.labelled_set.tag_union import TagUnion

Half = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]

FORMAT = 1
RATE_HZ = 16_000
EXAMPLE_SAMPLES = 465_600
"""29.1 s at 16 kHz."""
EXAMPLE_HOURS = EXAMPLE_SAMPLES / RATE_HZ / 3600
SHARD_EXAMPLES = 64
TRAIN_SET = "train"
SET_FILE, TAGS_FILE, SONGS_FILE = "set.json", "tags.json", "songs.csv"

_SILENT_LEVEL = 1e-3
_AGAIN = "make it with `earmark distill label`"


def n_train_shards(hours: float) -> int:
    """Shards that hold at least so many hours. Raises ConfigError for a negative number."""
    if not hours >= 0:
        raise ConfigError(f"hours {hours}: must be 0 or more")
    return math.ceil(round(hours / EXAMPLE_HOURS, 6) / SHARD_EXAMPLES)


def loudness(samples: npt.NDArray[np.floating[Any]]) -> float:
    """Root mean square, 0 for silence."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """The finished shards of one set, in the order of their numbers.

    Attributes:
        folder: of the set.
        document: content of set.json.
        shards: folders of the shards.
    """

    folder: Path
    document: dict[str, Any]
    shards: tuple[Path, ...]

    @classmethod
    def open(cls, folder: str | Path) -> LabelledSet:
        """A set as it is now. Raises DataError where there is none, or none of this format, or no shard yet."""
        folder = Path(folder)
        path = folder / SET_FILE
        try:
            document = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format", "none") if isinstance(document, dict) else "none"
            raise DataError(f"{path}: format {found} is not the one known here ({FORMAT})")
        shards = tuple(sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name.isdigit()))
        if not shards:
            raise DataError(f"{folder}: has no finished shard yet")
        return cls(folder, document, shards)

    def first(self, hours: float | None) -> LabelledSet:
        """The first shards that together hold at least so many hours; None for all."""
        if hours is None:
            return self
        return dataclasses.replace(self, shards=self.shards[: max(1, n_train_shards(hours))])

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names, in the order of the arrays."""
        return tuple(teacher["name"] for teacher in self.document["teachers"])

    @property
    def networks(self) -> list[dict[str, Any]]:
        """Entries of set.json of the networks that labelled, one by one, also where the set was packed since."""
        return _networks(self.document["teachers"])

    def shares(self) -> dict[str, float]:
        """Network -> of what share of the examples it was to label, 0..1, also where others labelled those that came later."""
        parts = [{"first_example": 0, "teachers": self.document["teachers"]}, *self.document.get("continued", ())]
        n_examples = len(self.recipes)
        ends = [*(part["first_example"] for part in parts[1:]), n_examples]
        found: dict[str, float] = {}
        for part, end in zip(parts, ends, strict=True):
            n_part = max(0, min(end, n_examples) - part["first_example"])
            for one in _networks(part["teachers"]):
                found[one["name"]] = found.get(one["name"], 0.0) + one.get("share", 1.0) * n_part / n_examples
        return found

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """Of every teacher."""
        return tuple(teacher["vocabulary"] for teacher in self.document["teachers"])

    @cached_property
    def recipes(self) -> list[dict[str, Any]]:
        """What every example is made of."""
        lines = ((shard / "recipes.jsonl").read_text(encoding="utf-8").splitlines() for shard in self.shards)
        return [parse_json(line) for shard in lines for line in shard]

    @cached_property
    def audio(self) -> list[npt.NDArray[np.int16]]:
        """(n_in_shard, n_samples) int16 of every shard, mapped from disk; 32767 is full scale."""
        return [_load(shard / "audio.npy", mmap_mode="r") for shard in self.shards]

    @cached_property
    def means(self) -> Half:
        """(n, n_teachers, n_tags) probabilities, each the mean over a teacher's windows; NaN where it did not label."""
        return self._all("means")

    @cached_property
    def windows(self) -> Half:
        """(n, n_short, n_windows, n_tags) probabilities by window, of the teachers with several windows."""
        return self._all("windows")

    def _all(self, name: str) -> Half:
        """The arrays of all shards; those with fewer teachers, windows or tags than others are filled up with NaN."""
        parts: list[Half] = [_load(shard / f"{name}.npy") for shard in self.shards]
        n_teachers = len(self.document["teachers" if name == "means" else "teachers_by_window"])
        shapes = np.array([part.shape[1:] for part in parts])
        shape = (n_teachers, *shapes.max(axis=0)[1:])
        return np.concatenate(
            [
                part
                if part.shape[1:] == shape
                else np.pad(
                    part,
                    ((0, 0), *((0, most - n) for most, n in zip(shape, part.shape[1:], strict=True))),
                    constant_values=np.nan,
                )
                for part in parts
            ]
        )

    def __len__(self) -> int:
        return sum(len(audio) for audio in self.audio)

    @cached_property
    def audible(self) -> npt.NDArray[np.bool_]:
        """(n,) which examples are louder than -60 dBFS. Reads all of the audio: for small sets."""
        levels = [loudness(samples / np.float32(32767)) for audio in self.audio for samples in audio]
        return np.array(levels) > _SILENT_LEVEL

    def songs(self) -> list[str]:
        """The first song of every example."""
        return [recipe["parts"][0]["song"] for recipe in self.recipes]

    def part_means(self, start: int, n_samples: int, window_samples: int = 48_000) -> Floats:
        """Probabilities for a part of every example, (n, n_teachers, n_tags): labels for a student with shorter windows.

        NaN where a teacher did not label the example. Of teachers with several windows, each window counts by how much of it is in the part. Those of the others
        are for the whole example.

        Args:
            start: first sample of the part.
            n_samples: its length.
            window_samples: length of the short windows, about, of published teachers.

        Raises:
            DataError: no window of a teacher reaches into the part.
        """
        out: Floats = self.means.astype(np.float32)
        for row, name in enumerate(self.document["teachers_by_window"]):
            place = self.teachers.index(name)
            teacher = self.document["teachers"][place]
            size = teacher.get("window_samples", window_samples)
            weights = overlaps(teacher["starts"], size, start, n_samples)
            if not weights.any():
                raise DataError(f"part {start}..{start + n_samples}: no window of {name} reaches into it")
            windows = self.windows[:, row, : len(weights)].astype(np.float32)
            if windows.shape[1] < len(weights):  # no shard has labels of this teacher yet
                out[:, place] = np.nan
                continue
            out[:, place] = np.einsum("w,nwt->nt", weights / weights.sum(), windows)
        return out


def _networks(teachers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for teacher in teachers for one in teacher.get("mean_of", [teacher])]


def _load(path: Path, **options: Any) -> npt.NDArray[Any]:
    """An array. Raises DataError."""
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False, **options)
    except ARRAY_FILE_ERRORS as error:
        raise DataError(f"{path}: {problem_of(error, f'delete its folder and {_AGAIN}')}") from error
    return array


def overlaps(starts: Sequence[int], window_samples: int, start: int, n_samples: int) -> Floats:
    """How much of each window is in a part, (n_windows,) in 0..1.

    Example:
        >>> overlaps([0, 10, 20], 10, start=5, n_samples=10).tolist()
        [0.5, 0.5, 0.0]
    """
    first = np.asarray(starts, dtype=np.float64)
    inside = np.minimum(first + window_samples, start + n_samples) - np.maximum(first, start)
    return (inside.clip(0) / window_samples).astype(np.float32)


@dataclass(frozen=True, eq=False)
class LabelledSets:
    """A folder of labelled sets.

    Attributes:
        folder: the argument of ``--out`` of ``earmark distill label``.
        union: the student's tags.
        songs: the music.
    """

    folder: Path
    union: TagUnion
    songs: tuple[Song, ...]

    @classmethod
    def open(cls, folder: str | Path) -> LabelledSets:
        """Read tags and songs; the sets are opened by name. Raises DataError where they cannot be read."""
        folder = Path(folder)
        path = folder / TAGS_FILE
        try:
            union = TagUnion.from_document(parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}; existing shards are kept") from error
        return cls(folder, union, read_songs(folder / SONGS_FILE, check_files=False))

    def __getitem__(self, name: str) -> LabelledSet:
        """A set by its name: train, validation, heldout, test, or one of :attr:`extra_sets`. Raises DataError without it."""
        return LabelledSet.open(self.folder / name)

    @property
    def extra_sets(self) -> tuple[str, ...]:
        """Further sets of unchanged training songs."""
        return extra_sets(self.songs)

    @property
    def known_tags(self) -> tuple[str, ...]:
        """Tags of which some songs are known to have them or not; tags with known degrees are not among them."""
        return known_tags(self.songs)

    @property
    def groups(self) -> dict[str, str]:
        """Song -> artist, album or source."""
        return {song.song_id: song.group for song in self.songs}

    def known_labels(self, songs: Sequence[str]) -> Floats:
        """True values of :attr:`known_tags`, (n_songs, n_known) float32, NaN where not known.

        Raises:
            DataError: songs that are not in the table.
        """
        labels = {song.song_id: song.labels for song in self.songs}
        tags = self.known_tags
        if missing := [song for song in songs if song not in labels]:
            raise DataError(f"{self.folder / SONGS_FILE}: has no {', '.join(missing[:5])}")
        return np.array([[labels[song].get(tag, np.nan) for tag in tags] for song in songs], dtype=np.float32).reshape(
            -1, len(tags)
        )
