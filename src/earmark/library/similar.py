"""Find tracks that sound like a given one, which may be in the library or not, or like a sum and difference of several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, ModelError
from earmark.library.index.track_index import Index
from earmark.library.neighbours import Neighbours, load_vectors, read_vector, unit_vectors
from earmark.library.query.search import Hit, Tracks
from earmark.library.query.tag_names import fold_case

Floats = npt.NDArray[np.float32]
OnNote = Callable[[str], None]

_CHOICES_SHOWN = 20
_SIGNS = {"+": 1.0, "-": -1.0}
_LEAST_LENGTH = 1e-3  # of a sum of unit vectors; below, its direction is rounding


class AmbiguousTrackError(ConfigError):
    """A text that may mean several tracks. Its message has them with numbers from 1, and says how to choose.

    Attributes:
        wanted: the text.
        tracks: the tracks, by path; the first ones where they are many.
    """

    def __init__(self, wanted: str, tracks: Sequence[Hit], n_tracks: int) -> None:
        self.wanted, self.tracks = wanted, tuple(tracks)
        lines = [f"  {number:>2}  {hit.name}  ({hit.path})" for number, hit in enumerate(tracks, 1)]
        more = [f"  and {n_tracks - len(lines)} more"] if n_tracks > len(lines) else []
        how = "choose one with --pick N, or name more of it"
        super().__init__([f"{wanted!r} may be any of {n_tracks} tracks; {how}:", *lines, *more])


def find_similar(
    index: Index,
    wanted: str | Sequence[str],
    *,
    limit: int = 20,
    exact: bool = False,
    among: str = "",
    model: str | Path | None = None,
    on_note: OnNote = lambda _: None,
) -> list[Hit]:
    """Tracks that sound like another one, most similar first, without its own copies and each content once.

    Args:
        index: an open index.
        wanted: an audio file, in the library or not, or a part of one track's path, or of its artist and title. Several of
            these with "+" or "-" between them, as in ``["A", "+", "B", "-", "C"]``, are added and subtracted as unit vectors;
            but words that are together a track's whole name, as in ``["Artist", "-", "Title"]``, are that track.
        limit: number of tracks; 0 for all.
        exact: compare all tracks.
        among: only tracks that this query finds, see :mod:`earmark.library.query.parser`.
        model: the file of the index's model, for a file outside the library; None: it is looked up by its name.
        on_note: called with notes for the user.

    Returns:
        Hits with their cosine similarity, -1..1, as ``score``.

    Raises:
        ConfigError: no track matches; signs and tracks do not alternate, or cancel each other.
        AmbiguousTrackError: several tracks match.
        QueryError: ``among`` is no query.
        AudioError: a file outside the library cannot be tagged.
        ModelError: the index's model is not installed, or another one has its name.
        DataError: the index holds no tracks.
    """
    tracks = Tracks.load(index)
    terms = _terms(tracks, [wanted] if isinstance(wanted, str) else wanted)
    allowed = {tracks.keys[row] for row in tracks.search(among).rows} if among.strip() else set(tracks.keys)
    vector, own_keys = _combined(index, tracks, terms, model, on_note)
    neighbours = Neighbours.open(
        index,
        exact=True if exact else None,
        on_build=lambda n: on_note(f"note: building the graph of neighbours of {n:,} tracks, once after each scan"),
    )
    if neighbours.kind == "scores":
        on_note(f"note: model {tracks.model.name} gives no embeddings: tracks are compared by their scores")
    allowed -= own_keys
    n_wanted = min(limit or len(allowed), len(allowed))
    n_asked = n_wanted + len(own_keys)
    while True:
        nearest = neighbours.nearest(vector, min(n_asked, len(neighbours))) if n_asked else []
        found = [one for one in nearest if one.content_key in allowed]  # others: filtered, or their files are gone
        if len(found) >= n_wanted or n_asked >= len(neighbours):
            rows = [(tracks.rows_by_key[one.content_key], one.similarity) for one in found[:n_wanted]]
            return [tracks.hit(row, similarity, tracks.copies(row)) for row, similarity in rows]
        n_asked *= 4


def track_vectors(index: Index, tracks: Tracks) -> Floats:
    """``(n_tracks, n_dims)``: the embedding of every track; the scores where the model gives none, or some track has none."""
    if not tracks.model.embedding_dims:
        return tracks.scores.T
    keys, vectors = load_vectors(index, tracks.model, "embedding")
    rows = {key.decode(): row for row, key in enumerate(keys)}
    if any(key not in rows for key in tracks.keys):
        return tracks.scores.T
    return vectors[[rows[key] for key in tracks.keys]]


def find_track(tracks: Tracks, wanted: str) -> int:
    """The track of a library that a file, or a part of its path, or of artist and title, names.

    Raises:
        ConfigError: none matches, or several do; a file that is not in the library.
    """
    row = _row_by_path(tracks, wanted)
    if row is None and Path(wanted).expanduser().is_file():
        raise ConfigError(f"{wanted}: is not in the library; earmark library scan takes it in")
    return _row_by_text(tracks, wanted) if row is None else row


def _terms(tracks: Tracks, words: Sequence[str]) -> list[tuple[float, str]]:
    """Sign and name of each track in a sum."""
    if len(words) > 1 and _rows_by_name(tracks, name := " ".join(words)):
        return [(1.0, name)]
    terms: list[tuple[float, str]] = []
    sign: float | None = 1.0
    for word in words:
        if word in _SIGNS:
            if sign is not None:
                raise ConfigError(
                    f"{word!r}: goes between two tracks, as in A + B - C; for a file of this name write ./{word}"
                )
            sign = _SIGNS[word]
        elif sign is None:
            raise ConfigError(
                f"{terms[-1][1]!r} {word!r}: + or - goes between two tracks, and quotes around a name of several words"
            )
        else:
            terms.append((sign, word))
            sign = None
    if sign is not None:
        raise ConfigError(f"{' '.join(words)!r}: a track is missing {'at its end' if words else ''}".rstrip())
    return terms


def _combined(
    index: Index, tracks: Tracks, terms: Sequence[tuple[float, str]], model: str | Path | None, on_note: OnNote
) -> tuple[Floats, set[str]]:
    """The sum of tracks' unit vectors, and the keys of those that are in the library."""
    found = [_vector(index, tracks, name, model, on_note) for _, name in terms]
    vectors = unit_vectors(np.stack([vector for vector, _ in found]))
    signs = np.array([sign for sign, _ in terms], np.float32)
    vector: Floats = signs @ vectors
    keys = [key for _, key in found]
    if len(terms) > 1:
        names = (
            Path(name).name if key is None else tracks.hit(tracks.rows_by_key[key]).name
            for key, (_, name) in zip(keys, terms, strict=True)
        )
        text = " ".join(f"{'+' if sign > 0 else '-'} {name!r}" for sign, name in zip(signs, names, strict=True))
        text = text.removeprefix("+ ")
        if np.linalg.norm(vector) < _LEAST_LENGTH:
            raise ConfigError(f"{text}: the tracks cancel each other; a name with + or - in it goes in quotes")
        on_note(f"note: {text}")
    return vector, {key for key in keys if key is not None}


def _vector(
    index: Index, tracks: Tracks, wanted: str, model: str | Path | None, on_note: OnNote
) -> tuple[Floats, str | None]:
    """The vector of the wanted track, and the key of its audio where it is in the library."""
    row = _row_by_path(tracks, wanted)
    if row is None:
        path = Path(wanted).expanduser()
        if path.is_file():
            return _tag_outside(tracks, path, model, on_note), None
        row = _row_by_text(tracks, wanted)
    key = tracks.keys[row]
    vector = read_vector(index, key)
    if vector is None:
        raise ConfigError(f"{tracks.path(row)}: has no embedding in the index: earmark library scan FOLDER")
    return vector, key


def _row_by_path(tracks: Tracks, wanted: str) -> int | None:
    path = Path(wanted).expanduser()
    rows = (tracks.rows_by_path.get(os.fsencode(name)) for name in (path.absolute(), Path(os.path.realpath(path))))
    return next((row for row in rows if row is not None), None)


def _row_by_text(tracks: Tracks, wanted: str) -> int:
    found = _rows_by_name(tracks, wanted) or _rows_by_part(tracks, wanted)
    if not found:
        raise ConfigError(
            f"{wanted!r}: no such file, and no track of the library has that in its path, artist or title"
        )
    if len(found) > 1:
        raise AmbiguousTrackError(wanted, [tracks.hit(row) for row in found[:_CHOICES_SHOWN]], len(found))
    return found[0]


def _rows_by_name(tracks: Tracks, wanted: str) -> list[int]:
    """Tracks whose whole title, or artist and title, this is."""
    text = _folded(wanted)
    names = zip(tracks.texts("artist"), tracks.texts("title"), strict=True)
    return _one_per_content(
        tracks,
        (row for row, (by, title) in enumerate(names) if title and text in (title, f"{by} {title}", f"{by} - {title}")),
    )


def _rows_by_part(tracks: Tracks, wanted: str) -> list[int]:
    """Tracks that have this in their path, or in their artist and title."""
    text = _folded(wanted)
    names = zip(tracks.texts("path"), tracks.texts("artist"), tracks.texts("title"), strict=True)
    return _one_per_content(
        tracks,
        (
            row
            for row, (path, by, title) in enumerate(names)
            if text and any(text in name for name in (path, f"{by} {title}", f"{by} - {title}"))
        ),
    )


def _one_per_content(tracks: Tracks, rows: Iterable[int]) -> list[int]:
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(tracks.keys[row], row)
    return list(first.values())


def _folded(text: str) -> str:
    return " ".join(fold_case(text).split())


def _tag_outside(tracks: Tracks, path: Path, model: str | Path | None, on_note: OnNote) -> Floats:
    """The vector of a file outside the library, by the index's model."""
    from earmark.core.errors import AudioError
    from earmark.library.scan.lazy_tagger import LazyTagger

    row = tracks.model
    tagger = LazyTagger(model or row.name, windows=row.windows)
    if tagger.weights_sha256 != row.weights_sha256:
        raise ModelError(
            f"model {tagger.path} is not the one of the index ({row.name} {row.version}, "
            f"{row.weights_sha256[:12]}): name its file with --model, or scan the library with this one"
        )
    on_note(f"note: tagging {path.name}, which is not in the library")
    (scores,) = tagger.tag_many([path], jobs=1, errors="return", on_progress=None)
    if isinstance(scores, AudioError):
        raise scores
    if row.embedding_dims is None:
        return scores.scores
    assert scores.embedding is not None  # the index's model gives them
    return scores.embedding
