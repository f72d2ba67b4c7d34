"""Many short files in one run: does memory grow, and is each file there once?

    python benchmarks/soak.py tag --files 50000 --out docs/results/soak.md          # `earmark tag`, one run
    python benchmarks/soak.py cluster --files 20000 --out docs/results/soak_cluster.md  # `earmark cluster tag`, workers killed

The files are hard links to some that differ: the example clips cut to 1 to 16 seconds as WAV, FLAC, Opus, MP3 and M4A, and one of each
kind that fails (cut off, not audio, empty). Memory is that of the process (`tag`) or of the largest of the workers' processes that tag (`cluster`),
taken every second; what it grows is the slope of a line through the second half of the run. `cluster` kills a process that tags with
SIGKILL twice, then the whole command once and starts it again; what must come of it is one row per file. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
from machine import cpu_name

from earmark import audio
from earmark.core.cpu import available_cores
from tagging import ROOT, TAG

RATE_HZ = 48_000
KINDS = {"wav": "pcm_s16le", "flac": "flac", "opus": "libopus", "mp3": "libmp3lame", "m4a": "aac"}
SECONDS = (1.0, 5.0, 13.0, 14.0, 16.0)
CLUSTER = [*TAG, "cluster", "tag"]


@dataclass
class Watched:
    """What was seen of a run, one value each second."""

    seconds: list[float] = field(default_factory=list)
    n_done: list[int] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    n_open: list[int] = field(default_factory=list)
    n_threads: list[int] = field(default_factory=list)

    def growth_mb(self) -> float:
        """How much memory grows in 10,000 files, by a line through the second half."""
        half = len(self.n_done) // 2
        n, memory = np.array(self.n_done[half:]), np.array(self.resident_mb[half:])
        return float(np.polyfit(n, memory, 1)[0] * 10_000) if len(set(n.tolist())) > 1 else float("nan")


def write_sound(path: Path, samples: np.ndarray, codec: str) -> None:
    """Mono samples as a file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(stream.format.name, "mono", RATE_HZ, frame_size=stream.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def make_files(folder: Path, n_files: int) -> tuple[list[Path], int]:
    """The files, in folders of 1,000; and how many of them fail."""
    originals = folder / "originals"
    originals.mkdir()
    clips = [audio.load(path, RATE_HZ) for path in sorted((ROOT / "examples" / "clips").iterdir())]
    sources, k = [], 0
    for ending, codec in KINDS.items():
        for seconds in SECONDS:
            sound = np.roll(clips[k % len(clips)], -k * RATE_HZ)[: round(seconds * RATE_HZ)]
            sources.append(originals / f"{k}.{ending}")
            write_sound(sources[-1], sound, codec)
            k += 1
    broken = {"cut.wav": sources[4].read_bytes()[:100_000], "text.mp3": b"not audio " * 50, "empty.flac": b""}
    for name, content in broken.items():
        sources.append(originals / name)
        sources[-1].write_bytes(content)
    files = []
    for number in range(n_files):
        source = sources[number % len(sources)]
        place = folder / "music" / f"{number // 1000:03d}" / f"{number:06d}{source.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, place)
        files.append(place)
    return files, sum(sources[number % len(sources)].name in broken for number in range(n_files))


def sample(watched: Watched, started: float, n_done: int, pids: list[int]) -> None:
    """One second of a run: of several processes, the largest."""
    found = []
    for pid in pids:
        process = Path(f"/proc/{pid}")
        try:
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            found.append(
                (int(status["VmRSS"].split()[0]) / 1e3, len(list((process / "fd").iterdir())), int(status["Threads"]))
            )
        except (OSError, KeyError, ValueError):  # ended meanwhile
            continue
    if found:
        memory, n_open, n_threads = (max(values) for values in zip(*found, strict=True))
        watched.seconds.append(time.monotonic() - started)
        watched.n_done.append(n_done)
        watched.resident_mb.append(memory)
        watched.n_open.append(n_open)
        watched.n_threads.append(n_threads)


def tag_all(folder: Path) -> tuple[Watched, list[dict], int]:
    """`earmark tag` over the folder: what was seen, its records, its exit code."""
    out, watched, started = folder / "tags.jsonl", Watched(), time.monotonic()
    with out.open("wb") as file, (folder / "errors").open("wb") as errors:
        command = [*TAG, "tag", str(folder / "music"), "--format", "jsonl", "--quiet"]
        process = subprocess.Popen(command, stdout=file, stderr=errors)
        n_done = 0
        with out.open("rb") as lines:
            while process.poll() is None:
                time.sleep(1)
                n_done += lines.read().count(b"\n")
                sample(watched, started, n_done, [process.pid])
    records = [json.loads(line) for line in out.read_text().splitlines()]
    return watched, records, process.returncode


def tagging_processes() -> list[int]:
    """Processes that tag for a worker: `python -P -m earmark.cluster.MODULE`."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-P" in words and any(word.startswith(b"earmark.cluster.") for word in words):
                found.append(int(process.name))
    return found


def cluster_all(folder: Path, files: list[Path]) -> tuple[Watched, list[dict], int]:
    """`earmark cluster tag`, with processes killed on the way; the last exit code."""
    manifest, out = folder / "files.csv", folder / "tags"
    manifest.write_text("id,uri\n" + "".join(f"{k},{path}\n" for k, path in enumerate(files)))
    command = [*CLUSTER, str(manifest), "--out", str(out), "--address", "local", "--no-embeddings", "--quiet"]
    command += ["--shard-rows", str(max(20, len(files) // 100))]
    watched, started = Watched(), time.monotonic()

    def n_rows() -> int:
        return sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet"))

    def run(until: Callable[[int], bool], kill_at: list[int]) -> int:
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        while process.poll() is None:
            time.sleep(1)
            n_done, pids = n_rows(), tagging_processes()
            sample(watched, started, n_done, pids)
            if kill_at and n_done >= kill_at[0] and pids:
                kill_at.pop(0)
                os.kill(pids[0], signal.SIGKILL)
            if until(n_done):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode

    kill_at = [len(files) // 5, len(files) * 3 // 5]
    run(lambda n_done: n_done >= len(files) * 2 // 5, kill_at)
    subprocess.run([sys.executable, "-m", "ray.scripts.scripts", "stop", "--force"], check=False, capture_output=True)
    code = run(lambda _: False, kill_at)
    rows = [row for path in out.glob("*.parquet") for row in pq.read_table(path, columns=["id", "status"]).to_pylist()]
    return watched, rows, code


def page(
    arguments: list[str], watched: Watched, n_files: int, n_failing: int, rows: list[dict], code: int
) -> list[str]:
    """What came of it, as Markdown."""
    failed = sum(row["status"] == "error" for row in rows)
    names = {row.get("id", row.get("path")) for row in rows}
    # On a cluster processes are killed, and start anew.
    growth = f" grows by {watched.growth_mb():+.2f} MB in 10,000 files (second half)" if arguments[0] == "tag" else ""
    lines = [
        f"Written by `python benchmarks/soak.py {' '.join(arguments)}`. Machine: {cpu_name()}, {available_cores()} cores, "
        f"{platform.system()}, Python {platform.python_version()}. {n_files:,} files of 1 to 16 s, {n_failing:,} of them broken.",
        "",
        f"- Results: {len(rows):,}, of {len(names):,} different files; {failed:,} failed. Exit code {code}.",
        f"- {watched.seconds[-1] / 60:.1f} minutes, {n_files / watched.seconds[-1]:.0f} files a second.",
        f"- Memory{growth}: at most {max(watched.resident_mb):.0f} MB. "
        f"Open files: at most {max(watched.n_open)}; threads: at most {max(watched.n_threads)}.",
        "",
        "| share of the run | files done | memory, MB | open files | threads |",
        "|---|---|---|---|---|",
    ]
    last = len(watched.seconds) - 1
    for share in (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        k = min(last, round(share * last))
        lines.append(
            f"| {share:.0%} | {watched.n_done[k]:,} | {watched.resident_mb[k]:.0f} | {watched.n_open[k]} | {watched.n_threads[k]} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("tag", "cluster"))
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument(
        "--folder", type=Path, help="where the files are made; default: the system's for temporary files"
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        files, n_failing = make_files(folder, options.files)
        watched, rows, code = tag_all(folder) if options.command == "tag" else cluster_all(folder, files)
    title = (
        "# Many short files in one run" if options.command == "tag" else "# A run on a cluster, with processes killed"
    )
    text = "\n".join([title, "", *page(sys.argv[1:], watched, len(files), n_failing, rows, code)])
    print(text)
    if len(rows) != len(files) or sum(row["status"] == "error" for row in rows) != n_failing:
        raise SystemExit("files are missing, are there twice, or fail though they are whole")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
