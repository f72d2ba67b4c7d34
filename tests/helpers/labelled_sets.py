"""The tables that stand beside labelled sets: the tags of earmark-1, and made-up music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.core.tag_lists import VOCABULARIES, load_vocabulary
from earmark.datasets.labelled_set import Song, TagUnion, read_tag_union
from earmark.datasets.labelled_set.shards import SONGS_FILE, TAGS_FILE
from earmark.datasets.labelled_set.songs import songs_csv

TOOL = Path(__file__).parents[2] / "tools" / "default_model"

EXTRA = (Song("of the set emotify", Path("none.wav"), "artist", "train", 0.0, unchanged_set="emotify"),)
"""A training song that says that there is a further set, "emotify"."""


def default_union() -> TagUnion:
    """The tags of earmark-1."""
    vocabularies = {name: load_vocabulary(name).names for name in VOCABULARIES}
    return read_tag_union(TOOL / "tags.csv", TOOL / "left_out.csv", vocabularies)


def write_tables(folder: Path, songs: Sequence[Song] = ()) -> Path:
    """tags.json and songs.csv, as `earmark distill label` writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TAGS_FILE).write_text(default_union().to_json())
    (folder / SONGS_FILE).write_text(songs_csv(songs))
    return folder
