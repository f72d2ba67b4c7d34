"""`earmark cluster tag` against `earmark tag` on one machine: overhead, two workers against one, the driver's memory.

    python benchmarks/cluster.py --out docs/results/cluster.md
    python benchmarks/cluster.py --files 8 --song-seconds 20 --rounds 1 --rows 2000 --out /tmp/cluster.md   # a try

Makes MP3s (44.1 kHz stereo, 192 kbit/s) from the example clips, a few that differ and copies of them. Where one
core is measured, all processes are kept on one core, Ray's own among them: `earmark tag --jobs 1` and a worker of
one core would else decode on one core and run the network on the other. Linux only. Whole processes are measured from
outside. Starting Ray costs the same whether ten tracks follow or a million, so it is shown by itself: the cluster's
overhead is that of the time from the first worker's start to the last shard.

The driver's memory is measured with real manifests, a real plan, real Ray, and workers that do not tag: they wait as
long as a track takes, divided by a reported factor, and write shards of made-up scores. A million tracks would otherwise
take weeks on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cluster_page import COSTS_HEAD, MILLION, RESULTS, Run, into_the_guide, median, page

import earmark
import service
from earmark.core.cpu import available_cores
from tagging import ROOT, TAG


def on_cores(n: int) -> None:
    """Keep this process and its children on this many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])


def tag_alone(songs: list[Path], jobs: int, windows: int | None) -> Run:
    """`earmark tag` on this many cores, with its results written to a file."""
    command = [*TAG, "tag", *map(str, songs), "--format", "jsonl", "--jobs", str(jobs), "--quiet"]
    command += [] if windows is None else ["--windows", str(windows)]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, preexec_fn=lambda: on_cores(jobs))
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"earmark tag ended with {process.returncode}")
    wall = time.perf_counter() - started
    return Run(wall, wall, 0.0, usage.ru_maxrss / 1e3)


def tag_on_cluster(manifest: Path, out: Path, workers: int, shard_rows: int, windows: int | None) -> Run:
    """The same through Ray on this machine, in a separate process."""
    settings = {
        "manifest": str(manifest),
        "out": str(out),
        "address": "local",
        "workers": workers,
        "shard_rows": shard_rows,
        "windows": windows,
    }
    found = in_process(settings)
    return Run(found["wall"], found["work"], found["startup"], found["peak_mb"])


def in_process(settings: dict[str, Any]) -> dict[str, Any]:
    """Run this file again as a driver; what it found out."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--driver", json.dumps(settings)], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"the driver ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1]) | {"wall": time.perf_counter() - started}


def drive(settings: dict[str, Any]) -> None:
    """The driver, in a separate process, because memory is measured per process."""
    began = time.perf_counter()
    if "workers" in settings:
        on_cores(settings["workers"])
    from earmark.cluster import tagging, worker
    from earmark.cluster.tagging import TaggingProgress, TagJob, tag_manifest

    times: dict[str, float] = {}
    memory: list[float] = []

    class Timed(TaggingProgress):
        def connected(self, _: int) -> None:
            times["connected"] = time.perf_counter()
            memory.append(rss_mb())

        def shard(self, *_: Any) -> None:
            times["last"] = time.perf_counter()

    scale = settings.pop("pretend_seconds", None)
    if scale is not None:
        tagging.ShardWorker = waiting_worker(worker, scale)
    tally = tag_manifest(TagJob(**settings), Timed())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    report = {
        "startup": times["connected"] - began,
        "work": times["last"] - times["connected"],
        "peak_mb": peak,
        "connected_mb": memory[0],
        "n_rows": tally.n_rows,
        "n_shards": tally.n_shards,
        "bytes_written": tally.bytes_written,
        "core_seconds": tally.core_seconds,
        "n_failed": tally.n_failed,
    }
    print(json.dumps(report))


def waiting_worker(worker: Any, seconds: float) -> type:
    """A worker that waits instead of tagging; plans, shards and reports are real.

    Made by value, so that the cluster's processes need not have this file.
    """
    card = earmark.load_tagger().card
    n_tags, n_dims = len(card.vocabulary), card.embedding_dims or 0

    class Waiting:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.cpu_seconds = 0.0

        def tag(self, _files: Any, n_files: int) -> list[Any]:
            import numpy as np

            from earmark.cluster.results_table import TrackScores

            time.sleep(seconds * n_files)
            found = TrackScores(np.full(n_tags, 0.5, np.float32), np.zeros(n_dims, np.float32), 180.0, 90, 180.0)
            return [found] * n_files

        def close(self) -> None:
            pass

    class Pretending(worker.ShardWorker):
        def _set_up(self) -> None:
            from earmark.cluster import worker as there

            there.WorkerSupervisor = Waiting
            super()._set_up()

    return Pretending


def rss_mb() -> float:
    """Current resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def write_manifest(path: Path, n_rows: int) -> None:
    """Addresses as long as real ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("uri", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, 50_000):
            rows = range(start, min(n_rows, start + 50_000))
            uris = [f"/catalogue/label-{k % 97:03d}/release-{k // 12:07d}/track-{k % 12:02d}-{k:08x}.mp3" for k in rows]
            writer.write_table(pa.table({"id": [f"T{k:09d}" for k in rows], "uri": uris}, schema=schema))


def measure_memory(folder: Path, sizes: list[int], seconds_a_track: float, factor: float) -> list[dict[str, Any]]:
    """The driver's memory for manifests of several lengths."""
    found = []
    for n_rows in sizes:
        manifest = folder / f"{n_rows}.parquet"
        write_manifest(manifest, n_rows)
        settings = {
            "manifest": str(manifest),
            "out": str(folder / f"pretended-{n_rows}"),
            "address": "local",
            "pretend_seconds": seconds_a_track / factor,
        }
        found.append(in_process(settings) | {"n_rows": n_rows})
        print(f"{n_rows} rows: {found[-1]}", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, default=ROOT / "examples" / "clips")
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--song-seconds", type=int, default=180)
    parser.add_argument("--shard-rows", type=int, default=20, help="the default of 200 would make three shards of 500")
    parser.add_argument("--rounds", type=int, default=3, help="counted runs of each, taking turns")
    parser.add_argument("--windows", type=int, default=8, help="of sparse reading")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, MILLION])
    parser.add_argument("--factor", type=float, default=2000.0, help="a pretended track is so many times shorter")
    parser.add_argument("--out", type=Path, default=RESULTS / "cluster.md")
    parser.add_argument("--driver", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.driver:
        drive(json.loads(options.driver))
        return
    cores = available_cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "songs").mkdir()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            songs = maker.submit(make, folder / "songs", options.music, options.files, options.song_seconds).result()
        manifest = folder / "manifest.csv"
        manifest.write_text("uri\n" + "".join(f"{path}\n" for path in songs))
        bytes_a_track = sum(path.stat().st_size for path in songs) / len(songs)
        runs: dict[str, list[Run]] = {}
        for turn in range(options.rounds):
            for kind, windows in (("full", None), ("sparse", options.windows)):
                for workers in (1, min(2, cores)):
                    out = folder / f"out-{turn}-{kind}-{workers}"
                    key = f"{kind} {workers}"
                    runs.setdefault(f"{key} alone", []).append(tag_alone(songs, workers, windows))
                    runs.setdefault(f"{key} cluster", []).append(
                        tag_on_cluster(manifest, out, workers, options.shard_rows, windows)
                    )
                    print(f"{key}: {runs[f'{key} alone'][-1]} {runs[f'{key} cluster'][-1]}", file=sys.stderr)
        shards = sum(path.stat().st_size for path in out.glob("*.parquet")) / len(songs)
        seconds_a_track = median([run.work_seconds for run in runs["full 1 cluster"]]) / len(songs)
        memory = measure_memory(folder, options.rows, seconds_a_track, options.factor)
    text = "\n".join(page(options, songs, runs, memory, bytes_a_track, shards, seconds_a_track)) + "\n"
    print(text)
    options.out.write_text(text, encoding="utf-8")
    if options.out.resolve() == (RESULTS / "cluster.md").resolve():
        into_the_guide(text[text.index(COSTS_HEAD) + len(COSTS_HEAD) :].strip())


def make(folder: Path, music: Path, n_files: int, seconds: int) -> list[Path]:
    """Songs, most of them copies: see benchmarks/service.py."""
    service.SONG_SECONDS = seconds
    return service.make_songs(folder, music, n_files)


if __name__ == "__main__":
    main()
