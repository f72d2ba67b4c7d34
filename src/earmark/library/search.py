"""Which tracks does a query mean, and in which order?

All columns of the index that a query may ask for lie in memory, scores as one row a tag, so that a query is a
few array operations: 100,000 tracks take milliseconds.

Rank: the mean score of the tags that are wanted; tags that are excluded do not count. Of the sides of an
``or``, the highest counts among those that hold for the track. A query without wanted tags ranks nothing, and
gives tracks by path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import ConfigError
from earmark.library.query import (
    DEFAULT_BOUND,
    AllOf,
    AnyOf,
    Bound,
    HasTag,
    HasText,
    Lasts,
    Node,
    Not,
    Query,
)
from earmark.library.query_names import folded
from earmark.library.query_parser import parse_query
from earmark.library.store import Index, ModelRow

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_COLUMNS = {"title": 0, "artist": 1, "album": 2, "file-genre": 3}


@dataclass(frozen=True)
class Hit:
    """A track that was found.

    Attributes:
        path: absolute.
        content_key: of its audio.
        duration_seconds: None where it is not known.
        title, artist, album, genre: the file's own metadata, None where it has none.
        score: rank by which it was found, 0..1; None where nothing was ranked.
        tags: (tag, score) of those that reach their threshold, highest first.
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


class Tracks:
    """All tracks that can be searched: files that are there, with scores of the current model.

    Attributes:
        model: that model.
        keys: content keys, a track each.
        scores: ``(n_tags, n_tracks)`` float32, 0..1.
        durations: ``(n_tracks,)`` float64 in seconds, NaN where not known.
        n_waiting: files that are there but have no scores of the current model yet.
    """

    def __init__(
        self,
        model: ModelRow,
        paths: list[bytes],
        keys: list[str],
        durations: npt.NDArray[np.float64],
        own: list[tuple[str | None, ...]],
        scores: Floats,
        n_waiting: int = 0,
    ) -> None:
        self.model, self.keys, self.durations, self.scores, self.n_waiting = model, keys, durations, scores, n_waiting
        self._paths, self._own = paths, own
        self._folded: dict[str, list[str]] = {}

    @classmethod
    def load(cls, index: Index) -> Tracks:
        """Read them. Raises DataError where nothing was scanned yet, or the index cannot be read."""
        model = index.current_model()
        statement = (
            "SELECT f.path, f.content_key, a.duration_seconds, f.title, f.artist, f.album, f.genre, r.scores "
            "FROM files f JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
            "LEFT JOIN audio a ON a.content_key = f.content_key WHERE f.status = 'ok' ORDER BY f.path"
        )
        paths, keys, durations, own, blobs = [], [], [], [], []
        for path, key, seconds, *texts, blob in index.rows(statement, (model.model_id,)):
            paths.append(path)
            keys.append(key)
            durations.append(np.nan if seconds is None else seconds)
            own.append(tuple(texts))
            blobs.append(blob)
        scores = np.frombuffer(b"".join(blobs), "<f4").reshape(len(paths), len(model.vocabulary))
        (n_ok,) = index.execute("SELECT count(*) FROM files WHERE status = 'ok'").fetchone()
        by_tag = np.ascontiguousarray(scores.T, np.float32)
        return cls(model, paths, keys, np.array(durations, np.float64), own, by_tag, n_ok - len(paths))

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
    def thresholds(self) -> npt.NDArray[np.float64]:
        """``(n_tags,)``: score from which a tag holds, of the model's card, or DEFAULT_BOUND."""
        card = self.model.card
        return np.array([card.thresholds.get(name, DEFAULT_BOUND) for name in card.vocabulary.names])

    def texts(self, field: str) -> list[str]:
        """One of the files' own fields of all tracks, folded for comparing; empty where it is missing."""
        if field not in self._folded:
            if field == "path":
                texts = [os.fsdecode(path) for path in self._paths]
            else:
                texts = [own[_COLUMNS[field]] or "" for own in self._own]
            self._folded[field] = [folded(text) for text in texts]
        return self._folded[field]

    def title(self, row: int) -> str | None:
        """A track's own title."""
        return self._own[row][0]

    def hit(self, row: int, score: float | None = None) -> Hit:
        """A track with all that is known of it."""
        scores = self.scores[:, row]
        names = self.model.vocabulary.names
        over = np.flatnonzero(scores >= self.thresholds)
        over = over[np.argsort(-scores[over], kind="stable")]
        seconds = float(self.durations[row])
        title, artist, album, genre = self._own[row]
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
        )

    def search(self, query: Query | str) -> Found:
        """Tracks for which a query holds, highest rank first, equal ones by path.

        Raises:
            QueryError: a text that is no query.
            ConfigError: a Query of another vocabulary.
        """
        query = parse_query(query, self.model.vocabulary) if isinstance(query, str) else query
        mask, rank = _Evaluation(self, query).of(query.node)
        rows = np.flatnonzero(mask)
        if rank is None:
            return Found(self, query, rows, None)
        order = np.argsort(-rank[rows], kind="stable")
        return Found(self, query, rows[order], rank[rows[order]])


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        tracks: in which it was searched.
        query: what was asked.
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

    def take(self, positions: npt.NDArray[Any] | slice) -> Found:
        """Some of them, by their places in this order, or in another order."""
        ranks = None if self.ranks is None else self.ranks[positions]
        return Found(self.tracks, self.query, self.rows[positions], ranks)

    def without_copies(self) -> Found:
        """Each audio content once: of several files that hold it, the first in this order."""
        seen: set[str] = set()
        kept = []
        for i, row in enumerate(self.rows):
            key = self.tracks.keys[row]
            if key not in seen:
                seen.add(key)
                kept.append(i)
        return self.take(np.array(kept, np.int64))

    def guessed_bounds(self) -> tuple[str, ...]:
        """Tags of the query for which neither it nor the card gave a bound: DEFAULT_BOUND was taken."""
        if self.query.score is not None:
            return ()
        known = self.tracks.model.card.thresholds
        names = (tag.tag for tag in self.query.tags() if tag.bound is None and tag.tag not in known)
        return tuple(dict.fromkeys(names))


class _Evaluation:
    """One query over all tracks: for every node a mask, and a rank where it wants tags."""

    def __init__(self, tracks: Tracks, query: Query) -> None:
        self.tracks, self.query = tracks, query
        self.position = {name: i for i, name in enumerate(tracks.model.vocabulary.names)}

    def of(self, node: Node) -> tuple[Mask, Floats | None]:
        match node:
            case HasTag():
                return self._tag(node)
            case HasText():
                text = folded(node.text)
                return np.array([text in each for each in self.tracks.texts(node.field)], np.bool_), None
            case Lasts():
                return _compared(self.tracks.durations, node.bound), None
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
        bound = node.bound or self.query.score or Bound(">=", float(self.tracks.thresholds[i]))
        return _compared(scores, bound), scores

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


def _compared(values: npt.NDArray[Any], bound: Bound) -> Mask:
    """NaN compares with nothing."""
    match bound.comparison:
        case ">":
            mask = values > bound.value
        case ">=":
            mask = values >= bound.value
        case "<":
            mask = values < bound.value
        case "<=":
            mask = values <= bound.value
    return np.asarray(mask, np.bool_)
