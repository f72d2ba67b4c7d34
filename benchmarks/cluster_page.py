"""The page of benchmarks/cluster.py, and what 1.2 million tracks cost."""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import cpu_name

import earmark
import service
from earmark.core.cpu import available_cores
from tagging import ROOT

RESULTS = ROOT / "docs" / "results"
GUIDE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- costs: written by benchmarks/cluster.py -->", "<!-- end of costs -->"
COSTS_HEAD = "## What 1.2 million tracks cost"
MILLION = 1_200_000
PRICE = 0.04
"""Dollars per core-hour in the example: a round number near the list prices of large clouds; put in your own."""


@dataclass
class Run:
    """One finished run.

    Attributes:
        wall_seconds: of the whole process.
        work_seconds: of that, from the connection to the last shard; the whole for `earmark tag`.
        startup_seconds: of the whole, before that: imports, the plan, Ray.
        peak_mb: of the process that was started, which for the cluster is the driver.
    """

    wall_seconds: float
    work_seconds: float
    startup_seconds: float
    peak_mb: float


def median(values: list[float]) -> float:
    return statistics.median(values)


def costs(tracks_an_hour: dict[str, float], bytes_a_track: float, shard_bytes_a_track: float) -> list[str]:
    """The cost of 1.2 million tracks, for docs/scale.md: a row for each way of reading."""
    lines = [
        "| | core-seconds per track | core-hours for 1.2 million | at P dollars per core-hour | for P = "
        f"{PRICE:.2f} | read | written |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rate in tracks_an_hour.items():
        hours = MILLION / rate
        lines.append(
            f"| {name} | {3600 / rate:.3f} | {hours:,.0f} | {hours:,.0f} x P | ${hours * PRICE:,.2f} | "
            f"{MILLION * bytes_a_track / 1e12:,.1f} TB | {MILLION * shard_bytes_a_track / 1e9:,.1f} GB |"
        )
    return lines


def machine_line() -> str:
    import pyarrow
    import ray

    return (
        f"Machine: {cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"Ray {ray.__version__}, PyArrow {pyarrow.__version__}, earmark {earmark.__version__}."
    )


def real_time_factor() -> str:
    """What docs/results/tagging.md says of one machine, quoted beside."""
    path = RESULTS / "tagging.md"
    found = re.search(r"warm, end to end, MP3 in \| ([^|]+?) \|", path.read_text()) if path.exists() else None
    return found[1] if found else "not measured"


def into_the_guide(text: str) -> None:
    """Insert the costs into docs/scale.md."""
    page = GUIDE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    GUIDE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def page(
    options: argparse.Namespace,
    songs: list[Path],
    runs: dict[str, list[Run]],
    memory: list[dict[str, Any]],
    bytes_a_track: float,
    shard_bytes_a_track: float,
    seconds_a_track: float,
) -> list[str]:
    """The page of results."""
    two = min(2, available_cores())
    work = {key: median([run.work_seconds for run in found]) for key, found in runs.items()}
    rows = []
    for kind in ("full", "sparse"):
        for workers in sorted({1, two}):
            alone, cluster = work[f"{kind} {workers} alone"], work[f"{kind} {workers} cluster"]
            startup = median([run.startup_seconds for run in runs[f"{kind} {workers} cluster"]])
            rows.append(
                f"| {kind}, {workers} core{'s' * (workers > 1)} | {alone:.1f} s | {cluster:.1f} s | "
                f"{100 * (cluster / alone - 1):+.1f} % | {startup:.1f} s | {len(songs) / cluster:.1f} |"
            )
    rates = {  # of a core, all cores of the machine being busy
        "full reading": len(songs) / work[f"full {two} cluster"] / two * 3600,
        f"sparse reading, {options.windows} windows": len(songs) / work[f"sparse {two} cluster"] / two * 3600,
    }
    speed_up = work["full 1 cluster"] / work[f"full {two} cluster"]
    n_all = [run["n_rows"] for run in memory]
    return [
        "# Tagging on a cluster, measured",
        "",
        f"Written by `python {' '.join(['benchmarks/cluster.py', *sys.argv[1:]])}`. Model {earmark.load_tagger().card.name}; "
        f"{len(songs)} MP3s of {options.song_seconds} s (44.1 kHz stereo, 192 kbit/s; {service.N_DIFFERENT} differ), shards of about "
        f"{options.shard_rows} tracks; {options.rounds} counted runs of each, taking turns, medians. {machine_line()}",
        "",
        "## Overhead, and two workers against one",
        "",
        "`earmark tag` with as many jobs as there are workers of one core, from the start of its process to the end. Both are "
        "kept on as many cores, with all that Ray starts. The "
        "cluster from the moment when Ray is there to the last shard; starting Python, planning and starting Ray on this "
        "machine is shown by itself, since it does not grow with the tracks.",
        "",
        "| reading | `earmark tag` | cluster | overhead (aim: at most +10 %) | start, beside | tracks/s |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"{two} workers against 1: {speed_up:.2f}x (aim: at least 1.8x on two cores). `earmark tag` itself: "
        f"{work['full 1 alone'] / work[f'full {two} alone']:.2f}x. Single runs (s): "
        + json.dumps({key: [round(run.work_seconds, 1) for run in found] for key, found in runs.items()})
        + ".",
        "",
        "## The driver's memory",
        "",
        f"Real manifests, plans, Ray and shards; no decoding and no inference. Instead, a worker waits {seconds_a_track:.3f} s "
        f"a track, as measured above, divided by {options.factor:g}. So these runs say nothing of speed, and all of how the "
        "driver's memory grows.",
        "",
        "| rows | shards | driver, when the plan is made | driver, largest | wall |",
        "|---|---|---|---|---|",
        *(
            f"| {run['n_rows']:,} | {run['n_shards']:,} | {run['connected_mb']:.0f} MB | {run['peak_mb']:.0f} MB | "
            f"{run['wall']:.0f} s |"
            for run in memory
        ),
        "",
        f"From {min(n_all):,} to {max(n_all):,} rows the largest grows by "
        f"{memory[-1]['peak_mb'] - memory[0]['peak_mb']:.0f} MB.",
        "",
        COSTS_HEAD,
        "",
        f"Tracks like these: {options.song_seconds} s, {bytes_a_track / 1e6:.1f} MB each, on cores like these, all of them busy. "
        f"P is the price of a core-hour; {PRICE:.2f} dollars is an example. `earmark tag` on one machine: {real_time_factor()} "
        "(docs/results/tagging.md); how well few windows agree with all: docs/results/sparse.md.",
        "",
        *costs(rates, bytes_a_track, shard_bytes_a_track),
    ]
