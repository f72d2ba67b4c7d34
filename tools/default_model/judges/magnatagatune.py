"""MagnaTagATune's tags for Emotify's songs: both are music of Magnatune, so a song's artist, album and title join them.

A clip's file is named artist-album-track-title-start-end, with underscores for all but letters and digits. A song has a tag
where any of its labelled clips has it: players typed what came to mind, so a tag that is missing says little, and clips are
of half a minute, songs of one.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from earmark.core.errors import DataError
from tools.default_model.judges.songs import Collection

LEAST_PREFIX = 12
"""Letters that two titles must share from the start where one is longer, e.g. by a composer's name."""


def key(text: str) -> str:
    """Letters and digits alone, in lower case, without accents and track numbers.

    >>> key("21 - Don't Rain (On My Parade)"), key("don_t_rain_on_my_parade")
    ('dontrainonmyparade', 'dontrainonmyparade')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^\d+\s*[-.]\s+", "", plain))


def clip_name(path: str) -> tuple[str, str, str] | None:
    """Keys of artist, album and title in the path of a clip; None where it has another form.

    >>> clip_name("9/mrdc-timecode-01-dopamine-30-59.mp3")
    ('mrdc', 'timecode', 'dopamine')
    """
    match = re.fullmatch(r"(?:.*/)?([^-]+)-(.+?)-(\d+)-(.+)-\d+-\d+\.mp3", path)
    return None if match is None else (key(match[1]), key(match[2]), key(match[4]))


def join_clips(songs: Mapping[str, tuple[str, str, str]], paths: Iterable[str]) -> dict[str, list[str]]:
    """Clips of songs.

    Titles must be equal; or one must begin with the other, share at least :data:`LEAST_PREFIX` letters, and be from the same
    album. Of equal titles on several albums those of the song's own album count, where there are any.

    Args:
        songs: id -> artist, album and title.
        paths: of the clips.

    Returns:
        Song id -> its clips, for the songs that have any.
    """
    by_artist: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for path in paths:
        if name := clip_name(path):
            by_artist[name[0]].append((name[1], name[2], path))
    found = {}
    for song_id, (artist, album, title) in songs.items():
        album_key, title_key = key(album), key(title)
        clips = by_artist.get(key(artist), [])
        same = [clip for clip in clips if clip[1] == title_key]
        chosen = [clip for clip in same if clip[0] == album_key] or same
        if not chosen:
            chosen = [clip for clip in clips if clip[0] == album_key and _begins(clip[1], title_key)]
        if chosen:
            found[song_id] = [path for _, _, path in chosen]
    return found


def _begins(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    return shorter >= LEAST_PREFIX and one[:shorter] == other[:shorter]


def read_clip_labels(folder: Path, more: Sequence[Path] = ()) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    """Tags, and the labels of every labelled clip by its path.

    Args:
        folder: with clips.tsv (id, path), pons_tags.txt, and any ``*_labels.tsv`` (id, list of values).
        more: further tables of the latter form.

    Raises:
        DataError: an id without a path, or another number of values than there are tags.
    """
    tags = tuple((folder / "pons_tags.txt").read_text(encoding="utf-8").splitlines())
    with (folder / "clips.tsv").open(encoding="utf-8", newline="") as file:
        paths = dict(csv.reader(file, delimiter="\t"))
    labels: dict[str, list[float]] = {}
    for table in (*sorted(folder.glob("*_labels.tsv")), *more):
        with table.open(encoding="utf-8", newline="") as file:
            for clip_id, text in csv.reader(file, delimiter="\t"):
                values = [float(value) for value in ast.literal_eval(text)]
                if clip_id not in paths or len(values) != len(tags):
                    raise DataError(f"{table}: clip {clip_id!r}: must be in clips.tsv, and have {len(tags)} values")
                labels[paths[clip_id]] = values
    return tags, labels


def tagged_songs(emotify: Collection, tracks: Path, folder: Path, more: Sequence[Path] = ()) -> Collection:
    """The songs of Emotify that have labelled clips, with MagnaTagATune's tags as labels.

    Args:
        emotify: the songs; no other is joined.
        tracks: Emotify's tracks.csv: track_id, artist, album, title.
        folder, more: see :func:`read_clip_labels`.
    """
    with tracks.open(encoding="utf-8", newline="") as file:
        rows = {row["track_id"]: (row["artist"], row["album"], row["title"]) for row in csv.DictReader(file)}
    tags, labels = read_clip_labels(folder, more)
    clips = join_clips({song.song_id: rows[song.song_id] for song in emotify.songs}, labels)
    songs = []
    for song in emotify.songs:
        if song.song_id in clips:
            values = [max(column) for column in zip(*(labels[path] for path in clips[song.song_id]), strict=True)]
            songs.append(dataclasses.replace(song, labels=dict(zip(tags, values, strict=True))))
    return Collection("magnatagatune", tuple(songs))
