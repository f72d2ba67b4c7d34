"""Where a query finds nothing: the bound that would find something."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from earmark.core.clock import clock
from earmark.core.musical_key import KEYS
from earmark.library.index.measures import NO_KEY
from earmark.library.query.evaluation import Columns, rank_tracks, thresholds_of
from earmark.library.query.nodes import (
    DEFAULT_BOUND,
    Bound,
    DurationBound,
    HasKey,
    HasTag,
    Measured,
    Query,
    TempoBound,
    TempoRange,
    format_number,
    quote_if_needed,
)

_SCORE_STEPS = (0.1, 0.01)
_FAINT = 0.4
"""So low a score, as a share of the tag's threshold, is no sign of the tag: no bound down there is advised."""

_BPM_STEPS = (10, 1, 0.1)
_KEY_STEPS = 7
"""Between the keys that are farthest from each other."""

_LEAST_PERCENT = 0.01
"""Up to here the number of a degree would be read as its share of 1."""

_SECOND_STEPS = (3600, 60, 10, 1, 0.1)
_LEAST_SHARE = 0.75
"""A round bound is taken where it is at least so near to the value, as a share of it."""


def suggest_bound(tracks: Columns, query: Query) -> str:
    """What would find something, in words, for a query that finds nothing; empty where no bound alone is to blame.

    Every tag, duration, tempo and key is tried by itself: what would be found if it did not matter, and which bound
    lets the nearest of these through. The one that has to give way least is named.
    """
    tried = [found for node in query.measured() for found in _relaxed(tracks, query, node)]
    best = min(tried, key=lambda found: found.change, default=None)
    if best is not None and math.isfinite(best.change):
        return best.text
    for text in query.texts():
        if not len(rank_tracks(tracks, Query(text))[0]):
            return f"no track has {text.text!r} in its {text.field}"
    return _lower_for_all(tracks, query) or (best.text if best is not None else "")


@dataclass(frozen=True)
class _Relaxed:
    """A bound that finds something: in words, and how far it is from the one that was given, as a share of the range."""

    text: str
    change: float


def _relaxed(tracks: Columns, query: Query, node: Measured) -> Iterator[_Relaxed]:
    if isinstance(node, TempoRange):
        return _nearest_tempo(tracks, query, node)
    return _nearest_key(tracks, query, node) if isinstance(node, HasKey) else _nearest_bound(tracks, query, node)


def _nearest_tempo(tracks: Columns, query: Query, node: TempoRange) -> Iterator[_Relaxed]:
    """The tempo that is nearest to a range, of tracks for which all else holds."""
    rows, _ = rank_tracks(tracks, query, {node: True})
    known = tracks.measures.bpm[rows][~np.isnan(tracks.measures.bpm[rows])]
    if not len(known):
        return
    distances = np.maximum(node.low - known, known - node.high)
    nearest = float(known[np.argmin(distances)])
    low, high = math.floor(min(node.low, nearest)), math.ceil(max(node.high, nearest))
    found, _ = rank_tracks(tracks, query.with_node(node, replace(node, low=low, high=high)))
    text = f"{'~' if node.folded else ':'}{low}-{high}"
    n = len({tracks.keys[row] for row in found})
    if n:
        yield _Relaxed(f"bpm{text} would find {n} (the nearest tempo there is {nearest:g})", distances.min() / nearest)


def _nearest_key(tracks: Columns, query: Query, node: HasKey) -> Iterator[_Relaxed]:
    """Keys that mix with the wanted one, or the nearest key, of tracks for which all else holds."""
    rows, _ = rank_tracks(tracks, query, {node: True})
    places = [int(place) for place in tracks.measures.key_places[rows] if place != NO_KEY]
    if not places:
        return
    nearest = min((KEYS[place] for place in places), key=node.key.steps_to)
    steps = node.key.steps_to(nearest)
    wanted = HasKey(node.key, mixing=True) if steps == 1 and not node.mixing else HasKey(nearest)
    found, _ = rank_tracks(tracks, query.with_node(node, wanted))
    if n := len({tracks.keys[row] for row in found}):
        yield _Relaxed(f"{wanted} would find {n} (the nearest key there is {nearest.camelot})", steps / _KEY_STEPS)


def _nearest_bound(tracks: Columns, query: Query, node: HasTag | DurationBound | TempoBound) -> Iterator[_Relaxed]:
    given = _bound_of(tracks, query, node)
    steps: tuple[float, ...]
    if isinstance(node, HasTag):
        values = tracks.scores[tracks.model.vocabulary.index(node.tag)]
        name, kinds, steps = quote_if_needed(node.tag), ("highest", "lowest"), _SCORE_STEPS
    elif isinstance(node, TempoBound):
        values, name, kinds, steps = tracks.measures.bpm, "bpm", ("fastest", "slowest"), _BPM_STEPS
    else:
        values, name, kinds, steps = tracks.durations, "duration", ("longest", "shortest"), _SECOND_STEPS
    for holds in (True, False):
        rows, _ = rank_tracks(tracks, query, {node: holds})
        known = values[rows][~np.isnan(values[rows])]
        if not len(known):
            continue
        upward = given.comparison.startswith(">") == holds  # must the value be above the bound?
        nearest = round(float(known.max() if upward else known.min()), 6)
        there = f"{kinds[0] if upward else kinds[1]} there is {_shown(nearest, node, tracks)}"
        change = abs(nearest - given.value) / (1 if isinstance(node, HasTag) else max(nearest, given.value))
        if isinstance(node, HasTag) and upward and nearest < _FAINT * _threshold(tracks, node):
            yield _Relaxed(f"the highest score of {name} there is {nearest:.2f}", math.inf)
            continue
        for bound in _round_bounds(nearest, given, upward, strict=(len(given.comparison) == 1) == holds, steps=steps):
            wanted = replace(node, bound=bound)
            found, _ = rank_tracks(tracks, query.with_node(node, wanted))
            if len(found):
                n = len({tracks.keys[row] for row in found})
                minus = "" if holds else "-"
                yield _Relaxed(f"{minus}{name}{_written(bound, node, tracks)} would find {n} (the {there})", change)
                break


def _bound_of(tracks: Columns, query: Query, node: HasTag | DurationBound | TempoBound) -> Bound:
    if not isinstance(node, HasTag):
        return node.bound
    return node.bound or query.score or Bound(">", _threshold(tracks, node))


def _threshold(tracks: Columns, node: HasTag) -> float:
    """The lowest score at which the tag counts; of a degree, which never does, DEFAULT_BOUND."""
    threshold = float(thresholds_of(tracks.model)[tracks.model.vocabulary.index(node.tag)])
    return threshold if math.isfinite(threshold) else DEFAULT_BOUND


def _round_bounds(
    value: float, given: Bound, upward: bool, *, strict: bool, steps: tuple[float, ...]
) -> Iterator[Bound]:
    """Bounds that let a value through, roundest first."""
    for step in steps:
        place = round(value / step, 4)  # scores are float32: 0.9 is not quite that
        if upward:
            number = (math.ceil(place) - 1 if strict else math.floor(place)) * step
        else:
            number = (math.floor(place) + 1 if strict else math.ceil(place)) * step
        if number > 0 and min(number, value) >= _LEAST_SHARE * max(number, value):
            yield replace(given, value=round(number, 3))


def _lower_for_all(tracks: Columns, query: Query) -> str:
    """One score for all tags, where no tag alone is to blame."""
    if len(query.tags()) < 2:
        return ""
    for tag in query.tags():
        query = query.with_node(tag, HasTag(tag.tag))
    for tenths in range(9, 1, -1):
        bound = Bound(">", tenths / 10)
        rows, _ = rank_tracks(tracks, replace(query, score=bound))
        if len(rows):
            n = len({tracks.keys[row] for row in rows})
            return f"score{bound} in place of all other bounds would find {n}"
    return ""


def _shown(value: float, node: HasTag | DurationBound | TempoBound, tracks: Columns) -> str:
    if isinstance(node, HasTag):
        return f"{100 * value:.0f}" if node.tag in tracks.model.card.degrees else f"{value:.2f}"
    return clock(value) if isinstance(node, DurationBound) else f"{value:g}"


def _written(bound: Bound, node: HasTag | DurationBound | TempoBound, tracks: Columns) -> str:
    if isinstance(node, HasTag):
        if node.tag in tracks.model.card.degrees and bound.value > _LEAST_PERCENT:
            return f"{bound.comparison}{100 * bound.value:g}"
        return str(bound)
    if isinstance(node, TempoBound):
        return f"{bound.comparison}{bound.value:g}"
    for unit, seconds in (("h", 3600), ("m", 60)):
        if bound.value % seconds == 0:
            return f"{bound.comparison}{format_number(bound.value / seconds).removesuffix('.0')}{unit}"
    return f"{bound.comparison}{format_number(bound.value).removesuffix('.0')}s"
