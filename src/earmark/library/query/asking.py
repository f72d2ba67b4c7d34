"""One query, straight from the index: what it looks at is read of all tracks, the rest only of those that are shown.

For a program that asks once, as the command line does. :class:`earmark.library.query.search.Tracks` keeps everything in
memory, and answers the next query in milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index
from earmark.library.query.evaluation import Floats, ranked, thresholds_of
from earmark.library.query.nodes import Query
from earmark.library.query.parser import parse_query
from earmark.library.query.search import COLUMNS, SearchResult, Tracks
from earmark.library.query.tag_names import folded


@dataclass(frozen=True, eq=False)
class Answer:
    """What a query found.

    Attributes:
        best: the best of it, as many as were wanted; its tracks are these alone.
        n_found: tracks for which the query holds.
        n_tracks: tracks that were searched.
    """

    best: SearchResult
    n_found: int
    n_tracks: int


def ask(index: Index, query: str, limit: int | None = None) -> Answer:
    """Search an index once.

    Args:
        index: open for as long as this takes.
        query: see :mod:`earmark.library.query.parser`.
        limit: tracks at most; None for all.

    Raises:
        QueryError: a text that is no query.
        DataError: nothing was scanned yet, or the index cannot be read.
    """
    with index.snapshot():
        model = index.current_model()
        parsed = parse_query(query, model.vocabulary)
        asked = _Asked(index, model, parsed)
        rows, ranks = ranked(asked, parsed)
        best = rows[:limit]
        tracks = Tracks.load(index, only=None if len(best) == len(asked) else [asked.numbers[row] for row in best])
    tracks.n_waiting += len(tracks) - len(asked)  # those that are not shown do not wait
    shown = np.array([tracks.rows_by_path[asked.paths[row]] for row in best], np.int64)
    return Answer(SearchResult(tracks, parsed, shown, None if ranks is None else ranks[:limit]), len(rows), len(asked))


class _Asked:
    """The columns that one query looks at, tracks by path."""

    def __init__(self, index: Index, model: ModelRow, query: Query) -> None:
        self.model = model
        self.thresholds = thresholds_of(model)
        fields = sorted(query.fields())
        columns = ["f.path", "f.rowid", *(f"f.{COLUMNS[field]}" for field in fields)]
        columns += ["a.duration_seconds"] if query.asks_durations() else []
        columns += ["r.scores"] if query.tags() else []
        statement = (
            f"SELECT {', '.join(columns)} FROM files f "
            "JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            f"{'LEFT JOIN audio a ON a.content_key = f.content_key ' if query.asks_durations() else ''}"
            "WHERE f.status = 'ok'"
        )
        rows = sorted(index.rows(statement, (model.model_id,)))  # here, and not by SQLite: see Tracks.load
        read = list(zip(*rows, strict=True)) or [()] * len(columns)
        self.paths: Sequence[bytes] = read.pop(0)
        self.numbers: Sequence[int] = read.pop(0)
        self._texts = {field: read.pop(0) for field in fields}
        self.durations: npt.NDArray[np.float64] = np.array(read.pop(0) if query.asks_durations() else (), np.float64)
        blobs = read.pop(0) if query.tags() else ()
        self.scores: Floats = np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), len(model.vocabulary)).T

    def __len__(self) -> int:
        return len(self.paths)

    def texts(self, field: str) -> list[str]:
        """One of the files' own fields of all tracks, folded for comparing; empty where it is missing."""
        return [folded(os.fsdecode(text or "")) for text in self._texts[field]]
