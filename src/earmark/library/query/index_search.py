"""Search an index once, as the command line does.

Only what the query uses is read of all tracks, and all columns only of those that are shown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.library.index.measures import MEASURE_COLUMNS, MEASURE_JOINS, MeasureColumns
from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index, seconds_of, vectors_of
from earmark.library.query.evaluation import Floats, Mask, kept_tags, rank_tracks
from earmark.library.query.nodes import Query
from earmark.library.query.parser import parse_query
from earmark.library.query.search import SearchResult, Tracks, group_places
from earmark.library.query.sorting import sort_result
from earmark.library.query.suggestion import suggest_bound
from earmark.library.query.tag_names import fold_case

COLUMNS = {"title": "title", "artist": "artist", "album": "album", "file-genre": "genre", "path": "path"}
"""The files' own fields, and the columns of the index that hold them."""


@dataclass(frozen=True, eq=False)
class TopResults:
    """The result of :func:`search_index`.

    Attributes:
        best: the best tracks, as many as requested; its ``tracks`` are these alone.
        n_found: number of tracks for which the query holds.
        n_tracks: number of tracks that were searched.
        suggestion: what would find something, where nothing was found; empty where nothing is known that would.
    """

    best: SearchResult
    n_found: int
    n_tracks: int
    suggestion: str = ""


def search_index(
    index: Index,
    query: str,
    limit: int | None = None,
    *,
    without_copies: bool = False,
    sort: str = "score",
    reverse: bool = False,
) -> TopResults:
    """Search an index once, without loading all of it.

    Args:
        index: an open index.
        query: see :mod:`earmark.library.query.parser`.
        limit: most tracks to return; None for all.
        without_copies: files with the same audio are one track, see :meth:`SearchResult.without_copies`; otherwise each
            is one of its own.
        sort, reverse: the order, as :func:`earmark.library.query.sorting.sort_result` takes it; the first ones of that are returned.

    Raises:
        QueryError: a text that is no query.
        ConfigError: nothing to sort by.
        DataError: nothing was scanned yet, or the index cannot be read.
    """
    if sort != "score" or reverse:
        with index.snapshot():
            tracks = Tracks.load(index)
        found = sort_result(tracks.search(query), sort, reverse=reverse)
        found = found.without_copies() if without_copies else found
        n_tracks = len(set(tracks.keys)) if without_copies else len(tracks)
        suggestion = "" if len(found) else suggest_bound(tracks, found.query)
        return TopResults(found.take(slice(limit)), len(found), n_tracks, suggestion)
    with index.snapshot():
        model = index.current_model()
        parsed = parse_query(query, model.vocabulary, model.card.degrees)
        columns = _QueryColumns(index, model, parsed)
        rows, ranks = rank_tracks(columns, parsed)
        if without_copies:
            groups = list(group_places(columns.keys[row] for row in rows).values())
        else:
            groups = [[i] for i in range(len(rows))]
        suggestion = "" if len(rows) else suggest_bound(columns, parsed)
        shown = groups[:limit]
        best = [int(rows[first]) for first, *_ in shown]
        tracks = Tracks.load(index, only=None if len(best) == len(columns) else [columns.row_ids[row] for row in best])
    tracks.n_waiting += len(tracks) - len(columns)  # tracks that are not shown do not wait
    result = SearchResult(
        tracks,
        parsed,
        np.array([tracks.rows_by_path[columns.paths[row]] for row in best], np.int64),
        None if ranks is None else ranks[[first for first, *_ in shown]],
        tuple(tuple(Path(os.fsdecode(columns.paths[rows[i]])) for i in others) for _, *others in shown),
    )
    return TopResults(result, len(groups), len(set(columns.keys)) if without_copies else len(columns), suggestion)


class _QueryColumns:
    """The columns that one query uses, tracks by path."""

    def __init__(self, index: Index, model: ModelRow, query: Query) -> None:
        self.model = model
        fields = sorted(query.fields())
        columns = ["f.path", "f.rowid", "r.rowid", *(f"f.{COLUMNS[field]}" for field in fields)]
        columns += ["a.duration_seconds"] if query.uses_durations() else []
        columns += ["r.scores"] if query.tags() else []
        columns += [MEASURE_COLUMNS] if query.uses_measures() else []
        statement = (
            f"SELECT {', '.join(columns)} FROM files f "
            "JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            f"{'LEFT JOIN audio a ON a.content_key = f.content_key ' if query.uses_durations() else ''}"
            f"{MEASURE_JOINS if query.uses_measures() else ''} WHERE f.status = 'ok'"
        )
        rows = sorted(index.rows(statement, (model.model_id,)))  # here, and not by SQLite: see Tracks.load
        read = list(zip(*rows, strict=True)) or [()] * len(columns)
        self.paths: Sequence[bytes] = read.pop(0)
        self.row_ids: Sequence[int] = read.pop(0)
        self.keys: Sequence[int] = read.pop(0)  # a number for each audio
        self._texts = {field: read.pop(0) for field in fields}
        self.durations: npt.NDArray[np.float64] = seconds_of(read.pop(0) if query.uses_durations() else ())
        blobs = read.pop(0) if query.tags() else ()
        self.scores: Floats = vectors_of(blobs, len(blobs), len(model.vocabulary)).T
        self.measures = MeasureColumns.of(zip(*read, strict=True))

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def kept(self) -> Mask:
        """As :attr:`Tracks.kept`."""
        return kept_tags(self.model, np.ascontiguousarray(self.scores))

    def texts(self, field: str) -> list[str]:
        """As :meth:`Tracks.texts`."""
        return [fold_case(os.fsdecode(text or "")) for text in self._texts[field]]


def common_folder(index: Index) -> Path:
    """The folder that holds all files of an index that can be searched; ``Path()`` where there is none."""
    by_path = "SELECT path FROM files WHERE status = 'ok' ORDER BY path"
    # What the first and the last share, all between share, too.
    ends = [row[0] for order in ("", " DESC") for row in index.rows(f"{by_path}{order} LIMIT 1")]
    try:
        return Path(os.path.commonpath([Path(os.fsdecode(path)).parent for path in ends]))
    except ValueError:  # no files, or several drives
        return Path()
