"""Sparse reading compared with full reading: agreement and speed.

    python benchmarks/sparse.py --audio ../shared/data/emotify/audio --out docs/results/sparse.md

Tags music in full and with 4, 8 and 16 windows, and compares scores. Besides the files as they are, long ones
of 3 to 6 minutes are made by joining clips whose names begin alike (one genre: a song changes less than that), as MP3
and FLAC: published clips are mostly too short for a sparse reading to spare anything. Speed is CPU time of one file at a
time, and wall time of all on all cores, decoding included, each way in turn over the same files, best of some runs.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from machine import cpu_name

import earmark
from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.cpu import available_cores
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger

ROOT = Path(__file__).parent.parent
RATE_HZ = 44_100


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=ROOT.parent / "shared" / "data" / "emotify" / "audio")
    parser.add_argument("--model", help="as for `earmark tag`; the bundled one unless given")
    parser.add_argument("--windows", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--files", type=int, default=0, help="so many files, spread over all; 0 for all")
    parser.add_argument("--long", type=int, default=24, help="long files that are made")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the best counts")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    files = [found.path for found in find_audio([options.audio]) if found.error is None]
    if not files:
        raise SystemExit(f"{options.audio}: no audio there: name some with --audio")
    begun = time.monotonic()
    chosen = spread(files, options.files) if options.files else files
    taggers = {n: load_tagger(options.model, windows=n) for n in (None, *options.windows)}
    card = taggers[None].card
    with tempfile.TemporaryDirectory() as scratch:
        sets = {"the files as they are": chosen, "long files": long_files(files, Path(scratch), options.long)}
        parts = [
            text for name, paths in sets.items() if paths for text in report(name, paths, taggers, options.repeats)
        ]
    took = time.monotonic() - begun
    lines = [
        "# Sparse reading compared with full reading",
        "",
        f"Written by `{' '.join(['python benchmarks/sparse.py', *command_line(options)])}` in {took / 60:.1f} minutes. "
        f"Model {card.name}, windows of {card.input.window_seconds:g} s. Machine: {cpu_name()}, {available_cores()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, PyAV {av.__version__}, earmark {earmark.__version__}.",
        "",
        "Rank correlations are Spearman's: of one tag over all files (does it order a library alike?), averaged over tags; of "
        "all tags within one file, averaged over files. Top 5: how many of a file's five highest tags are shared. The "
        "largest difference is of one tag's score in one file; the typical one is the mean over all tags and files.",
        "",
        *parts,
        "A file with no more whole windows than N is read in full, and agrees with itself: the column of files read "
        "sparsely gives the number of meaningful comparisons; only those count in the agreement. Speed counts all.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def command_line(options: argparse.Namespace) -> list[str]:
    """The options again, without folders of this machine."""
    words = ["--audio", options.audio.name, "--windows", *map(str, options.windows), "--long", str(options.long)]
    words += ["--files", str(options.files)] if options.files else []
    return words + (["--model", Path(options.model).name] if options.model else [])


def spread(files: list[Path], n: int) -> list[Path]:
    """``n`` of the files, spread over all."""
    return [files[int(i)] for i in np.unique(np.linspace(0, len(files) - 1, n).round())]


def long_files(files: list[Path], folder: Path, n: int) -> list[Path]:
    """Made files of 3 to 6 minutes; every other one FLAC."""
    groups = defaultdict(list)
    for path in files:
        groups[path.stem.rstrip("0123456789-_ ")].append(path)
    rng = np.random.default_rng(0)
    pools = [group for group in groups.values() if len(group) > 3] or [files]
    made = []
    for i in range(n):
        pool = pools[i % len(pools)]
        seconds, parts = rng.uniform(180, 360), []
        while sum(len(part) for part in parts) < seconds * RATE_HZ:
            parts.append(audio.load(pool[rng.integers(len(pool))], RATE_HZ))
        samples = np.concatenate(parts)[: int(seconds * RATE_HZ)]
        made.append(encode(folder / f"{i:03d}{('.mp3', '.flac')[i % 2]}", samples))
    return made


def encode(path: Path, samples: np.ndarray) -> Path:
    """Mono samples as a stereo file: MP3 of 192 kbit/s, or FLAC."""
    with av.open(str(path), "w") as container:
        codec, form = ("libmp3lame", "fltp") if path.suffix == ".mp3" else ("flac", "s16")
        stream = container.add_stream(codec, rate=RATE_HZ, layout="stereo")
        if codec == "libmp3lame":
            stream.bit_rate = 192_000
        for start in range(0, len(samples), 65_536):
            both = np.stack([samples[start : start + 65_536]] * 2)
            if form == "s16":
                both = (both.clip(-1, 1) * 32_767).astype(np.int16).T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(both), format=form, layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def report(name: str, paths: list[Path], taggers: dict[int | None, Tagger], repeats: int) -> list[str]:
    """A table for one set of files."""
    scores_by_windows: dict[int | None, list[TagScores]] = {n: [] for n in taggers}
    cpu_seconds: dict[int | None, float] = dict.fromkeys(taggers, 0.0)
    wall_seconds: dict[int | None, float] = dict.fromkeys(taggers, float("inf"))
    for path in paths:  # in turn, so that a machine that slows down slows all
        best = dict.fromkeys(taggers, float("inf"))
        for n, tagger in [*taggers.items()] * repeats:
            begun = time.process_time()
            scores = tagger.tag(path)
            if best[n] == float("inf"):
                scores_by_windows[n].append(scores)
            best[n] = min(best[n], time.process_time() - begun)
        for n, seconds in best.items():
            cpu_seconds[n] += seconds
        print(f"{len(scores_by_windows[None])}/{len(paths)} {path.name}", end="\r", file=sys.stderr)
    for n, tagger in [*taggers.items()] * repeats:
        begun = time.perf_counter()
        for _ in tagger.tag_many(paths):
            pass
        wall_seconds[n] = min(wall_seconds[n], time.perf_counter() - begun)
    minutes = sum(scores.duration_seconds for scores in scores_by_windows[None]) / 60
    lines = [
        f"## {name[0].upper()}{name[1:]}: {len(paths)}, {minutes / len(paths):.1f} minutes each on average",
        "",
        "| windows | read sparsely | correlation, tag over files | correlation, tags of a file | top 5 shared | typical difference | largest | CPU ms per file | against full | files/s, all cores | against full |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for n in taggers:
        ms = 1000 * cpu_seconds[n] / len(paths)
        speed = f"{ms:.0f} | {cpu_seconds[None] / cpu_seconds[n]:.2f}x | "
        speed += f"{len(paths) / wall_seconds[n]:.1f} | {wall_seconds[None] / wall_seconds[n]:.2f}x |"
        places = [i for i, scores in enumerate(scores_by_windows[n]) if scores.sparse]
        if n is None:
            lines.append(f"| all | - | 1 | 1 | 5 | 0 | 0 | {speed}")
        elif len(places) < 2:
            lines.append(f"| {n} | {len(places)} of {len(paths)} | - | - | - | - | - | {speed}")
        else:
            full = np.stack([scores_by_windows[None][i].scores for i in places])
            sparse = np.stack([scores_by_windows[n][i].scores for i in places])
            lines.append(f"| {n} | {len(places)} of {len(paths)} | {agreement(full, sparse)} | {speed}")
    return [*lines, ""]


def agreement(full: np.ndarray, sparse: np.ndarray) -> str:
    """Cells of the table for scores (n_files, n_tags)."""
    by_tag = np.nanmean([spearman(full[:, i], sparse[:, i]) for i in range(full.shape[1])])
    by_file = np.nanmean([spearman(a, b) for a, b in zip(full, sparse, strict=True)])
    best = [
        set(np.argsort(-a, kind="stable")[:5]) & set(np.argsort(-b, kind="stable")[:5])
        for a, b in zip(full, sparse, strict=True)
    ]
    apart = np.abs(full - sparse)
    return f"{by_tag:.3f} | {by_file:.3f} | {np.mean([len(shared) for shared in best]):.2f} | {apart.mean():.3f} | {apart.max():.2f}"


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; equal values share their ranks."""
    ranks = [np.searchsorted(np.sort(x), x, "left") + np.searchsorted(np.sort(x), x, "right") for x in (a, b)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
