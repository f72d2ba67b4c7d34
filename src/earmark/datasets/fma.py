"""FMA: tracks of the Free Music Archive with their artists' genres, in three sizes.

Root holds ``fma_metadata`` with ``tracks.csv`` (two rows of header, the group and the name of each column, and a third
that names the first one) and ``genres.csv`` (genre_id, #tracks, parent, title, top_level); and the audio of a size, 30 s
of each track, ``fma_small/000/000002.mp3``. The larger sizes hold the smaller ones: where the folder of a size is
absent, the next larger one is used.

A protocol is a size. Tracks of ``small`` and ``medium`` have exactly one top genre; those of ``large`` any number of
genres, each with those above it. The split is the published one (80 / 10 / 10, no artist on two sides).
"""

from __future__ import annotations

import ast
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.core.errors import DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.audio_places import find_folder
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import read_table

SIZES = ("small", "medium", "large")
_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
_COLUMNS = (("set", "split"), ("set", "subset"), ("track", "genre_top"), ("track", "genres_all"), ("artist", "id"))
_LONGEST_CELL = 1 << 24

CUT_OUTSIDE = (
    *(1486, 5574, 65753, 80391, 98558, 98559, 98560, 98565, 98566, 98567, 98568, 98569, 98571, 99134, 105247, 108924),
    *(108925, 126981, 127336, 133297, 143992),
)
"""Tracks whose 30 s were cut beyond the end of the song, or at it: nothing, or a few seconds (mdeff/fma, issue 8)."""

INFO = DatasetInfo(
    name="fma",
    title="FMA: genres of the Free Music Archive",
    description="a folder with fma_metadata (tracks.csv, genres.csv) and fma_small, fma_medium or fma_large",
    citation="M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson: FMA: a dataset for music analysis. ISMIR, 2017",
    licence="metadata CC BY 4.0; each track under the licence that its artist chose",
    url="https://github.com/mdeff/fma",
    protocols=(
        Protocol("small", "8,000 tracks of 8 top genres, 1,000 of each; one genre for each track"),
        Protocol("medium", "25,000 tracks of 16 top genres, not balanced; one genre for each track"),
        Protocol("large", "106,574 tracks of 161 genres; any number for each track"),
    ),
    downloads=DOWNLOADS / "fma.toml",
    exclusions={f"{track:06d}": "its 30 s were cut beyond the end of the song" for track in CUT_OUTSIDE},
    tags_from="the size: top genres of small and medium, all genres of large, in the order of the alphabet",
)


@dataclass(frozen=True)
class _Track:
    number: int
    split: str
    genres: tuple[str, ...]
    artist: str


@register_dataset(INFO)
def fma(root: Path, protocol: str | None = None) -> Dataset:
    """Read the tracks of a size. Clip ids and songs are track ids of six digits.

    Args:
        root: the folder that holds fma_metadata.
        protocol: "small", "medium" or "large"; None for the largest one whose folder of audio is there, else "small".

    Raises:
        DataError: tables missing, or rows with problems (all at once).
    """
    if protocol is None:
        protocol = next((size for size in reversed(SIZES) if (root / f"fma_{size}").is_dir()), SIZES[0])
    path = root / "fma_metadata" / "tracks.csv"
    titles = _titles(path.with_name("genres.csv"))
    problems: list[str] = []
    tracks = list(_tracks(path, protocol, titles, problems))
    raise_problems(str(path), problems)
    names = tuple(sorted({genre for track in tracks for genre in track.genres}))
    if not names:
        raise DataError(f"{path}: no track of {protocol} has a genre")
    places = {name: place for place, name in enumerate(names)}
    folders = [root / f"fma_{size}" for size in SIZES[SIZES.index(protocol) :]]
    folder = find_folder(folders, (_audio(track.number) for track in tracks))
    clips = []
    for track in tracks:
        labels = np.zeros(len(names), np.float32)
        labels[[places[genre] for genre in track.genres]] = 1
        name = f"{track.number:06d}"
        clips.append(Clip(name, folder / _audio(track.number), track.split, labels, track.artist, name))
    exclusive = () if protocol == "large" else names
    return Dataset("fma", protocol, Vocabulary.of(names, category="genre"), tuple(clips), INFO, exclusive=exclusive)


def _audio(track: int) -> str:
    name = f"{track:06d}"
    return f"{name[:3]}/{name}.mp3"


def _titles(path: Path) -> dict[int, str]:
    """Genre id -> title."""
    table = read_table(path)
    table.require("genre_id", "title", where=str(path))
    return {int(row.values["genre_id"]): row.values["title"].strip() for row in table.rows}


def _tracks(path: Path, size: str, titles: dict[int, str], problems: list[str]) -> Iterator[_Track]:
    """The tracks of a size; those of smaller sizes are among them."""
    wanted = SIZES[: SIZES.index(size) + 1]
    for where, cells in _rows(path):
        number, (split, subset, top, genres, artist) = cells[0], cells[1:]
        if subset not in wanted or not number.isdigit() or int(number) in CUT_OUTSIDE:
            if not number.isdigit() or subset not in SIZES:
                problems.append(
                    f"{where}: track {number!r}, subset {subset!r}: must be a number and {', '.join(SIZES)}"
                )
            continue
        if size == "large":
            found, unknown = _listed(genres, titles)
        else:
            found, unknown = (top,), () if top else ("",)
        if split not in _SPLITS or unknown:
            problems.append(
                f"{where}: split {split!r}, genres {genres if size == 'large' else top!r}: not as published"
            )
            continue
        yield _Track(int(number), _SPLITS[split], found, artist)


def _listed(text: str, titles: dict[int, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Titles of a list of genre ids, and what is not known of it."""
    try:
        ids = ast.literal_eval(text)
        return tuple(titles[genre] for genre in ids), ()
    except (ValueError, SyntaxError, KeyError, TypeError):
        return (), (text,)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Place, track id and the columns of interest of every row."""
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = list(itertools.islice(reader, 3))
            columns = list(zip(*header[:2], strict=True)) if len(header) == 3 else []
            missing = [".".join(column) for column in _COLUMNS if column not in columns]
            if missing or header[2][0] != "track_id":
                raise DataError(
                    f"{path}: must have three rows of header, with the columns {', '.join(missing) or 'track_id'}"
                )
            places = [0, *(columns.index(column) for column in _COLUMNS)]
            for row in reader:
                where = f"line {reader.line_num}"
                if len(row) != len(columns):
                    raise DataError(f"{path}: {where}: {len(row)} fields, the header has {len(columns)}")
                yield where, [row[place].strip() for place in places]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); fma needs {INFO.description}") from error
    finally:
        csv.field_size_limit(limit)
