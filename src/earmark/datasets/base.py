"""Common parts of all datasets: clips, labels, protocols.

A protocol is a named split. A score is never shown without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.core.vocabulary import Vocabulary

Labels = npt.NDArray[np.float32]

SPLITS = ("train", "validation", "test")
"""The splits a protocol may have, in the order in which they are shown."""

DOWNLOADS = Path(__file__).parent / "data" / "downloads"
"""The tables of the files of earmark's datasets."""

_MOST_PROBLEMS = 50


@dataclass(frozen=True)
class StoredAudio:
    """Where the decoded audio of a clip is, for datasets that keep it: part of a row of an array file.

    Attributes:
        path: a .npy file, (n, n_samples) int16; 32767 is full scale.
        row, start, stop: samples ``array[row, start:stop]``.
        sample_rate_hz: of the samples.
    """

    path: Path
    row: int
    start: int
    stop: int
    sample_rate_hz: int


@dataclass(frozen=True, eq=False)
class Clip:
    """One labelled audio file.

    Attributes:
        clip_id: unique within the dataset, the same on every machine.
        path: the audio file.
        split: one of :data:`SPLITS`.
        labels: (n_tags,) float32 in the order of the dataset's vocabulary: 0 or 1 for classification tags, 0..1 for
            regression tags, NaN where the clip is not labelled for a tag.
        artist, song: if the dataset has them; clips of one song share ``song``.
        stored: its decoded audio, if ``path`` is not an audio file.
        seconds: only so much of the beginning of the file is the clip; None for all of it.
    """

    clip_id: str
    path: Path
    split: str
    labels: Labels
    artist: str | None = None
    song: str | None = None
    stored: StoredAudio | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Protocol:
    """A named split of a dataset, and what readers of its scores must know."""

    name: str
    description: str


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before its files are read.

    Attributes:
        name: as registered.
        title: its full name.
        description: what is in it and which folder layouts are read.
        citation: the paper to cite; empty for one's own data.
        licence: of audio and labels.
        url: where it comes from.
        protocols: its named splits; empty if the data brings its own.
        downloads: a table of its files (:mod:`earmark.datasets.downloads`); None if none are published.
        exclusions: clip -> why it is never used.
        tags: their names, if they are fixed.
        tags_from: where they come from otherwise.
    """

    name: str
    title: str
    description: str
    citation: str
    licence: str
    url: str
    protocols: tuple[Protocol, ...]
    downloads: Path | None = None
    exclusions: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tags_from: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled clips under one protocol.

    Attributes:
        name: e.g. "emotify".
        protocol: name of the split.
        vocabulary: tags in the order of the labels.
        clips: all clips of all splits.
        info: citation, licence and so on.
        notes: what a reader of scores must know about the files that were found, a sentence each: clips that the
            published split has and these files do not, for instance.
        exclusive: classification tags that exclude each other: a clip has exactly one, or is not labelled for any of them.

    Raises:
        DataError: no clips, a clip id twice, an unknown split, or labels that are not as :class:`Clip` says or break
            ``exclusive``; all problems at once.
        ConfigError: a tag in ``exclusive`` that is not in the vocabulary.
    """

    name: str
    protocol: str
    vocabulary: Vocabulary
    clips: tuple[Clip, ...] = field(repr=False)
    info: DatasetInfo = field(repr=False)
    notes: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [] if self.clips else ["it has no clips"]
        twice = [clip_id for clip_id, n in Counter(clip.clip_id for clip in self.clips).items() if n > 1]
        problems += [f"clip {clip_id!r}: the id is there more than once" for clip_id in twice]
        binary = np.array(self.vocabulary.indices("classification"), dtype=np.int64)
        classes = np.array([self.vocabulary.index(name) for name in self.exclusive], dtype=np.int64)
        for clip in self.clips:
            if clip.split not in SPLITS:
                problems.append(f"clip {clip.clip_id!r}: split {clip.split!r} must be one of {', '.join(SPLITS)}")
            if clip.labels.shape != (len(self.vocabulary),) or clip.labels.dtype != np.float32:
                problems.append(
                    f"clip {clip.clip_id!r}: labels must be float32 ({len(self.vocabulary)},), "
                    f"are {clip.labels.dtype} {clip.labels.shape}"
                )
                continue
            known = clip.labels[~np.isnan(clip.labels)]
            if ((known < 0) | (known > 1)).any():
                problems.append(f"clip {clip.clip_id!r}: labels must be in 0..1")
            elif not np.isin(clip.labels[binary], (0, 1)).all(where=~np.isnan(clip.labels[binary])):
                problems.append(f"clip {clip.clip_id!r}: labels of classification tags must be 0 or 1")
            of_clip = clip.labels[classes]
            if len(classes) and not (np.isnan(of_clip).all() or of_clip.sum() == 1):
                problems.append(f"clip {clip.clip_id!r}: must have exactly one of {', '.join(self.exclusive)}")
        raise_problems(f"dataset {self.name}", problems)

    def split(self, name: str) -> tuple[Clip, ...]:
        """Clips of one split, in order. Raises DataError if there are none."""
        clips = tuple(clip for clip in self.clips if clip.split == name)
        if not clips:
            counts = ", ".join(f"{split} ({n})" for split, n in self.counts.items())
            raise DataError(f"{self.name} ({self.protocol}) has no clips in split {name!r}; it has {counts}")
        return clips

    @property
    def counts(self) -> dict[str, int]:
        """Clips of each split that is not empty."""
        counts = Counter(clip.split for clip in self.clips)
        return {split: counts[split] for split in SPLITS if counts[split]}

    def require_files(self, *splits: str) -> None:
        """Raises DataError, naming them, if audio files of these splits (or of all) are missing."""
        wanted = [clip for clip in self.clips if not splits or clip.split in splits]
        missing = [f"clip {clip.clip_id!r}: no file {clip.path}" for clip in wanted if not clip.path.is_file()]
        raise_problems(f"dataset {self.name}: {len(missing)} of {len(wanted)} audio files are missing", missing)

    def shared_between_splits(self, by: Literal["artist", "song"] = "artist") -> tuple[str, ...]:
        """Artists (or songs) with clips in more than one split, sorted: they make test scores too high.

        Songs of the same title by two artists are two songs.
        """
        seen: dict[tuple[str | None, str], set[str]] = {}
        for clip in self.clips:
            if (owner := owner_of(clip, by)) is not None:
                seen.setdefault(owner, set()).add(clip.split)
        return tuple(sorted(name for (_, name), splits in seen.items() if len(splits) > 1))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of vocabulary, clip ids, splits and labels (to 4 places): equal for equal data."""
        digest = hashlib.sha256(self.vocabulary.fingerprint.encode())
        for clip in sorted(self.clips, key=lambda clip: clip.clip_id):
            labels = ",".join("" if np.isnan(x) else f"{x:.4f}" for x in clip.labels)
            digest.update(f"\n{clip.clip_id}\t{clip.split}\t{labels}".encode())
        return digest.hexdigest()

    def replace(self, **changes: object) -> Dataset:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def owner_of(clip: Clip, by: Literal["artist", "song"]) -> tuple[str | None, str] | None:
    """Identifies a clip's artist, or its song (with its artist); None if not known."""
    if by == "artist":
        return None if clip.artist is None else (None, clip.artist)
    return None if clip.song is None else (clip.artist, clip.song)


def one_hot(place: int, n_tags: int) -> Labels:
    """Labels (n_tags,) of a clip that has one tag alone.

    >>> one_hot(1, 3)
    array([0., 1., 0.], dtype=float32)
    """
    labels = np.zeros(n_tags, np.float32)
    labels[place] = 1
    return labels


def label_matrix(clips: Iterable[Clip]) -> Labels:
    """Labels of clips as one array (n_clips, n_tags) float32."""
    return np.stack([clip.labels for clip in clips])


def raise_problems(what: str, problems: list[str]) -> None:
    """Raise one DataError with all problems, one per line, at most 50 in full; nothing if there are none."""
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        lines = [*problems[:_MOST_PROBLEMS], *([f"and {more} more problems"] if more > 0 else [])]
        raise DataError("\n  ".join([f"{what}:", *lines]))
