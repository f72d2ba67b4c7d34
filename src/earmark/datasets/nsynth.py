"""NSynth: 305,979 single notes of 4 s, 16 kHz, from 1,006 instruments.

Root holds the folders of the three archives, ``nsynth-train``, ``nsynth-valid`` and ``nsynth-test``, each with
``examples.json`` (a note's name -> instrument_str, instrument_family_str, instrument_source_str, qualities_str and
others) and ``audio/NAME.wav``.

The split is the published one: no instrument of the training notes is among the others. A protocol is what is labelled.
Notes of one instrument share ``Clip.song``: the bootstrap draws instruments.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, raise_problems
from earmark.datasets.registry import register_dataset

FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal"),
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    *("bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic", "nonlinear_env", "percussive"),
    *("reverb", "tempo-synced"),
)
FOLDERS = {"train": "nsynth-train", "validation": "nsynth-valid", "test": "nsynth-test"}

_TAGS = {"families": FAMILIES, "sources": SOURCES, "qualities": QUALITIES}
_FIELDS = {"families": "instrument_family_str", "sources": "instrument_source_str", "qualities": "qualities_str"}

INFO = DatasetInfo(
    name="nsynth",
    title="NSynth: single notes of 1,006 instruments",
    description="a folder with nsynth-train, nsynth-valid and nsynth-test, each with examples.json and audio",
    citation=(
        "J. Engel, C. Resnick, A. Roberts, S. Dieleman, D. Eck, K. Simonyan, M. Norouzi: Neural audio synthesis of musical "
        "notes with WaveNet autoencoders. ICML, 2017"
    ),
    licence="CC BY 4.0",
    url="https://magenta.tensorflow.org/datasets/nsynth",
    protocols=(
        Protocol("families", "11 families of instruments, one for each note; no synth_lead validates or tests"),
        Protocol("sources", "acoustic, electronic or synthetic, one for each note"),
        Protocol("qualities", "10 qualities, any number for each note"),
    ),
    downloads=DOWNLOADS / "nsynth.toml",
    tags_from="the protocol: families, sources or qualities",
)


@register_dataset(INFO)
def nsynth(root: Path, protocol: str | None = None) -> Dataset:
    """Read the three lists of notes.

    Args:
        root: the folder that holds nsynth-train and so on.
        protocol: "families", "sources" or "qualities"; None for the first.

    Raises:
        DataError: lists missing, or notes with problems (all at once).
    """
    protocol = protocol or "families"
    tags, field = _TAGS[protocol], _FIELDS[protocol]
    problems: list[str] = []
    clips = []
    for split, folder in FOLDERS.items():
        path = root / folder / "examples.json"
        for name, note in _notes(path).items():
            values = note.get(field) if isinstance(note, dict) else None
            has = values if protocol == "qualities" else [values]
            instrument = note.get("instrument_str") if isinstance(note, dict) else None
            if not isinstance(has, list) or not set(has) <= set(tags) or not isinstance(instrument, str):
                problems.append(f"{path}: note {name!r}: {field} {values!r} must be of {', '.join(tags)}")
                continue
            labels = np.array([tag in has for tag in tags], np.float32)
            clips.append(Clip(name, root / folder / "audio" / f"{name}.wav", split, labels, song=instrument))
    raise_problems(str(root), problems)
    category = "other" if protocol == "qualities" else "instrument"
    names = tuple(tag.replace("_", " ") for tag in tags)
    exclusive = () if protocol == "qualities" else names
    vocabulary = Vocabulary.of(names, category=category)
    return Dataset("nsynth", protocol, vocabulary, tuple(clips), INFO, exclusive=exclusive)


def _notes(path: Path) -> dict[str, Any]:
    try:
        notes = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); nsynth needs {INFO.description}") from error
    if not isinstance(notes, dict):
        raise DataError(f"{path}: must be an object of notes, is a {type(notes).__name__}")
    return notes
