"""Songs and artists in several splits: a network may recognise the singer instead of the music."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earmark.datasets.base import SPLITS, Dataset, owner_of

By = Literal["song", "artist"]


@dataclass(frozen=True)
class Leak:
    """Clips of one song, or of one artist, in more than one split.

    Attributes:
        by: what they share.
        owners: the songs or artists with clips in more than one split, sorted.
        n_clips: clips of these, in all splits.
        known: split -> how many of its clips share a song (an artist) with a training clip; without "train".
    """

    by: By
    owners: tuple[str, ...]
    n_clips: int
    known: dict[str, int]


def find_leaks(dataset: Dataset) -> tuple[Leak, ...]:
    """Leaks by song, then by artist; empty if there are none. Clips of unknown song or artist do not count."""
    leaks = []
    kinds: tuple[By, ...] = ("song", "artist")
    for by in kinds:
        places: dict[tuple[str | None, str], set[str]] = {}
        belongs = [(clip.split, owner) for clip in dataset.clips if (owner := owner_of(clip, by)) is not None]
        for split, owner in belongs:
            places.setdefault(owner, set()).add(split)
        shared = {owner for owner, splits in places.items() if len(splits) > 1}
        if not shared:
            continue
        known = {
            name: sum(split == name and "train" in places[owner] for split, owner in belongs)
            for name in SPLITS[1:]
            if name in dataset.counts
        }
        names = tuple(sorted(name for _, name in shared))
        leaks.append(Leak(by, names, sum(owner in shared for _, owner in belongs), known))
    return tuple(leaks)


def leak_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Why scores under this protocol are too high, one sentence each, with counts; empty if there are no leaks."""
    warnings = []
    for leak in find_leaks(dataset):
        shares = [f"{n} of {dataset.counts[split]} {split} clips" for split, n in leak.known.items() if n]
        of = f"; {' and '.join(shares)} have {_article(leak.by)} of the training clips" if shares else ""
        verb = "has" if len(leak.owners) == 1 else "have"
        plural = leak.by if len(leak.owners) == 1 else f"{leak.by}s"
        warnings.append(
            f"{len(leak.owners)} {plural} {verb} clips in more than one split ({leak.n_clips} clips{of}): "
            "the scores flatter."
        )
    if not dataset.shared_between_splits("artist") and any(clip.artist is None for clip in dataset.clips):
        warnings.append("Artists are not known for all clips, so they may be on both sides: the scores may flatter.")
    return tuple(warnings)


def _article(by: By) -> str:
    return "a song" if by == "song" else "an artist"
