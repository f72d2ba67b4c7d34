"""Shards: how large, how long they take to make, how long a clip takes to read. Extrapolated to MagnaTagATune.

    python benchmarks/shards.py --out docs/results/shards.md [--music DIR] [--clips N]

Cuts clips of 29.1 s out of the music (default: the Emotify excerpts under EARMARK_SHARED, else the example clips), writes
them in two forms, prepares each as FLAC shards of 16 kHz and as original files, and reads them back:

- mp3: mono, 16 kHz, 32 kbit/s, the form of MagnaTagATune's own files
- flac: stereo, 44.1 kHz, which keeps the highest frequencies that 16 kHz can hold

Times are CPU time of one thread, so that other work on the machine changes them little.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from machine import cpu_name

from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset
from earmark.datasets.manifest import INFO
from earmark.shards import ShardAudio, prepare

ROOT = Path(__file__).parent.parent
MTAT_CLIPS = 25_863
CLIP_SECONDS = 29.1
RATE_HZ = 16_000
WINDOW_SAMPLES = 3 * RATE_HZ
AIM_GB = 15
MTAT_TAGS = {
    "classical": ("classical", "opera", "harpsichord", "choir", "choral", "violin", "cello"),
    "electronic": ("electronic", "techno", "ambient", "new age", "dance"),
    "pop": ("pop", "country"),
    "rock": ("rock", "metal"),
}
"""Emotify's genres, and the tags of MagnaTagATune that come close to them."""
VOCABULARY = Vocabulary(tuple(Tag(f"tag {i}", "classification", "other") for i in range(50)))


def encode(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """Samples (n_channels, n) as the file that MagnaTagATune would have, or as FLAC."""
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream({".mp3": "libmp3lame", ".flac": "flac"}[path.suffix], rate=rate_hz, layout=layout)
        if path.suffix == ".mp3":
            stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def spread(folder: Path, n_clips: int) -> list[Path]:
    """Files spread evenly over the folder; some are there more than once where there are too few."""
    files = [item.path for item in find_audio([folder])]
    return [files[i] for i in np.linspace(0, len(files) - 1, n_clips).astype(int)]


def excerpt(path: Path, rate_hz: int) -> np.ndarray:
    """The first 29.1 s (n,); what is shorter is repeated."""
    return np.resize(audio.load(path, rate_hz), round(CLIP_SECONDS * rate_hz))


def dataset_of(folder: Path) -> Dataset:
    labels = np.zeros(len(VOCABULARY), np.float32)
    clips = tuple(Clip(path.stem, path, "train", labels, "somebody") for path in sorted(folder.iterdir()))
    return Dataset("made", "none", VOCABULARY, clips, INFO)


def cpu_of(work: Callable[[], object], n: int) -> float:
    """CPU milliseconds of one of n calls; the better of two rounds."""
    rounds = []
    for _ in range(2):
        started = time.process_time()
        work()
        rounds.append(1000 * (time.process_time() - started) / n)
    return min(rounds)


def measure(form: str, dataset: Dataset, out: Path, kind: str) -> str:
    """One row of the table."""
    rate_hz = RATE_HZ if kind == "flac" else None
    started = time.process_time()
    header = prepare(
        dataset, out, audio=kind, sample_rate_hz=rate_hz, clips_per_shard=len(dataset.clips), jobs=1
    ).header
    making = time.process_time() - started
    shards, n = ShardAudio(out), len(dataset.clips)
    starts = np.random.default_rng(0).integers(0, int(CLIP_SECONDS * RATE_HZ) - WINDOW_SAMPLES, n).tolist()
    whole = cpu_of(lambda: [shards.load(clip_id, RATE_HZ) for clip_id in shards.clips], n)
    window = cpu_of(
        lambda: [shards.load_window(c, s, WINDOW_SAMPLES, RATE_HZ) for c, s in zip(shards.clips, starts, strict=True)],
        n,
    )
    hours = header.duration_seconds / 3600
    mtat_hours = MTAT_CLIPS * CLIP_SECONDS / 3600
    cells = [
        form,
        kind,
        f"{header.n_bytes / hours / 1e6:.1f}",
        f"{making / hours:.1f}",
        f"{whole:.1f}",
        f"{window:.1f}",
        f"{header.n_bytes / hours * mtat_hours / 1e9:.1f} GB",
        f"{making / hours * mtat_hours / 60:.0f} min",
    ]
    return f"| {' | '.join(cells)} |"


def by_genre(shards: ShardAudio, genres: dict[str, str]) -> dict[str, float]:
    """GB that the whole of MagnaTagATune would take if all of it were like the clips of a genre."""
    sizes: dict[str, list[int]] = {}
    for clip_id in shards.clips:
        sizes.setdefault(genres[clip_id], []).append(len(shards.read_bytes(clip_id)))
    return {genre: float(np.mean(some)) * MTAT_CLIPS / 1e9 for genre, some in sorted(sizes.items())}


def mixture_of_mtat(lists: Path) -> dict[str, int]:
    """Clips of MagnaTagATune that people called by one of the genres, and by no other of them.

    Counted in the validation and test lists of musicnn (id, 50 labels), 7,154 clips.
    """
    tags = (lists / "pons_tags.txt").read_text(encoding="utf-8").split("\n")
    lines = [
        line.split("\t")[1]
        for part in ("validation", "test")
        for line in (lists / f"pons_{part}_labels.tsv").read_text(encoding="utf-8").splitlines()
    ]
    labels = np.array([[float(value) for value in line.strip("[]").split(",")] for line in lines]) > 0
    called = {genre: labels[:, [tags.index(name) for name in names]].any(axis=1) for genre, names in MTAT_TAGS.items()}
    only_one = np.sum(list(called.values()), axis=0) == 1
    return {genre: int((has & only_one).sum()) for genre, has in called.items()}


def genre_lines(gigabytes: dict[str, float], lists: Path) -> str:
    """What the genres would take, alone and in MagnaTagATune's own proportions."""
    alone = ", ".join(f"{genre} {size:.1f} GB" for genre, size in gigabytes.items())
    lines = f"MP3s to FLAC, if all were of one genre: {alone}. The table has as much of each.\n"
    if not lists.is_dir() or set(gigabytes) != set(MTAT_TAGS):
        return lines
    counts = mixture_of_mtat(lists)
    mean = sum(gigabytes[genre] * n for genre, n in counts.items()) / sum(counts.values())
    shares = ", ".join(f"{genre} {n / sum(counts.values()):.0%}" for genre, n in counts.items())
    return (
        f"{lines}In the proportions that MagnaTagATune's own labels give ({shares}): **{mean:.1f} GB**.\n"
        f"Counted over the clips of musicnn's validation and test lists that have tags of one genre only ("
        + "; ".join(f"{genre}: {', '.join(names)}" for genre, names in MTAT_TAGS.items())
        + ").\nMagnaTagATune's own audio was not available.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    shared = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared")) / "data" / "emotify"
    music, said = (options.music, "the music given") if options.music else (shared, "Emotify's excerpts")
    if not music.is_dir():
        music, said = ROOT / "examples" / "clips", "examples/clips"
    rows, loose, genres = [], [], ""
    chosen = spread(music, options.clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form, rate_hz in (("mp3", RATE_HZ), ("flac", 44_100)):
            (folder / form).mkdir()
            for i, path in enumerate(chosen):
                samples = excerpt(path, rate_hz)
                channels = samples[None] if form == "mp3" else np.stack([samples, 0.8 * np.roll(samples, 44)])
                encode(folder / form / f"{i:04d}.{form}", channels.astype(np.float32), rate_hz)
            dataset = dataset_of(folder / form)
            paths = [clip.path for clip in dataset.clips]
            ms = cpu_of(lambda paths=paths: [audio.load(path, RATE_HZ) for path in paths], len(paths))
            loose.append(f"{ms:.1f} ms ({form})")
            rows += [measure(form, dataset, folder / f"{form}-{kind}", kind) for kind in ("flac", "original")]
        if music == shared:
            names = {f"{i:04d}": path.name.split("-")[0] for i, path in enumerate(chosen)}
            genres = genre_lines(by_genre(ShardAudio(folder / "mp3-flac"), names), shared.parent / "mtat")
    command = f"python benchmarks/shards.py{f' --clips {options.clips}' if options.clips != 64 else ''} --out FILE"
    text = f"""# Shards: size and time

Written by `{command}`: {options.clips} clips of {CLIP_SECONDS} s cut from {said}, in two forms:
mono MP3 of 16 kHz and 32 kbit/s, as MagnaTagATune's own files, and stereo FLAC of 44.1 kHz. Shards hold mono FLAC of
16 kHz and 16 bits, or the files as they are; sizes include the JSON of 50 tags per clip. CPU time of one thread.
Machine: {cpu_name()}, {platform.system()}, Python {platform.python_version()}, PyAV {av.__version__}, NumPy {np.__version__}.

| files | shards | MB per hour | CPU s to make an hour | ms to read a clip | ms to read 3 s of it | whole MTAT | made on one core in |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Reading a loose file, decoded and resampled to 16 kHz: {", ".join(loose)} a clip.
The last two columns are for {MTAT_CLIPS:,} clips. The aim for FLAC is less than {AIM_GB} GB.
{genres}"""
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
