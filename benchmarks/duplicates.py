"""How well `earmark library duplicates` tells the same recording in another encoding from other music.

    python benchmarks/duplicates.py --songs FOLDER --out docs/results/duplicates.md

Some songs of a folder, and those of examples/clips, are encoded in many ways (--encoded of them); all other songs of the folder are
there as well, and nothing but the encodings of a song is the same. Where the folder has a tracks.csv with path, artist and title
(as Emotify's), songs with the same artist and title are the same song. The last rows are of made-up embeddings.
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
from itertools import combinations
from pathlib import Path

import av
import numpy as np
import soundfile
from machine import cpu_name

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.libraries import scanned  # noqa: E402
from tests.helpers.made_library import make_large_index  # noqa: E402

from earmark import audio  # noqa: E402
from earmark.audio.fingerprint import agreement, fingerprint  # noqa: E402
from earmark.core.cpu import available_cores  # noqa: E402
from earmark.library.duplicates import find  # noqa: E402
from earmark.library.index.track_index import Index  # noqa: E402
from earmark.library.neighbours import unit_vectors  # noqa: E402
from earmark.library.query.search import Tracks  # noqa: E402
from earmark.library.similar import track_vectors  # noqa: E402

RATE_HZ = 48_000
CLIPS = ROOT / "examples" / "clips"

# name, ending, encoder, kbit/s, gain in dB, seconds cut off at the beginning and at the end
ENCODINGS = (
    ("MP3 64 kbit/s", "mp3", "libmp3lame", 64, 0, 0, 0),
    ("MP3 128 kbit/s", "mp3", "libmp3lame", 128, 0, 0, 0),
    ("MP3 320 kbit/s", "mp3", "libmp3lame", 320, 0, 0, 0),
    ("Ogg Vorbis", "ogg", "soundfile", None, 0, 0, 0),
    ("Opus 48 kbit/s", "opus", "libopus", 48, 0, 0, 0),
    ("AAC 96 kbit/s", "m4a", "aac", 96, 0, 0, 0),
    ("WMA 96 kbit/s", "wma", "wmav2", 96, 0, 0, 0),
    ("FLAC", "flac", "flac", None, 0, 0, 0),
    ("MP3 128 kbit/s, -20 dB", "mp3", "libmp3lame", 128, -20, 0, 0),
    ("Opus 96 kbit/s, +6 dB, clipped", "opus", "libopus", 96, 6, 0, 0),
    ("AAC 128 kbit/s, first second cut off", "m4a", "aac", 128, 0, 1, 0),
    ("MP3 192 kbit/s, last two seconds cut off", "mp3", "libmp3lame", 192, 0, 0, 2),
)


def encode(samples: np.ndarray, path: Path, encoder: str, kbps: int | None) -> None:
    """A mono waveform as a stereo file."""
    stereo = np.ascontiguousarray(np.stack([samples, samples]).clip(-1, 1), np.float32)
    if encoder == "soundfile":  # PyAV's FFmpeg has no good Vorbis encoder
        with soundfile.SoundFile(path, "w", RATE_HZ, 2, format="OGG", subtype="VORBIS") as file:
            for start in range(0, stereo.shape[1], 4096):
                file.write(stereo[:, start : start + 4096].T)
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE_HZ, layout="stereo")
        if kbps:
            stream.bit_rate = kbps * 1000
        frame = av.AudioFrame.from_ndarray(stereo, format="fltp", layout="stereo")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_library(songs: list[Path], n_encoded: int, folder: Path) -> dict[Path, tuple[str, str]]:
    """Links to all songs, and the encodings of some; song and encoding of each file."""
    labels = {}
    chosen = [*sorted(CLIPS.iterdir()), *random.Random(0).sample(songs, min(n_encoded, len(songs)))]
    for song in [*songs, *sorted(CLIPS.iterdir())]:
        link = folder / f"{song.stem}{song.suffix}"
        if not link.is_symlink():
            link.symlink_to(song)
        labels[link] = (song.stem, "the song itself")
    for song in chosen:
        samples = audio.load(song, RATE_HZ)
        samples = samples / max(1e-6, float(np.abs(samples).max())) * 0.8
        for number, (name, ending, encoder, kbps, gain_db, first, last) in enumerate(ENCODINGS):
            path = folder / f"{song.stem}.{number}.{ending}"
            labels[path] = (song.stem, name)
            if not path.exists():
                end = len(samples) - last * RATE_HZ
                encode(samples[first * RATE_HZ : end] * 10 ** (gain_db / 20), path, encoder, kbps)
    return labels


def same_songs(songs: list[Path]) -> dict[str, str]:
    """Of each song the name of the first with the same artist and title, as tracks.csv says."""
    table = songs[0].parent.parent / "tracks.csv"
    if not table.exists():
        return {}
    first: dict[tuple[str, str], str] = {}
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    return {
        Path(row["path"]).stem: first.setdefault((row["artist"], row["title"]), Path(row["path"]).stem) for row in rows
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=Path, required=True, help="a folder of different songs")
    parser.add_argument("--encoded", type=int, default=24, help="songs to encode, beside the clips (default: 24)")
    parser.add_argument("--tracks", type=int, default=100_000, help="of the made-up library (default: 100,000)")
    parser.add_argument(
        "--work", type=Path, help="keep the encoded files and the index there, and use those that are there"
    )
    parser.add_argument("--out", type=Path, help="write the page there as well")
    options = parser.parse_args()
    songs = sorted(path for path in options.songs.resolve().iterdir() if path.is_file())
    with tempfile.TemporaryDirectory() as name:
        work = options.work or Path(name)
        (work / "Music").mkdir(parents=True, exist_ok=True)
        labels = make_library(songs, options.encoded, work / "Music")
        index_path = work / "library.sqlite"
        scanned(index_path, work / "Music")
        lines = measure(index_path, labels, same_songs(songs)) + scale(work, options.tracks)
    text = "\n".join(
        [
            "# Duplicates",
            "",
            "Written by `python benchmarks/duplicates.py --songs FOLDER --out docs/results/duplicates.md`, with the "
            f"{len(songs)} Emotify songs of one minute as FOLDER, whose artists often have several songs. Of "
            f"{len({song for song, name in labels.values() if name == ENCODINGS[0][0]})} songs, the six of examples/clips "
            f"among them, there are {len(ENCODINGS)} encodings as well, {len(labels)} files in all. "
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


def measure(index_path: Path, labels: dict[Path, tuple[str, str]], canonical: dict[str, str]) -> list[str]:
    """Pairs of files that are the same song, and those that are found to be."""
    with Index.open(index_path) as index:
        tracks = Tracks.load(index)
        vectors = track_vectors(index, tracks)
        candidates = {tuple(sorted(pair)) for pair in find.candidate_pairs(tracks, vectors).tolist()}
        cpu = time.process_time()
        groups = find.find_same_sound(index, tracks)
        cpu = time.process_time() - cpu
    rows = {tracks.path(row): row for row in range(len(tracks))}
    song = {row: canonical.get(labels[path][0], labels[path][0]) for path, row in rows.items()}
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

    prints = {at: fingerprint(tracks.path(at)) for pair in candidates | same for at in pair}
    share = {
        pair: agreement(prints[pair[0]], prints[pair[1]], find.DURATION_TOLERANCE_SECONDS) for pair in candidates | same
    }
    others = [share[pair] for pair in candidates - same]
    n_wrong = sum(one >= find.LEAST_AGREEMENT for one in others)
    unit = unit_vectors(vectors - vectors.mean(axis=0))
    cosine = [float(unit[a] @ unit[b]) for a, b in same]
    seconds = sum(tracks.durations[at] for at in prints)
    lines = [
        f"{len(same):,} of the {len(everything):,} pairs of files are the same song.",
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
        f"| same song: cosine of their embeddings, lowest, 1st percentile, median | {min(cosine):.4f}, "
        f"{np.quantile(cosine, 0.01):.4f}, {np.median(cosine):.4f} |",
        f"| same song: share of windows that agree, lowest, 1st percentile, median | "
        f"{min(share[pair] for pair in same):.0%}, {np.quantile([share[pair] for pair in same], 0.01):.0%}, "
        f"{np.median([share[pair] for pair in same]):.0%} |",
        f"| candidates that are different songs: number, and the highest share of windows that agree | {len(others)}, "
        f"{max(others, default=0):.0%} |",
        f"| different songs that would count as the same | {n_wrong} |",
        f"| CPU time of reading and comparing {len(prints)} files, {seconds / 3600:.1f} hours of music | {cpu:.0f} s |",
        "",
        "| encoding | found with the song itself |",
        "|---|---|",
    ]
    for name, *_ in ENCODINGS:
        mine = [at for path, at in rows.items() if labels[path][1] == name]
        originals = {song[at]: at for path, at in rows.items() if labels[path][1] == "the song itself"}
        n_found = sum(tuple(sorted((at, originals[song[at]]))) in found for at in mine)
        lines.append(f"| {name} | {n_found} of {len(mine)} |")
    wrong = sorted(found - same)
    lines += ["", "Pairs that are found and have other names:", ""] if wrong else []
    lines += [f"- {tracks.path(a).name} and {tracks.path(b).name}" for a, b in wrong]
    return lines


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
