"""The benchmark of training runs, and says what it has measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_one_small_network_is_measured_in_all_four_ways(tmp_path: Path) -> None:
    out = tmp_path / "pages" / "training.md"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "training.py"),
        "--models",
        "dieleman2014_raw",
        "--seconds",
        "0.02",
    ]
    command += ["--repeats", "1", "--step-seconds", "0.02", "--shards", str(tmp_path / "shards"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == out.read_text().strip()
    (row,) = [line for line in out.read_text().splitlines() if line.startswith("| dieleman2014_raw |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "3.00 s"
    assert int(cells[2]) >= 2
    assert float(cells[6]) > 0.5, "the trainer does all that the bare loop does"
    waits = [float(cell.removesuffix(" %")) for cell in cells[8:]]
    assert len(waits) == 4
    assert all(0 <= share < 100 for share in waits)
    assert (tmp_path / "shards" / "16000" / "shards.json").is_file()
