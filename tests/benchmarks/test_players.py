"""The trial of players, with the readers that come with the development dependencies."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg's command encodes the files")
def test_what_earmark_writes_is_read() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "players.py", "--only", "TagLib", "mediafile (beets)"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    assert [row[1] for row in cells] == ["field", "---", *["genre", "mood"] * 2]
    for row in cells[2:]:
        assert all(cell.startswith("all") for cell in row[2:]), row
