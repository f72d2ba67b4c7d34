"""Throughput, CPU time and memory of `earmark tag` beside other ways to tags, on the same files in the same run.

    python benchmarks/peers.py --peer-python ~/musicnn-env/bin/python --out docs/results/peers.md

Makes three-minute MP3s (44.1 kHz stereo, 192 kbit/s) from the example clips, or takes the files and folders named,
and measures all from outside, from audio files to tags, including start-up. Every run of another way
is between two runs of earmark and is compared with their mean, so that a machine that slows down slows both.
Without another's interpreter or network earmark is measured alone. Linux only (memory is read from /proc).

musicnn cannot be installed as its package asks (NumPy below 1.17, which current Pythons do not have), so that it needs
an environment of its own, with Python 3.10 or 3.11:

    python3.11 -m venv ~/musicnn-env
    ~/musicnn-env/bin/pip install --no-deps musicnn==0.1.0
    ~/musicnn-env/bin/pip install 'tensorflow-cpu==2.15.*' 'librosa==0.10.*' 'numpy<2'

pip warns that musicnn requires an older NumPy: it works nevertheless. To see that it answers with the right weights,
import the same weights and name them with --check-model:

    earmark models pull musicnn-mtt
    python benchmarks/peers.py ... --check-model musicnn-mtt

musicnn's network in essentia-tensorflow, and behind librosa in ONNX Runtime as AudioMuse-AI has it (see peer_pipelines.py):

    python benchmarks/peers.py ... --essentia-python ~/essentia-env/bin/python --essentia-network msd-musicnn-1.pb
    python benchmarks/peers.py ... --librosa-model ~/.local/share/earmark/models/musicnn-mtt.onnx
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from peer_pipelines import without_frontend
from peers_page import MUSICNN, Way, page
from process_tree import Run, measure, plain_environment

from earmark.audio.file_discovery import find_audio
from earmark.core.cpu import available_cores
from service import make_songs
from tagging import ROOT

EARMARK = [sys.executable, "-m", "earmark.cli.main"]
PEER = Path(__file__).with_name("peer_musicnn.py")
LARGEST_DIFFERENCE = 0.05


class Peer:
    """musicnn, run by its own interpreter."""

    def __init__(self, python: Path, batch: int) -> None:
        self.python, self.batch = python, batch
        self.environment = {**plain_environment(), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        self.environment.pop("PYTHONPATH", None)

    def run(self, way: str, files: list[Path]) -> tuple[Run, dict[str, Any]]:
        """All files; the report is empty where the peer's own command was run."""
        if way == "command":
            script = 'for file; do "$0" -m musicnn.tagger "$file" --topN 5 --print || exit 1; done'
            done, _ = measure(["sh", "-c", script, str(self.python), *map(str, files)], self.environment)
            return done, {}
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [str(self.python), str(PEER), way, "--report", str(report)]
            if way in ("batched", "workers", "kept"):
                command += ["--batch", str(self.batch), "--workers", str(available_cores())]
            done, _ = measure([*command, *map(str, files)], self.environment)
            answer = json.loads(report.read_text())
        failed = [f"{record['path']}: {record['error']}" for record in answer["files"] if "error" in record]
        if failed:
            raise SystemExit("musicnn cannot tag these, leave them out:\n" + "\n".join(failed))
        return done, answer


class Pipeline:
    """Another way to musicnn's tags, run by its own interpreter; see peer_pipelines.py."""

    def __init__(self, name: str, python: Path, network: Path) -> None:
        self.name, self.python, self.network = name, python, network
        self.environment = plain_environment()
        self.environment.pop("PYTHONPATH", None)

    def run(self, way: str, files: list[Path]) -> tuple[Run, dict[str, Any]]:
        """All files."""
        workers = available_cores() if way.endswith("-workers") else 0
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            script = Path(__file__).with_name("peer_pipelines.py")
            command = [
                str(self.python),
                str(script),
                self.name,
                "--network",
                str(self.network),
                "--report",
                str(report),
            ]
            done, _ = measure([*command, "--workers", str(workers), *map(str, files)], self.environment)
            answer = json.loads(report.read_text())
        if failed := [f"{record['path']}: {record['error']}" for record in answer["files"] if "error" in record]:
            raise SystemExit(f"{self.name} cannot tag these, leave them out:\n" + "\n".join(failed))
        return done, answer


def check_peer(peer: Peer, model: str, path: Path) -> str:
    """A sentence on how far the peer's scores are from those of the same weights in earmark. SystemExit where far."""
    import earmark

    theirs = peer.run("scores", [path])[1]["files"][0]["scores"]
    ours = earmark.load_tagger(model).tag(path)
    if set(ours.tags) != set(theirs):
        raise SystemExit(f"{model} has other tags than musicnn's MTT_musicnn")
    difference = max(abs(float(ours[tag]) - score) for tag, score in theirs.items())
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"musicnn's scores and those of {model} differ by {difference:.3f}: not the same network")
    return (
        f"Its install is sound: over {len(theirs)} tags of one file its scores differ from those of the same weights, "
        f"imported by earmark, by at most {difference:.4f}."
    )


def tag_with_earmark(paths: list[Path]) -> tuple[Run, list[dict[str, Any]]]:
    """`earmark tag` as it comes, and its records."""
    done, text = measure([*EARMARK, "tag", *map(str, paths), "--format", "jsonl"], plain_environment())
    return done, [json.loads(line) for line in text.splitlines()]


def in_turns(earmark: Callable[[], Run], ways: list[Way], run_way: Callable[[Way], Run], rounds: int) -> list[Run]:
    """Alternate earmark and the peer's ways; fills in what was measured of the ways, and gives earmark's runs."""
    own = [earmark()]
    for _ in range(rounds):
        for way in ways:
            way.runs.append(run_way(way))
            own.append(earmark())
            way.throughput.append(2 * way.runs[-1].wall_seconds / (own[-2].wall_seconds + own[-1].wall_seconds))
        if not ways:
            own.append(earmark())
    return own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="audio files and folders; else made ones")
    parser.add_argument("--peer-python", type=Path, metavar="FILE", help="interpreter that has musicnn")
    parser.add_argument("--check-model", metavar="NAME|FILE", help="musicnn-mtt, imported: its scores are compared")
    parser.add_argument("--files", type=int, default=20, help="three-minute songs to make (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="counted runs of each (default: 3)")
    parser.add_argument("--ways", nargs="+", choices=MUSICNN, default=MUSICNN, help="of musicnn (default: all)")
    parser.add_argument("--essentia-python", type=Path, metavar="FILE", help="interpreter that has essentia-tensorflow")
    parser.add_argument("--essentia-network", type=Path, metavar="FILE", help="msd-musicnn-1.pb")
    parser.add_argument("--librosa-model", type=Path, metavar="FILE", help="musicnn-mtt.onnx, as earmark exports it")
    parser.add_argument("--batch", type=int, default=4, help="patches a call of musicnn's network (default: 4)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    if min(options.rounds, options.files, options.batch) < 1:
        parser.error("--rounds, --files and --batch must be at least 1")
    if bool(options.essentia_python) != bool(options.essentia_network):
        parser.error("--essentia-python and --essentia-network belong together")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        if options.paths:
            asked = options.paths
            what = f"{', '.join(path.name for path in asked)}"
        else:
            asked = [Path(name) / "songs"]
            asked[0].mkdir()
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
                maker.submit(make_songs, asked[0], ROOT / "examples" / "clips", options.files).result()
            what = "MP3s of 180 s (44.1 kHz stereo, 192 kbit/s) made from examples/clips"
        files = [found.path for found in find_audio(asked)]
        _, records = tag_with_earmark(asked)  # uncounted: files are in the system's cache from now on
        seconds = sum(record["duration_seconds"] for record in records)
        notes = []
        peers: dict[str, Peer | Pipeline] = {}
        if options.peer_python:
            peer = Peer(options.peer_python, options.batch)
            peers = dict.fromkeys(options.ways, peer)
            if options.check_model:
                notes.append(check_peer(peer, options.check_model, files[0]))
        if options.essentia_python:
            essentia = Pipeline("essentia", options.essentia_python, options.essentia_network)
            peers |= dict.fromkeys(("essentia", "essentia-workers"), essentia)
        if options.librosa_model:
            network = Path(name) / "without-frontend.onnx"
            without_frontend(options.librosa_model, network)
            peers |= dict.fromkeys(("librosa", "librosa-workers"), Pipeline("librosa", Path(sys.executable), network))
        ways = [Way(way) for way in peers]

        def run_way(way: Way) -> Run:
            done, report = peers[way.name].run(way.name, files)
            if report:
                way.reports.append(report)
            print(f"{way.name}: {done.wall_seconds:.1f} s", file=sys.stderr)
            return done

        own = in_turns(lambda: tag_with_earmark(asked)[0], ways, run_way, options.rounds)
    facts = {
        "arguments": sys.argv[1:],
        "what": what,
        "n_files": len(files),
        "seconds": seconds,
        "model": records[0]["model"],
        "load": load,
        "batch": options.batch,
        "rounds": options.rounds,
    }
    text = page(own, ways, notes, facts)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
