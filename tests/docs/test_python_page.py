"""docs/python.md: its examples run one after the other as they stand, and its tables are complete."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import earmark
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
CLIPS = ROOT / "examples" / "clips"


@pytest.mark.slow
def test_the_examples_run(tmp_path: Path) -> None:
    for name in ("song.mp3", "a.mp3", "mix.mp3"):
        shutil.copy(CLIPS / "03-rock.mp3", tmp_path / name)
    shutil.copy(CLIPS / "01-piano.flac", tmp_path / "b.flac")
    code = "import matplotlib\nmatplotlib.use('agg')\n" + "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 of 3  missing.mp3  missing.mp3: no such file\n3 of 3  b.flac  tagged\n" in done.stdout
    assert "100%" in done.stdout
    assert (tmp_path / "mix.png").is_file()
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"DEBUG:earmark\.tagging\.pipeline:tagged: b\.flac: \d+\.\d s, \d+ windows", line)


def test_the_table_of_progress_has_every_field() -> None:
    rows = re.findall(r"^\| (`.*?`) \| .* \|$", PAGE, re.MULTILINE)
    shown = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert shown == [field.name for field in dataclasses.fields(earmark.TagProgress)]


def test_the_loggers_of_the_light_half_are_in_the_table() -> None:
    """Others are of the research half, or of commands."""
    light = [ROOT / "src" / "earmark" / part for part in ("core", "audio", "tagging", "library", "service", "metrics")]
    names = set()
    for path in (path for folder in light for path in folder.rglob("*.py")):
        for name in re.findall(r"getLogger\((.*?)\)", path.read_text(encoding="utf-8")):
            module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
            names.add(module if name == "__name__" else name.strip('"'))
    assert {name for name in names if name.startswith("earmark")} == set(
        re.findall(r"^\| `(earmark[\w.]*)`", PAGE, re.MULTILINE)
    )
