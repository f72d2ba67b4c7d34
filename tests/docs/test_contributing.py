"""docs/contributing.md: its ten changes, made as it says to a copy of the package, and used."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.core.version import __version__
from earmark.tagging.runtime import DEFAULT_MODEL
from tests.conftest import ROOT
from tests.helpers import sounds

GUIDE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SECTIONS = {
    int(number): text
    for number, text in re.findall(r"^### (\d+)\. (.*?)(?=^###? |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
}


def blocks(number: int, language: str) -> list[tuple[str, str]]:
    """(title, text) of the blocks of a section."""
    return [(title, text) for kind, title, text in BLOCK.findall(SECTIONS[number]) if kind == language]


def change(place: Path, number: int) -> None:
    """Write a section's new files, and make its change of one line."""
    for language in ("python", "yaml"):
        for title, text in blocks(number, language):
            path = place / title
            assert not path.exists(), f"{title} is there already"
            path.write_text(text, encoding="utf-8")
    for title, text in blocks(number, "diff"):
        path = place / title
        old = [line[1:] for line in text.splitlines() if line[0] in " -"]
        new = [line[1:] for line in text.splitlines() if line[0] in " +"]
        content = path.read_text(encoding="utf-8").splitlines()
        assert content.count(old[0]) == 1, f"{title}: {old[0]!r}"
        at = content.index(old[0])
        content[at : at + 1] = new
        path.write_text("\n".join(content) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all ten changes but the last two, which change what every other test would see."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "page"))
    for number in range(1, 9):
        change(folder, number)
    (folder / "tones").mkdir()
    for i in range(12):
        hz = 2000 if i % 2 else 200
        wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(8000) / 8000 + i)
        sounds.write(folder / "tones" / f"{'high' if i % 2 else 'low'}-{i:02}.wav", wave, 8000)
    (folder / "folder-of-sf").mkdir()
    song = sounds.music(3, 16_000, seed=1)
    soundfile.write(folder / "folder-of-sf" / "song.sf", song.T, 16_000, format="IRCAM", subtype="PCM_16")
    soundfile.write(folder / "song.au", song.T, 16_000)
    return folder


def run(place: Path, *words: str) -> str:
    """What a command of the copy prints."""
    environment = {**os.environ, "PYTHONPATH": str(place / "src"), "OMP_NUM_THREADS": "1", "HOME": str(place)}
    command = [sys.executable, "-m", "earmark.cli.main", *words]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout + done.stderr


def shown(place: Path, number: int) -> str:
    """What the commands of a section print."""
    lines = [line for _, text in blocks(number, "console") for line in text.splitlines()]
    return "".join(run(place, *shlex.split(line.removeprefix("$ earmark "))) for line in lines)


@pytest.mark.parametrize("number", SECTIONS)
def test_a_change_is_one_file_and_at_most_one_line_elsewhere(number: int) -> None:
    assert len(blocks(number, "python")) <= 1
    changed = [line for _, text in blocks(number, "diff") for line in text.splitlines() if line.startswith("+")]
    assert len(changed) <= 1


def test_the_map_is_that_of_the_contract_and_tests_mirror_the_folders() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contract = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]
    assert contract["type"] == "layers"
    wanted = [sorted(re.split(r" [:|] ", layer)) for layer in contract["layers"]]
    (shown,) = re.findall(r"^    (cli > .*?)\n\n", GUIDE, re.MULTILINE | re.DOTALL)
    assert [sorted(re.split(r",\s*", layer)) for layer in re.split(r"\s*>\s*", shown)] == wanted
    packages = {path.parent.name for path in (ROOT / "src/earmark").glob("*/__init__.py")}
    assert packages == {name for layer in wanted for name in layer}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - packages == {"benchmarks", "docs", "examples"}
    assert packages <= folders
    tools = {path.parent.name for path in (ROOT / "tools").glob("*/__init__.py")}
    assert {path.parent.name for path in (ROOT / "tests/tools").glob("*/test_*.py")} <= tools


def test_each_of_the_ten_is_one_new_file_and_one_line() -> None:
    assert sorted(SECTIONS) == list(range(1, 11))
    for number in SECTIONS:
        new = [title for title, _ in blocks(number, "python")]
        assert all(title.startswith("src/earmark/") for title in new)
        diffs = blocks(number, "diff")
        added = [line for _, text in diffs for line in text.splitlines() if line.startswith("+")]
        assert len(new) <= 1
        assert len(diffs) == len(added) <= 1, number
        assert new or added, number


@pytest.mark.slow
def test_dataset_architecture_metric_and_plot(place: Path) -> None:
    assert "12" in shown(place, 1)
    shown(place, 2)
    assert "tones" in (place / "results" / "report.md").read_text()
    shown(place, 3)
    assert (place / "figures" / "score-spread.csv").read_text().startswith("tag,deviation\nhigh,")
    shown(place, 4)
    assert "Brier score" in (place / "scored" / "report.md").read_text()
    listed = run(place, "models", "list", "--architectures")
    assert "mean_of_bands" in listed
    assert "score-spread" in run(place, "analyze", "--help")


@pytest.mark.slow
def test_formats_and_command(place: Path) -> None:
    assert "song.sf" in shown(place, 5)
    shown(place, 6)
    assert f"MODEL={DEFAULT_MODEL}".encode() in (place / "song.au").read_bytes()
    assert -40 < float(shown(place, 7)) < 0
    assert " level " in run(place, "--help")


@pytest.mark.slow
def test_endpoint(place: Path) -> None:
    code = (
        "from fastapi.testclient import TestClient\n"
        "from earmark.service.app import create_app\n"
        "app = create_app()\n"
        "assert '/v1/version' in app.openapi()['paths']\n"
        "with TestClient(app) as client:\n    print(client.get('/v1/version').json()['version'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{__version__}\n", done.stderr


@pytest.mark.slow
def test_aggregation_and_default_model(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    if not (place / "bands.onnx").exists():
        shown(place, 2)
    for suffix in (".onnx", ".json"):
        bundled = tmp_path / "src/earmark/tagging/bundled" / f"bands{suffix}"
        shutil.copy((place / "bands.onnx").with_suffix(suffix), bundled)
    change(tmp_path, 9)
    change(tmp_path, 10)
    code = (
        "import numpy as np, earmark\n"
        "rng = np.random.default_rng(0)\n"
        "scores = earmark.load_tagger().tag_waveform(rng.normal(0, np.linspace(0.01, 0.3, 24_000)), 8000)\n"
        "assert len(scores.taggram) > 2\n"
        "print(scores.model, float(scores['high']) == float(np.median(scores.taggram, axis=0)[0]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["bands", "True"], done.stderr
