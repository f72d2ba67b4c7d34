"""The music that earmark-1 learns from, and the music that is kept from it.

Two collections: Emotify (songs with genres and emotions, split by artist) and a corpus of unlabelled excerpts whose
``tracks.csv`` names a source for each. A source is a project that ships music with its own sound and often one
composer, so the corpus is split by source, never by excerpt.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from earmark.datasets.base import raise_problems
from earmark.datasets.emotify import GENRES
from earmark.datasets.labelled_set.songs import SONG_SPLITS, Song, shares_by_group
from earmark.datasets.table import read_table

HELD_OUT_SHARE = 0.1
LARGEST_HELD_OUT_SHARE = 0.05
HELD_OUT_SALT = "earmark default 0"
EMOTIFY = "emotify"
EMOTIFY_SHARE = 0.45


def read_collections(emotify: Path, corpus: Path) -> tuple[Song, ...]:
    """All songs of both collections, Emotify first, in the order of their tables.

    Args:
        emotify: folder with Emotify in its tracks layout, see :mod:`earmark.datasets.emotify`.
        corpus: folder with ``tracks.csv``: the columns track_id, path, source and duration_s. With the columns group and
            split, as ``python -m tools.default_model fetch-music`` writes them, these count, and sources are not split.

    Raises:
        DataError: tables or files with problems, all problems of a table at once.
    """
    songs = [
        dataclasses.replace(song, unchanged_set=EMOTIFY if song.split == "train" else None)
        for song in emotify_songs(emotify, GENRES)
    ]
    table = read_table(corpus / "tracks.csv")
    table.require("track_id", "path", "source", "duration_s", where=str(corpus / "tracks.csv"))
    problems: list[str] = []
    rows: list[tuple[str, Path, str, str, float]] = []
    is_split = {"group", "split"} <= set(table.columns)
    for row in table.rows:
        text = str(row.values["duration_s"])
        try:
            duration = float(text)
        except ValueError:
            duration = math.nan
        if not duration > 0:
            problems.append(f"{row.where}: duration_s {text!r} must be a number of seconds above 0")
        song_id, path, source = (str(row.values[name]).strip() for name in ("track_id", "path", "source"))
        group, split = (str(row.values[name]).strip() for name in ("group", "split")) if is_split else (source, "")
        if is_split and split not in SONG_SPLITS:
            problems.append(f"{row.where}: split {split!r} must be one of {', '.join(SONG_SPLITS)}")
        rows.append((song_id, corpus / path, group, split, duration))
    songs_twice = [song_id for song_id, n in Counter(row[0] for row in rows).items() if n > 1]
    problems += [f"track_id {song_id!r} is there more than once" for song_id in songs_twice]
    raise_problems(str(corpus / "tracks.csv"), problems)
    held_out = frozenset() if is_split else held_out_sources([(group, duration) for _, _, group, _, duration in rows])
    excerpts = [
        Song(song_id, path, group, split or ("heldout" if group in held_out else "train"), duration)
        for song_id, path, group, split, duration in rows
    ]
    found = with_weights(songs, excerpts)
    raise_problems("files are missing", [str(song.path) for song in found if not song.path.is_file()])
    return found


def emotify_songs(folder: Path, tags: Sequence[str]) -> list[Song]:
    """Emotify's songs with its first labels as tags of these names: the four genres, then the nine emotions."""
    return [
        Song(
            clip.clip_id,
            clip.path,
            clip.artist or clip.clip_id,
            clip.split,
            0.0,
            labels=dict(zip(tags, clip.labels.tolist(), strict=False)),
        )
        for clip in load_dataset("emotify", folder, "artist-disjoint").clips
    ]


def held_out_sources(excerpts: Iterable[tuple[str, float]], salt: str = HELD_OUT_SALT) -> frozenset[str]:
    """The sources that are never trained on: at least a tenth of the corpus, no source larger than a twentieth.

    Sources are taken in the order of a hash of their names, so that the choice follows from names and sizes alone.

    Args:
        excerpts: source and seconds of every excerpt.
        salt: goes into the hash.

    Raises:
        DataError: the sources are so few or so large that no tenth can be held out.
    """
    seconds: Counter[str] = Counter()
    for source, duration in excerpts:
        seconds[source] += duration  # type: ignore[assignment]  # Counter adds floats as well
    whole = sum(seconds.values())
    chosen: set[str] = set()
    for source in sorted(seconds, key=lambda name: hashlib.sha256(f"{salt} {name}".encode()).digest()):
        if sum(seconds[name] for name in chosen) >= HELD_OUT_SHARE * whole:
            break
        if seconds[source] <= LARGEST_HELD_OUT_SHARE * whole:
            chosen.add(source)
    if sum(seconds[name] for name in chosen) < HELD_OUT_SHARE * whole:
        raise DataError(
            f"the corpus has {len(seconds)} sources, and those of at most {LARGEST_HELD_OUT_SHARE:.0%} of its length "
            f"make less than {HELD_OUT_SHARE:.0%} of it: none can be held out; add music from other sources"
        )
    return frozenset(chosen)


def with_weights(emotify: Sequence[Song], corpus: Sequence[Song]) -> tuple[Song, ...]:
    """The songs, and how often each training song is drawn; the weights add up to 1.

    Emotify gets :data:`EMOTIFY_SHARE`, evenly over its songs. The rest goes to the corpus: to a source by the square
    root of its length, so that a collection of 188 anthems does not dominate, and within it by length.

    Raises:
        DataError: one of them has no training songs.
    """
    n_emotify = sum(song.split == "train" for song in emotify)
    training = [(song, song.group) for song in corpus if song.split == "train"]
    if not n_emotify or not training:
        raise DataError("both Emotify and the corpus must have songs to train on")
    weights = {song.song_id: share for song, share in shares_by_group(training, 1 - EMOTIFY_SHARE)}
    weights |= {song.song_id: EMOTIFY_SHARE / n_emotify for song in emotify if song.split == "train"}
    return tuple(dataclasses.replace(song, weight=weights.get(song.song_id)) for song in (*emotify, *corpus))
