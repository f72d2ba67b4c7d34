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
    shutil.copy(CLIPS / "03-rock.mp3", tmp_path / "mix.mp3")
    shutil.copy(CLIPS / "01-piano.flac", tmp_path / "b.flac")
    shutil.copy(CLIPS / "06-folk.mp3", tmp_path / "album")
    (tmp_path / "mix.m3u8").write_text("#EXTM3U\nMusic/03-rock.mp3\n")
    (tmp_path / "songs.txt").write_text("song.mp3\nb.flac\n")
    shutil.copytree(CLIPS, tmp_path / "examples" / "clips")
    return tmp_path


ELSEWHERE = {
    "earmark serve": "tests/service/test_process.py",
    "earmark cluster tag s3://lists/all.parquet --out s3://results/tags --windows 8": "tests/cli/test_cluster_tag.py",
    "earmark train first --root ~/emotify --out runs/first": "tests/cli/test_train.py",
    "earmark evaluate runs/first/checkpoint --dataset emotify --root ~/emotify --out results/first": "tests/cli/test_train.py",
    "earmark export runs/first/checkpoint --out first.onnx --report results/first/report.json": "tests/cli/test_train.py",
    "earmark tag --model ./first.onnx song.mp3": "tests/cli/test_train.py",
    "earmark data check magnatagatune --root ~/mtat": "tests/cli/test_data.py",
    "earmark reproduce kim2018 --root ~/mtat --out runs/papers": "tests/cli/test_reproduce.py",
    "earmark compare runs/a/scores.parquet runs/b/scores.parquet": "tests/cli/test_score_and_compare.py",
    "earmark evaluate runs/first/checkpoint --dataset emotify --root ~/emotify --out results/first --html": (
        "tests/cli/test_analyze.py"
    ),
    "earmark analyze layer-responses runs/first/checkpoint --out figures": "tests/plots/test_layer_responses.py",
    "earmark models pull musicnn-mtt && earmark tag --model musicnn-mtt song.mp3": "tests/cli/test_models_pull.py",
    "earmark import-weights MTT_musicnn.h5 --out models/": "tests/importers/test_importers.py",
    "earmark probe labels.csv --out probes/mine": "tests/probes/test_run.py",
    "earmark tag song.mp3 --model probes/mine/mine.onnx": "tests/probes/test_run.py",
}
"""Commands that need data, a network or a server, as they stand in the README, and the tests that run their like."""


def commands() -> list[str]:
    """Every `earmark` command of the README, without its comment; those for a library are run together, below."""
    lines = [line for block in blocks("console") if "earmark library" not in block for line in block.splitlines()]
    found = [line.removeprefix("$ ").split(" #")[0].strip() for line in lines if line.startswith("$ earmark ")]
    return [command for command in found if command not in ELSEWHERE]


def test_commands_tested_elsewhere_stand_in_the_readme_and_are() -> None:
    for command, test in ELSEWHERE.items():
        assert re.search(rf"^\$ {re.escape(command)}( +#.*)?$", README, re.MULTILINE), command
        assert (ROOT / test).is_file(), test
        verb = command.split()[1].replace("-", ".")
        assert re.search(rf"\b{verb}\b", (ROOT / test).read_text(encoding="utf-8")), (command, test)


def run(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "EARMARK_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "HOME": str(home), "PATH": path}
    done = subprocess.run(command, shell=True, cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_commands_work_as_written(home: Path, command: str) -> None:
    run(command, home)


@pytest.mark.slow
def test_commands_for_a_library_work_one_after_the_other(home: Path) -> None:
    (block,) = (block for block in blocks("console") if "earmark library" in block)
    for line in block.splitlines():
        run(line.removeprefix("$ "), home)
    assert (home / "party.m3u8").read_text().count("#EXTINF") > 0


@pytest.mark.slow
def test_python_works_as_written(home: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.mp3" in done.stdout


def test_the_picture_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
