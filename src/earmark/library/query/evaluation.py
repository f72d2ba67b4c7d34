"""Evaluate a query over all tracks, whole columns at a time.

A track's rank is the mean score of the wanted tags; excluded tags do not count. Of the sides of an ``or`` that hold for the
track, the highest rank counts. A query without wanted tags ranks nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS
from earmark.library.index.measures import MeasureColumns
from earmark.library.index.rows import ModelRow
from earmark.library.query.nodes import (
    DEFAULT_BOUND,
    AllOf,
    AnyOf,
    Bound,
    DurationBound,
    HasKey,
    HasTag,
    HasText,
    Node,
    Not,
    Query,
    TempoBound,
    TempoRange,
)
from earmark.library.query.tag_names import fold_case

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


class Columns(Protocol):
    """The columns that a query uses, with one entry per track."""

    model: ModelRow
    scores: Floats
    """``(n_tags, n_tracks)``, 0..1."""
    durations: npt.NDArray[np.float64]
    """``(n_tracks,)`` in seconds, NaN where not known."""
    measures: MeasureColumns
    """Tempo and key."""

    @property
    def keys(self) -> Sequence[Hashable]:
        """``(n_tracks,)``: equal for tracks with the same audio."""

    @property
    def kept(self) -> Mask:
        """``(n_tags, n_tracks)``: which tags apply, see :func:`kept_tags`."""

    def texts(self, field: str) -> list[str]:
        """One of the files' own fields, case-folded."""

    def __len__(self) -> int: ...


def thresholds_of(model: ModelRow) -> npt.NDArray[np.float64]:
    """``(n_tags,)``: lowest score at which a tag counts: of the model's card, else DEFAULT_BOUND; no score for a degree."""
    card = model.card
    limits = dict.fromkeys(card.degrees, np.inf) | card.thresholds
    return np.array([limits.get(name, DEFAULT_BOUND) for name in card.vocabulary.names])


def kept_tags(model: ModelRow, scores: Floats) -> Mask:
    """Which tags apply, by the thresholds and rules of the model's card; ``(n_tags, n_tracks)``, as the scores are.

    Degrees never do.
    """
    limits = thresholds_of(model)[:, None]
    return model.card.rules.keep(scores >= limits, scores, model.vocabulary.names) & np.isfinite(limits)


def rank_tracks(
    tracks: Columns, query: Query, assumed: Mapping[Node, bool] | None = None
) -> tuple[Rows, Floats | None]:
    """Tracks for which a query holds, highest rank first, equal ones in the order of the columns.

    Args:
        tracks: the columns that the query uses.
        query: the query.
        assumed: parts of it that are taken to hold, or not, for all tracks.

    Returns:
        Their positions in the columns ``(n,)``, and their ranks ``(n,)``, 0..1; None where the query has no wanted tags.

    Raises:
        ConfigError: a query of another vocabulary.
    """
    mask, rank = _Evaluation(tracks, query, assumed or {}).of(query.node)
    rows = np.flatnonzero(mask)
    if rank is None:
        return rows, None
    rows = rows[np.argsort(-rank[rows], kind="stable")]
    return rows, rank[rows]


class _Evaluation:
    """One query over all tracks: for every node a mask, and a rank where it has wanted tags."""

    def __init__(self, tracks: Columns, query: Query, assumed: Mapping[Node, bool]) -> None:
        self.tracks, self.query, self.assumed = tracks, query, assumed
        self.position = {name: i for i, name in enumerate(tracks.model.vocabulary.names)}

    def of(self, node: Node) -> tuple[Mask, Floats | None]:
        """For which tracks a part of the query holds ``(n_tracks,)``, and their ranks, 0..1, where it has wanted tags."""
        if node in self.assumed:
            return np.full(len(self.tracks), self.assumed[node]), None
        match node:
            case HasTag():
                return self._tag(node)
            case HasText():
                text = fold_case(node.text)
                return np.array([text in each for each in self.tracks.texts(node.field)], np.bool_), None
            case DurationBound():
                return _compare(self.tracks.durations, node.bound), None
            case TempoBound():
                return _compare(self.tracks.measures.bpm, node.bound), None
            case TempoRange():
                return _in_range(self.tracks.measures.bpm, node), None
            case HasKey():
                places = [KEYS.index(key) for key in node.keys]
                return np.isin(self.tracks.measures.key_places, places), None
            case Not():
                return ~self.of(node.inside)[0], None
            case AllOf():
                return self._all(node)
            case AnyOf():
                return self._any(node)

    def _tag(self, node: HasTag) -> tuple[Mask, Floats]:
        if node.tag not in self.position:
            raise ConfigError(f"no tag {node.tag!r} in the vocabulary of model {self.tracks.model.name}")
        i = self.position[node.tag]
        scores: Floats = self.tracks.scores[i]
        bound = node.bound or self.query.score
        return (self.tracks.kept[i] if bound is None else _compare(scores, bound)), scores

    def _all(self, node: AllOf) -> tuple[Mask, Floats | None]:
        mask = np.ones(len(self.tracks), np.bool_)
        ranks = []
        for part in node.parts:
            holds, rank = self.of(part)
            mask &= holds
            if rank is not None:
                ranks.append(rank)
        return mask, np.mean(ranks, axis=0, dtype=np.float32) if ranks else None

    def _any(self, node: AnyOf) -> tuple[Mask, Floats | None]:
        mask = np.zeros(len(self.tracks), np.bool_)
        highest: Floats | None = None
        for part in node.parts:
            holds, rank = self.of(part)
            mask |= holds
            if rank is not None:
                counted = np.where(holds, rank, np.float32(0))
                highest = counted if highest is None else np.maximum(highest, counted)
        return mask, highest


def _in_range(bpm: npt.NDArray[np.float64], node: TempoRange) -> Mask:
    """Where a tempo is in a range, or with ``folded`` its half or double; NaN never is."""
    mask = np.zeros(len(bpm), np.bool_)
    for factor in (1, 2, 0.5) if node.folded else (1,):
        mask |= (bpm * factor >= node.low) & (bpm * factor <= node.high)
    return mask


def _compare(values: npt.NDArray[Any], bound: Bound) -> Mask:
    """Where values are within a bound; NaN never is."""
    return np.asarray(_OPERATORS[bound.comparison](values, bound.value), np.bool_)
