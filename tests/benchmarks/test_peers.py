"""benchmarks/peers.py: what it measures of a tree of processes, what it says of both, and that it runs without the peer."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earmark.importers.convert import convert_weights
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT

PARENT = """
import subprocess, sys, time
child = "import time; held = bytearray(b'1') * 80_000_000; time.sleep(0.6)"
subprocess.run([sys.executable, "-c", child]) if sys.argv[1] == "child" else time.sleep(0.3)
print("said")
"""


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return ROOT / "benchmarks"


@pytest.fixture
def page(benchmarks: Path) -> ModuleType:
    return importlib.import_module("peers_page")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_that_of_the_whole_tree(benchmarks: Path) -> None:
    measure = importlib.import_module("process_tree").measure
    alone, text = measure([sys.executable, "-c", PARENT, "alone"])
    both, _ = measure([sys.executable, "-c", PARENT, "child"])
    assert text == "said\n"
    assert both.peak_mb > alone.peak_mb + 80
    assert both.wall_seconds > 0.6
    assert both.cpu_seconds < both.wall_seconds + 1
    with pytest.raises(SystemExit, match="ended with 1:\nwhat was wrong"):
        measure([sys.executable, "-c", "raise SystemExit('what was wrong')"])


def test_each_run_of_the_peer_is_compared_with_those_around_it(page: ModuleType, benchmarks: Path) -> None:
    peers, run = importlib.import_module("peers"), importlib.import_module("process_tree").Run
    seconds = iter([1.0, 3.0, 5.0])  # the machine slows down
    ways = [page.Way("api"), page.Way("kept")]
    times = {"api": run(40.0, 60.0, 800.0), "kept": run(20.0, 36.0, 1600.0)}
    own = peers.in_turns(lambda: run(next(seconds), 2.0, 200.0), ways, lambda way: times[way.name], rounds=1)
    assert [way.throughput for way in ways] == [[20.0], [5.0]]
    untouched, through_own, of_all = page.verdicts(ways, own)
    assert "nothing of ours (api): 20.0 times the throughput" in untouched
    assert "its own functions (api): 20.0 times" in through_own
    assert "leanest (api): 0.25 of its memory" in through_own
    assert "of all its ways (kept): 5.0 times the throughput (aim: at least 14), 0.12 of its memory" in of_all

    librosa = page.Way("librosa", [run(24.0, 30.0, 400.0)], [6.0])
    assert "librosa and ONNX Runtime (librosa): 6.0 times" in page.verdicts([*ways, librosa], own)[-1]

    parts = {"loading": 1.0, "reading": 0.5, "network": 2.5}
    ways[0].reports = [{"importing": 4.0, "files": [{"path": "a.mp3", "seconds": parts}], "versions": {}}]
    assert page.parts_rows(ways) == ["| api | 4.0 s | 1.00 s | 0.50 s | 2.50 s | 25 % |"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_the_peer_it_says_how_to_install_it(benchmarks: Path, tmp_path: Path) -> None:
    out = tmp_path / "peers.md"
    clip = ROOT / "examples" / "clips" / "03-rock.mp3"
    command = [sys.executable, str(benchmarks / "peers.py"), str(clip), "--rounds", "1", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| **`earmark tag`**")]
    speed, _, _, memory = (cell.strip().split()[0] for cell in row.split("|")[2:6])
    assert speed.replace(",", "").isdigit()
    assert int(memory) > 20
    assert "pip install --no-deps musicnn==0.1.0" in done.stdout


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_network_behind_librosa_is_musicnn(benchmarks: Path, shared_dir: Path, tmp_path: Path) -> None:
    """The spectrogram of librosa in front of what follows earmark's own: nearly the same scores."""
    peers, pipeline = importlib.import_module("peers"), importlib.import_module("peer_pipelines")
    _, report = convert_weights(shared_dir / "data" / "peers" / "MTT_musicnn.h5", tmp_path / "musicnn")
    model, network = report.path.with_suffix(".onnx"), tmp_path / "network.onnx"
    pipeline.without_frontend(model, network)
    clip = ROOT / "examples" / "clips" / "03-rock.mp3"
    run, answer = peers.Pipeline("librosa", Path(sys.executable), network).run("librosa-workers", [clip])
    expected = load_tagger(model).tag(clip).scores
    assert np.abs(np.array(answer["files"][0]["scores"]) - expected).max() < 0.05
    assert np.corrcoef(answer["files"][0]["scores"], expected)[0, 1] > 0.99
    assert answer["versions"]["librosa"]
    assert run.peak_mb > 100
