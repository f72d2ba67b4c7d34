"""What a student of the labelled sets has learned from, for its page: sources with their terms, splits, known labels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import DataError
from earmark.datasets.emotify import GENRES
from earmark.datasets.emotify import INFO as EMOTIFY_INFO
from earmark.datasets.labelled_set import LabelledSet, Song
from tools.default_model.earmark_2.degrees import DEGREES
from tools.default_model.earmark_2.music import EMOTION_TAGS
from tools.default_model.music.sources import Source, read_sources

EMOTIFY = "Emotify"


@dataclass(frozen=True)
class SourceRow:
    """One source.

    Attributes:
        name: in sources.yaml, or Emotify.
        location: package or repository.
        licence: of its music.
        n_train, train_hours: songs that training examples are drawn from.
        n_unseen, unseen_hours: songs that are held out, or for validation.
        share: of the training set: of the songs in its examples, those from here, 0..1.
    """

    name: str
    location: str
    licence: str
    n_train: int
    train_hours: float
    n_unseen: int
    unseen_hours: float
    share: float


def source_of(song: Song) -> str:
    """Name of the source of a song."""
    return song.song_id.split("/")[0] if "/" in song.song_id else EMOTIFY


def source_rows(songs: Sequence[Song], train: LabelledSet, emotify: Path) -> list[SourceRow]:
    """Every source, those with the most training music first.

    Args:
        songs: all songs of the sets.
        train: the training set, as much of it as was learned from.
        emotify: folder with tracks.csv, for the lengths of its songs.

    Raises:
        DataError: songs of a source that sources.yaml does not have.
    """
    sources = {source.name: source for source in read_sources()}
    sources[EMOTIFY] = Source(EMOTIFY, "", EMOTIFY_INFO.url, EMOTIFY_INFO.licence, "")
    used = {source_of(song) for song in songs}
    if unknown := sorted(used - set(sources)):
        raise DataError(f"songs are from {', '.join(unknown)}, which sources.yaml does not have")
    seconds = seconds_of(songs, emotify)
    by_id = {song.song_id: song for song in songs}
    learned = Counter(source_of(by_id[part["song"]]) for recipe in train.recipes for part in recipe["parts"])
    rows = []
    for name in used:
        own = [song for song in songs if source_of(song) == name]
        training, unseen = ([song for song in own if (song.split == "train") is wanted] for wanted in (True, False))
        rows.append(
            SourceRow(
                name,
                sources[name].location,
                sources[name].licence,
                len(training),
                _hours(training, seconds),
                len(unseen),
                _hours(unseen, seconds),
                learned[name] / learned.total(),
            )
        )
    return sorted(rows, key=lambda row: (-row.train_hours, row.name))


@dataclass(frozen=True)
class SplitRow:
    """One split: songs, groups (artists, packages, titles), hours, and of how many groups songs are trained on, too."""

    name: str
    n_songs: int
    n_groups: int
    hours: float
    n_groups_in_train: int


def split_rows(songs: Sequence[Song], emotify: Path) -> list[SplitRow]:
    """The splits of the sets, that of training first."""
    seconds = seconds_of(songs, emotify)
    groups = {
        name: {(source_of(song) == EMOTIFY, song.group) for song in songs if song.split == name}
        for name in dict.fromkeys(song.split for song in songs)
    }
    return [
        SplitRow(
            name,
            len(own := [song for song in songs if song.split == name]),
            len(found),
            _hours(own, seconds),
            0 if name == "train" else len(found & groups["train"]),
        )
        for name, found in sorted(groups.items(), key=lambda item: item[0] != "train")
    ]


def label_counts(songs: Iterable[Song]) -> dict[str, dict[str, int]]:
    """Kind of known label -> split -> songs that have some."""
    kinds = {
        "genres": set(GENRES),
        "emotions": set(EMOTION_TAGS.values()),
        "degrees": set(DEGREES),
    }
    found: dict[str, Counter[str]] = {name: Counter() for name in (*kinds, "instruments", "no music")}
    for song in songs:
        if song.known_share == 1:
            found["no music"][song.split] += 1
            continue
        for name, tags in kinds.items():
            found[name][song.split] += bool(tags & song.labels.keys())
        found["instruments"][song.split] += bool(song.labels.keys() - set().union(*kinds.values()))
    return {name: dict(counts) for name, counts in found.items()}


def seconds_of(songs: Iterable[Song], emotify: Path) -> dict[str, float]:
    """Song -> its length; of Emotify from the column duration_s of its tracks.csv, 0 where there is none."""
    with (emotify / "tracks.csv").open(encoding="utf-8", newline="") as file:
        known = {row["track_id"]: float(row.get("duration_s") or 0) for row in csv.DictReader(file)}
    return {song.song_id: song.duration_seconds or known.get(song.song_id, 0.0) for song in songs}


def _hours(songs: Iterable[Song], seconds: dict[str, float]) -> float:
    return sum(seconds[song.song_id] for song in songs) / 3600
