"""How well `earmark library duplicates` tells the same recording in another encoding from other music.

    python benchmarks/duplicates.py --songs tracks.csv --out docs/results/duplicates.md

The table has path (as seen from it), artist, title and duration_s of songs. The library is made of excerpts of one minute, as FLAC, so
that all have about the same duration; some are there in many encodings as well, and in other versions, which are no duplicates. Songs
with the same artist and title count as the same. The last row is of made-up embeddings.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import av
import numpy as np
from machine import cpu_name
from recording_versions import ENCODINGS, EXCERPT_SECONDS, RATE_HZ, VERSIONS, encode, excerpt

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.libraries import scanned  # noqa: E402
from tests.helpers.made_library import make_large_index  # noqa: E402

from earmark.audio.fingerprint import agreement, fingerprint  # noqa: E402
from earmark.core.cpu import available_cores  # noqa: E402
from earmark.library.duplicates import find  # noqa: E402
from earmark.library.index.track_index import Index  # noqa: E402
from earmark.library.neighbours import unit_vectors  # noqa: E402
from earmark.library.query.search import Tracks  # noqa: E402
from earmark.library.similar import track_vectors  # noqa: E402

CLIPS = ROOT / "examples" / "clips"
ITSELF = "the song itself"


@dataclass(frozen=True)
class Song:
    """A song of the library; `name` is that of its files, `same_as` is equal for the same known artist and title."""

    path: Path
    name: str
    same_as: tuple[str, str]


def read_songs(table: Path, n_songs: int) -> list[Song]:
    """The clips of examples, and some of the songs in a table that are long enough."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["duration_s"] or 0) >= EXCERPT_SECONDS]
    rows = random.Random(0).sample(rows, min(n_songs, len(rows)))
    clips = [Song(path, path.stem, ("", path.stem)) for path in sorted(CLIPS.iterdir())]
    return clips + [
        Song(
            table.parent / row["path"],
            f"{number:03d} {Path(row['path']).stem}",
            (row["artist"], row["title"] if row["artist"] else row["path"]),
        )
        for number, row in enumerate(rows)
    ]


def make_library(songs: list[Song], n_encoded: int, folder: Path) -> dict[Path, tuple[Song, str]]:
    """Excerpts of all songs, and the encodings and versions of the first ones; song and kind of each file."""
    labels = {}
    other = np.zeros((2, RATE_HZ))
    for number, song in enumerate(songs):
        variants = [(ITSELF, "flac")]
        if number < n_encoded:
            variants += [(one[0], one[1]) for one in ENCODINGS] + [(one[0], "flac") for one in VERSIONS]
        paths = [folder / f"{song.name}.{k:02d}.{ending}" for k, (_, ending) in enumerate(variants)]
        labels.update({path: (song, kind) for path, (kind, _) in zip(paths, variants, strict=True)})
        if all(path.exists() for path in paths):
            continue
        samples = excerpt(song.path)
        encode(samples, paths[0], "flac", None)
        if number < n_encoded:
            for path, (_, _, encoder, kbps, rate_hz, gain_db, first, last) in zip(paths[1:], ENCODINGS, strict=False):
                kept = samples[:, first * RATE_HZ : samples.shape[1] - last * RATE_HZ]
                encode(kept * 10 ** (gain_db / 20), path, encoder, kbps, rate_hz)
            for path, (_, version) in zip(paths[1 + len(ENCODINGS) :], VERSIONS, strict=True):
                made = version(samples, other)
                encode(made / max(1e-6, float(np.abs(made).max())) * 0.8, path, "flac", None)
        other = samples
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=Path, required=True, help="a table of songs")
    parser.add_argument(
        "--library", type=int, default=200, help="songs of the library, beside the clips (default: 200)"
    )
    parser.add_argument("--encoded", type=int, default=20, help="of these, songs to encode (default: 20)")
    parser.add_argument("--tracks", type=int, default=100_000, help="of the made-up library (default: 100,000)")
    parser.add_argument(
        "--work", type=Path, help="keep the encoded files and the index there, and use those that are there"
    )
    parser.add_argument("--out", type=Path, help="write the page there as well")
    options = parser.parse_args()
    songs = read_songs(options.songs.resolve(), options.library)
    with tempfile.TemporaryDirectory() as name:
        work = options.work or Path(name)
        (work / "Music").mkdir(parents=True, exist_ok=True)
        labels = make_library(songs, options.encoded, work / "Music")
        index_path = work / "library.sqlite"
        scanned(index_path, work / "Music")
        lines = measure(index_path, labels) + scale(work, options.tracks)
    text = "\n".join(
        [
            "# Duplicates",
            "",
            f"Written by `python benchmarks/duplicates.py --songs tracks.csv --library {options.library} --encoded "
            f"{options.encoded} --out docs/results/duplicates.md`, with a table of free music. The library: {len(songs)} songs, "
            f"six of them those of examples/clips, by {len({song.same_as[0] for song in songs} - {''})} known artists and others, as excerpts of up to a "
            f"minute, in stereo; {options.encoded} of them in {len(ENCODINGS)} encodings and {len(VERSIONS)} other versions as "
            f"well; {len(labels)} files in all. "
            "Machine: "
            f"{cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}, "
            f"PyAV {av.__version__}, NumPy {np.__version__}; load: {os.getloadavg()[0]:.1f}.",
            "",
            *lines,
            "",
        ]
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def measure(index_path: Path, labels: dict[Path, tuple[Song, str]]) -> list[str]:
    """Pairs of files that are the same song, and those that are found to be."""
    with Index.open(index_path) as index:
        tracks = Tracks.load(index)
        vectors = track_vectors(index, tracks)
        candidates = {tuple(sorted(pair)) for pair in find.candidate_pairs(tracks, vectors).tolist()}
        cpu = time.process_time()
        groups = find.find_same_sound(index, tracks)
        cpu = time.process_time() - cpu
    rows = {tracks.path(row): row for row in range(len(tracks))}
    versions = {name for name, _ in VERSIONS}
    song = {row: (*labels[path][0].same_as, labels[path][1] in versions and path) for path, row in rows.items()}
    found = {
        tuple(sorted((rows[a.track.path], rows[b.track.path])))
        for group in groups
        for a, b in combinations(group.copies, 2)
    }
    everything = list(combinations(range(len(tracks)), 2))
    same = {pair for pair in everything if song[pair[0]] == song[pair[1]]}

    def row(what: str, pairs: set[tuple[int, int]]) -> str:
        hits = len(pairs & same)
        return f"| {what} | {len(pairs):,} | {hits / max(1, len(pairs)):.1%} | {hits / len(same):.1%} |"

    prints = {at: fingerprint(tracks.path(at)) for at in {at for pair in candidates | same for at in pair}}
    share = {
        pair: agreement(prints[pair[0]], prints[pair[1]], find.DURATION_TOLERANCE_SECONDS) for pair in candidates | same
    }
    others = [share[pair] for pair in candidates - same]
    unit = unit_vectors(vectors - (vectors.mean(axis=0) if len(tracks) >= find.CENTRED_FROM else 0))
    cosine = [float(unit[a] @ unit[b]) for a, b in same]
    firsts = [row for path, row in rows.items() if labels[path][1] == ITSELF]
    of_different = (unit[firsts] @ unit[firsts].T)[np.triu_indices(len(firsts), 1)]
    n_similar, n_different = int((of_different >= find.LEAST_SIMILARITY).sum()), len(of_different)
    made = {at for pair in candidates for at in pair}
    seconds = sum(tracks.durations[at] for at in made)
    lines = [
        f"{len(same):,} of the {len(everything):,} pairs of files are the same master of the same recording.",
        "",
        "| pairs that count as the same | pairs | precision | recall |",
        "|---|---|---|---|",
        row(
            f"durations within {find.DURATION_TOLERANCE_SECONDS:g} s and embeddings with a cosine of "
            f"{find.LEAST_SIMILARITY} or more: the candidates",
            candidates,
        ),
        row("candidates whose fingerprints agree: `earmark library duplicates`", found),
        "",
        "| pairs | measured |",
        "|---|---|",
        f"| different songs: pairs with a cosine of {find.LEAST_SIMILARITY} or more | {n_similar:,} of {n_different:,} |",
        f"| the same: cosine of their embeddings, lowest, 1st percentile, median | {spread(cosine)} |",
        f"| the same: share of windows that agree, lowest, 1st percentile, median | "
        f"{spread([share[pair] for pair in same])} |",
        f"| candidates that are not: number, highest and median share of windows that agree | {len(others)}, "
        f"{max(others, default=0):.0%}, {np.median(others or [0]):.0%} |",
        f"| CPU time of reading and comparing {len(made)} files, {seconds / 3600:.1f} hours of music | {cpu:.0f} s |",
        "",
        "| encoding | found with the song itself |",
        "|---|---|",
    ]
    originals = {labels[path][0]: row for path, row in rows.items() if labels[path][1] == ITSELF}

    def found_with_itself(kind: str) -> str:
        mine = [row for path, row in rows.items() if labels[path][1] == kind]
        with_it = [tuple(sorted((row, originals[labels[tracks.path(row)][0]]))) for row in mine]
        are_candidates = sum(pair in candidates for pair in with_it)
        missed = f"; {are_candidates} were candidates" if are_candidates < len(mine) else ""
        return f"| {kind} | {sum(pair in found for pair in with_it)} of {len(mine)}{missed} |"

    lines += [found_with_itself(name) for name, *_ in ENCODINGS]
    lines += ["", "| version, which is no duplicate | found with the song itself |", "|---|---|"]
    lines += [found_with_itself(name) for name, _ in VERSIONS]
    wrong = [(a, b) for a, b in sorted(found - same) if labels[tracks.path(a)][0] != labels[tracks.path(b)][0]]
    lines += ["", "Pairs that are found and have other names:", ""] if wrong else []
    lines += [
        f"- {' - '.join(labels[tracks.path(a)][0].same_as)}, and {' - '.join(labels[tracks.path(b)][0].same_as)}"
        for a, b in wrong
    ]
    return lines


def spread(values: list[float]) -> str:
    """Lowest, 1st percentile, median."""
    return ", ".join(f"{value:.4f}" for value in np.quantile(values, [0, 0.01, 0.5]))


def scale(work: Path, n_tracks: int) -> list[str]:
    """Time of finding candidates in a large library of made-up embeddings."""
    path = work / f"{n_tracks}.sqlite"
    if not path.exists():
        make_large_index(path, n_tracks, embedding_dims=384)
    with Index.open(path) as index:
        tracks = Tracks.load(index)
        vectors = track_vectors(index, tracks)
    cpu = time.process_time()
    find.candidate_pairs(tracks, vectors)
    cpu = time.process_time() - cpu
    return [
        "",
        f"Candidates among {n_tracks:,} made-up tracks of 1 to 10 minutes, every pair of about equal duration compared: "
        f"{cpu:.0f} s of CPU time.",
    ]


if __name__ == "__main__":
    main()
