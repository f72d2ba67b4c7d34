"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIPS = ROOT / "examples" / "clips"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A person's folders, as the README names them."""
    (tmp_path / "Music").mkdir()
    (tmp_path / "album").mkdir()
    for clip in sorted(CLIPS.iterdir()):
        shutil.copy(clip, tmp_path / "Music")
    shutil.copy(CLIPS / "03-rock.mp3", tmp_path / "song.mp3")
    shutil.copy(CLIPS / "03-rock.mp3", tmp_path / "a.mp3")
    shutil.copy(CLIPS / "01-piano.flac", tmp_path / "b.flac")
    shutil.copy(CLIPS / "06-folk.mp3", tmp_path / "album")
    shutil.copytree(CLIPS, tmp_path / "examples" / "clips")
    return tmp_path


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ earmark ")]
    # Those that need data or a network are tested elsewhere, those that need one another below.
    foreign = (
        "runs/",
        "~/mtat",
        "first.onnx",
        "models pull",
        "import-weights",
        "earmark library",
        "earmark serve",
        "cluster",
    )
    without_data = [line for line in lines if not any(word in line for word in foreign)]
    return [line.removeprefix("$ ").split(" #")[0].strip() for line in without_data]


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 6


def run(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "EARMARK_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "HOME": str(home), "PATH": path}
    done = subprocess.run(command, shell=True, cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done


@pytest.mark.parametrize("command", commands())
def test_commands_work_as_written(home: Path, command: str) -> None:
    run(command, home)


def test_commands_for_a_library_work_one_after_the_other(home: Path) -> None:
    (block,) = (block for block in blocks("console") if "earmark library" in block)
    for line in block.splitlines():
        run(line.removeprefix("$ "), home)
    assert (home / "party.m3u8").read_text().count("#EXTINF") > 0


def test_python_works_as_written(home: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.mp3" in done.stdout


def test_the_picture_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
