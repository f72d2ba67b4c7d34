"""The tables that stand beside labelled sets: the tags of earmark-1 and earmark-2, and made-up music."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from tools.default_model.earmark_2.degrees import DEGREES
from tools.default_model.earmark_2.music import EMOTION_TAGS

from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import Song, TagUnion, read_tag_union
from earmark.datasets.labelled_set.shards import RATE_HZ, SONGS_FILE, TAGS_FILE
from earmark.datasets.labelled_set.songs import songs_csv
from earmark.datasets.table import read_table
from tests.helpers.emotify import write_emotify
from tests.helpers.sounds import music

TOOL = Path(__file__).parents[2] / "tools" / "default_model"

TEACHER_VOCABULARIES = ("mtat-50", "msd-50", "mtg-jamendo-50")
"""Tag lists of earmark-1's teachers."""

MADE = ("mtat-50", "msd-50", "mtat-50")
"""Vocabularies of the teachers of :func:`made_outputs`."""

EXTRA = (Song("of the set emotify", Path("none.wav"), "artist", "train", 0.0, unchanged_set="emotify"),)
"""A training song that says that there is a further set, "emotify"."""


def default_union() -> TagUnion:
    """The tags of earmark-1."""
    vocabularies = {name: load_vocabulary(name).names for name in TEACHER_VOCABULARIES}
    return read_tag_union(TOOL / "tags.csv", TOOL / "left_out.csv", vocabularies)


def second_union() -> TagUnion:
    """The tags of earmark-2 that these teachers know, and those that are known from labels alone."""
    table = TOOL / "earmark_2" / "tags.csv"
    columns = [name for name in read_table(table).columns if name not in ("name", "category", "kind", "parents")]
    vocabularies = {name: load_vocabulary(name).names for name in columns}
    whole = read_tag_union(table, TOOL / "earmark_2" / "left_out.csv", vocabularies, (*EMOTION_TAGS.values(), *DEGREES))
    rows = [
        dataclasses.replace(
            row, sources={name: row.sources[name] for name in TEACHER_VOCABULARIES if name in row.sources}
        )
        for row in whole.tags
    ]
    rows = [row for row in rows if row.sources or row.tag.name in whole.known]
    names = {row.tag.name for row in rows}
    return TagUnion(
        tuple(dataclasses.replace(row, parents=tuple(tag for tag in row.parents if tag in names)) for row in rows),
        {key: why for key, why in whole.left_out.items() if key[0] in TEACHER_VOCABULARIES},
        {name: vocabularies[name] for name in TEACHER_VOCABULARIES},
        whole.known,
    )


def write_tables(folder: Path, songs: Sequence[Song] = (), union: TagUnion | None = None) -> Path:
    """tags.json, by default that of earmark-1, and songs.csv, as `earmark distill label` writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TAGS_FILE).write_text((union or default_union()).to_json())
    (folder / SONGS_FILE).write_text(songs_csv(songs))
    return folder


def write_collections(root: Path) -> tuple[Path, Path]:
    """A made-up Emotify and a made-up corpus: 24 sources, the first two with two excerpts."""
    corpus = root / "corpus"
    corpus.mkdir()
    with (corpus / "tracks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["track_id", "path", "source", "licence", "label", "duration_s"])
        for k in range(24 + 2):
            soundfile.write(corpus / f"{k}.flac", music(2.0, RATE_HZ, seed=k)[0], RATE_HZ)
            writer.writerow([f"c{k}", f"{k}.flac", f"source {k % 24}", "CC0", "", 2.0])
    return write_emotify(root / "emotify"), corpus


def made_outputs(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 50) outputs of an MTAT, an MSD and another MTAT teacher of one hidden degree of "rock"; and that degree."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal(n)
    outputs = rng.uniform(0.01, 0.2, (n, 3, 50))
    names = [load_vocabulary(name).names.index("rock") for name in MADE]
    for teacher, (level, spread, noise) in enumerate([(-3, 1.0, 0.5), (0, 2.0, 0.5), (-2, 0.5, 0.5)]):
        logit = level + spread * (hidden + noise * rng.standard_normal(n))
        outputs[:, teacher, names[teacher]] = 1 / (1 + np.exp(-logit))
    return outputs, hidden
