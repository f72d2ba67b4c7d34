"""EmoMusic: arousal and valence of 744 songs, excerpts of 45 s.

Root holds the tables of the annotations, itself or in ``annotations``: ``songs_info.csv`` (song_id, Artist, Song title,
Genre, "Mediaeval 2013 set" and others; cells may end in tabs) and ``static_annotations.csv`` (song_id, mean_arousal,
std_arousal, mean_valence, std_valence on a scale from 1 to 9); and the audio, ``clips_45seconds/2.mp3`` and so on.

Both tags are degrees: the mean over annotators, from 1..9 to 0..1.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np

from earmark.core.vocabulary import Vocabulary
from earmark.datasets.audio_places import first_folder
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import Row, read_table

TAGS = ("arousal", "valence")
LOW, HIGH = 1.0, 9.0
SET_COLUMN = "Mediaeval 2013 set"
_SETS = {"development": "train", "evaluation": "test"}

MEDIAEVAL_2013 = Protocol(
    "mediaeval-2013",
    "the evaluation set of MediaEval 2013 tests (125 songs); a fifth of the artists of the development set validates "
    "(Castellon, Donahue & Liang 2021)",
)

INFO = DatasetInfo(
    name="emomusic",
    title="EmoMusic: arousal and valence of 744 songs",
    description="a folder with annotations (songs_info.csv, static_annotations.csv) and clips_45seconds",
    citation=(
        "M. Soleymani, M. N. Caro, E. M. Schmidt, C.-Y. Sha, Y.-H. Yang: 1000 songs for emotional analysis of music. ACM "
        "workshop on crowdsourcing for multimedia, 2013. Validation: R. Castellon, C. Donahue, P. Liang: Codified audio "
        "language modeling learns useful representations for music information retrieval. ISMIR, 2021"
    ),
    licence="none published for the annotations; audio from the Free Music Archive, each song under its own Creative "
    "Commons licence",
    url="http://cvml.unige.ch/databases/emoMusic/",
    protocols=(MEDIAEVAL_2013,),
    downloads=DOWNLOADS / "emomusic.toml",
    tags=TAGS,
)


@register_dataset(INFO)
def emomusic(root: Path, protocol: str | None = None) -> Dataset:
    """Read the tables. Clip ids are song ids.

    Args:
        root: the folder that holds the tables or ``annotations``.
        protocol: "mediaeval-2013".

    Raises:
        DataError: tables missing, or rows with problems (all at once).
    """
    protocol = protocol or MEDIAEVAL_2013.name
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    audio = first_folder(root, ("clips_45seconds", "clips", "audio"))
    problems: list[str] = []
    degrees = _degrees(folder / "static_annotations.csv", problems)
    path = folder / "songs_info.csv"
    table = read_table(path)
    table.require("song_id", "Artist", "Song title", SET_COLUMN, where=str(path))
    clips = []
    for row in table.rows:
        song, artist, title, part = (
            str(row.values[name]).strip() for name in ("song_id", "Artist", "Song title", SET_COLUMN)
        )
        if part not in _SETS:
            problems.append(f"{path.name}: {row.where}: {SET_COLUMN} {part!r} must be one of {', '.join(_SETS)}")
        elif song not in degrees:
            problems.append(f"{path.name}: {row.where}: song {song!r} has no row in static_annotations.csv")
        else:
            split = "validation" if part == "development" and validates(artist) else _SETS[part]
            clips.append(Clip(song, audio / f"{song}.mp3", split, degrees[song], plain_name(artist) or None, title))
    raise_problems(str(folder), problems)
    vocabulary = Vocabulary.of(TAGS, "regression", "mood")
    return Dataset("emomusic", protocol, vocabulary, tuple(clips), INFO)


def plain_name(artist: str) -> str:
    """An artist's name as the split takes it: letters a to z in lower case, with single spaces between words.

    >>> plain_name("The  Björk-Band 2")
    'the bjrkband'
    """
    return " ".join("".join(c for c in artist.lower() if c.isascii() and (c.isalpha() or c.isspace())).split())


def validates(artist: str) -> bool:
    """Whether the development songs of an artist validate: by the SHA-1 of the name, as in the published program."""
    return int(hashlib.sha1(plain_name(artist).encode(), usedforsecurity=False).hexdigest(), 16) % 10 >= 8


def _degrees(path: Path, problems: list[str]) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    table = read_table(path)
    table.require("song_id", "mean_arousal", "mean_valence", where=str(path))
    return {
        str(row.values["song_id"]).strip(): np.array(
            [(_mean(row, f"mean_{tag}", path, problems) - LOW) / (HIGH - LOW) for tag in TAGS], np.float32
        )
        for row in table.rows
    }


def _mean(row: Row, column: str, path: Path, problems: list[str]) -> float:
    text = str(row.values[column]).strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not LOW <= value <= HIGH:
        problems.append(f"{path.name}: {row.where}: {column} {text!r} must be {LOW:g} to {HIGH:g}")
    return value
