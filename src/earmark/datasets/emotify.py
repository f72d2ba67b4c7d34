"""Emotify: 400 one-minute songs of four genres, with the emotions that listeners felt.

Nine regression tags (category mood): the share of a song's listeners who felt the emotion (Geneva Emotional Music
Scales; each listener chose up to three of nine). Four classification tags (category genre).

Two layouts are read:
    public      ``genre/N.mp3``, N = 1..100, for classical, rock, electronic and pop, and ``data.csv`` with one row per
                listener: track id (1..400, hundred by hundred in that order of genres), genre, the emotions as 0 or 1.
    tracks      ``tracks.csv`` with one row per song: track_id (``emotify-001`` ..), path, split, genre, the emotions as
                shares, artist, album, title. It may have only some of the songs.

Two protocols, never to be compared with each other:
    artist-disjoint     the split that tracks.csv names; no artist is in two splits. Only the tracks layout has it.
    random-by-track     60 / 15 / 25 songs of each genre for train / validation / test, fixed, drawn from
                        genre and number. **Artists are in several splits**, so scores are too high: a network may know
                        the artist. It is what the public layout, which names no artists, allows.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import Row, read_table

GENRES = ("classical", "rock", "electronic", "pop")
EMOTIONS = (
    "amazement",
    "solemnity",
    "tenderness",
    "nostalgia",
    "calmness",
    "power",
    "joyful_activation",
    "tension",
    "sadness",
)
SONGS_PER_GENRE = 100
RANDOM_SHARES = (("train", 60), ("validation", 15), ("test", 25))
_RANDOM_SEED = "emotify random-by-track 0"

ARTIST_DISJOINT = Protocol("artist-disjoint", "the split of tracks.csv: no artist is in two of train, validation, test")
RANDOM_BY_TRACK = Protocol(
    "random-by-track",
    "60 / 15 / 25 songs of each genre, seeded; artists fall on both sides, so its scores flatter",
)

INFO = DatasetInfo(
    name="emotify",
    title="Emotify: emotions that listeners felt in 400 songs",
    description="a folder with data.csv and genre/N.mp3 (public layout), or with tracks.csv",
    citation=(
        "A. Aljanaki, F. Wiering, R. C. Veltkamp: Studying emotion induced by music through a crowdsourcing game. "
        "Information Processing & Management 52(1), 2016"
    ),
    licence="audio from Magnatune, CC BY-NC-SA",
    url="http://www2.projects.science.uu.nl/memotion/emotifydata/",
    protocols=(ARTIST_DISJOINT, RANDOM_BY_TRACK),
    downloads=DOWNLOADS / "emotify.toml",
    tags=(*GENRES, *(name.replace("_", " ") for name in EMOTIONS)),
)


def vocabulary() -> Vocabulary:
    """The 13 tags: four genres, then nine emotions (``joyful_activation`` is shown as "joyful activation")."""
    genres = tuple(Tag(genre, "classification", "genre") for genre in GENRES)
    return Vocabulary(genres + tuple(Tag(name.replace("_", " "), "regression", "mood") for name in EMOTIONS))


@register_dataset(INFO)
def emotify(root: Path, protocol: str | None = None) -> Dataset:
    """Read Emotify in the layout that is found under root.

    Args:
        root: the folder that holds tracks.csv or data.csv.
        protocol: "artist-disjoint" or "random-by-track"; None for the first that the layout has.

    Raises:
        DataError: neither layout, or tables with problems (all at once).
        ConfigError: the layout does not have that protocol.
    """
    if (root / "tracks.csv").is_file():
        protocol = protocol or ARTIST_DISJOINT.name
        clips = _read_tracks(root, protocol)
    elif (root / "data.csv").is_file():
        protocol = protocol or RANDOM_BY_TRACK.name
        if protocol != RANDOM_BY_TRACK.name:
            raise ConfigError(
                f"emotify: {root} has the public layout, which names no artists, so not the protocol {protocol!r}; "
                f"use {RANDOM_BY_TRACK.name}"
            )
        clips = _read_public(root)
    else:
        raise DataError(f"{root}: has neither tracks.csv nor data.csv; emotify needs {INFO.description}")
    return Dataset("emotify", protocol, vocabulary(), tuple(clips), INFO)


def random_split(genre: str, number: int) -> str:
    """Split of a song under random-by-track, from its genre and its number (1..100) alone.

    The songs of a genre are put in the order of a hash of their names; the first 60 train, the next 15 validate.
    """
    keys = {n: hashlib.sha256(f"{_RANDOM_SEED} {genre} {n}".encode()).digest() for n in range(1, SONGS_PER_GENRE + 1)}
    place = sorted(keys, key=keys.__getitem__).index(number)
    for split, share in RANDOM_SHARES:
        if place < share:
            return split
        place -= share
    raise AssertionError("the shares add up to all songs")


def _labels(genre: str, emotions: list[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([*(float(genre == name) for name in GENRES), *emotions], dtype=np.float32)


def _song(row: Row, column: str, pattern: str, problems: list[str]) -> tuple[str, int] | None:
    """Genre and number (1..100) of the song that a row is about; checks that id and genre agree."""
    text, genre = str(row.values[column]).strip(), str(row.values["genre"]).strip()
    match = re.fullmatch(pattern, text)
    track = int(match[1]) if match else 0
    if not 1 <= track <= SONGS_PER_GENRE * len(GENRES):
        problems.append(f"{row.where}: {column} {text!r} must name a song from 1 to {SONGS_PER_GENRE * len(GENRES)}")
        return None
    block, number = divmod(track - 1, SONGS_PER_GENRE)
    if genre != GENRES[block]:
        problems.append(f"{row.where}: song {track} is {GENRES[block]}, the row says {genre!r}")
        return None
    return genre, number + 1


def _numbers(row: Row, allowed: str, problems: list[str]) -> list[float]:
    """The nine emotions of a row. ``allowed``: "0 or 1", or "in 0..1"."""
    values = []
    for name in EMOTIONS:
        text = str(row.values[name]).strip()
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1 or (allowed == "0 or 1" and value not in (0, 1)):
            problems.append(f"{row.where}: {name} {text!r} must be {allowed}")
        values.append(value)
    return values


def _read_tracks(root: Path, protocol: str) -> list[Clip]:
    """One row per song."""
    path = root / "tracks.csv"
    table = read_table(path)
    table.require("track_id", "path", "split", "genre", "artist", "title", *EMOTIONS, where=str(path))
    problems: list[str] = []
    clips = []
    for row in table.rows:
        song = _song(row, "track_id", r"emotify-(\d+)", problems)
        emotions = _numbers(row, "in 0..1", problems)
        artist = str(row.values["artist"]).strip()
        if not artist:
            problems.append(f"{row.where}: no artist")
        if song is None:
            continue
        split = row.values["split"].strip() if protocol == ARTIST_DISJOINT.name else random_split(*song)
        audio = root / row.values["path"].strip()
        track_id = row.values["track_id"].strip()
        clips.append(Clip(track_id, audio, split, _labels(song[0], emotions), artist, row.values["title"].strip()))
    raise_problems(str(path), problems)
    dataset = Dataset("emotify", protocol, vocabulary(), tuple(clips), INFO)
    if protocol == ARTIST_DISJOINT.name and (both := dataset.shared_between_splits("artist")):
        raise DataError(f"{path}: artists in more than one split, so it is not artist-disjoint: {', '.join(both)}")
    return clips


def _read_public(root: Path) -> list[Clip]:
    """One row per listener; a song's emotions are the means over its listeners."""
    path = root / "data.csv"
    table = read_table(path)
    table.require("track id", "genre", *EMOTIONS, where=str(path))
    problems: list[str] = []
    felt: dict[tuple[str, int], list[list[float]]] = {}
    for row in table.rows:
        song = _song(row, "track id", r"(\d+)", problems)
        emotions = _numbers(row, "0 or 1", problems)
        if song is not None:
            felt.setdefault(song, []).append(emotions)
    raise_problems(str(path), problems)
    clips = []
    for genre, number in sorted(felt, key=lambda song: (GENRES.index(song[0]), song[1])):
        track = GENRES.index(genre) * SONGS_PER_GENRE + number
        shares = np.mean(felt[genre, number], axis=0).tolist()
        audio = root / genre / f"{number}.mp3"
        clips.append(Clip(f"emotify-{track:03d}", audio, random_split(genre, number), _labels(genre, shares)))
    return clips
