"""Statistics of a library: tags, durations, failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.core.musical_key import KEYS
from earmark.core.vocabulary import CATEGORIES
from earmark.library.index.measures import NO_KEY
from earmark.library.index.track_index import Index
from earmark.library.query.search import Tracks
from earmark.library.query.sorting import wheel_place

DURATION_ENDS_SECONDS = (60, 120, 180, 240, 300, 360, 480, 600, 900, 1800)
"""Where the classes of durations end; the last class has no end."""

BPM_ENDS = (70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180)
"""Where the classes of tempi end; the last class has no end."""

_FAILURES_LISTED = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class TagCount:
    """How many tracks have a tag, and the one with its highest score.

    Attributes:
        tag, category: of the vocabulary.
        threshold: lowest score at which it counts: of the model's card, else 0.5.
        n_tracks: tracks to which it applies, by thresholds and the card's rules.
        mean_score: over all tracks, 0..1; None in an empty library.
        typical: path of the track with the highest score among these, with that score; None where there are none.
    """

    tag: str
    category: str
    threshold: float
    n_tracks: int
    mean_score: float | None
    typical: tuple[str, float] | None


@dataclass(frozen=True)
class DegreeSummary:
    """How much of a degree (:meth:`earmark.Vocabulary.degrees`) the tracks have, without the silent ones.

    Attributes:
        tag, category: of the vocabulary.
        mean: 0..1; None where there are no such tracks.
        n_low, n_middle, n_high: tracks below 1/3, from there on, and from 2/3 on.
    """

    tag: str
    category: str
    mean: float | None
    n_low: int
    n_middle: int
    n_high: int


@dataclass(frozen=True)
class DurationClass:
    """Tracks that last from ``from_seconds`` up to, but not including, ``to_seconds`` (None: without end)."""

    from_seconds: float
    to_seconds: float | None
    n_tracks: int


@dataclass(frozen=True)
class TempoClass:
    """Tracks from ``from_bpm`` up to, but not including, ``to_bpm`` (None: without end)."""

    from_bpm: float
    to_bpm: float | None
    n_tracks: int


@dataclass(frozen=True)
class KeyCount:
    """How many tracks are in a key, by its names; the keys go round the wheel of DJ programs."""

    key: str
    camelot: str
    n_tracks: int


@dataclass(frozen=True)
class Stats:
    """Everything that ``earmark library stats`` reports.

    Attributes:
        index: the index file.
        model: name and version of the current model.
        n_files: number of files of each status: ok, error, missing; without videos that have no sound.
        n_without_sound: number of these videos.
        n_tracks: files that can be searched.
        n_waiting: existing files that are not yet tagged by the current model.
        n_copies: tracks with the same audio as an earlier one.
        total_seconds: of all tracks, copies counted.
        tags: every tag, by category, the most frequent first; without degrees.
        degrees: every degree of the model, in the order of its vocabulary.
        durations: see DURATION_ENDS_SECONDS.
        tempos: see BPM_ENDS.
        keys: all 24, 1A, 1B, 2A and so on.
        n_no_beat, n_no_key: tracks in which no beat, or no key, is clear.
        n_unmeasured: tracks of which no scan has estimated tempo or key.
        reasons: why files failed, with their number, the most frequent first.
        failures: (path, reason) of the first failed files, by path.
    """

    index: str
    model: str
    n_files: dict[str, int]
    n_without_sound: int
    n_tracks: int
    n_waiting: int
    n_copies: int
    total_seconds: float
    tags: tuple[TagCount, ...]
    degrees: tuple[DegreeSummary, ...]
    durations: tuple[DurationClass, ...]
    tempos: tuple[TempoClass, ...]
    keys: tuple[KeyCount, ...]
    n_no_beat: int
    n_no_key: int
    n_unmeasured: int
    reasons: tuple[tuple[str, int], ...]
    failures: tuple[tuple[str, str], ...]

    def to_record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def library_stats(index: Index, tracks: Tracks | None = None) -> Stats:
    """Compute the statistics of an index.

    Raises:
        DataError: nothing was scanned yet, or the index cannot be read.
    """
    tracks = tracks if tracks is not None else Tracks.load(index)
    failures, silent = index.failures()
    return Stats(
        index=str(index.path),
        model=f"{tracks.model.name} {tracks.model.version}",
        n_files={**index.counts(), "error": len(failures)},
        n_without_sound=len(silent),
        n_tracks=len(tracks),
        n_waiting=tracks.n_waiting,
        n_copies=len(tracks) - len(set(tracks.keys)),
        total_seconds=float(np.nansum(tracks.durations)),
        tags=_tags(tracks),
        degrees=_degrees(tracks),
        durations=_durations(tracks),
        tempos=_tempos(tracks),
        keys=_keys(tracks),
        n_no_beat=sum(row[0] is None and row[1] is not None for row in tracks.measures.rows),
        n_no_key=sum(row[2] is None and row[3] is not None for row in tracks.measures.rows),
        n_unmeasured=sum(row[1] is None or row[3] is None for row in tracks.measures.rows),
        reasons=tuple(Counter(reason for _, reason in failures).most_common()),
        failures=tuple((str(path), reason) for path, reason in failures[:_FAILURES_LISTED]),
    )


def _tags(tracks: Tracks) -> tuple[TagCount, ...]:
    counts = []
    for i, tag in enumerate(tracks.model.vocabulary):
        if i in tracks.degree_rows:
            continue
        scores, threshold = tracks.scores[i], float(tracks.thresholds[i])
        kept = tracks.kept[i]
        n = int(np.count_nonzero(kept))
        best = int(np.argmax(np.where(kept, scores, -1))) if n else -1
        typical = (str(tracks.path(best)), round(float(scores[best]), 4)) if n else None
        mean = round(float(scores.mean()), 4) if len(scores) else None
        counts.append(TagCount(tag.name, tag.category, threshold, n, mean, typical))
    return tuple(sorted(counts, key=lambda count: (CATEGORIES.index(count.category), -count.n_tracks)))


def _degrees(tracks: Tracks) -> tuple[DegreeSummary, ...]:
    found = []
    audible = tracks.scores.any(axis=0)
    for i in tracks.degree_rows:
        tag, scores = tracks.model.vocabulary.tags[i], tracks.scores[i][audible]
        mean = round(float(scores.mean()), 4) if len(scores) else None
        low, middle, high = np.histogram(scores, [0, 1 / 3, 2 / 3, 1])[0].tolist()
        found.append(DegreeSummary(tag.name, tag.category, mean, low, middle, high))
    return tuple(found)


def _durations(tracks: Tracks) -> tuple[DurationClass, ...]:
    known = tracks.durations[~np.isnan(tracks.durations)]
    edges = [0, *DURATION_ENDS_SECONDS, np.inf]
    counts = np.histogram(known, edges)[0]
    ends = (*DURATION_ENDS_SECONDS, None)
    return tuple(DurationClass(edges[i], ends[i], int(counts[i])) for i in range(len(ends)))


def _tempos(tracks: Tracks) -> tuple[TempoClass, ...]:
    known = tracks.measures.bpm[~np.isnan(tracks.measures.bpm)]
    edges = [0, *BPM_ENDS, np.inf]
    counts = np.histogram(known, edges)[0]
    return tuple(TempoClass(edges[i], end, int(counts[i])) for i, end in enumerate((*BPM_ENDS, None)))


def _keys(tracks: Tracks) -> tuple[KeyCount, ...]:
    places = tracks.measures.key_places
    counts = np.bincount(places[places != NO_KEY], minlength=len(KEYS))
    order = sorted(range(len(KEYS)), key=lambda place: wheel_place(KEYS[place]))
    return tuple(KeyCount(KEYS[place].id3, KEYS[place].camelot, int(counts[place])) for place in order)


def bar(value: float, most: float, columns: int) -> str:
    """A bar of blocks, ``columns`` wide for the highest value, in steps of an eighth; never empty above zero.

    Example:
        >>> bar(3, 4, 2)
        '█▌'
    """
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, round(min(value / most, 1) * columns * 8))
    whole, rest = divmod(eighths, 8)
    return _EIGHTHS[8] * whole + (_EIGHTHS[rest] if rest else "")


def duration_name(found: DurationClass) -> str:
    """A class of durations as text, e.g. ``"3-4 min"``."""
    start = f"{found.from_seconds / 60:g}"
    return f"{start} min and more" if found.to_seconds is None else f"{start}-{found.to_seconds / 60:g} min"


def tempo_name(found: TempoClass) -> str:
    """A class of tempi as text, e.g. ``"120-129 BPM"``; tempi have one decimal, so it ends before 130."""
    if found.to_bpm is None:
        return f"{found.from_bpm:g} BPM and more"
    return f"{found.from_bpm:g}-{found.to_bpm - 1:g} BPM" if found.from_bpm else f"below {found.to_bpm:g} BPM"
