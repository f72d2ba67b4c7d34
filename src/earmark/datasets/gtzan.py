"""GTZAN: 1,000 clips of 30 s, a hundred of each of ten genres.

Root holds a folder of each genre, itself or in ``genres`` (the archive) or ``genres_original`` (a common copy), with
files ``blues/blues.00000.wav`` (.au, .mp3, .flac and .ogg, too). A clip has exactly one genre.

The dataset has repeated, distorted and mislabelled clips, and many of one artist (Sturm 2013), so a split by chance
flatters. The splits are in ``data/gtzan-splits.tsv``:
    fault-filtered  without 70 such clips, and meant to keep artists on one side (Kereliuk, Sturm & Larsen 2015)
    stratified      all clips; 50, 25 and 25 of each genre by chance, from the same paper, to compare with
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from earmark.core.errors import DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.audio_places import first_folder
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, one_hot
from earmark.datasets.registry import register_dataset

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
TAGS = tuple(genre.replace("hiphop", "hip hop") for genre in GENRES)
SUFFIXES = (".wav", ".au", ".mp3", ".flac", ".ogg")
_FOLDERS = ("genres", "genres_original", "Data/genres_original", "")

FAULT_FILTERED = Protocol(
    "fault-filtered",
    "930 clips (443 / 197 / 290) without repetitions and distortions; artists are meant to be on one side "
    "(Kereliuk, Sturm & Larsen 2015)",
)
STRATIFIED = Protocol(
    "stratified",
    "all 1,000 clips (500 / 250 / 250) by chance, from the same paper; artists and repeated clips fall on both sides, "
    "so its scores flatter",
)

INFO = DatasetInfo(
    name="gtzan",
    title="GTZAN: 1,000 clips of ten genres",
    description="a folder of each genre, itself or in genres or genres_original, with blues/blues.00000.wav and so on",
    citation=(
        "G. Tzanetakis, P. Cook: Musical genre classification of audio signals. IEEE Transactions on Speech and Audio "
        "Processing 10(5), 2002. Splits: C. Kereliuk, B. L. Sturm, J. Larsen: Deep learning and music adversaries. IEEE "
        "Transactions on Multimedia 17(11), 2015"
    ),
    licence="none published; the clips are from commercial recordings",
    url="http://marsyas.info/downloads/datasets.html",
    protocols=(FAULT_FILTERED, STRATIFIED),
    downloads=DOWNLOADS / "gtzan.toml",
    tags=TAGS,
)


@register_dataset(INFO)
def gtzan(root: Path, protocol: str | None = None) -> Dataset:
    """Find the clips of a split. Clips that are not there are left out, and counted in a note.

    Args:
        root: the folder of the genres, or one above it.
        protocol: "fault-filtered" or "stratified"; None for the first.

    Raises:
        DataError: there is none of its clips.
    """
    protocol = protocol or FAULT_FILTERED.name
    folder = first_folder(root, [name for name in _FOLDERS if (root / name / GENRES[0]).is_dir()] or _FOLDERS)
    there = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _audio_files(folder)}
    clips, missing = [], []
    for genre, split, number in split_of_clips(protocol):
        clip_id = f"{genre}.{number:05d}"
        if (path := there.get(f"{genre}/{clip_id}")) is None:
            missing.append(clip_id)
        else:
            clips.append(Clip(clip_id, path, split, one_hot(GENRES.index(genre), len(GENRES))))
    if not clips:
        raise DataError(f"{root}: has none of the clips of {protocol}; gtzan needs {INFO.description}")
    notes = (
        (f"{len(missing)} of the {len(clips) + len(missing)} clips of {protocol} are not there.",) if missing else ()
    )
    vocabulary = Vocabulary.of(TAGS, category="genre")
    return Dataset("gtzan", protocol, vocabulary, tuple(clips), INFO, notes, TAGS)


def split_of_clips(protocol: str) -> list[tuple[str, str, int]]:
    """Genre, split and number of every clip of a protocol, by genre, split and number.

    >>> len(split_of_clips("fault-filtered"))
    930
    """
    text = (files("earmark.datasets") / "data" / "gtzan-splits.tsv").read_text(encoding="utf-8")
    clips = []
    for line in text.splitlines():
        if line.startswith(f"{protocol}\t"):
            _, genre, split, numbers = line.split("\t")
            for run in numbers.split():
                first, _, last = run.partition("-")
                clips += [(genre, split, number) for number in range(int(first), int(last or first) + 1)]
    return clips


def _audio_files(folder: Path) -> list[Path]:
    """Files named as clips are, in the folders of the genres; of several suffixes the first of SUFFIXES."""
    found = [
        path
        for genre in GENRES
        for path in (folder / genre).glob(f"{genre}.*")
        if path.suffix.lower() in SUFFIXES and re.fullmatch(rf"{genre}\.\d{{5}}", path.stem)
    ]
    return sorted(found, key=lambda path: -SUFFIXES.index(path.suffix.lower()))
