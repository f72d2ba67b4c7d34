"""Reading what :mod:`earmark.distillation.label` wrote; also while it is still being written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.distillation.augment import loudness
from earmark.distillation.label import FORMAT, SET_FILE, n_train_shards

Half = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]

_SILENT_LEVEL = 1e-3


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """The shards of a set that are there, one after the other in the order of their numbers.

    Attributes:
        folder: of the set.
        document: what set.json says.
        shards: folders of the shards.

    Sizes: n examples, t teachers, 50 tags each.
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
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); make it with `earmark distill label`") from error
        if document.get("format") != FORMAT:
            raise DataError(f"{path}: format {document.get('format')!r} is not the one known here ({FORMAT})")
        shards = tuple(sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name.isdigit()))
        if not shards:
            raise DataError(f"{folder}: no shard is there yet")
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
    def vocabularies(self) -> tuple[str, ...]:
        """Of every teacher."""
        return tuple(teacher["vocabulary"] for teacher in self.document["teachers"])

    @cached_property
    def recipes(self) -> list[dict[str, Any]]:
        """What every example is made of."""
        lines = ((shard / "recipes.jsonl").read_text(encoding="utf-8").splitlines() for shard in self.shards)
        return [json.loads(line) for shard in lines for line in shard]

    @cached_property
    def audio(self) -> list[npt.NDArray[np.int16]]:
        """(n_in_shard, n_samples) int16 of every shard, mapped from disk; 32767 is full scale."""
        return [np.load(shard / "audio.npy", mmap_mode="r", allow_pickle=False) for shard in self.shards]

    @cached_property
    def means(self) -> Half:
        """(n, t, 50) probabilities, each the mean over a teacher's windows."""
        return self._all("means")

    @cached_property
    def windows(self) -> Half:
        """(n, t_short, n_windows, 50) probabilities by window, of the teachers with several windows."""
        return self._all("windows")

    def _all(self, name: str) -> Half:
        parts: list[Half] = [np.load(shard / f"{name}.npy", allow_pickle=False) for shard in self.shards]
        return np.concatenate(parts)

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
        """Probabilities for a part of every example, (n, t, 50): what a student that hears less is to learn.

        Teachers with several windows answer for the part alone: their windows count by how much of them lies in it.
        The others have heard the whole example.

        Args:
            start: first sample of the part.
            n_samples: its length.
            window_samples: length of the short windows, about.

        Raises:
            DataError: no window of a teacher reaches into the part.
        """
        out: Floats = self.means.astype(np.float32)
        for row, name in enumerate(self.document["teachers_by_window"]):
            place = self.teachers.index(name)
            weights = overlaps(self.document["teachers"][place]["starts"], window_samples, start, n_samples)
            if not weights.any():
                raise DataError(f"part {start}..{start + n_samples}: no window of {name} reaches into it")
            out[:, place] = np.einsum("w,nwt->nt", weights / weights.sum(), self.windows[:, row].astype(np.float32))
        return out


def overlaps(starts: Sequence[int], window_samples: int, start: int, n_samples: int) -> Floats:
    """How much of each window lies in a part, (n_windows,) in 0..1.

    Example:
        >>> overlaps([0, 10, 20], 10, start=5, n_samples=10).tolist()
        [0.5, 0.5, 0.0]
    """
    first = np.asarray(starts, dtype=np.float64)
    inside = np.minimum(first + window_samples, start + n_samples) - np.maximum(first, start)
    return (inside.clip(0) / window_samples).astype(np.float32)
