"""Checks a dataset: clips that are missing, unreadable, too short, silent or duplicated, and properties of the split."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark import audio
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning
from earmark.datasets.base import SPLITS, Clip, Dataset, label_matrix
from earmark.datasets.leaks import Leak, find_leaks, leak_warnings

SAMPLE_RATE_HZ = 16_000
"""Rate at which files are decoded: length, silence and sameness do not depend on it."""


@dataclass(frozen=True)
class CheckReport:
    """What :func:`check_dataset` found. Clips are named by their ids, in the order of the dataset.

    Attributes:
        dataset, protocol: what was checked.
        decoded: whether the audio was decoded; if not, only what needs no decoding is known.
        min_seconds: clips below it are too short; None: not checked.
        missing: clip -> the path at which there is no file.
        unreadable: clip -> why it cannot be decoded.
        too_short: clip -> its length in seconds.
        silent: clips without a sample above -80 dBFS, mixed to mono as in tagging.
        duplicated: groups of clips with the same audio: the same bytes, or, where decoded, the same samples.
        untagged: clips to which no tag applies (no label above 0).
        clips: split -> clips in it.
        positives: tag -> split -> clips with a label above 0.
        no_positives: split -> tags that none of its clips has: they cannot be learned or evaluated there.
        leaks: songs and artists in more than one split.
        exclusions: clip -> why it is never used; these are not among the clips.
        duration_seconds: of all clips that were decoded; None where none was.
        notes: what the dataset itself says about the files it found.
        warnings: what makes scores look better than they are.
    """

    dataset: str
    protocol: str
    decoded: bool
    min_seconds: float | None
    missing: Mapping[str, str]
    unreadable: Mapping[str, str]
    too_short: Mapping[str, float]
    silent: tuple[str, ...]
    duplicated: tuple[tuple[str, ...], ...]
    untagged: tuple[str, ...]
    clips: Mapping[str, int]
    positives: Mapping[str, Mapping[str, int]]
    no_positives: Mapping[str, tuple[str, ...]]
    leaks: tuple[Leak, ...]
    exclusions: Mapping[str, str]
    duration_seconds: float | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """No clip is missing, unreadable, too short, silent or duplicated. The split is not judged."""
        return not (self.missing or self.unreadable or self.too_short or self.silent or self.duplicated)

    def to_dict(self) -> dict[str, Any]:
        """All fields, and ``ok``, as JSON values."""
        return {"ok": self.ok, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class _Found:
    """What is known of one file after it was looked at; None: not looked for, or not to be had."""

    reason: str | None = None
    bytes_sha256: str | None = None
    samples_sha256: str | None = None
    seconds: float | None = None
    silent: bool = False


def check_dataset(
    dataset: Dataset,
    *,
    decode: bool = True,
    min_seconds: float | None = None,
    jobs: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check every clip of a dataset. A bad file is reported and does not stop the check.

    Args:
        dataset: as loaded.
        decode: decode every file. Without it, only missing and empty files and equal bytes are found; quick.
        min_seconds: length in seconds that every clip must have; only with ``decode``.
        jobs: files at the same time; None for one per core.
        on_done: called with the number of clips done and of all clips.
    """
    sizes = [_size(clip.path) for clip in dataset.clips]
    same_size = {size for size, n in Counter(sizes).items() if n > 1}

    def look(place: int) -> _Found:
        size = sizes[place]
        return _look(dataset.clips[place].path, decode, hashed=size in same_size) if size is not None else _Found()

    found = []
    with ThreadPoolExecutor(jobs or available_cores(), thread_name_prefix="earmark-check") as pool:
        for done, one in enumerate(pool.map(look, range(len(sizes))), start=1):
            found.append(one)
            if on_done is not None:
                on_done(done, len(sizes))
    ids = [clip.clip_id for clip in dataset.clips]
    seconds = [one.seconds for one in found if one.seconds is not None]
    clips_found = list(zip(ids, found, strict=True))
    return CheckReport(
        dataset=dataset.name,
        protocol=dataset.protocol,
        decoded=decode,
        min_seconds=min_seconds,
        missing={c.clip_id: str(c.path) for c, size in zip(dataset.clips, sizes, strict=True) if size is None},
        unreadable={name: one.reason for name, one in clips_found if one.reason is not None},
        too_short={
            name: round(one.seconds, 3)
            for name, one in clips_found
            if min_seconds is not None and one.seconds is not None and one.seconds < min_seconds
        },
        silent=tuple(name for name, one in clips_found if one.silent),
        duplicated=_groups(ids, found),
        untagged=tuple(clip.clip_id for clip in dataset.clips if not (clip.labels > 0).any()),
        clips=dataset.counts,
        positives=(positives := _positives(dataset)),
        no_positives={
            split: names
            for split in dataset.counts
            if (names := tuple(tag for tag, counts in positives.items() if not counts[split]))
        },
        leaks=find_leaks(dataset),
        exclusions=dict(dataset.info.exclusions),
        duration_seconds=round(sum(seconds), 3) if seconds else None,
        notes=dataset.notes,
        warnings=leak_warnings(dataset),
    )


def _size(path: Path) -> int | None:
    """Bytes of a file; None if there is none, -1 if the size is unknown."""
    try:
        return path.stat().st_size if path.exists() else None
    except OSError:
        return -1


def _look(path: Path, decode: bool, *, hashed: bool) -> _Found:
    """One file that is there."""
    try:
        if not path.is_file():
            return _Found(reason="is a folder or a device, not a file")
        if path.stat().st_size == 0:
            return _Found(reason="the file is empty (0 bytes)")
        digest = None
        if hashed:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return _Found(reason=f"cannot be read ({error.strerror})")
    if not decode:
        return _Found(bytes_sha256=digest)
    stream = audio.stream(path, SAMPLE_RATE_HZ, Conditioning())
    samples = hashlib.sha256()
    try:
        for block in stream:
            samples.update(np.rint(block * 32767).astype("<i4").tobytes())
    except AudioError as error:
        return _Found(reason=error.reason, bytes_sha256=digest)
    except Exception as error:  # noqa: BLE001  one file that breaks a decoder must not end the check of 25,000
        return _Found(reason=f"{type(error).__name__}: {error}", bytes_sha256=digest)
    silent = stream.peak < audio.SILENCE_PEAK
    # All silence of one length is equal; it is reported as silence only.
    same = None if silent else samples.hexdigest()
    return _Found(None, None if silent else digest, same, stream.duration_seconds, silent)


def _groups(ids: Sequence[str], found: Iterable[_Found]) -> tuple[tuple[str, ...], ...]:
    """Clips that share bytes or samples, in the order of the first of each group."""
    together: dict[str, list[int]] = {}
    places: list[int] = []
    parent = list(range(len(ids)))

    def root(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    for place, one in enumerate(found):
        for digest in (one.bytes_sha256, one.samples_sha256):
            if digest is not None:
                together.setdefault(digest, []).append(place)
    for places in together.values():
        for place in places[1:]:
            low, high = sorted((root(places[0]), root(place)))
            parent[high] = low
    groups: dict[int, list[str]] = {}
    for place, name in enumerate(ids):
        groups.setdefault(root(place), []).append(name)
    return tuple(tuple(group) for _, group in sorted(groups.items()) if len(group) > 1)


def _positives(dataset: Dataset) -> dict[str, dict[str, int]]:
    """tag -> split -> clips with a label above 0."""
    by_split: dict[str, list[Clip]] = {split: [] for split in SPLITS}
    for clip in dataset.clips:
        by_split[clip.split].append(clip)
    counts = {split: (label_matrix(clips) > 0).sum(axis=0) for split, clips in by_split.items() if clips}
    return {
        tag: {split: int(numbers[i]) for split, numbers in counts.items()}
        for i, tag in enumerate(dataset.vocabulary.names)
    }
