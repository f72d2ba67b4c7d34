"""Speed, memory and size of `earmark tag`, measured from outside on whole processes.

    python benchmarks/tagging.py --out docs/results/tagging.md

Makes three-minute MP3s (44.1 kHz stereo, 192 kbit/s) and one of two hours from the example clips, or from
the audio under --music, and measures with the operating system's own accounting (wait4): CPU time, wall time, peak
memory. Tagging and bare decoding take turns, so that a machine that slows down slows both.
Nothing but earmark's light install is needed. What that takes on disk: benchmarks/install_size.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from machine import cpu_name

import earmark
from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.cpu import available_cores

ROOT = Path(__file__).parent.parent
RATE_HZ = 44_100
SONG_SECONDS = 180
TAG = [sys.executable, "-m", "earmark.cli.main"]
DECODE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from earmark import audio
def decode(path):
    return sum(len(block) for block in audio.stream(path, 16_000))
with ThreadPoolExecutor(int(sys.argv[1])) as pool:
    print(sum(pool.map(decode, sys.argv[2:])) / 16_000)
"""


@dataclass
class Run:
    """One finished process."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def run(command: list[str]) -> Run:
    """Run to the end, output thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:5])} ... ended with {process.returncode}")
    peak_mb = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Run(wall, usage.ru_utime + usage.ru_stime, peak_mb)


def write_mp3(path: Path, samples: np.ndarray, times: int = 1) -> Path:
    """Stereo (2, n) float32 at 44.1 kHz, `times` over, as MP3 of 192 kbit/s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 192_000
        at = 0
        for _ in range(times):
            for start in range(0, samples.shape[1], 65_536):
                part = np.ascontiguousarray(samples[:, start : start + 65_536])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
                at += part.shape[1]
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_music(folder: Path, music: Path, n_files: int) -> tuple[list[Path], Path, Path]:
    """Three-minute MP3s, one of two hours, and one of 30 s."""
    sources = [audio.load(item.path, RATE_HZ) for item in find_audio([music]) if item.error is None]
    if not sources:
        raise SystemExit(f"{music}: no audio there")
    n = SONG_SECONDS * RATE_HZ
    songs = []
    for k in range(min(n_files, len(sources))):
        rolled = np.concatenate(sources[k:] + sources[:k])
        left = np.resize(rolled, n)
        right = np.resize(np.roll(rolled, 441) * np.float32(0.8), n)  # two channels that differ
        songs.append(np.stack([left, right]))
    paths = [write_mp3(folder / f"{k:03d}.mp3", songs[k]) for k in range(len(songs))]
    for k in range(len(songs), n_files):
        path = folder / f"{k:03d}.mp3"
        path.write_bytes(paths[k % len(songs)].read_bytes())
        paths.append(path)
    two_hours = write_mp3(folder / "two_hours.mp3", songs[0], times=40)
    short = write_mp3(folder / "short.mp3", songs[0][:, : 30 * RATE_HZ])
    return paths, two_hours, short


def median(values: list[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, default=ROOT / "examples" / "clips")
    parser.add_argument("--files", type=int, default=40, help="three-minute songs (default: 40)")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each (default: 5)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, directml or coreml (docs/gpu.md)")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    cores = available_cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "songs").mkdir()
        # In a process of its own: a child's peak memory is counted from its parent's size at the fork.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            songs, two_hours, short = maker.submit(make_music, folder / "songs", options.music, options.files).result()
        seconds = len(songs) * SONG_SECONDS
        tag_command = [*TAG, "tag", "--device", options.device]
        tag_songs = [*tag_command, *map(str, songs), "--format", "jsonl"]
        decode_songs = [sys.executable, "-c", DECODE, str(cores), *map(str, songs)]
        run(tag_songs)
        tags, decodes = [], []
        for _ in range(options.repeats):
            tags.append(run(tag_songs))
            decodes.append(run(decode_songs))
        ratios = [tag.cpu_seconds / decode.cpu_seconds for tag, decode in zip(tags, decodes, strict=True)]
        cold = [run([*tag_command, str(short)]) for _ in range(options.repeats + 1)][1:]
        helps = [run([*TAG, "--help"]) for _ in range(options.repeats + 1)][1:]
        tag_helps = [run([*TAG, "tag", "--help"]) for _ in range(options.repeats + 1)][1:]
        one = [run([*tag_command, str(songs[0])]) for _ in range(options.repeats)]
        long = [run([*tag_command, str(two_hours)]) for _ in range(max(2, options.repeats // 2))]
        rows = [
            (
                "warm, end to end, MP3 in",
                f"{seconds / median([r.wall_seconds for r in tags]):,.0f}x real time",
                ">= 750x",
            ),
            (
                "decoding and resampling alone, same files, same threads",
                f"{seconds / median([r.wall_seconds for r in decodes]):,.0f}x real time",
                "",
            ),
            ("CPU time of tagging over that of decoding alone", f"{median(ratios):.2f}", "<= 2"),
            (
                "cold, one 30 s MP3, from the prompt to tags",
                f"{median([r.wall_seconds for r in cold]):.2f} s",
                "<= 0.45 s",
            ),
            ("`earmark --help`", f"{median([r.wall_seconds for r in helps]):.2f} s", "<= 0.15 s"),
            ("`earmark tag --help`", f"{median([r.wall_seconds for r in tag_helps]):.2f} s", "<= 0.15 s"),
            ("peak memory, one three-minute MP3", f"{max(r.peak_mb for r in one):.0f} MB", "<= 250 MB"),
            ("peak memory, one two-hour MP3", f"{max(r.peak_mb for r in long):.0f} MB", "<= 250 MB"),
            (f"peak memory, {len(songs)} three-minute MP3s", f"{max(r.peak_mb for r in tags):.0f} MB", "<= 250 MB"),
            ("two-hour MP3", f"{7200 / median([r.wall_seconds for r in long]):,.0f}x real time", ""),
        ]
    card = earmark.load_tagger().card
    lines = [
        "# Speed and memory of tagging",
        "",
        f"Written by `python {' '.join(['benchmarks/tagging.py', *sys.argv[1:]])}`. Model {card.name}; "
        f"{len(songs)} MP3s of {SONG_SECONDS} s (44.1 kHz stereo, 192 kbit/s) made from {options.music.resolve().relative_to(ROOT) if options.music.resolve().is_relative_to(ROOT) else options.music.name}; "
        f"{options.repeats} counted runs, medians, largest peak memory; the network on {options.device}.",
        f"Machine: {cpu_name()}, {cores} cores, {platform.system()}, Python {platform.python_version()}, "
        f"PyAV {av.__version__}, NumPy {np.__version__}.",
        "",
        "| what | measured | aim |",
        "|---|---|---|",
        *(f"| {what} | {value} | {aim} |" for what, value, aim in rows),
        "",
        "Single runs of tagging (wall s, CPU s): "
        + json.dumps([[round(r.wall_seconds, 2), round(r.cpu_seconds, 2)] for r in tags])
        + "; of decoding: "
        + json.dumps([[round(r.wall_seconds, 2), round(r.cpu_seconds, 2)] for r in decodes])
        + ".",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
