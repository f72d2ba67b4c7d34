"""Search a library any number of times.

:class:`Tracks` keeps all columns of an index in memory, scores as one row per tag: a query is a few array operations, and
100,000 tracks take milliseconds. For a program that searches once there is :mod:`earmark.library.query.index_search`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from earmark.library.index.measures import MEASURE_COLUMNS, MEASURE_JOINS, MeasureColumns
from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index, seconds_of, vectors_of
from earmark.library.query.evaluation import Floats, Mask, Rows, kept_tags, rank_tracks, thresholds_of
from earmark.library.query.nodes import Query
from earmark.library.query.parser import parse_query
from earmark.library.query.tag_names import fold_case
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

_OWN = ("title", "artist", "album", "file-genre")

K = TypeVar("K", bound=Hashable)


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
        copies: other files with the same audio that were found, too: copies, links.
        tempo, key: as a scan estimated them; None where none did.
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
    copies: tuple[Path, ...] = ()
    tempo: Tempo | None = None
    key: KeyEstimate | None = None

    @property
    def name(self) -> str:
        """What people call it: "Artist - Title", or its title alone, or its file's name without the ending."""
        return f"{self.artist} - {self.title}" if self.artist and self.title else self.title or self.path.stem


class Tracks:
    """All tracks that can be searched: existing files with scores of the current model.

    Attributes:
        model: that model.
        keys: content key of every track.
        scores: ``(n_tags, n_tracks)`` float32, 0..1.
        durations: ``(n_tracks,)`` float64 in seconds, NaN where not known.
        n_waiting: existing files that have no scores of the current model yet.
        measures: tempo and key.
    """

    def __init__(
        self,
        model: ModelRow,
        paths: list[bytes],
        keys: list[str],
        durations: npt.NDArray[np.float64],
        own: list[list[str | None]],
        scores: Floats,
        measures: MeasureColumns,
        n_waiting: int = 0,
    ) -> None:
        self.model, self.keys, self.durations, self.scores, self.n_waiting = model, keys, durations, scores, n_waiting
        self.measures, self._paths, self._own = measures, paths, own
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
            "SELECT f.path, f.content_key, a.duration_seconds, f.title, f.artist, f.album, f.genre, "
            f"{MEASURE_COLUMNS}, r.scores FROM files f {MEASURE_JOINS} JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            "LEFT JOIN audio a ON a.content_key = f.content_key WHERE f.status = 'ok'"
            f"{'' if only is None else ' AND f.rowid IN (SELECT value FROM json_each(?))'}"
        )
        parameters = (model.model_id,) if only is None else (model.model_id, json.dumps(list(only)))
        # Sorted here: SQLite would read the table in the order of its paths, which takes three times as long.
        rows = sorted(index.rows(statement, parameters))
        paths, keys, durations, *own, blobs = map(list, zip(*rows, strict=True)) if rows else [[] for _ in range(13)]
        scores = vectors_of(blobs, len(paths), len(model.vocabulary))
        (n_ok,) = index.execute("SELECT count(*) FROM files WHERE status = 'ok'").fetchone()
        by_tag = np.ascontiguousarray(scores.T, np.float32)
        measures = MeasureColumns.of(zip(*own[4:], strict=True))
        return cls(model, paths, keys, seconds_of(durations), own[:4], by_tag, measures, n_ok - len(paths))

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

    def copies(self, row: int) -> tuple[Path, ...]:
        """All other files with a track's audio, by path."""
        return tuple(self.path(other) for other in self._rows_of_key[self.keys[row]] if other != row)

    @cached_property
    def _rows_of_key(self) -> dict[str, list[int]]:
        return group_places(self.keys)

    def hit(self, row: int, score: float | None = None, copies: tuple[Path, ...] = ()) -> Hit:
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
            copies=copies,
            **self.measures.track(row),
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
        copies: of each of them the files that stand behind it, see :meth:`without_copies`; empty before that.
    """

    tracks: Tracks
    query: Query
    rows: Rows
    ranks: Floats | None
    copies: tuple[tuple[Path, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Hit]:
        for i, row in enumerate(self.rows):
            rank = None if self.ranks is None else float(self.ranks[i])
            yield self.tracks.hit(int(row), rank, self.copies[i] if self.copies else ())

    def take(self, positions: npt.NDArray[np.int64] | slice) -> SearchResult:
        """A part of the result, or another order, by positions in this one."""
        places = np.arange(len(self))[positions]
        ranks = None if self.ranks is None else self.ranks[places]
        copies = tuple(self.copies[place] for place in places) if self.copies else ()
        return SearchResult(self.tracks, self.query, self.rows[places], ranks, copies)

    def without_copies(self) -> SearchResult:
        """Each audio content once: of several files with the same audio the first in this order, the others as its copies."""
        groups = list(group_places([self.tracks.keys[row] for row in self.rows]).values())
        kept = self.take(np.array([first for first, *_ in groups], np.int64))
        copies = tuple(tuple(self.tracks.path(int(self.rows[place])) for place in others) for _, *others in groups)
        return replace(kept, copies=copies)

    def guessed_bounds(self) -> tuple[str, ...]:
        """Tags of the query for which neither it nor the card gives a bound, so that DEFAULT_BOUND was used."""
        if self.query.score is not None:
            return ()
        card = self.tracks.model.card
        known = {*card.thresholds, *card.degrees}
        names = (tag.tag for tag in self.query.tags() if tag.bound is None and tag.tag not in known)
        return tuple(dict.fromkeys(names))


def group_places(keys: Iterable[K]) -> dict[K, list[int]]:
    """The places of each key, in the order in which the keys come first.

    Example:
        >>> group_places("abac")
        {'a': [0, 2], 'b': [1], 'c': [3]}
    """
    places: dict[K, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return places
