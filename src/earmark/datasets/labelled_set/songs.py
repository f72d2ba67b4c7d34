"""The table of music that teachers label.

Columns
    path            the audio file, absolute or relative to the table's folder. Required.
    split           train, validation, heldout or test. Required. Students are chosen on "validation"; "heldout" is for
                    calibration and for measuring agreement with the teachers; "test" is only measured at the end.
    group           artist, album or source: what must not fall on both sides of a split, and what intervals draw. Required.
    song_id         unique name; the path where the column is missing.
    duration_seconds    required where there are no weights.
    weight          how often a song is drawn for training, relative to the others. Without this column a group counts by
                    the square root of its length, so that large ones do not dominate, and a song in it by its length.
    unchanged_set   for training songs: name of a further set in which they are labelled once without augmentation.
    known_share     how much the known values of this song count beside the teachers, 0..1; that of the dataset's option where it
                    is empty. 1 is for what is certain: a recording of rain has no guitar.
    any other column    is a tag whose true value is known: 0..1, empty where it is not, as for most songs it may be. Columns whose name begins with
                    ``#`` are ignored.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.core.csv_text import csv_rows
from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems
from earmark.datasets.table import Row, read_table

SONG_SPLITS = ("train", "validation", "heldout", "test")
_COLUMNS = ("song_id", "path", "split", "group", "duration_seconds", "weight", "unchanged_set", "known_share")


@dataclass(frozen=True)
class Song:
    """One audio file.

    Attributes:
        song_id: unique in its table.
        path: the file.
        group: artist, album or source.
        split: one of :data:`SONG_SPLITS`.
        duration_seconds: from the table; 0 where it is not given.
        weight: how often it is drawn for training; None for by length, see :func:`shares`.
        unchanged_set: the further set in which it is labelled unchanged; None for none.
        labels: tag -> true value in 0..1, where known.
        known_share: how much ``labels`` count beside the teachers, 0..1; None for as much as those of other songs.
    """

    song_id: str
    path: Path
    group: str
    split: str
    duration_seconds: float
    weight: float | None = None
    unchanged_set: str | None = None
    labels: dict[str, float] = field(default_factory=dict)
    known_share: float | None = None


def read_songs(path: str | Path, *, check_files: bool = True) -> tuple[Song, ...]:
    """Read a table of music; see the module docstring for its columns.

    Args:
        path: CSV, TSV, JSON Lines or Parquet.
        check_files: refuse a table that names audio files that do not exist.

    Raises:
        DataError: with all problems, each with its line.
    """
    path = Path(path)
    table = read_table(path)
    table.require("path", "split", "group", where=str(path))
    tags = [name for name in table.columns if name not in _COLUMNS and not name.startswith("#")]
    problems: list[str] = []
    songs = [_song(row, path.parent, tags, problems) for row in table.rows]
    twice = [song_id for song_id, n in Counter(song.song_id for song in songs).items() if n > 1]
    problems += [f"song_id {song_id!r} is there more than once" for song_id in twice]
    raise_problems(str(path), problems)
    if check_files:
        raise_problems("files are missing", [str(song.path) for song in songs if not song.path.is_file()])
    return tuple(songs)


def _song(row: Row, folder: Path, tags: Sequence[str], problems: list[str]) -> Song:
    def text(column: str) -> str:
        value = row.values.get(column)
        return "" if value is None else str(value).strip()

    def number(column: str, *, most: float, above: bool) -> float | None:
        if not text(column):
            return None
        try:
            value = float(text(column))
        except ValueError:
            value = math.nan
        if not (0 < value <= most if above else 0 <= value <= most):
            wanted = "0..1" if most == 1 else "a number above 0" if above else "a number, 0 or more"
            problems.append(f"{row.where}: {column} {text(column)!r} must be {wanted}")
        return value

    split, extra = text("split"), text("unchanged_set")
    if split not in SONG_SPLITS:
        problems.append(f"{row.where}: split {split!r} must be one of {', '.join(SONG_SPLITS)}")
    if extra and (split != "train" or extra in SONG_SPLITS or not re.fullmatch(r"[a-z][a-z0-9_-]*", extra)):
        problems.append(
            f"{row.where}: unchanged_set {extra!r}: must be a name of a-z, 0-9, - and _ other than that of a split, "
            "and only training songs have one"
        )
    problems += [f"{row.where}: {column} is empty" for column in ("path", "group") if not text(column)]
    known = {tag: number(tag, most=1.0, above=False) for tag in tags}
    return Song(
        text("song_id") or text("path"),
        folder / text("path"),
        text("group"),
        split,
        number("duration_seconds", most=math.inf, above=True) or 0.0,
        number("weight", most=math.inf, above=False),
        extra or None,
        {tag: value for tag, value in known.items() if value is not None},
        number("known_share", most=1.0, above=False),
    )


def songs_csv(songs: Sequence[Song]) -> str:
    """The table as CSV, with absolute paths; :func:`read_songs` reads the same songs from it."""
    tags = list(dict.fromkeys(tag for song in songs for tag in song.labels))
    rows: list[list[Any]] = [[*_COLUMNS, *tags]]
    for song in songs:
        weight = "" if song.weight is None else repr(song.weight)
        values = [song.labels.get(tag, "") for tag in tags]
        duration = song.duration_seconds or ""
        rows.append(
            [
                song.song_id,
                song.path.absolute(),
                song.split,
                song.group,
                duration,
                weight,
                song.unchanged_set or "",
                "" if song.known_share is None else song.known_share,
                *values,
            ]
        )
    return csv_rows(rows)


def extra_sets(songs: Iterable[Song]) -> tuple[str, ...]:
    """Names of the further unchanged sets, in the order of the table."""
    return tuple(dict.fromkeys(song.unchanged_set for song in songs if song.unchanged_set))


def shares(songs: Iterable[Song]) -> list[tuple[Song, float]]:
    """How often each training song is drawn: its weight, or, without weights, by length; see the module docstring.

    Raises:
        DataError: no training songs, weights for some of them only, or neither weights nor lengths.
    """
    training = [song for song in songs if song.split == "train"]
    weights = [song.weight for song in training if song.weight is not None]
    if not training or (weights and not sum(weights) > 0):
        raise DataError("no song to train on: the table must have songs of the split train, with weights above 0")
    if weights and len(weights) < len(training):
        raise DataError(
            f"weight: {len(weights)} of {len(training)} training songs have one; give one to all, or to none"
        )
    if weights:
        return list(zip(training, weights, strict=True))
    if unknown := [song.song_id for song in training if not song.duration_seconds]:
        raise DataError(
            f"duration_seconds is missing for {', '.join(unknown[:5])}; it is needed where no weight is given"
        )
    return shares_by_group([(song, song.group) for song in training])


def shares_by_group(training: Sequence[tuple[Song, str]], whole: float = 1.0) -> list[tuple[Song, float]]:
    """Divide ``whole`` among groups by the square roots of their lengths, and within a group by length."""
    seconds: Counter[str] = Counter()
    for song, group in training:
        seconds[group] += song.duration_seconds  # type: ignore[assignment]  # Counter adds floats as well
    roots = sum(math.sqrt(value) for value in seconds.values())
    return [
        (song, whole * math.sqrt(seconds[group]) / roots * song.duration_seconds / seconds[group])
        for song, group in training
    ]


def known_tags(songs: Iterable[Song]) -> tuple[str, ...]:
    """Tags with known values that are all 0 or 1, in the order of the table.

    Songs with a ``known_share`` of their own do not count: what is certain of them says nothing about how well others are known.
    """
    values: dict[str, set[float]] = {}
    for song in songs:
        for tag, value in song.labels.items() if song.known_share is None else ():
            values.setdefault(tag, set()).add(value)
    return tuple(tag for tag, found in values.items() if found <= {0.0, 1.0})
