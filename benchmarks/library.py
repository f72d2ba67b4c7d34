"""Speed, memory and disk of `earmark library scan`, measured from outside on whole processes.

    python benchmarks/library.py --out docs/results/library.md

Makes a library of three-minute MP3s (44.1 kHz stereo, 128 kbit/s, all different; 2.9 GB for a thousand) from the example
clips and scans it: new, unchanged, moved, with changed metadata. Then 100,000 empty files. Time, CPU time and peak memory
are the operating system's own accounting (wait4), the start of Python included. About five minutes on two quiet cores.
Nothing but earmark's light install is needed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import av
import mutagen
import numpy as np
from machine import cpu_name

from earmark import audio
from earmark.core.cpu import available_cores
from earmark.library.index.schema import connect

ROOT = Path(__file__).parent.parent
RATE_HZ = 44_100
N_ORIGINALS = 6
FILES_A_FOLDER = 20


@dataclass(frozen=True)
class Run:
    """One finished process."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def scan(folder: Path, index: Path, allowed: tuple[int, ...] = (0,)) -> Run:
    """`earmark library scan`, to the end."""
    command = [sys.executable, "-m", "earmark.cli.main", "library", "scan", str(folder), "--index", str(index), "-q"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    peak_mb = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Run(wall, usage.ru_utime + usage.ru_stime, peak_mb)


def encode(path: Path, samples: np.ndarray) -> list[bytes]:
    """Stereo (2, n) float32 as MP3 of 128 kbit/s; gives its frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 128_000
        for start in range(0, samples.shape[1], 65_536):
            part = np.ascontiguousarray(samples[:, start : start + 65_536])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def make_library(folder: Path, n_files: int, seconds: int) -> None:
    """Different MP3s in folders of twenty: a few are encoded, the others are rotations of them."""
    clips = [audio.load(path, RATE_HZ) for path in sorted((ROOT / "examples" / "clips").iterdir())]
    originals = []
    for k in range(min(N_ORIGINALS, n_files)):
        left = np.resize(np.concatenate(clips[k:] + clips[:k]), seconds * RATE_HZ)
        right = np.resize(np.roll(left, 441) * np.float32(0.8), left.shape)  # two channels that differ
        originals.append(encode(folder / "original.mp3", np.stack([left, right])))
    (folder / "original.mp3").unlink()
    for i in range(n_files):
        frames = originals[i % len(originals)]
        turn = (i // len(originals)) * len(frames) // max(1, -(-n_files // len(originals)))
        path = folder / f"album {i // FILES_A_FOLDER:04d}" / f"{i:05d}.mp3"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(frames[turn:] + frames[:turn]))


def make_empty(folder: Path, n_files: int) -> None:
    """Files of 0 bytes in folders of a hundred."""
    for i in range(n_files):
        path = folder / f"{i // 100:04d}" / f"{i:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def change_metadata(folder: Path) -> None:
    """A title for every file."""
    for path in folder.rglob("*.mp3"):
        tags = mutagen.File(path, easy=True)
        tags["title"] = path.stem
        tags.save()


def row_counts(index: Path) -> dict[str, int]:
    """How many rows the index has of each kind."""
    with connect(index, write=False) as connection:
        counts = dict(connection.execute("SELECT status, count(*) FROM files GROUP BY status"))
        (counts["audio"],) = connection.execute("SELECT count(*) FROM results").fetchone()
    connection.close()
    return counts


def median(values: list[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000, help="songs (default: 1000)")
    parser.add_argument("--seconds", type=int, default=180, help="length of a song (default: 180)")
    parser.add_argument("--empty", type=int, default=100_000, help="empty files (default: 100000)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="first scans; of others three times as many (default: 1)"
    )
    parser.add_argument("--folder", type=Path, help="where to make the library (default: the system's place)")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    n, many = options.files, options.repeats * 3
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        music, index = Path(name) / "music", Path(name) / "library.sqlite"
        music.mkdir()
        # In a process of its own: a child's peak memory is counted from its parent's size at the fork.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            maker.submit(make_library, music, n, options.seconds).result()
        music_mb = sum(path.stat().st_size for path in music.rglob("*.mp3")) / 1e6
        first = []
        for _ in range(options.repeats):
            for path in Path(name).glob("library.sqlite*"):
                path.unlink()
            first.append(scan(music, index))
        assert row_counts(index) == {"ok": n, "audio": n}, (
            f"{row_counts(index)}: not all files are different, or some failed"
        )
        again = [scan(music, index) for _ in range(many)]
        index_mb = sum(path.stat().st_size for path in Path(name).glob("library.sqlite*")) / 1e6
        moved = music.rename(Path(name) / "moved")
        music.mkdir()  # an unmounted drive is not taken for a moved library: the old folder is there, and empty
        relocated = scan(Path(name), index)
        assert row_counts(index)["ok"] == row_counts(index)["audio"] == n, row_counts(index)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            maker.submit(change_metadata, moved).result()
        relabelled = scan(moved, index)
        assert row_counts(index)["audio"] == n, row_counts(index)
        shutil.rmtree(moved)
        nothing, empty_index = Path(name) / "empty", Path(name) / "empty.sqlite"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            maker.submit(make_empty, nothing, options.empty).result()
        walked = scan(nothing, empty_index, allowed=(0, 1))
        assert row_counts(empty_index)["error"] == options.empty, row_counts(empty_index)
        walked_again = [scan(nothing, empty_index, allowed=(0, 1)) for _ in range(many)]
    first_s, again_s = median([r.wall_seconds for r in first]), median([r.wall_seconds for r in again])
    walked_s = median([r.wall_seconds for r in walked_again])
    rows = [
        (
            f"first scan, {n:,} MP3s",
            f"{first_s:.1f} s: {n / first_s:.1f} files/s, {n * options.seconds / first_s:,.0f}x real time",
            "",
        ),
        ("its peak memory", f"{max(r.peak_mb for r in first):.0f} MB", "<= 300 MB"),
        (
            "second scan, nothing changed",
            f"{again_s:.2f} s: {n / again_s:,.0f} files/s, {first_s / again_s:,.0f} times as fast",
            ">= 100 times",
        ),
        ("its peak memory", f"{max(r.peak_mb for r in again):.0f} MB", ""),
        ("the whole library moved to another folder", f"{relocated.wall_seconds:.2f} s, nothing tagged again", ""),
        ("metadata changed in every file", f"{relabelled.wall_seconds:.1f} s, nothing tagged again", ""),
        ("the index", f"{index_mb:.1f} MB, {index_mb * 1e3 / n:.1f} kB per file", ""),
        (f"{options.empty:,} empty files, first scan", f"{walked.wall_seconds:.1f} s, {walked.peak_mb:.0f} MB", ""),
        (
            f"{options.empty:,} empty files, second scan",
            f"{walked_s:.1f} s, {max(r.peak_mb for r in walked_again):.0f} MB",
            "",
        ),
    ]
    packages = ", ".join(f"{name} {version(package)}" for name, package in (("PyAV", "av"), ("NumPy", "numpy")))
    lines = [
        "# Scanning a library",
        "",
        f"Written by `python {' '.join(['benchmarks/library.py', *sys.argv[1:]])}`. {n:,} different MP3s of "
        f"{options.seconds} s (44.1 kHz stereo, 128 kbit/s, {music_mb:,.0f} MB) made from examples/clips; whole processes, "
        f"the start of Python included. First scans: {options.repeats}; scans of the unchanged library: {many}; medians, and "
        "the largest peak memory. Files are in the system's cache.",
        f"Machine: {cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{packages}; load of the machine before: {load:.1f}.",
        "",
        "| what | measured | aim |",
        "|---|---|---|",
        *(f"| {what} | {measured} | {aim} |" for what, measured, aim in rows),
        "",
        "Single first scans (wall s, CPU s): "
        f"{[[round(r.wall_seconds, 2), round(r.cpu_seconds, 2)] for r in first]}; second scans: "
        f"{[[round(r.wall_seconds, 3), round(r.cpu_seconds, 3)] for r in again]}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
