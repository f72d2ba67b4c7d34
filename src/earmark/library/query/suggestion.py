"""Where a query finds nothing: the bound that would find something."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from earmark.core.clock import clock
from earmark.library.query.evaluation import Columns, rank_tracks, thresholds_of
from earmark.library.query.nodes import (
    DEFAULT_BOUND,
    Bound,
    DurationBound,
    HasTag,
    Query,
    format_number,
    quote_if_needed,
)

_SCORE_STEPS = (0.1, 0.01)
_FAINT = 0.4
"""So low a score, as a share of the tag's threshold, is no sign of the tag: no bound down there is advised."""

_SECOND_STEPS = (3600, 60, 10, 1, 0.1)
_LEAST_SHARE = 0.75
"""A round bound is taken where it is at least so near to the value, as a share of it."""


def suggest_bound(tracks: Columns, query: Query) -> str:
    """What would find something, in words, for a query that finds nothing; empty where no bound alone is to blame.

    Every tag and every bound of the duration is tried by itself: what would be found if it did not matter, and which bound
    lets the nearest of these through. The one that has to give way least is named.
    """
    tried = [found for node in query.bounded() for found in _relaxed(tracks, query, node)]
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


def _relaxed(tracks: Columns, query: Query, node: HasTag | DurationBound) -> Iterator[_Relaxed]:
    given = _bound_of(tracks, query, node)
    steps: tuple[float, ...]
    if isinstance(node, HasTag):
        values = tracks.scores[tracks.model.vocabulary.index(node.tag)]
        name, kinds, steps = quote_if_needed(node.tag), ("highest", "lowest"), _SCORE_STEPS
    else:
        values, name, kinds, steps = tracks.durations, "duration", ("longest", "shortest"), _SECOND_STEPS
    for holds in (True, False):
        rows, _ = rank_tracks(tracks, query, {node: holds})
        known = values[rows][~np.isnan(values[rows])]
        if not len(known):
            continue
        upward = given.comparison.startswith(">") == holds  # must the value be above the bound?
        nearest = round(float(known.max() if upward else known.min()), 6)
        there = f"{kinds[0] if upward else kinds[1]} there is {_shown(nearest, node)}"
        change = abs(nearest - given.value) / (1 if isinstance(node, HasTag) else max(nearest, given.value))
        if isinstance(node, HasTag) and upward and nearest < _FAINT * _threshold(tracks, node):
            yield _Relaxed(f"the highest score of {name} there is {nearest:.2f}", math.inf)
            continue
        for bound in _round_bounds(nearest, given, upward, strict=(len(given.comparison) == 1) == holds, steps=steps):
            wanted = HasTag(node.tag, bound) if isinstance(node, HasTag) else DurationBound(bound)
            found, _ = rank_tracks(tracks, query.with_node(node, wanted))
            if len(found):
                n = len({tracks.keys[row] for row in found})
                minus = "" if holds else "-"
                yield _Relaxed(f"{minus}{name}{_written(bound, node)} would find {n} (the {there})", change)
                break


def _bound_of(tracks: Columns, query: Query, node: HasTag | DurationBound) -> Bound:
    if isinstance(node, DurationBound):
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


def _shown(value: float, node: HasTag | DurationBound) -> str:
    return f"{value:.2f}" if isinstance(node, HasTag) else clock(value)


def _written(bound: Bound, node: HasTag | DurationBound) -> str:
    if isinstance(node, HasTag):
        return str(bound)
    for unit, seconds in (("h", 3600), ("m", 60)):
        if bound.value % seconds == 0:
            return f"{bound.comparison}{format_number(bound.value / seconds).removesuffix('.0')}{unit}"
    return f"{bound.comparison}{format_number(bound.value).removesuffix('.0')}s"
