"""A small Emotify in its layout with artists: two songs of a few seconds for each genre and split."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from earmark.datasets.emotify import EMOTIONS, GENRES

RATE_HZ = 16_000
SPLITS = ("train", "train", "train", "validation", "test", "test")


def write_emotify(root: Path, *, seconds: float = 3.2) -> Path:
    """24 songs in FLAC: a tone and noise, the tone's pitch that of the genre; an artist for every song."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with (root / "tracks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["track_id", "path", "split", "genre", *EMOTIONS, "artist", "album", "title"])
        for place, genre in enumerate(GENRES):
            for number, split in enumerate(SPLITS, start=1):
                track = 100 * place + number
                time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
                sound = 0.3 * np.sin(2 * np.pi * 200 * 2 ** (place + rng.uniform(-0.8, 0.8)) * time)
                sound += 0.1 * rng.standard_normal(len(time))
                soundfile.write(root / f"{track}.flac", sound.clip(-1, 1), RATE_HZ)
                felt = rng.uniform(0, 1, len(EMOTIONS)).round(3)
                writer.writerow(
                    [f"emotify-{track:03d}", f"{track}.flac", split, genre, *felt, f"artist {track}", "album", "title"]
                )
    return root
