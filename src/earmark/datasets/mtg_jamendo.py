"""MTG-Jamendo: 55,000 full tracks under Creative Commons with tags of genre, instrument, mood and theme.

Root is the dataset's repository, or a folder with its ``data``. A list is a TSV file
``data/splits/split-N/autotagging_SUBSET-PART.tsv`` (PART one of train, validation, test) with columns TRACK_ID,
ARTIST_ID, ALBUM_ID, PATH, DURATION and TAGS; a row's tags fill the columns from the sixth on, as many as it has.
Audio is in ``audio/NN/ID.mp3`` or ``NN/ID.mp3``, or in the smaller variant ``NN/ID.low.mp3``.

Tags are named as the tables name them (``genre---rock``, ``mood/theme---happy``): so do published weights, and so a
word that is a genre and a theme remains two tags. They are in alphabetical order, as in the published weights.

A protocol is a set of tags and one of five splits, e.g. "top50-split0". Scores of different protocols are not comparable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import DOWNLOADS, SPLITS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import text_lines

SUBSETS = {
    "top50": ("autotagging_top50tags", "the 50 most frequent tags"),
    "genre": ("autotagging_genre", "tags of genre"),
    "instrument": ("autotagging_instrument", "tags of instruments"),
    "moodtheme": ("autotagging_moodtheme", "tags of mood and theme"),
    "all": ("autotagging", "all tags"),
}
N_SPLITS = 5
HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")

_CATEGORIES = {"genre": "genre", "instrument": "instrument", "mood/theme": "mood"}
_OF_TAG = {"instrument---voice": "voice"}

INFO = DatasetInfo(
    name="mtg_jamendo",
    title="MTG-Jamendo: music of Jamendo with its uploaders' tags",
    description=(
        "the dataset's repository (data/splits/split-0/autotagging_top50tags-train.tsv and so on), with the audio in "
        "audio/NN/ID.mp3 or NN/ID.mp3, or in its smaller variant NN/ID.low.mp3"
    ),
    citation=(
        "D. Bogdanov, M. Won, P. Tovstogan, A. Porter, X. Serra: The MTG-Jamendo dataset for automatic music tagging. "
        "Machine Learning for Music Discovery Workshop, ICML 2019"
    ),
    licence="audio under Creative Commons licences, each track its own (audio_licenses.txt); metadata CC BY-NC-SA 4.0",
    url="https://mtg.github.io/mtg-jamendo-dataset/",
    protocols=tuple(
        Protocol(f"{subset}-split{n}", f"{words}, split {n} of 5; no artist should be in two of its parts")
        for subset, (_, words) in SUBSETS.items()
        for n in range(N_SPLITS)
    ),
    downloads=DOWNLOADS / "mtg_jamendo.toml",
    tags_from="the lists of the protocol, all their tags in the order of the alphabet, named as in genre---rock",
)


@dataclass(frozen=True)
class _Track:
    track: str
    artist: str
    path: str
    tags: tuple[str, ...]
    split: str


@register_dataset(INFO)
def mtg_jamendo(root: Path, protocol: str | None = None) -> Dataset:
    """Read the three lists of one protocol.

    Clip ids and songs are track ids (``track_0000214``), artists artist ids. Which of the two variants of the audio is
    used is decided once, by the first existing track: never a mixture.

    Args:
        root: the folder that holds ``data``.
        protocol: a set of tags and a split; None for "top50-split0".

    Raises:
        DataError: lists missing, or rows with problems (all at once).
    """
    protocol = protocol or INFO.protocols[0].name
    subset, split = protocol.rsplit("-split", 1)
    folder = root / "data" / "splits" / f"split-{split}"
    files = {part: folder / f"{SUBSETS[subset][0]}-{part}.tsv" for part in SPLITS}
    missing = [f"no file {path}" for path in files.values() if not path.is_file()]
    raise_problems(f"{root}: lists of {protocol} are missing; mtg_jamendo needs {INFO.description}", missing)
    tracks: list[_Track] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for part, path in files.items():
        tracks += _read(path, part, seen, problems)
    raise_problems(str(folder), problems)
    tags = sorted({tag for track in tracks for tag in track.tags})
    places = {tag: place for place, tag in enumerate(tags)}
    clips = []
    audio, suffix = _audio(root, tracks)
    for track in tracks:
        labels = np.zeros(len(tags), np.float32)
        labels[[places[tag] for tag in track.tags]] = 1
        file = audio / PurePosixPath(track.path).with_suffix(suffix)
        clips.append(Clip(track.track, file, track.split, labels, track.artist, track.track))
    vocabulary = Vocabulary(tuple(Tag(tag, "classification", _category(tag)) for tag in tags))
    return Dataset("mtg_jamendo", protocol, vocabulary, tuple(clips), INFO)


def _read(path: Path, part: str, seen: dict[str, str], problems: list[str]) -> list[_Track]:
    lines = text_lines(path)
    if not lines or tuple(lines[0][1].split("\t")) != HEADER:
        problems.append(f"{path.name}: line 1: must be the header {' '.join(HEADER)}, tabs between")
        return []
    tracks = []
    for number, line in lines[1:]:
        where = f"{path.name}: line {number}"
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < len(HEADER):
            problems.append(f"{where}: {len(fields)} fields, at least {len(HEADER)} are needed")
            continue
        track, artist, _, file, duration, *tags = fields
        found = [
            f"{name} {value!r} must be like {name}_0000214"
            for name, value in (("track", track), ("artist", artist))
            if not re.fullmatch(rf"{name}_\d+", value)
        ]
        if not re.fullmatch(r"\d\d/\d+\.mp3", file):
            found.append(f"path {file!r} must be like 14/214.mp3")
        if not re.fullmatch(r"\d+(\.\d+)?", duration):
            found.append(f"duration {duration!r} must be seconds")
        wrong = [tag for tag in tags if tag.partition("---")[0] not in _CATEGORIES or not tag.partition("---")[2]]
        found += [
            f"tag {tag!r} must begin with one of {', '.join(f'{name}---' for name in _CATEGORIES)}" for tag in wrong
        ]
        if track in seen:
            found.append(f"track {track!r} is there already, in {seen[track]}")
        seen.setdefault(track, where)
        problems += [f"{where}: {problem}" for problem in found]
        tracks.append(_Track(track, artist, file, tuple(tags), part))
    return tracks


def _category(tag: str) -> str:
    return _OF_TAG.get(tag) or _CATEGORIES[tag.partition("---")[0]]


def _audio(root: Path, tracks: list[_Track]) -> tuple[Path, str]:
    """The folder of the audio and the suffix of its files."""
    folder = root / "audio" if (root / "audio").is_dir() else root
    for track in tracks:
        for suffix in (".mp3", ".low.mp3"):
            if (folder / PurePosixPath(track.path).with_suffix(suffix)).is_file():
                return folder, suffix
    return folder, ".mp3"
