"""The table of music for earmark-2: Emotify and what `fetch-music` brings, its splits, and how often each song is drawn.

Known labels are Emotify's genres and emotions, the instruments that the composer of some titles lists, the degrees
in ``degrees.csv``, and that speech and noise have nothing of music: teachers of music find moods and instruments in any sound. Emotify keeps its splits. Of the fetched music, "train" is trained on, and "validation" is held out for
calibration. Its test songs, the composer's held-out titles and Emotify's test songs are in no set: judges measure on them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from earmark.core.errors import DataError
from earmark.datasets.emotify import EMOTIONS, GENRES
from earmark.datasets.labelled_set.songs import Song, shares_by_group
from earmark.datasets.table import read_table
from tools.default_model.corpus import emotify_songs
from tools.default_model.earmark_2.degrees import read_degrees
from tools.default_model.judges.songs import composer_instruments

EMOTIFY_SHARE = 0.25
"""People's labels are like those that users compare with: of one minute each, but of many artists and with voices."""
NO_MUSIC_SHARE = 0.06
"""It was .04 for the first 49.1 hours."""
NOISE = ("moodist",)
"""Sources of noise; the others without music are speech."""
OPEN = ("speech", "noise")
"""Somebody may speak in a noise, and noise be around who speaks."""
MAY_HAVE_MUSIC = [
    "alarm",
    "binaural-*",
    "cafe",
    "carousel",
    "church",
    "crowded-bar",
    "morse-code",
    "night-village",
    "restaurant",
    "singing-bowl",
    "supermarket",
    "temple",
    "tuning-radio",
    "vinyl-effect",
    "wind-chimes",
]
"""Sounds among those without music that have tones, or music somewhere: nothing is known of them."""
SHORTEST_SPEECH_SECONDS = 4.0
VOICES = ("cars24", "ultrastar", "jamendolyrics", "thelackthereof", "muldjord", "sectoid")
VOICES_FACTOR = 2.0
"""How much more often songs of the sources with voices are drawn: most of the other music is instrumental."""
EMOTION_TAGS = {
    "amazement": "amazed",
    "solemnity": "solemn",
    "tenderness": "tender",
    "nostalgia": "nostalgic",
    "calmness": "calm",
    "power": "powerful",
    "joyful_activation": "joyful",
    "tension": "tense",
    "sadness": "sad",
}
"""Emotify's emotions as tags."""
TAGS = Path(__file__).parent / "tags.csv"
_OTHER_NAMES = {"a voice": "vocals"}


def songs(emotify: Path, music: Path) -> tuple[Song, ...]:
    """All songs of the sets, Emotify first; the weights of the training songs add up to 1.

    Args:
        emotify: folder with Emotify in its tracks layout.
        music: folder written by ``fetch-music``.

    Raises:
        DataError: tables with problems, or one of the two has no songs to train on.
    """
    tags = (*GENRES, *(EMOTION_TAGS[name] for name in EMOTIONS))
    known = [song for song in emotify_songs(emotify, tags) if song.split != "test"]
    fetched = [
        dataclasses.replace(song, split="heldout" if song.split == "validation" else "train")
        for song in _rows(music / "tracks.csv", music)
        if song.split in ("train", "validation")
    ]
    others = [
        song
        for song in _no_music(music / "no_music.csv", music)
        if song.split == "train" and song.duration_seconds >= SHORTEST_SPEECH_SECONDS
    ]
    weights = _weights(known, fetched, others)
    degrees = read_degrees()
    return tuple(
        dataclasses.replace(song, weight=weights.get(song.song_id), labels=song.labels | degrees.get(song.song_id, {}))
        for song in (*known, *fetched, *others)
    )


def _rows(path: Path, folder: Path) -> list[Song]:
    table = read_table(path)
    table.require("track_id", "path", "group", "split", "duration_s", where=str(path))
    return [
        Song(
            str(row.values["track_id"]),
            folder / str(row.values["path"]),
            str(row.values["group"]),
            str(row.values["split"]),
            float(str(row.values["duration_s"])),
            labels=_instruments(row.values, f"{path}: {row.where}"),
        )
        for row in table.rows
    ]


def _instruments(values: Mapping[str, object], where: str) -> dict[str, float]:
    """Those that the composer's list names or rules out, as far as they are tags; none without a list."""
    listed = composer_instruments(str(values.get("instruments") or ""), where)
    found = {_OTHER_NAMES.get(name, name): value for name, value in listed.items() if not math.isnan(value)}
    tags = {row.values["name"] for row in read_table(TAGS).rows} if found else set()
    return {name: value for name, value in found.items() if name in tags}


def _no_music(path: Path, folder: Path) -> list[Song]:
    """Speech and noise: no tag but the one that says what it is, where that is certain."""
    titles = {str(row.values["track_id"]): str(row.values.get("title") or "") for row in read_table(path).rows}
    tags = [str(row.values["name"]) for row in read_table(TAGS).rows if row.values["kind"] != "regression"]
    found = []
    for song in _rows(path, folder):
        kind = "noise" if song.song_id.split("/")[0] in NOISE else "speech"
        known = {tag: float(tag == kind) for tag in tags if tag == kind or tag not in OPEN}
        title = titles[song.song_id].lower().replace(" ", "-")
        uncertain = any(fnmatch(title, pattern) for pattern in MAY_HAVE_MUSIC)
        found.append(song if uncertain else dataclasses.replace(song, labels=known, known_share=1.0))
    return found


def _weights(known: Sequence[Song], fetched: Iterable[Song], others: Sequence[Song]) -> dict[str, float]:
    emotify = [song for song in known if song.split == "train"]
    training = [song for song in fetched if song.split == "train"]
    if not emotify or not training:
        raise DataError("both Emotify and the fetched music must have songs to train on")
    favoured = [
        (song, share * (VOICES_FACTOR if song.song_id.split("/")[0] in VOICES else 1.0))
        for song, share in shares_by_group([(song, song.group) for song in training])
    ]
    rest = (1 - EMOTIFY_SHARE - (NO_MUSIC_SHARE if others else 0)) / math.fsum(share for _, share in favoured)
    weights = {song.song_id: share * rest for song, share in favoured}
    weights |= {song.song_id: EMOTIFY_SHARE / len(emotify) for song in emotify}
    by_kind = [(song, song.song_id.split("/")[0].split("-")[0]) for song in others]
    weights |= {song.song_id: share for song, share in shares_by_group(by_kind, NO_MUSIC_SHARE)} if by_kind else {}
    return weights
