"""How fast a large library answers: queries and neighbours of 100,000 made-up tracks.

    python benchmarks/search.py --out docs/results/search.md

Scores and embeddings are made up (embeddings in clusters); no audio is involved. "Warm" is what a program
sees that keeps the library open; "from the prompt" is a whole `earmark library search`, the start of Python included.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from machine import cpu_name

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.made_library import make_large_index  # noqa: E402

from earmark.core.cpu import available_cores  # noqa: E402
from earmark.library.index.track_index import Index  # noqa: E402
from earmark.library.neighbours import Neighbours  # noqa: E402
from earmark.library.query.index_search import search_index  # noqa: E402
from earmark.library.query.search import Tracks  # noqa: E402

QUERIES = (
    "slow guitar -vocals genre:jazz score>0.6 duration<5m",
    "slow",
    "(slow or fast>0.8) -(female vocals or vocals) guitar",
    "jazz or rock or drum and bass",
    "happy artist:wolf path:/night/",
    "duration<5m",
)
SHOWN = 50


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def milliseconds(times: list[tuple[float, float]]) -> str:
    """Median CPU time, median wall time, its 95th percentile."""
    wall, cpu = zip(*times, strict=True)
    times_s = (statistics.median(cpu), statistics.median(wall), float(np.quantile(wall, 0.95)))
    return " | ".join(f"{time_s * 1e3:.1f} ms" for time_s in times_s)


def child_cpu(command: list[str]) -> tuple[float, float]:
    """Wall and CPU time of a process."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=200, help="of the embeddings (default: 200)")
    parser.add_argument(
        "--index", type=Path, help="make the index there, or use the one that an earlier run made there"
    )
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = options.index or Path(name) / "library.sqlite"
        if not path.exists():
            make_large_index(path, options.tracks, embedding_dims=options.dims)
        with Index.open(path) as index:
            rows = measure(index, options.repeats)
        search = [sys.executable, "-m", "earmark.cli.main", "library", "search", QUERIES[0], "--index", str(path)]
        wall, cpu = zip(*(child_cpu(search) for _ in range(3)), strict=True)
    lines = [
        "# Speed of searching a library",
        "",
        f"Written by `python benchmarks/search.py --out docs/results/search.md`. {options.tracks:,} made-up tracks with "
        f"50 tags and embeddings of {options.dims} numbers in clusters; each query {options.repeats} times, its best "
        f"{SHOWN} tracks taken out. Warm: the library is open. Aim: less than 100 ms. "
        "Where other programs kept the cores busy (see the load), wall times are theirs as well; CPU times are ours.",
        f"Machine: {cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, USearch {version('usearch')}; load of the machine while measuring: {os.getloadavg()[0]:.1f}.",
        "",
        "| warm | CPU time, median | wall time, median | wall time, 95th percentile |",
        "|---|---|---|---|",
        *(f"| {what} | {result} |" for what, result in rows if "|" in result),
        "",
        "| else | measured |",
        "|---|---|",
        *(f"| {what} | {result} |" for what, result in rows if "|" not in result),
        f"| `earmark library search` from the prompt, median of 3: wall time | {statistics.median(wall):.2f} s |",
        f"| the same: CPU time | {statistics.median(cpu):.2f} s |",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


def measure(index: Index, repeats: int) -> list[tuple[str, str]]:
    """Rows of the tables: what, and its results."""
    rows = []
    load = timed(lambda: Tracks.load(index))
    asked = timed(lambda: search_index(index, QUERIES[0], SHOWN))
    tracks = Tracks.load(index)
    for query in QUERIES:
        tracks.search(query)  # folds the texts that it asks for, once
        times = [timed(lambda q=query: list(tracks.search(q).take(slice(SHOWN)))) for _ in range(repeats)]
        rows.append((f"`{query}` ({len(tracks.search(query)):,} found)", milliseconds(times)))
    exact = Neighbours.open(index, exact=True)
    shutil.rmtree(index.path.with_name(f"{index.path.name}.neighbours"), ignore_errors=True)
    build = timed(lambda: Neighbours.open(index, exact=False))
    reopen = timed(lambda: Neighbours.open(index, exact=False))
    graph = Neighbours.open(index, exact=False)
    draw = np.random.default_rng(1)
    vectors = [
        np.frombuffer(index.execute("SELECT embedding FROM results WHERE content_key = ?", (key,)).fetchone()[0], "<f4")
        for key in draw.choice(tracks.keys, 100)
    ]
    for what, searcher in (("similar, graph of neighbours", graph), ("similar, every track compared", exact)):
        times = []
        for vector in vectors:

            def nearest(vector: np.ndarray = vector, searcher: Neighbours = searcher) -> None:
                for neighbour in searcher.nearest(vector, SHOWN):
                    tracks.hit(tracks.rows_by_key[neighbour.content_key], neighbour.similarity)

            times.append(timed(nearest))
        rows.append((what, milliseconds(times[1:])))
    same = [
        len({n.content_key for n in exact.nearest(v, 10)} & {n.content_key for n in graph.nearest(v, 10)})
        for v in vectors
    ]
    folder = index.path.with_name(f"{index.path.name}.neighbours")
    size = sum(file.stat().st_size for file in folder.iterdir())
    rows += [
        ("of the ten nearest, the graph finds", f"{np.mean(same) / 10:.1%}"),
        ("reading the index for any number of queries: CPU time", f"{load[1]:.2f} s"),
        ("one query asked of the index itself, as from the prompt: CPU time", f"{asked[1]:.2f} s"),
        ("making the graph: CPU time", f"{build[1]:.1f} s"),
        ("opening the graph again: CPU time", f"{reopen[1] * 1e3:.0f} ms"),
        ("size of the graph's files", f"{size / 1e6:.0f} MB"),
        ("size of the index", f"{index.path.stat().st_size / 1e6:.0f} MB"),
    ]
    return rows


if __name__ == "__main__":
    main()
