"""Features of real music with what is known of it: the composer's tempi, keys in titles, and music without labels.

python -m tools.tempo_key.real --out DIR --music MUSIC --shared ../shared

MUSIC is made by ``python -m tools.default_model fetch-music --out MUSIC --composer macleod.csv --only hudebni --only cars24``.
Features of a track that are there are not made again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark import audio
from earmark.audio.sound import SoundStream
from earmark.core.atomic_files import write_together
from earmark.core.errors import AudioError
from earmark.tagging.runtime import find_model, read_card
from earmark.tagging.tempo_key import TempoKeyMeter
from tools.default_model.music.kept_apart import hash_share, normalize
from tools.tempo_key.feature_files import FeatureSet, Track, features_of
from tools.tempo_key.title_keys import key_in_title

TEST_SHARE = 0.3
"""Of the composer's titles, by the hash of their group: never trained on, and looked at once."""


def composer_split(group: str) -> str:
    """The split of a group of titles with the same first two words, "train" or "test".

    >>> composer_split("Kevin MacLeod: 8bit dungeon")
    'test'
    """
    return "test" if hash_share(f"tempo {group}") < TEST_SHARE else "train"


def composer_tracks(music: Path, composer_table: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Path, name and labels of the tracks that were fetched; the composer's have his BPM and a split."""
    with composer_table.open(newline="", encoding="utf-8") as file:
        bpm = {normalize(row["title"]): float(row["bpm"]) for row in csv.DictReader(file)}
    with (music / "tracks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        labels: dict[str, Any] = {"artist": row["artist"], "title": row["title"], "group": row["group"]}
        if row["artist"] == "Kevin MacLeod":
            labels |= {
                "bpm": bpm[normalize(row["title"])],
                "split": composer_split(row["group"]),
                "genre": row["genre"],
            }
        yield music / row["path"], "music_" + row["path"].removesuffix(".mp3").replace("/", "_")[6:], labels


def emotify_tracks(folder: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Songs of Emotify, with the keys that titles of classical pieces tell; validation is its split "train"."""
    with (folder / "tracks.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            labels: dict[str, Any] = {name: row[name] for name in ("artist", "title", "genre")}
            key = key_in_title(row["title"]) if row["genre"] == "classical" else None
            if key is not None:
                split = "validation" if row["split"] == "train" else "test"
                labels |= {"tonic": key.tonic, "mode": key.mode, "split": split}
            yield folder / row["path"], row["track_id"], labels


def corpus_tracks(folder: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Music without labels."""
    with (folder / "tracks.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield folder / row["path"], row["track_id"], {"title": row["label"]}


def make_features(path: Path, out: Path, name: str, labels: dict[str, Any]) -> None:
    """Decode a track as ``earmark tag`` does, and write what the meter keeps."""
    spec = read_card(find_model()).input
    meter = TempoKeyMeter(spec.sample_rate_hz)
    for block in SoundStream(audio.stream(path, spec.sample_rate_hz, spec.conditioning), spec):
        meter.add(block)
    write_together({out: FeatureSet([Track(name, features_of(meter), labels)]).to_bytes()})


def main() -> None:
    """Make the features that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data = args.shared / "data"
    tracks = [
        *composer_tracks(args.music, data / "macleod.csv"),
        *emotify_tracks(data / "emotify"),
        *corpus_tracks(data / "corpus"),
    ]
    for path, name, labels in tracks:
        if not (out := args.out / f"{name}.npz").exists():
            try:
                make_features(path, out, name, labels)
            except AudioError as error:
                print(error, flush=True)


if __name__ == "__main__":
    main()
