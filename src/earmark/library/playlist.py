"""Playlists: search results in order, as an extended M3U8 file."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import refuse_existing, write_atomic
from earmark.core.errors import ConfigError
from earmark.library.query.search import Hit, SearchResult
from earmark.library.query.tag_names import fold_case

Order = Literal["score", "title", "path", "similar"]
ORDERS: tuple[Order, ...] = get_args(Order)

MOST_SIMILAR = 2000
"""Most tracks for the order "similar", which compares every pair of them."""


def arrange(
    found: SearchResult,
    *,
    order: Order = "score",
    limit: int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    vectors: npt.NDArray[np.floating[Any]] | None = None,
) -> SearchResult:
    """Select and order tracks for a playlist: the best ones, without copies of the same audio.

    Args:
        found: the result of a search.
        order: "score": highest rank first; "title"; "path"; "similar": begins with the highest rank and continues
            to the track that is most similar to the last one.
        limit: most tracks: those of the highest rank, or any with ``shuffle``; None for all.
        shuffle: draw them at random instead.
        seed: of the random draw; None for another one each time.
        vectors: ``(n_tracks, n_dims)``, one for every track of ``found.tracks``, for "similar"; None for their scores.

    Raises:
        ConfigError: a limit below 1, an unknown order, a seed without shuffle, or too many tracks
            for "similar".
    """
    problems = []
    if limit is not None and limit < 1:
        problems.append(f"limit {limit}: must be at least 1")
    if order not in ORDERS:
        problems.append(f"order {order!r}: must be one of {', '.join(ORDERS)}")
    if seed is not None and not shuffle:
        problems.append(f"seed {seed}: belongs to shuffle, which is not chosen")
    if shuffle and order != "score":
        problems.append(f"order {order}: shuffle puts tracks in no order; choose one of the two")
    if problems:
        raise ConfigError(problems)
    found = found.without_copies()
    if shuffle:
        places = list(range(len(found)))
        random.Random(seed).shuffle(places)
        return found.take(np.array(places[:limit], np.int64))
    found = found.take(slice(limit))
    if order == "similar":
        if len(found) > MOST_SIMILAR:
            raise ConfigError(f"order similar: {len(found)} tracks are too many; limit them to {MOST_SIMILAR}")
        return found.take(_chain((found.tracks.scores.T if vectors is None else vectors)[found.rows]))
    if order == "score":
        return found
    tracks = found.tracks
    if order == "title":
        keys = [(fold_case(tracks.title(int(row)) or tracks.path(int(row)).stem), int(row)) for row in found.rows]
    else:
        keys = [("", int(row)) for row in found.rows]  # tracks are sorted by path
    return found.take(np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64))


def _chain(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Order: from the first on, always to the most similar one that is left, by cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    left = np.ones(len(unit), np.bool_)
    places: list[int] = []
    place = 0
    while len(places) < len(unit):
        places.append(place)
        left[place] = False
        place = int(np.argmax(np.where(left, unit @ unit[place], -np.inf)))
    return np.array(places, np.int64)


def m3u8(hits: Iterable[Hit], relative_to: Path | None = None) -> bytes:
    """The text of a playlist, UTF-8; names of files that are not UTF-8 keep their bytes.

    Args:
        hits: tracks in order.
        relative_to: write paths as seen from this folder; None for absolute ones.
    """
    lines = ["#EXTM3U"]
    for hit in hits:
        seconds = -1 if hit.duration_seconds is None else round(hit.duration_seconds)
        path = str(hit.path)
        if relative_to is not None:
            path = os.path.relpath(path, relative_to)
            path = f"./{path}" if path.startswith("#") else path  # no comment
        lines += [f"#EXTINF:{seconds},{_one_line(hit.name)}", path]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def write_playlist(hits: Iterable[Hit], out: str | Path, *, relative: bool = False, force: bool = False) -> int:
    """Write a playlist; the file at ``out`` is there whole or not at all.

    Args:
        hits: tracks in order.
        out: the file, usually ``.m3u8``; its folder is made.
        relative: write paths as seen from the playlist's folder, so that both can be moved together.
        force: replace a file that is there.

    Returns:
        Number of tracks in it.

    Raises:
        ConfigError: the file is there, cannot be written, or a track's name has a line break in it, which no
            playlist can hold.
    """
    out = Path(out)
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name a file in it, such as {out / 'playlist.m3u8'}")
    refuse_existing([out], force=force)
    kept = list(hits)
    if broken := [hit.path for hit in kept if {"\n", "\r"} & set(str(hit.path))]:
        raise ConfigError(
            [f"{str(path)!r}: a line break in a file's name; playlists cannot hold it" for path in broken]
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, m3u8(kept, out.parent.resolve() if relative else None))
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror or error})") from error
    except ValueError as error:  # Windows, another drive
        raise ConfigError(
            f"{out}: tracks cannot be named as seen from there ({error}); write absolute paths"
        ) from error
    return len(kept)


def _one_line(text: str) -> str:
    return " ".join(text.split())
