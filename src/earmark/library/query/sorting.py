"""Sort tracks by what is known of them: files' own fields, tempo, key, and scores of tags and degrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS, MusicalKey
from earmark.library.index.measures import NO_KEY
from earmark.library.query.search import SearchResult, Tracks
from earmark.library.query.tag_names import TagNames, fold_case


def wheel_place(key: MusicalKey) -> tuple[int, str]:
    """Sorts keys round the wheel: 1A, 1B, 2A and so on."""
    return int(key.camelot[:-1]), key.camelot[-1]


def _title(tracks: Tracks, row: int) -> str:
    return fold_case(tracks.title(row) or tracks.path(row).stem)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _key(tracks: Tracks, row: int) -> tuple[int, str] | None:
    place = int(tracks.measures.key_places[row])
    return None if place == NO_KEY else wheel_place(KEYS[place])


_KEYS: dict[str, Callable[[Tracks, int], Any]] = {
    "title": _title,
    "artist": lambda tracks, row: tracks.texts("artist")[row] or None,
    "path": lambda _, row: row,  # tracks are sorted by path
    "duration": lambda tracks, row: _number(tracks.durations[row]),
    "bpm": lambda tracks, row: _number(tracks.measures.bpm[row]),
    "key": _key,
}

SORTS = ("score", *_KEYS)
"""What tracks can be sorted by, beside tags and degrees of the model."""


def sort_result(found: SearchResult, by: str, *, reverse: bool = False) -> SearchResult:
    """The tracks of a search in another order; equal ones stay in theirs, and what is not known comes last.

    Args:
        found: the result.
        by: one of SORTS, or a tag or degree of the model. Scores, tags and degrees begin with the highest, all else with the
            lowest; keys go round the wheel of DJ programs, where neighbours mix: 1A, 1B, 2A and so on.
        reverse: the other way round.

    Raises:
        ConfigError: nothing of that name.
    """
    if by == "score":
        return found.take(slice(None, None, -1)) if reverse else found
    tracks = found.tracks
    key = _KEYS.get(by) or _by_score(tracks, by)
    known: list[tuple[Any, int]] = []
    unknown: list[int] = []
    for place, row in enumerate(found.rows):
        value = key(tracks, int(row))
        if value is None:
            unknown.append(place)
        else:
            known.append((value, place))
    known.sort(key=lambda pair: pair[0], reverse=reverse)
    return found.take(np.array([*(place for _, place in known), *unknown], np.int64))


def check_sort(tracks: Tracks, by: str) -> None:
    """Raises ConfigError where tracks cannot be sorted by this."""
    if by not in SORTS:
        _by_score(tracks, by)


def _by_score(tracks: Tracks, by: str) -> Callable[[Tracks, int], float | None]:
    names = TagNames(tracks.model.vocabulary).find(by, None)
    if len(names) != 1:
        there = ", ".join(_names(tracks))
        raise ConfigError(f"sort by {by!r}: must be one of {there}, or a tag of model {tracks.model.name}")
    scores = tracks.scores[tracks.model.vocabulary.index(names[0])]
    audible = np.asarray(tracks.scores.any(axis=0), np.bool_)
    return lambda _, row: -float(scores[row]) if audible[row] else None


def _names(tracks: Tracks) -> Iterator[str]:
    yield from SORTS
    yield from tracks.model.card.degrees
