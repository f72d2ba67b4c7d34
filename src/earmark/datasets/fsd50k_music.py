"""The music in FSD50K: sounds of Freesound that are labelled as music, with the instruments in them.

Root is FSD50K's folder: ``FSD50K.ground_truth/dev.csv`` (fname, labels, mids, split) and ``eval.csv`` (fname, labels,
mids), ``FSD50K.dev_audio/64760.wav`` and ``FSD50K.eval_audio/37199.wav``, and for the uploaders
``FSD50K.metadata/dev_clips_info_FSD50K.json`` and ``eval_clips_info_FSD50K.json``.

Labels are propagated upwards in AudioSet's ontology, so music is what has the label Music. The tags are the classes below
it: instruments and ways of playing them. Other classes (Applause, Singing) are left out, and so are all other sounds.

The uploader stands for the artist: one uploader's sounds resemble each other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset
from earmark.datasets.table import read_table

MUSIC = "Music"
CLASSES = (
    *("Accordion", "Acoustic_guitar", "Bass_drum", "Bass_guitar", "Bell", "Bicycle_bell", "Bowed_string_instrument"),
    *("Brass_instrument", "Chime", "Church_bell", "Cowbell", "Crash_cymbal", "Cymbal", "Drum", "Drum_kit"),
    *("Electric_guitar", "Glockenspiel", "Gong", "Guitar", "Harmonica", "Harp", "Hi-hat", "Keyboard_(musical)"),
    *("Mallet_percussion", "Marimba_and_xylophone", "Organ", "Percussion", "Piano", "Plucked_string_instrument"),
    *("Rattle_(instrument)", "Scratching_(performance_technique)", "Snare_drum", "Strum", "Tabla", "Tambourine"),
    *("Trumpet", "Wind_chime", "Wind_instrument_and_woodwind_instrument"),
)
"""The classes of FSD50K below Musical_instrument in AudioSet's ontology; that one itself says as much as Music."""

DEV_EVAL = Protocol(
    "dev-eval", "the published split: dev into training and validation by its column split, eval tests; music alone"
)
INFO = DatasetInfo(
    name="fsd50k_music",
    title="The music in FSD50K: instruments in sounds of Freesound",
    description="FSD50K's folder, with FSD50K.ground_truth, FSD50K.metadata, FSD50K.dev_audio and FSD50K.eval_audio",
    citation=(
        "E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra: FSD50K: an open dataset of human-labeled sound events. "
        "IEEE/ACM Transactions on Audio, Speech, and Language Processing 30, 2022"
    ),
    licence="CC BY 4.0 as a whole; each sound CC0, CC BY, CC BY-NC or CC Sampling+ (FSD50K.metadata)",
    url="https://zenodo.org/record/4060432",
    protocols=(DEV_EVAL,),
    downloads=DOWNLOADS / "fsd50k_music.toml",
    tags=tuple(name.replace("_", " ").lower() for name in CLASSES),
)


@register_dataset(INFO)
def fsd50k_music(root: Path, protocol: str | None = None) -> Dataset:
    """Read both tables. Clip ids are Freesound's numbers of the sounds.

    Args:
        root: the folder that holds FSD50K.ground_truth.
        protocol: "dev-eval".

    Raises:
        DataError: tables missing, or rows with problems (all at once).
    """
    problems: list[str] = []
    clips: list[Clip] = []
    for part in ("dev", "eval"):
        path = root / "FSD50K.ground_truth" / f"{part}.csv"
        table = read_table(path)
        table.require("fname", "labels", *(["split"] if part == "dev" else []), where=str(path))
        uploaders = _uploaders(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
        for row in table.rows:
            name, has = row.values["fname"].strip(), set(row.values["labels"].split(","))
            split = (
                {"train": "train", "val": "validation"}.get(row.values["split"].strip()) if part == "dev" else "test"
            )
            if split is None:
                problems.append(f"{path.name}: {row.where}: split {row.values['split']!r} must be train or val")
            elif MUSIC in has:
                audio = root / f"FSD50K.{part}_audio" / f"{name}.wav"
                labels = np.array([tag in has for tag in CLASSES], np.float32)
                clips.append(Clip(name, audio, split, labels, uploaders.get(name)))
    raise_problems(str(root), problems)
    vocabulary = Vocabulary.of(INFO.tags, category="instrument")
    return Dataset("fsd50k_music", protocol or DEV_EVAL.name, vocabulary, tuple(clips), INFO)


def _uploaders(path: Path) -> dict[str, str]:
    """Sound -> who uploaded it; empty without the file."""
    if not path.is_file():
        return {}
    try:
        sounds = parse_json(path.read_text(encoding="utf-8"))
        return {name: str(sound["uploader"]) for name, sound in sounds.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not the published information on sounds ({error!r})") from error
