"""What `benchmarks/peers.py` writes: tables and what they say."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from machine import cpu_name
from process_tree import Run

from earmark.core.cpu import available_cores

LEAST_THROUGHPUT, MOST_MEMORY = 14, 0.25
WAYS = {
    "command": ("musicnn", "`python -m musicnn.tagger FILE`, one process per file"),
    "api": ("musicnn", "`musicnn.tagger.top_tags` for file after file in one process"),
    "batched": ("musicnn", "the same, its constant BATCH_SIZE raised from 1 to {batch}"),
    "workers": ("musicnn", "the same in {cores} processes of one thread, files shared out"),
    "kept": ("musicnn", "the same, network and weights kept from file to file, by a loop of ours"),
    "essentia": (
        "essentia-tensorflow",
        "`MonoLoader` and `TensorflowPredictMusiCNN`, made once, file after file in one process",
    ),
    "essentia-workers": ("essentia-tensorflow", "the same in {cores} processes of one thread, files shared out"),
    "librosa": (
        "librosa and ONNX Runtime",
        "`librosa.load`, its mel-spectrogram and the network of musicnn on all cores, made once, file after file (the way of AudioMuse-AI)",
    ),
    "librosa-workers": ("librosa and ONNX Runtime", "the same in {cores} processes of one thread, files shared out"),
}
"""Way -> whose it is, and what is done."""
MUSICNN = tuple(name for name, (whose, _) in WAYS.items() if whose == "musicnn")
OWN = ("command", "api", "batched", "workers")
"""Ways that call its own functions; the last one needs code that it does not have."""


@dataclass
class Way:
    """A way to use the peer, and what was measured."""

    name: str
    runs: list[Run] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    """Of each run, how many times as fast the earmark runs around it were."""
    reports: list[dict[str, Any]] = field(default_factory=list)


def spread(values: list[float], digits: int = 1) -> str:
    """Median, least and most."""
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def speed_cells(runs: list[Run], n_files: int, seconds: float) -> list[str]:
    return [
        spread([seconds / run.wall_seconds for run in runs], 0),
        spread([n_files / run.wall_seconds for run in runs], 2),
        spread([run.cpu_seconds / n_files for run in runs], 2),
        spread([run.peak_mb for run in runs], 0),
    ]


def parts_rows(ways: list[Way]) -> list[str]:
    """Where the peer's time goes, one row per way that reports it."""
    rows = []
    for way in ways:
        if not way.reports:
            continue
        files = [record["seconds"] for report in way.reports for record in report["files"]]
        cells = [
            f"{statistics.median([part[name] for part in files]):.2f} s" for name in ("loading", "reading", "network")
        ]
        importing = statistics.median([report["importing"] for report in way.reports])
        loading = sum(part["loading"] for part in files) / sum(sum(part.values()) for part in files)
        rows.append(f"| {way.name} | {importing:.1f} s | {' | '.join(cells)} | {100 * loading:.0f} % |")
    return rows


def verdicts(ways: list[Way], own: list[Run]) -> list[str]:
    """earmark against musicnn as it is, against what can be made of it, and against others' ways to its tags."""
    lines = []
    kinds = (
        ("way in one process with nothing of ours", ("command", "api")),
        ("way through its own functions", OWN),
        ("of all its ways", MUSICNN),
        ("way of essentia-tensorflow", ("essentia", "essentia-workers")),
        ("way of librosa and ONNX Runtime", ("librosa", "librosa-workers")),
    )
    for kind, names in kinds:
        among = [way for way in ways if way.name in names]
        if not among or (kind == "of all its ways" and all(way.name in OWN for way in among)):
            continue
        fastest = min(among, key=lambda way: statistics.median(way.throughput))
        leanest = min(among, key=lambda way: statistics.median([run.peak_mb for run in way.runs]))
        share = {
            way.name: max(run.peak_mb for run in own) / statistics.median([run.peak_mb for run in way.runs])
            for way in (fastest, leanest)
        }
        lines.append(
            f"- Against the fastest {kind} ({fastest.name}): {statistics.median(fastest.throughput):.1f} times the throughput "
            f"(aim: at least {LEAST_THROUGHPUT}), {share[fastest.name]:.2f} of its memory. Against the leanest "
            f"({leanest.name}): {share[leanest.name]:.2f} of its memory (aim: at most {MOST_MEMORY})."
        )
    return lines


INSTALL = """\
musicnn was last changed in 2020. With the versions its package requires (NumPy below 1.17) it cannot be installed on a current Python,
and Keras 3, which comes with TensorFlow from 2.16 on, lacks the layers of which its network is made. librosa before 0.10
resampled in a slower way. So we take the last TensorFlow before Keras 3 and librosa 0.10, with which it runs unchanged,
in an environment of its own (Python 3.10 or 3.11; `tensorflow` for `tensorflow-cpu` where there is no such package):

```console
$ python3.11 -m venv ~/musicnn-env
$ ~/musicnn-env/bin/pip install --no-deps musicnn==0.1.0
$ ~/musicnn-env/bin/pip install 'tensorflow-cpu==2.15.*' 'librosa==0.10.*' 'numpy<2'
$ python benchmarks/peers.py --peer-python ~/musicnn-env/bin/python
```

pip warns that musicnn requires an older NumPy: it works nevertheless.

essentia-tensorflow: `pip install essentia-tensorflow` in an environment of its own (Linux and macOS), and the network msd-musicnn-1.pb of
Essentia's models. The way of AudioMuse-AI needs nothing but what earmark's own tests need; the network is musicnn as
`earmark models pull musicnn-mtt` makes it, without the front-end."""

FAIRNESS = """\
- musicnn builds its network and reads its weights again for every file, and runs the network on one patch of three seconds
  at a time. We looked for what makes it fastest without changing its package, and show every step.
- All do their usual work: the others process all patches of three seconds side by side, earmark all windows, of the whole
  file. The models are musicnn, with 50 tags, and earmark's default.
- AudioMuse-AI itself does more with a track than tags (CLAP, tempo, key, a database), and loads its networks anew for each album: what is measured is
  the part that gives tags, made as quick as its code allows.
- Time is from the start of a program to its end. earmark takes half a second to start, musicnn more (importing, above).
- Memory is the resident memory of all processes together, taken every 50 ms; pages that processes share count once for
  each of them, so that one process is the leanest way. Of earmark the largest of all runs is compared with the median of
  musicnn's.
- Throughput is compared run by run with the mean of the earmark runs just before and after.
- Their tags are not compared here: the accuracy of earmark is measured elsewhere, on labelled music."""


def page(own: list[Run], ways: list[Way], notes: list[str], facts: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    n_files, seconds, cores = facts["n_files"], facts["seconds"], available_cores()
    peers = f", {facts['rounds']} of each other way" if ways else ""
    lines = [
        "# earmark beside other ways to tags",
        "",
        f"Written by `python {' '.join(['benchmarks/peers.py', *facts['arguments']])}`. {n_files} files, "
        f"{seconds / 60:,.1f} minutes: {facts['what']}. Counted runs: {len(own)} of earmark"
        f"{peers}, in turns; medians, least and most in brackets.",
        f"Machine: {cpu_name()}, {cores} cores, {platform.system()}, Python {platform.python_version()}, "
        f"PyAV {av.__version__}, NumPy {np.__version__}; load of the machine before: {facts['load']:.1f}.",
        "",
        "| way | x real time | files/s | CPU s per file | peak memory, MB | throughput of earmark, times this | memory of earmark, of this |",
        "|---|---|---|---|---|---|---|",
        f"| **`earmark tag`**, model {facts['model']} | {' | '.join(speed_cells(own, n_files, seconds))} | 1 | 1 |",
    ]
    for way in ways:
        whose, text = WAYS[way.name]
        text = text.format(batch=facts["batch"], cores=cores)
        memory = max(run.peak_mb for run in own) / statistics.median([run.peak_mb for run in way.runs])
        cells = " | ".join(speed_cells(way.runs, n_files, seconds))
        lines.append(f"| {whose}, {way.name}: {text} | {cells} | {spread(way.throughput)} | {memory:.2f} |")
    lines.append("")
    if not ways:
        lines += [
            "earmark alone was measured: no interpreter that has musicnn was named. How to make one:",
            "",
            INSTALL,
        ]
        return "\n".join(lines)
    lines += verdicts(ways, own)
    rows = parts_rows(ways)
    if rows:
        lines += [
            "",
            "## Where their time goes",
            "",
            "Wall time: importing once per process; medians over the files of building the network with its weights "
            "(loading), of reading a file, resampling and the spectrogram (reading), and of the network; and which share "
            "of all three loading was.",
            "",
            "| way | importing | loading a file | reading | network | loading's share |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    versions = {
        WAYS[way.name][0]: ", ".join(f"{name} {version}" for name, version in report["versions"].items())
        for way in ways
        for report in way.reports
    }
    lines += ["", "## Their installs", "", INSTALL]
    measured = "; ".join(f"{whose}: {packages}" for whose, packages in versions.items())
    lines += ["", " ".join([f"Measured: {measured}." if measured else "", *notes]).strip()] if measured or notes else []
    lines += ["", "## What is compared", "", FAIRNESS]
    return "\n".join(lines)
