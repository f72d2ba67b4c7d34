"""Groups of duplicates: the same encoded audio, and the same sound in another encoding.

The same audio has the same content key, so the index knows it. For the same sound, pairs of about equal durations and
similar embeddings are candidates, many of them other songs by the same artist; fingerprints decide
(:mod:`earmark.audio.fingerprint`). How well: docs/results/duplicates.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.core.cpu import available_cores
from earmark.core.errors import ConfigError
from earmark.library.duplicates.copies import Copy, read_copies, unchanged_files
from earmark.library.duplicates.fingerprints import Fingerprints, OnNote, OnProgress
from earmark.library.index.track_index import Index
from earmark.library.neighbours import Floats, unit_vectors
from earmark.library.query.search import Tracks, group_places
from earmark.library.similar import track_vectors

Kind = Literal["audio", "sound"]

DURATION_TOLERANCE_SECONDS = 3.0
"""How much longer one encoding of a recording may be than another: padding, silence, a beginning that was cut off."""

LEAST_SIMILARITY = 0.93
"""Cosine of two embeddings from which their tracks are candidates. A higher one misses encodings at low bit rates, a lower one has
more of a library decoded: docs/results/duplicates.md."""

LEAST_AGREEMENT = 0.8
"""Share of windows that agree, from which two tracks are the same master of a recording."""

CENTRED_FROM = 500  # tracks; the mean of fewer is too near to each of them
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class DuplicateGroup:
    """Files that are the same.

    Attributes:
        kind: "audio": the same encoded audio; "sound": the same recording in several encodings, each with one file.
        copies: the best first, see :meth:`Copy.preference`.
        reason: in what the best is better than the second.
    """

    kind: Kind
    copies: tuple[Copy, ...]
    reason: str

    @property
    def spare_bytes(self) -> int:
        """Size of all files but the best."""
        return sum(copy.size_bytes for copy in self.copies[1:])


def find_same_audio(index: Index, tracks: Tracks, *, on_note: OnNote = lambda _: None) -> list[DuplicateGroup]:
    """Files with the same encoded audio, whatever their names and tags. Only headers are read.

    A file that has several names (links) counts once.

    Args:
        index: an open index.
        tracks: its tracks.
        on_note: called with notes for the user.

    Returns:
        Groups of two or more files, those first that take most space.
    """
    several = [rows for rows in group_places(tracks.keys).values() if len(rows) > 1]
    files = unchanged_files(index, tracks, [row for rows in several for row in rows], on_note)
    copies = read_copies(tracks, files, on_note)
    there = ([copies[row] for row in rows if row in copies] for rows in several)
    return _most_space_first(_group("audio", group) for group in there if len(group) > 1)


def find_same_sound(
    index: Index,
    tracks: Tracks,
    *,
    jobs: int | None = None,
    on_note: OnNote = lambda _: None,
    on_progress: OnProgress = lambda _done, _all: None,
) -> list[DuplicateGroup]:
    """Recordings that are there in several encodings: other formats, bit rates, levels, up to three seconds cut off.

    Candidates are decoded for their fingerprints, which are kept beside the index, so that it is done once.

    Args:
        index: an open index.
        tracks: its tracks.
        jobs: files decoded side by side; None for one per core.
        on_note: called with notes for the user.
        on_progress: called with how many candidates are decoded, of how many that have to be.

    Returns:
        Groups of two or more audio contents, each with its best file; those first that take most space. Every copy was
        compared with the best of its group.

    Raises:
        ConfigError: jobs below 1.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs {jobs}: must be at least 1")
    pairs = candidate_pairs(tracks, track_vectors(index, tracks)).tolist()
    by_audio = group_places(tracks.keys)
    same_audio = {row: by_audio[tracks.keys[row]] for pair in pairs for row in pair}
    files = unchanged_files(index, tracks, [file for rows in same_audio.values() for file in rows], on_note)
    readable = {row: next((file for file in rows if file in files), None) for row, rows in same_audio.items()}
    pairs = [(one, other) for a, b in pairs if (one := readable[a]) is not None and (other := readable[b]) is not None]
    prints = Fingerprints(index, tracks, on_note)
    prints.make({row for pair in pairs for row in pair}, jobs or available_cores(), on_progress)
    linked: dict[int, set[int]] = {}
    for one, other in pairs:
        if _agreement(prints, one, other) >= LEAST_AGREEMENT:
            linked.setdefault(one, set()).add(other)
            linked.setdefault(other, set()).add(one)
    same_audio = {row: [file for file in by_audio[tracks.keys[row]] if file in files] for row in linked}
    copies = read_copies(tracks, {file: files[file] for rows in same_audio.values() for file in rows}, on_note)
    best = _best_copies(same_audio, copies)
    return _most_space_first(group for component in _components(linked) for group in _groups(component, best, prints))


def _groups(component: Iterable[int], best: Mapping[int, Copy], prints: Fingerprints) -> Iterator[DuplicateGroup]:
    """Of tracks that agree with each other, directly or not: the best and all that agree with it, and so on."""
    left = sorted((row for row in component if row in best), key=lambda row: best[row].preference(same_audio=False))
    while left:
        first, *others = left
        shares = {row: _agreement(prints, first, row) for row in others}
        left = [row for row in others if shares[row] < LEAST_AGREEMENT]
        same = [
            replace(best[row], track=replace(best[row].track, score=share))
            for row, share in shares.items()
            if share >= LEAST_AGREEMENT
        ]
        if same:
            yield _group("sound", [best[first], *same])


def _agreement(prints: Fingerprints, one: int, other: int) -> float:
    return prints.agreement(one, other, DURATION_TOLERANCE_SECONDS)


def candidate_pairs(tracks: Tracks, vectors: Floats) -> npt.NDArray[np.int64]:
    """Pairs of tracks that may be the same sound: similar embeddings, and about equal durations.

    All pairs within the tolerance of duration are compared, which takes seconds for 100,000 tracks and needs no graph of
    neighbours.

    Args:
        tracks: silent ones, and those without a duration, are in no pair.
        vectors: ``(n_tracks, n_dims)`` embeddings.

    Returns:
        ``(n_pairs, 2)`` tracks, each the first with its audio.
    """
    rows = np.array(sorted(tracks.rows_by_key.values()), np.int64)
    rows = rows[tracks.scores[:, rows].any(axis=0) & ~np.isnan(tracks.durations[rows])]
    rows = rows[np.argsort(tracks.durations[rows], kind="stable")]
    seconds, kept = tracks.durations[rows], vectors[rows]
    unit = unit_vectors(kept - kept.mean(axis=0) if len(rows) >= CENTRED_FROM else kept)
    ends = np.searchsorted(seconds, seconds + DURATION_TOLERANCE_SECONDS, side="right")
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = unit[start : start + _BLOCK_ROWS]
        one, other = np.nonzero(block @ unit[start : ends[start + len(block) - 1]].T >= LEAST_SIMILARITY)
        is_pair = (other > one) & (start + other < ends[start + one])
        found.append(start + np.stack([one, other], axis=1)[is_pair])
    return rows[np.concatenate(found)]


def _best_copies(same_audio: Mapping[int, Iterable[int]], copies: Mapping[int, Copy]) -> dict[int, Copy]:
    """Of each track, the best of the files with the same audio."""
    best = {}
    for row, files in same_audio.items():
        if there := [copies[file] for file in files if file in copies]:
            best[row] = min(there, key=lambda copy: copy.preference(same_audio=True))
    return best


def _components(linked: Mapping[int, set[int]]) -> list[list[int]]:
    """Rows that are linked with each other, directly or not."""
    components, seen = [], set()
    for row in linked:
        if row in seen:
            continue
        component, waiting = [], [row]
        seen.add(row)
        while waiting:
            component.append(waiting.pop())
            waiting += (new := linked[component[-1]] - seen)
            seen |= new
        components.append(component)
    return components


def _group(kind: Kind, copies: Sequence[Copy]) -> DuplicateGroup:
    same_audio = kind == "audio"
    ordered = tuple(sorted(copies, key=lambda copy: copy.preference(same_audio=same_audio)))
    return DuplicateGroup(kind, ordered, ordered[0].advantage(ordered[1], same_audio=same_audio))


def _most_space_first(groups: Iterable[DuplicateGroup]) -> list[DuplicateGroup]:
    return sorted(groups, key=lambda group: (-group.spare_bytes, str(group.copies[0].track.path)))
