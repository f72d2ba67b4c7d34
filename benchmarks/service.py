"""Speed and memory of `earmark serve`, from outside, against `earmark tag` on the same files.

    python benchmarks/service.py --out docs/results/service.md

Makes three-minute MP3s (44.1 kHz stereo, 192 kbit/s) from the example clips, starts the service as a process of its
own, and uploads every file once at each concurrency, over loopback. Each such run is between two runs of
`earmark tag` on the same files, and is compared with their mean, so that a machine that slows down slows both. The
uploading program runs on the same cores: what it takes is missing from the service. Also measured: what decided that
a pool of threads tags, not one of processes. Linux only (memory is read from /metrics).
"""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from machine import cpu_name

from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.cpu import available_cores
from tagging import RATE_HZ, ROOT, SONG_SECONDS, write_mp3

EARMARK = [sys.executable, "-m", "earmark.cli.main"]
BOUNDARY = "earmark-benchmark"
N_DIFFERENT = 8
POOL = """
import sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
import earmark
tagger = None
def start():
    global tagger
    tagger = earmark.load_tagger()
def tag(path):
    return tagger.tag(path).to_record()
if __name__ == "__main__":
    kind, n_workers, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    start()
    if kind == "processes":
        pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=start)
    else:
        pool = ThreadPoolExecutor(n_workers)
    list(pool.map(tag, paths[:2 * n_workers]))
    started = time.perf_counter()
    list(pool.map(tag, paths))
    print(len(paths) / (time.perf_counter() - started))
"""


def make_songs(folder: Path, music: Path, n_files: int) -> list[Path]:
    """Three-minute MP3s, a few that differ and copies of them."""
    sources = [audio.load(item.path, RATE_HZ) for item in find_audio([music]) if item.error is None]
    n, paths = SONG_SECONDS * RATE_HZ, []
    for k in range(n_files):
        path = folder / f"{k:03d}.mp3"
        if k < N_DIFFERENT:
            left = np.resize(np.roll(np.concatenate(sources), -k * 10 * RATE_HZ), n)
            write_mp3(path, np.stack([left, np.roll(left, 441) * np.float32(0.8)]))
        else:
            path.write_bytes(paths[k % N_DIFFERENT].read_bytes())
        paths.append(path)
    return paths


class Service:
    """`earmark serve` on a free port, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        command = [*EARMARK, "serve", "--port", "0", "--max-in-flight", "128", "--temporary-folder", str(folder)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = json.loads(self.process.stderr.readline())
        self.host, _, port = line["address"].removeprefix("http://").rpartition(":")
        self.port = int(port)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=600)

    def metric(self, name: str) -> float:
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))

    def health_seconds(self) -> float:
        """Time to answer the question whether it is alive, on a new connection."""
        started = time.perf_counter()
        connection = self.connect()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        connection.close()
        return time.perf_counter() - started

    def megabytes(self) -> float:
        return self.metric("process_resident_memory_bytes") / 1e6

    def stop(self) -> None:
        self.process.terminate()
        if self.process.wait(60):
            raise SystemExit("the service did not end well")


@dataclass
class Run:
    """All files uploaded once."""

    concurrency: int
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    before_mb: float = 0.0
    during_mb: float = 0.0
    after_mb: float = 0.0
    health: list[float] = field(default_factory=list)
    cli_files_per_second: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.wall_seconds


def upload(service: Service, songs: list[Path], concurrency: int) -> Run:
    """Upload every file in a request of its own, so many at a time, each client on one connection."""
    run, waiting, lock = Run(concurrency), list(reversed(songs)), threading.Lock()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="song.mp3"\r\n\r\n'.encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def client() -> None:
        connection = service.connect()
        while True:
            with lock:
                if not waiting:
                    break
                path = waiting.pop()
            body = head + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
            started = time.perf_counter()
            connection.request("POST", "/v1/tag", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            seconds = time.perf_counter() - started
            if answer.status != 200 or not json.loads(content)["results"][0]["tags"]:
                raise SystemExit(f"{answer.status}: {content[:300]!r}")
            with lock:
                run.latencies.append(seconds)
                run.wall_seconds = time.perf_counter() - run_started
        connection.close()

    run.before_mb = run.during_mb = service.megabytes()
    cpu = service.metric("process_cpu_seconds_total")
    run_started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        clients = [pool.submit(client) for _ in range(concurrency)]
        while not all(done.done() for done in clients):
            time.sleep(0.5)
            run.during_mb = max(run.during_mb, service.megabytes())
            run.health.append(service.health_seconds())
    for done in clients:
        done.result()
    run.cpu_seconds = service.metric("process_cpu_seconds_total") - cpu
    time.sleep(2)
    run.after_mb = service.megabytes()
    return run


def cli(songs: list[Path]) -> float:
    """Files a second of `earmark tag`, its start included."""
    started = time.perf_counter()
    subprocess.run(
        [*EARMARK, "tag", *map(str, songs), "--format", "jsonl", "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    return len(songs) / (time.perf_counter() - started)


def pools(songs: list[Path], folder: Path, repeats: int) -> dict[str, float]:
    """Files a second of a pool of threads, and of processes, without any HTTP; they take turns."""
    script = folder / "pool.py"
    script.write_text(POOL)
    found: dict[str, list[float]] = {"threads": [], "processes": []}
    for _ in range(repeats):
        for kind, values in found.items():
            command = [sys.executable, str(script), kind, str(available_cores()), *map(str, songs)]
            values.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {kind: statistics.median(values) for kind, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, default=ROOT / "examples" / "clips")
    parser.add_argument("--files", type=int, default=200, help="uploads at each concurrency (default: 200)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--pool-files", type=int, default=40, help="files for threads against processes (default: 40)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each pool (default: 3)")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "songs").mkdir()
        (folder / "uploads").mkdir()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            songs = maker.submit(make_songs, folder / "songs", options.music, options.files).result()
        service = Service(folder / "uploads")
        fresh = service.megabytes()
        upload(service, songs[: 2 * available_cores()], available_cores())
        runs, cli_speeds = [], [cli(songs)]
        for concurrency in options.concurrency:
            run = upload(service, songs, concurrency)
            cli_speeds.append(cli(songs))
            run.cli_files_per_second = statistics.mean(cli_speeds[-2:])
            runs.append(run)
        left = [path.name for path in (folder / "uploads").rglob("*.mp3")]
        service.stop()
        pool = pools(songs[: options.pool_files], folder, options.repeats)
    lines = [
        "# Speed and memory of the service",
        "",
        f"Written by `python {' '.join(['benchmarks/service.py', *sys.argv[1:]])}`. {len(songs)} MP3s of {SONG_SECONDS} s "
        f"(44.1 kHz stereo, 192 kbit/s), each in a request of its own, over loopback; client and service share the cores. `--max-in-flight` is 128.",
        f"Machine: {cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}.",
        "",
        "| requests at a time | requests/s | `earmark tag`, files/s | ratio (aim >= .8) | p50 | p95 | CPU a file "
        "| memory before, at most, after |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {run.concurrency} | {run.per_second:.2f} | {run.cli_files_per_second:.2f} "
            f"| {run.per_second / run.cli_files_per_second:.2f} | {np.quantile(run.latencies, 0.5):.1f} s "
            f"| {np.quantile(run.latencies, 0.95):.1f} s | {run.cpu_seconds / len(run.latencies):.3f} s "
            f"| {run.before_mb:.0f}, {run.during_mb:.0f}, {run.after_mb:.0f} MB |"
            for run in runs
        ),
        "",
        f"Memory of the service before its first request: {fresh:.0f} MB. Files left behind: {len(left)}. The time of a "
        "request is mostly waiting for its turn: with so many clients at once it is their number over requests/s.",
        "",
        "Meanwhile /healthz answered within (median, longest): "
        + "; ".join(
            f"{statistics.median(run.health) * 1e3:.0f} ms, {max(run.health) * 1e3:.0f} ms with {run.concurrency}"
            for run in runs
        )
        + ".",
        "",
        f"Threads or processes, without HTTP, {options.pool_files} of the files, median of {options.repeats}: "
        f"{pool['threads']:.2f} files/s by threads, {pool['processes']:.2f} by processes.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
