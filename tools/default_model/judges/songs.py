"""Songs with labels by people, as tables of labels: Emotify, a composer's own lists, GTZAN, solo piano, sounds."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.audio_formats import has_audio_suffix
from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from earmark.datasets.emotify import EMOTIONS, GENRES
from tools.default_model.music.kept_apart import hash_share

FOLDER = Path(__file__).parent
GTZAN_GENRES = ("blues", "classical", "country", "disco", "hip hop", "jazz", "metal", "pop", "reggae", "rock")
VALIDATION_SHARE, TEST_SHARE = 0.2, 0.35
"""Of the hashes of the composer's titles. The rest, .45, may be trained on."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelledSong:
    """One file.

    Attributes:
        song_id: unique in its collection.
        path: of the audio.
        group: whatever is drawn together in intervals: an artist, or a song alone.
        split: "train", "validation" or "test".
        labels: label -> 0, 1, a degree in 0..1, or NaN where it is not known.
    """

    song_id: str
    path: Path
    group: str
    split: str
    labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """Labelled songs of one origin.

    Attributes:
        name: short.
        songs: those with audio.
    """

    name: str
    songs: tuple[LabelledSong, ...]

    def split(self, name: str) -> Collection:
        """The songs of one split."""
        return Collection(self.name, tuple(song for song in self.songs if song.split == name))

    @property
    def groups(self) -> list[str]:
        """Of every song."""
        return [song.group for song in self.songs]

    def matrix(self, labels: Sequence[str]) -> Doubles:
        """(n_songs, n_labels), NaN where not known."""
        rows = [[song.labels.get(label, np.nan) for label in labels] for song in self.songs]
        return np.array(rows, dtype=np.float64).reshape(len(self.songs), len(labels))


def title_split(title: str) -> str:
    """Split of a title by the composer of macleod.csv, from its first two words, so that versions stay together.

    >>> title_split("Scheming Weasel (slower version)") == title_split("Scheming Weasel (faster version)")
    True
    """
    share = hash_share("macleod " + " ".join(title.casefold().split()[:2]))
    return "validation" if share < VALIDATION_SHARE else "test" if share < VALIDATION_SHARE + TEST_SHARE else "train"


def half_split(name: str) -> str:
    """Split of a file that is only measured: half are for validation, half for the test."""
    return "validation" if hash_share("judges " + name) < 0.5 else "test"


def emotify_songs(folder: Path) -> Collection:
    """Emotify with its genres (0, 1) and emotions (shares of listeners), split by artist."""
    labels = (*GENRES, *(name.replace("_", " ") for name in EMOTIONS))
    return Collection(
        "emotify",
        tuple(
            LabelledSong(
                clip.clip_id,
                clip.path,
                clip.artist or clip.clip_id,
                clip.split,
                dict(zip(labels, clip.labels.tolist(), strict=True)),
            )
            for clip in load_dataset("emotify", folder, "artist-disjoint").clips
        ),
    )


@cache
def _instrument_words() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """``instruments.csv``: the composer's word -> instruments that it means, and those that it leaves open."""
    with (FOLDER / "instruments.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["written"]: (tuple(_parts(row["labels"], "|")), tuple(_parts(row["unclear"], "|")))
            for row in csv.DictReader(file)
        }


def composer_instruments(written: str, where: str) -> dict[str, float]:
    """Instruments from the composer's list: 1 for those that it means, NaN for those it leaves open, 0 for all others.

    Args:
        written: e.g. "Piano, synths"; an empty list says nothing.
        where: beginning of the message of an error.

    Raises:
        DataError: an instrument that ``instruments.csv`` does not have.

    >>> found = composer_instruments("Brass, Kit", "")
    >>> found["brass"], found["trumpet"], found["piano"]
    (1.0, nan, 0.0)
    """
    meaning = _instrument_words()
    words = [name.casefold() for name in _parts(written.replace(".", ","))]
    if unknown := [name for name in words if name not in meaning]:
        raise DataError(f"{where}: instrument {unknown[0]!r} is not in {FOLDER / 'instruments.csv'}")
    if not words:
        return {}
    there = {label for name in words for label in meaning[name][0]}
    unclear = {label for name in words for label in meaning[name][1]} - there
    instruments = sorted({label for labels, _ in meaning.values() for label in labels})
    return {label: np.nan if label in unclear else float(label in there) for label in instruments}


def composer_songs(table: Path, audio: Path) -> Collection:
    """Tracks of one composer with the instruments and feels that he lists, split by title.

    An instrument that is not listed is not there (0), unless a listed one leaves it open (``instruments.csv``, column
    unclear); tracks without a list of instruments have none of these labels. Feels are written "feel: dark".

    Args:
        table: macleod.csv: path, title, instruments, feel.
        audio: folder of the paths. Titles without audio are left out.

    Raises:
        DataError: an instrument that ``instruments.csv`` does not have.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    feels = sorted({feel.casefold() for row in rows for feel in _parts(row["feel"])})
    songs: dict[str, LabelledSong] = {}
    for row in rows:
        labels = composer_instruments(row["instruments"], f"{table}: {row['title']}")
        if felt := [name.casefold() for name in _parts(row["feel"])]:
            labels |= {f"feel: {feel}": float(feel in felt) for feel in feels}
        path = audio / row["path"]
        if path.is_file():
            title = row["title"]
            songs.setdefault(title, LabelledSong(title, path, title, title_split(title), labels))
    return Collection("composer", tuple(songs.values()))


def gtzan_songs(folder: Path) -> Collection:
    """A part of GTZAN, files named genre.00000.wav, ten genres; only measured on. Artists are not known."""
    songs = []
    for path in audio_files(folder):
        genre = path.name.partition(".")[0].replace("hiphop", "hip hop")
        if genre not in GTZAN_GENRES:
            raise DataError(f"{path}: the name must begin with one of {', '.join(GTZAN_GENRES)}")
        labels = {name: float(name == genre) for name in GTZAN_GENRES}
        songs.append(LabelledSong(path.name, path, path.name, half_split(path.name), labels))
    return Collection("gtzan", tuple(songs))


def piano_songs(folder: Path) -> Collection:
    """Pieces for piano with the quadrant of their emotion, e1 to e4 at the start of their names; only measured on.

    e1 and e2 have high arousal, e1 and e4 high valence (Ferreira, Mou, Whitehead, Lelis 2022).
    """
    songs = []
    for path in audio_files(folder):
        quadrant = path.name.partition("_")[0]
        if quadrant not in ("e1", "e2", "e3", "e4"):
            raise DataError(f"{path}: the name must begin with e1, e2, e3 or e4")
        labels = {"high arousal": float(quadrant in ("e1", "e2")), "high valence": float(quadrant in ("e1", "e4"))}
        songs.append(LabelledSong(path.name, path, path.name, half_split(path.name), labels))
    return Collection("piano", tuple(songs))


def plain_files(name: str, folder: Path, label: Callable[[Path], str] | None = None) -> Collection:
    """Files of one kind, without labels but what ``label`` says of each, e.g. the kind of noise."""
    songs = []
    for path in audio_files(folder):
        song_id = path.relative_to(folder).as_posix()
        labels = {label(path.relative_to(folder)): 1.0} if label else {}
        songs.append(LabelledSong(song_id, path, song_id, half_split(song_id), labels))
    return Collection(name, tuple(songs))


def audio_files(folder: Path) -> Iterable[Path]:
    """Audio below a folder, sorted; none where there is no such folder."""
    return sorted(path for path in folder.rglob("*") if has_audio_suffix(path))


def _parts(text: str, divider: str = ",") -> list[str]:
    return [part.strip() for part in text.split(divider) if part.strip()]
