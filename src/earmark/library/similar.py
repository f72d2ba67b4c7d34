"""Find tracks that sound like a given one, which may be in the library or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, ModelError
from earmark.library.index.track_index import Index
from earmark.library.neighbours import Neighbours, read_vector
from earmark.library.query.search import Hit, Tracks
from earmark.library.query.tag_names import fold_case

Floats = npt.NDArray[np.float32]
OnNote = Callable[[str], None]

_CHOICES_SHOWN = 20


class AmbiguousTrackError(ConfigError):
    """A text that may mean several tracks. Its message has them with numbers from 1, and says how to choose.

    Attributes:
        tracks: the tracks, by path; the first ones where they are many.
    """

    def __init__(self, wanted: str, tracks: Sequence[Hit], n_tracks: int) -> None:
        self.tracks = tuple(tracks)
        lines = [f"  {number:>2}  {hit.name}  ({hit.path})" for number, hit in enumerate(tracks, 1)]
        more = [f"  and {n_tracks - len(lines)} more"] if n_tracks > len(lines) else []
        how = "choose one with --pick N, or name more of it"
        super().__init__([f"{wanted!r} may be any of {n_tracks} tracks; {how}:", *lines, *more])


def find_similar(
    index: Index,
    wanted: str,
    *,
    limit: int = 20,
    exact: bool = False,
    model: str | Path | None = None,
    on_note: OnNote = lambda _: None,
) -> list[Hit]:
    """Tracks that sound like another one, most similar first, without its own copies and each content once.

    Args:
        index: an open index.
        wanted: an audio file, in the library or not, or a part of one track's path, or of its artist and title.
        limit: number of tracks; 0 for all.
        exact: compare all tracks.
        model: the file of the index's model, for a file outside the library; None: it is looked up by its name.
        on_note: called with notes for the user.

    Returns:
        Hits with their cosine similarity, -1..1, as ``score``.

    Raises:
        ConfigError: no track matches.
        AmbiguousTrackError: several do.
        AudioError: a file outside the library cannot be tagged.
        ModelError: the index's model is not installed, or another one has its name.
        DataError: the index holds no tracks.
    """
    tracks = Tracks.load(index)
    vector, own_key = _vector(index, tracks, wanted, model, on_note)
    neighbours = Neighbours.open(
        index,
        exact=True if exact else None,
        on_build=lambda n: on_note(f"note: building the graph of neighbours of {n:,} tracks, once after each scan"),
    )
    if neighbours.kind == "scores":
        on_note(f"note: model {tracks.model.name} gives no embeddings: tracks are compared by their scores")
    n_wanted = limit or len(neighbours)
    n_asked = n_wanted + 1
    while True:
        hits = []
        for neighbour in neighbours.nearest(vector, min(n_asked, len(neighbours))):
            row = tracks.rows_by_key.get(neighbour.content_key)
            if row is not None and neighbour.content_key != own_key:  # no row: its files are gone
                hits.append(tracks.hit(row, neighbour.similarity, tracks.copies(row)))
        if len(hits) >= n_wanted or n_asked >= len(neighbours):
            return hits[:n_wanted]
        n_asked *= 4


def track_vectors(index: Index, tracks: Tracks) -> Floats | None:
    """``(n_tracks, n_dims)``: the embedding of every track, or None where some have none."""
    if not tracks.model.embedding_dims:
        return None
    vectors = np.zeros((len(tracks), tracks.model.embedding_dims), np.float32)
    for row, key in enumerate(tracks.keys):
        vector = read_vector(index, key)
        if vector is None:
            return None
        vectors[row] = vector
    return vectors


def _vector(
    index: Index, tracks: Tracks, wanted: str, model: str | Path | None, on_note: OnNote
) -> tuple[Floats, str | None]:
    """The vector of the wanted track, and the key of its audio where it is in the library."""
    path = Path(wanted).expanduser()
    for known in (path.absolute(), Path(os.path.realpath(path))):
        row = tracks.rows_by_path.get(os.fsencode(known))
        if row is not None:
            break
    else:
        if path.is_file():
            return _tag_outside(tracks, path, model, on_note), None
        row = _row_by_text(tracks, wanted)
    key = tracks.keys[row]
    vector = read_vector(index, key)
    if vector is None:
        raise ConfigError(f"{tracks.path(row)}: has no embedding in the index: earmark library scan FOLDER")
    return vector, key


def _row_by_text(tracks: Tracks, wanted: str) -> int:
    text = " ".join(fold_case(wanted).split())
    whole: dict[str, int] = {}  # first track of each content that is called so
    parts: dict[str, int] = {}
    for row, (path, artist, title) in enumerate(
        zip(tracks.texts("path"), tracks.texts("artist"), tracks.texts("title"), strict=True)
    ):
        names = (f"{artist} {title}", f"{artist} - {title}")
        if text in (title, *names):
            whole.setdefault(tracks.keys[row], row)
        if text in path or any(text in name for name in names):
            parts.setdefault(tracks.keys[row], row)
    for found in (whole, parts):
        if len(found) == 1 and text:
            return next(iter(found.values()))
    if not parts or not text:
        raise ConfigError(
            f"{wanted!r}: no such file, and no track of the library has that in its path, artist or title"
        )
    shown = [tracks.hit(row) for row in list(parts.values())[:_CHOICES_SHOWN]]
    raise AmbiguousTrackError(wanted, shown, len(parts))


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
