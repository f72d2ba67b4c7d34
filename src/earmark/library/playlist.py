"""Playlists: search results in order, as an extended M3U8 file."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import refuse_existing, write_atomic
from earmark.core.errors import ConfigError, OutputError
from earmark.library.mix import mix_order
from earmark.library.neighbours import unit_vectors
from earmark.library.query.search import Hit, SearchResult
from earmark.library.query.sorting import SORTS, check_sort, sort_result
from earmark.library.similar import find_track

ORDERS = (*SORTS, "similar", "mix")
"""Orders of a playlist, beside tags and degrees of the model."""

MOST_SIMILAR = 2000
"""Most tracks for the orders "similar" and "mix", which compare every pair of them, and most that a path may choose from."""

_GAP_POWER = 4


def arrange(
    found: SearchResult,
    *,
    order: str = "score",
    limit: int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    vectors: npt.NDArray[np.floating[Any]] | None = None,
) -> SearchResult:
    """Select and order tracks for a playlist: the best ones, without copies of the same audio.

    Args:
        found: the result of a search.
        order: as :func:`earmark.library.query.sorting.sort_result` takes it ("score": highest rank first); or "similar": begins
            with the highest rank and continues to the track that is most similar to the last one; or "mix":
            neighbouring keys and near tempi, see :func:`earmark.library.mix.mix_order`.
        limit: most tracks: those of the highest rank, or any with ``shuffle``; None for all.
        shuffle: draw them at random instead.
        seed: of the random draw; None for another one each time.
        vectors: ``(n_tracks, n_dims)``, one for every track of ``found.tracks``, for "similar"; None for their scores.

    Raises:
        ConfigError: a limit below 1, an unknown order, a seed without shuffle, or too many tracks
            for "similar" or "mix".
    """
    problems = []
    if limit is not None and limit < 1:
        problems.append(f"limit {limit}: must be at least 1")
    if order not in ORDERS:
        try:
            check_sort(found.tracks, order)
        except ConfigError:
            there = ", ".join((*ORDERS, *found.tracks.model.card.degrees))
            problems.append(f"order {order!r}: must be one of {there}, or a tag of the model")
    if seed is not None and not shuffle:
        problems.append(f"seed {seed}: belongs to shuffle, which is not chosen")
    if shuffle and order != "score":
        problems.append(f"order {order}: shuffle puts tracks in no order; choose one of the two")
    if problems:
        raise ConfigError(problems)
    found = found.without_copies()
    if shuffle:
        places = list(range(len(found)))
        random.Random(seed).shuffle(places)
        return found.take(np.array(places[:limit], np.int64))
    found = found.take(slice(limit))
    if order in ("similar", "mix") and len(found) > MOST_SIMILAR:
        raise ConfigError(f"order {order}: {len(found)} tracks are too many; limit them to {MOST_SIMILAR}")
    if order == "similar":
        return found.take(_chain((found.tracks.scores.T if vectors is None else vectors)[found.rows]))
    if order == "mix":
        return found.take(mix_order(*tempo_and_key(found)))
    return sort_result(found, order)


def tempo_and_key(found: SearchResult) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Tempo and key of tracks in their order, as :func:`earmark.library.mix.mix_order` takes them."""
    measures = found.tracks.measures
    return measures.bpm[found.rows], measures.key_places[found.rows]


def _chain(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Order: from the first on, always to the most similar one that is left, by cosine."""
    unit = unit_vectors(vectors)
    left = np.ones(len(unit), np.bool_)
    places: list[int] = []
    place = 0
    while len(places) < len(unit):
        places.append(place)
        left[place] = False
        place = int(np.argmax(np.where(left, unit @ unit[place], -np.inf)))
    return np.array(places, np.int64)


def find_path(
    found: SearchResult, vectors: npt.NDArray[np.floating[Any]], start: str, end: str, count: int
) -> SearchResult:
    """A path of songs from one track to another, see :func:`path_between`.

    Args:
        found: the result of a search: tracks that may be between the two, each audio once.
        vectors: ``(n_tracks, n_dims)``, one for every track of ``found.tracks``.
        start, end: the tracks at its ends, as :func:`earmark.library.similar.find_track` takes them.
        count: tracks of the path, with both ends.

    Raises:
        ConfigError: no such track, several, or two that sound the same; a count below 2.
    """
    tracks = found.tracks
    ends = [find_track(tracks, wanted) for wanted in (start, end)]
    own = {tracks.keys[row] for row in ends}
    between = [int(row) for row in found.without_copies().rows if tracks.keys[row] not in own]
    rows = np.array([ends[0], *between, ends[1]], np.int64)
    places = path_between(vectors[rows], 0, len(rows) - 1, count)
    return SearchResult(tracks, found.query, rows[places], None)


def path_between(vectors: npt.NDArray[np.floating[Any]], first: int, last: int, count: int) -> npt.NDArray[np.int64]:
    """A path of tracks from one to another in even steps: the largest step is as small as can be, almost.

    Each step leads on along the arc from the first track to the last, so no track comes twice. Of many tracks, the
    MOST_SIMILAR that are nearest to the arc are taken.

    Args:
        vectors: ``(n_tracks, n_dims)``; their directions count.
        first, last: rows at the ends.
        count: tracks of the path, with both ends.

    Returns:
        ``(n,)`` rows from ``first`` to ``last``; fewer than ``count`` where no more lie between them.

    Raises:
        ConfigError: a count below 2, or ends that are equal.

    Example:
        >>> angles = np.radians([0, 90, 29, 61, 45, 200])
        >>> path_between(np.stack([np.cos(angles), np.sin(angles)], axis=1), 0, 1, 4).tolist()
        [0, 2, 3, 1]
    """
    if count < 2:
        raise ConfigError(f"count {count}: must be at least 2, the first track and the last")
    unit = unit_vectors(vectors)
    cosine = float(unit[first] @ unit[last])
    across = unit[last] - cosine * unit[first]
    if np.linalg.norm(across) < 1e-4:
        raise ConfigError("the first track and the last sound the same: there is no way between them")
    along, aside = unit @ unit[first], unit @ (across / np.linalg.norm(across))
    angle, nearness = np.arctan2(aside, along), np.hypot(aside, along)  # along the arc, and to its plane
    between = np.flatnonzero((angle > 0) & (angle < np.arccos(cosine)))
    between = between[~np.isin(between, (first, last))]
    between = between[np.argsort(-nearness[between], kind="stable")[:MOST_SIMILAR]]
    rows = np.array([first, *between[np.argsort(angle[between], kind="stable")], last])
    n_steps = min(count, len(rows)) - 1
    # The sum of a high power of steps is least where the largest step is small; plain squares leave one wide gap.
    costs = np.maximum(1 - unit[rows] @ unit[rows].T, 0) ** _GAP_POWER
    costs[np.tril_indices(len(rows))] = np.inf  # only on along the arc
    least = np.where(np.arange(len(rows)) == 0, 0.0, np.inf)  # of all paths that end at a track, after so many steps
    before = np.zeros((n_steps, len(rows)), np.int64)
    for step in range(n_steps):
        sums = least[:, None] + costs
        before[step] = np.argmin(sums, axis=0)
        least = sums[before[step], np.arange(len(rows))]
    places = [len(rows) - 1]
    for step in reversed(range(n_steps)):
        places.append(int(before[step, places[-1]]))
    return rows[places[::-1]]


def m3u8(hits: Iterable[Hit], relative_to: Path | None = None) -> bytes:
    """The text of a playlist, UTF-8; names of files that are not UTF-8 keep their bytes.

    A path with a line break in it is written as a URL, the only way to have it on one line.

    Args:
        hits: tracks in order.
        relative_to: write paths as seen from this folder; None for absolute ones.
    """
    lines = ["#EXTM3U"]
    for hit in hits:
        seconds = -1 if hit.duration_seconds is None else round(hit.duration_seconds)
        path = str(hit.path)
        if relative_to is not None:
            path = os.path.relpath(path, relative_to)
            path = f"./{path}" if path[0] == "#" or path[0].isspace() else path  # no comment, nothing to be stripped
        if "\n" in path or "\r" in path:
            path = quote(os.fsencode(path)) if relative_to is not None else hit.path.as_uri()
        lines += [f"#EXTINF:{seconds},{_one_line(hit.name)}", path]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def write_playlist(hits: Iterable[Hit], out: str | Path, *, relative: bool = False, force: bool = False) -> int:
    """Write a playlist; the file at ``out`` is there whole or not at all.

    Args:
        hits: tracks in order.
        out: the file, usually ``.m3u8``; its folder is made.
        relative: write paths as seen from the playlist's folder, so that both can be moved together.
        force: replace a file that is there.

    Returns:
        Number of tracks in it.

    Raises:
        ConfigError: the file is there; OutputError where it cannot be written.
    """
    out = Path(out)
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name a file in it, such as {out / 'playlist.m3u8'}")
    refuse_existing([out], force=force)
    kept = list(hits)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, m3u8(kept, out.parent.resolve() if relative else None))
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
    except ValueError as error:  # Windows, another drive
        raise ConfigError(
            f"{out}: tracks cannot be named as seen from there ({error}); write absolute paths"
        ) from error
    return len(kept)


def _one_line(text: str) -> str:
    return " ".join(text.split())
