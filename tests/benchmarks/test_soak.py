"""benchmarks/soak.py: every file is there once, and those that are broken fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_short_run(tmp_path: Path) -> None:
    out = tmp_path / "soak.md"
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "tag", "--files", "56", "--folder", str(tmp_path)]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    # 25 whole files and three broken ones, twice
    assert "- Results: 56, of 56 different files; 6 failed. Exit code 1." in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["soak.md"]
