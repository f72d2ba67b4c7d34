"""Search a library.

:class:`Tracks` keeps all columns of an index in memory, scores as one row per tag: a query is a few array operations, and
100,000 tracks take milliseconds. :func:`search_index` is for a program that searches once, as the command line does: it
reads only what the query uses, and all columns only of the tracks that are shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index, seconds_of, vectors_of
from earmark.library.query.evaluation import Floats, Mask, Rows, kept_tags, rank_tracks, thresholds_of
from earmark.library.query.nodes import Query
from earmark.library.query.parser import parse_query
from earmark.library.query.tag_names import fold_case

COLUMNS = {"title": "title", "artist": "artist", "album": "album", "file-genre": "genre", "path": "path"}
"""The files' own fields, and the columns of the index that hold them."""

_OWN = ("title", "artist", "album", "file-genre")


@dataclass(frozen=True)
class Hit:
    """A track found by a search.

    Attributes:
        path: absolute.
        content_key: of its audio.
        duration_seconds: None where it is not known.
        title, artist, album, genre: the file's own metadata, None where it has none.
        score: its rank, 0..1; None where the query ranks nothing.
        tags: (tag, score) of those that apply by the card's thresholds and rules, highest first.
        degrees: (degree, how much of it, 0..1) of the model's degrees, see :meth:`earmark.Vocabulary.degrees`; none of a
            silent track.
    """

    path: Path
    content_key: str
    duration_seconds: float | None
    title: str | None
    artist: str | None
    album: str | None
    genre: str | None
    score: float | None
    tags: tuple[tuple[str, float], ...]
    degrees: tuple[tuple[str, float], ...] = ()


class Tracks:
    """All tracks that can be searched: existing files with scores of the current model.

    Attributes:
        model: that model.
        keys: content key of every track.
        scores: ``(n_tags, n_tracks)`` float32, 0..1.
        durations: ``(n_tracks,)`` float64 in seconds, NaN where not known.
        n_waiting: existing files that have no scores of the current model yet.
    """

    def __init__(
        self,
        model: ModelRow,
        paths: list[bytes],
        keys: list[str],
        durations: npt.NDArray[np.float64],
        own: list[list[str | None]],
        scores: Floats,
        n_waiting: int = 0,
    ) -> None:
        self.model, self.keys, self.durations, self.scores, self.n_waiting = model, keys, durations, scores, n_waiting
        self._paths, self._own = paths, own
        self._folded: dict[str, list[str]] = {}

    @classmethod
    def load(cls, index: Index, *, only: Sequence[int] | None = None) -> Tracks:
        """Read them.

        Args:
            index: an open index; the tracks can be used after it is closed.
            only: row ids of the files to read; all others then count as waiting.

        Raises:
            DataError: nothing was scanned yet, or the index cannot be read.
        """
        model = index.current_model()
        statement = (
            "SELECT f.path, f.content_key, a.duration_seconds, f.title, f.artist, f.album, f.genre, r.scores "
            "FROM files f JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            "LEFT JOIN audio a ON a.content_key = f.content_key WHERE f.status = 'ok'"
            f"{'' if only is None else ' AND f.rowid IN (SELECT value FROM json_each(?))'}"
        )
        parameters = (model.model_id,) if only is None else (model.model_id, json.dumps(list(only)))
        # Sorted here: SQLite would read the table in the order of its paths, which takes three times as long.
        rows = sorted(index.rows(statement, parameters))
        paths, keys, durations, *own, blobs = map(list, zip(*rows, strict=True)) if rows else [[] for _ in range(8)]
        scores = vectors_of(blobs, len(paths), len(model.vocabulary))
        (n_ok,) = index.execute("SELECT count(*) FROM files WHERE status = 'ok'").fetchone()
        by_tag = np.ascontiguousarray(scores.T, np.float32)
        return cls(model, paths, keys, seconds_of(durations), own, by_tag, n_ok - len(paths))

    def __len__(self) -> int:
        return len(self.keys)

    def path(self, row: int) -> Path:
        """Path of a track."""
        return Path(os.fsdecode(self._paths[row]))

    @cached_property
    def rows_by_key(self) -> dict[str, int]:
        """First track of every audio content."""
        return {key: row for row, key in reversed(list(enumerate(self.keys)))}

    @cached_property
    def rows_by_path(self) -> dict[bytes, int]:
        """Track of every path, as bytes."""
        return {path: row for row, path in enumerate(self._paths)}

    @cached_property
    def degree_rows(self) -> tuple[int, ...]:
        """Which rows of ``scores`` are degrees."""
        return tuple(map(self.model.vocabulary.index, self.model.card.degrees))

    @cached_property
    def thresholds(self) -> npt.NDArray[np.float64]:
        """``(n_tags,)``: score from which a tag holds, of the model's card, or DEFAULT_BOUND; infinity for degrees."""
        return thresholds_of(self.model)

    @cached_property
    def kept(self) -> Mask:
        """``(n_tags, n_tracks)``: which tags apply, by the thresholds and rules of the model's card."""
        return kept_tags(self.model, self.scores)

    def texts(self, field: str) -> list[str]:
        """One of the files' own fields of all tracks, case-folded; empty where it is missing."""
        if field not in self._folded:
            if field == "path":
                texts = [os.fsdecode(path) for path in self._paths]
            else:
                texts = [text or "" for text in self._own[_OWN.index(field)]]
            self._folded[field] = [fold_case(text) for text in texts]
        return self._folded[field]

    def title(self, row: int) -> str | None:
        """The title in a track's own metadata."""
        return self._own[0][row]

    def hit(self, row: int, score: float | None = None) -> Hit:
        """A track with all its columns."""
        scores = self.scores[:, row]
        names = self.model.vocabulary.names
        over = np.flatnonzero(self.kept[:, row])
        over = over[np.argsort(-scores[over], kind="stable")]
        seconds = float(self.durations[row])
        title, artist, album, genre = (column[row] for column in self._own)
        return Hit(
            path=self.path(row),
            content_key=self.keys[row],
            duration_seconds=None if np.isnan(seconds) else seconds,
            title=title,
            artist=artist,
            album=album,
            genre=genre,
            score=None if score is None else float(score),
            tags=tuple((names[i], float(scores[i])) for i in over),
            degrees=tuple((names[i], float(scores[i])) for i in self.degree_rows) if scores.any() else (),
        )

    def search(self, query: Query | str) -> SearchResult:
        """Tracks for which a query holds, highest rank first, equal ones by path.

        Raises:
            QueryError: a text that is no query.
            ConfigError: a Query of another vocabulary.
        """
        query = parse_query(query, self.model.vocabulary, self.model.card.degrees) if isinstance(query, str) else query
        rows, ranks = rank_tracks(self, query)
        return SearchResult(self, query, rows, ranks)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search.

    Attributes:
        tracks: the tracks that were searched.
        query: the query.
        rows: ``(n,)`` numbers of the tracks, highest rank first.
        ranks: ``(n,)`` float32, 0..1, or None where the query has no wanted tags.
    """

    tracks: Tracks
    query: Query
    rows: Rows
    ranks: Floats | None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Hit]:
        for i, row in enumerate(self.rows):
            yield self.tracks.hit(int(row), None if self.ranks is None else float(self.ranks[i]))

    def take(self, positions: npt.NDArray[Any] | slice) -> SearchResult:
        """A part of the result, or another order, by positions in this one."""
        ranks = None if self.ranks is None else self.ranks[positions]
        return SearchResult(self.tracks, self.query, self.rows[positions], ranks)

    def without_copies(self) -> SearchResult:
        """Each audio content once: of several files with the same audio, the first in this order."""
        seen: set[str] = set()
        kept = []
        for i, row in enumerate(self.rows):
            key = self.tracks.keys[row]
            if key not in seen:
                seen.add(key)
                kept.append(i)
        return self.take(np.array(kept, np.int64))

    def guessed_bounds(self) -> tuple[str, ...]:
        """Tags of the query for which neither it nor the card gives a bound, so that DEFAULT_BOUND was used."""
        if self.query.score is not None:
            return ()
        card = self.tracks.model.card
        known = {*card.thresholds, *card.degrees}
        names = (tag.tag for tag in self.query.tags() if tag.bound is None and tag.tag not in known)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, eq=False)
class TopResults:
    """The result of :func:`search_index`.

    Attributes:
        best: the best tracks, as many as requested; its ``tracks`` are these alone.
        n_found: number of tracks for which the query holds.
        n_tracks: number of tracks that were searched.
    """

    best: SearchResult
    n_found: int
    n_tracks: int


def search_index(index: Index, query: str, limit: int | None = None) -> TopResults:
    """Search an index once, without loading all of it.

    Args:
        index: an open index.
        query: see :mod:`earmark.library.query.parser`.
        limit: most tracks to return; None for all.

    Raises:
        QueryError: a text that is no query.
        DataError: nothing was scanned yet, or the index cannot be read.
    """
    with index.snapshot():
        model = index.current_model()
        parsed = parse_query(query, model.vocabulary, model.card.degrees)
        columns = _QueryColumns(index, model, parsed)
        rows, ranks = rank_tracks(columns, parsed)
        best = rows[:limit]
        tracks = Tracks.load(index, only=None if len(best) == len(columns) else [columns.row_ids[row] for row in best])
    tracks.n_waiting += len(tracks) - len(columns)  # tracks that are not shown do not wait
    shown = np.array([tracks.rows_by_path[columns.paths[row]] for row in best], np.int64)
    result = SearchResult(tracks, parsed, shown, None if ranks is None else ranks[:limit])
    return TopResults(result, len(rows), len(columns))


class _QueryColumns:
    """The columns that one query uses, tracks by path."""

    def __init__(self, index: Index, model: ModelRow, query: Query) -> None:
        self.model = model
        fields = sorted(query.fields())
        columns = ["f.path", "f.rowid", *(f"f.{COLUMNS[field]}" for field in fields)]
        columns += ["a.duration_seconds"] if query.uses_durations() else []
        columns += ["r.scores"] if query.tags() else []
        statement = (
            f"SELECT {', '.join(columns)} FROM files f "
            "JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            f"{'LEFT JOIN audio a ON a.content_key = f.content_key ' if query.uses_durations() else ''}"
            "WHERE f.status = 'ok'"
        )
        rows = sorted(index.rows(statement, (model.model_id,)))  # here, and not by SQLite: see Tracks.load
        read = list(zip(*rows, strict=True)) or [()] * len(columns)
        self.paths: Sequence[bytes] = read.pop(0)
        self.row_ids: Sequence[int] = read.pop(0)
        self._texts = {field: read.pop(0) for field in fields}
        self.durations: npt.NDArray[np.float64] = seconds_of(read.pop(0) if query.uses_durations() else ())
        blobs = read.pop(0) if query.tags() else ()
        self.scores: Floats = vectors_of(blobs, len(blobs), len(model.vocabulary)).T

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def kept(self) -> Mask:
        """As :attr:`Tracks.kept`."""
        return kept_tags(self.model, np.ascontiguousarray(self.scores))

    def texts(self, field: str) -> list[str]:
        """As :meth:`Tracks.texts`."""
        return [fold_case(os.fsdecode(text or "")) for text in self._texts[field]]
