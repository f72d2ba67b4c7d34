"""OpenMIC-2018: 20,000 excerpts of 10 s, each labelled for some of 20 instruments.

Root is the archive's folder: ``openmic-2018-aggregated-labels.csv`` with a row for every judged (excerpt, instrument)
pair (sample_key, instrument, relevance, num_responses), ``openmic-2018-metadata.csv`` (sample_key, artist_id, track_id
and others), ``partitions/split01_train.csv`` and ``split01_test.csv`` with a sample_key per line, and
``audio/000/000046_3840.ogg``.

Labels are partial: an excerpt is labelled for two instruments on average, and NaN for the others. An instrument is
there where its relevance is at least a half, as in the authors' baseline.

There is one published partition, in training and test. Training divides once more, for validation: an eighth of it, by a
hash of the artist.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import read_table, text_lines

INSTRUMENTS = (
    *("accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar", "mallet_percussion"),
    *("mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin", "voice"),
)
LABELS_NAME, METADATA_NAME = "openmic-2018-aggregated-labels.csv", "openmic-2018-metadata.csv"
VALIDATION_ONE_IN = 8

SPLIT01 = Protocol(
    "split01", "the published partition; an eighth of its training excerpts, by artist, validates (ours, by a hash)"
)

INFO = DatasetInfo(
    name="openmic",
    title="OpenMIC-2018: which of 20 instruments are heard in 20,000 excerpts",
    description=f"the archive's folder, with {LABELS_NAME}, {METADATA_NAME}, partitions and audio",
    citation=(
        "E. J. Humphrey, S. Durand, B. McFee: OpenMIC-2018: an open dataset for multiple instrument recognition. "
        "ISMIR, 2018"
    ),
    licence="CC BY 4.0; audio from the Free Music Archive, each track under its own Creative Commons licence",
    url="https://zenodo.org/record/1432913",
    protocols=(SPLIT01,),
    downloads=DOWNLOADS / "openmic.toml",
    tags=tuple(name.replace("_", " ") for name in INSTRUMENTS),
)


def vocabulary() -> Vocabulary:
    """The 20 instruments in the order of the authors' class-map.json."""
    return Vocabulary(
        tuple(
            Tag(name.replace("_", " "), "classification", "voice" if name == "voice" else "instrument")
            for name in INSTRUMENTS
        )
    )


@register_dataset(INFO)
def openmic(root: Path, protocol: str | None = None) -> Dataset:
    """Read labels, metadata and partition. Clip ids are sample keys, songs tracks of the Free Music Archive.

    Args:
        root: the folder that holds the tables.
        protocol: "split01".

    Raises:
        DataError: tables missing, or with problems (all at once).
    """
    protocol = protocol or SPLIT01.name
    problems: list[str] = []
    origins = _origins(root / METADATA_NAME)
    labels = _labels(root / LABELS_NAME, problems)
    clips: dict[str, Clip] = {}
    for part in ("train", "test"):
        path = root / "partitions" / f"{protocol}_{part}.csv"
        for number, line in text_lines(path):
            key = line.strip()
            where = f"{path.name}: line {number}"
            if key in clips:
                problems.append(f"{where}: {key} is there already")
            elif key not in labels:
                problems.append(f"{where}: {key} has no row in {LABELS_NAME}")
            else:
                artist, track = origins.get(key, (None, None))
                split = "validation" if part == "train" and validates(artist or key) else part
                clips[key] = Clip(key, root / "audio" / key[:3] / f"{key}.ogg", split, labels[key], artist, track)
    raise_problems(str(root), problems)
    return Dataset("openmic", protocol, vocabulary(), tuple(clips.values()), INFO)


def validates(artist: str) -> bool:
    """Whether the training excerpts of an artist validate; from its id alone."""
    return hashlib.sha256(f"openmic validation {artist}".encode()).digest()[0] % VALIDATION_ONE_IN == 0


def _labels(path: Path, problems: list[str]) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    table = read_table(path)
    table.require("sample_key", "instrument", "relevance", where=str(path))
    places = {name: place for place, name in enumerate(INSTRUMENTS)}
    labels: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    for row in table.rows:
        key, instrument, relevance = (row.values[name].strip() for name in ("sample_key", "instrument", "relevance"))
        try:
            value = float(relevance)
        except ValueError:
            value = -1.0
        if instrument not in places:
            problems.append(
                f"{path.name}: {row.where}: instrument {instrument!r} is not one of {', '.join(INSTRUMENTS)}"
            )
        elif not 0 <= value <= 1:
            problems.append(f"{path.name}: {row.where}: relevance {relevance!r} must be 0 to 1")
        else:
            of_clip = labels.setdefault(key, np.full(len(INSTRUMENTS), np.nan, np.float32))
            of_clip[places[instrument]] = value >= 0.5
    return labels


def _origins(path: Path) -> dict[str, tuple[str, str]]:
    """Sample key -> artist and track."""
    table = read_table(path)
    table.require("sample_key", "artist_id", "track_id", where=str(path))
    return {
        row.values["sample_key"].strip(): (row.values["artist_id"].strip(), row.values["track_id"].strip())
        for row in table.rows
    }
