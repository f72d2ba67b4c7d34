"""The tables that stand beside labelled sets: the tags of earmark-1, and made-up music."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import soundfile

from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import Song, TagUnion, read_tag_union
from earmark.datasets.labelled_set.shards import RATE_HZ, SONGS_FILE, TAGS_FILE
from earmark.datasets.labelled_set.songs import songs_csv
from tests.helpers.emotify import write_emotify
from tests.helpers.sounds import music

TOOL = Path(__file__).parents[2] / "tools" / "default_model"

TEACHER_VOCABULARIES = ("mtat-50", "msd-50", "mtg-jamendo-50")
"""Tag lists of earmark-1's teachers."""

EXTRA = (Song("of the set emotify", Path("none.wav"), "artist", "train", 0.0, unchanged_set="emotify"),)
"""A training song that says that there is a further set, "emotify"."""


def default_union() -> TagUnion:
    """The tags of earmark-1."""
    vocabularies = {name: load_vocabulary(name).names for name in TEACHER_VOCABULARIES}
    return read_tag_union(TOOL / "tags.csv", TOOL / "left_out.csv", vocabularies)


def write_tables(folder: Path, songs: Sequence[Song] = ()) -> Path:
    """tags.json and songs.csv, as `earmark distill label` writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TAGS_FILE).write_text(default_union().to_json())
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
