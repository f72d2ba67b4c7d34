"""`pip install .` gives a tagger without the research half: proved in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers import sounds

pytestmark = pytest.mark.slow

HEAVY = ("torch", "lightning", "pandas", "librosa", "sklearn", "matplotlib", "onnx", "scipy", "yaml", "pyarrow")


@pytest.fixture(scope="module")
def light_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    venv.create(folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    # Compiling all of every dependency takes longer than all the rest: what is imported is compiled then.
    options = ["--no-compile", "-c", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, "install", *options, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


def test_tags_without_the_research_half(light_python: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])"
    installed = subprocess.run([light_python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert installed.strip() == "[]"
    song = sounds.write(tmp_path / "song.mp3", sounds.music(12, 44_100), 44_100)
    done = subprocess.run(
        [light_python.with_name("earmark"), "tag", song, "--format", "jsonl"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tags"]
    command = [
        light_python.with_name("earmark"),
        "embed",
        song,
        "--layer",
        "relu_9",
        "--unit",
        "frame",
        "--pool",
        "max",
    ]
    done = subprocess.run([*command, "--out", "song.npz"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*command, "--out", "song.parquet"], capture_output=True, text=True, cwd=tmp_path)
    assert "pip install 'earmark[train]'" in done.stderr


def test_the_plugin_of_beets_lies_where_beets_looks_for_it(light_python: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('beets'), u.find_spec('beetsplug.earmark').origin)"
    found = subprocess.run([light_python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found[0] == "None"  # beets itself is not needed
    assert Path(found[1]).parts[-3:] == ("beetsplug", "earmark", "__init__.py")


RESEARCH = [
    ["train", "first", "--out", "x"],
    ["evaluate", "first", "--dataset", "emotify", "--root", ".", "--out", "x"],
    ["score", "scores.csv", "labels.csv"],
    ["compare", "a.parquet", "b.parquet"],
    ["export", ".", "--out", "x.onnx"],
    ["import-weights", "x.h5", "--out", "x"],
    ["models", "pull", "musicnn-mtt"],
    ["models", "list", "--architectures"],
]


@pytest.mark.parametrize("arguments", RESEARCH, ids=lambda arguments: " ".join(arguments[:2]))
def test_research_commands_ask_for_their_extra(light_python: Path, tmp_path: Path, arguments: list[str]) -> None:
    command = [light_python.with_name("earmark"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'earmark[train]'" in done.stderr


def test_the_service_asks_for_its_extra(light_python: Path, tmp_path: Path) -> None:
    done = subprocess.run([light_python.with_name("earmark"), "serve"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'earmark[serve]'" in done.stderr
    # The advice is true without earmark on an index: the name means what is installed, and only the extra is added.
    pip = [sys.executable, "-m", "pip", "--python", str(light_python), "--quiet", "--disable-pip-version-check"]
    options = ["--dry-run", "--report", "-", "-c", str(ROOT / "constraints.txt")]
    advice = subprocess.run([*pip, "install", *options, "earmark[serve]"], capture_output=True, text=True)
    assert advice.returncode == 0, advice.stderr
    added = {item["metadata"]["name"] for item in json.loads(advice.stdout)["install"]}
    assert "fastapi" in added
    assert "earmark" not in added


def test_clusters_ask_for_their_extra(light_python: Path, tmp_path: Path) -> None:
    command = [light_python.with_name("earmark"), "cluster", "tag", "tracks.csv", "--out", "tags"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'earmark[scale]'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="copies an environment, and counts what Linux wheels hold")
def test_what_is_never_read_can_go(light_python: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "slim")
    python = tmp_path / "slim" / "bin" / "python"
    (source,), (site,) = (
        [*folder.glob("lib/python*/site-packages")] for folder in (light_python.parents[1], tmp_path / "slim")
    )
    shutil.copytree(source, site, dirs_exist_ok=True)
    song = sounds.write(tmp_path / "song.mp3", sounds.music(12, 44_100), 44_100)
    song.with_name("copy.mp3").write_bytes(song.read_bytes())
    commands = [
        ["tag", song.name, "--tempo", "--key", "--format", "jsonl"],
        ["embed", "--layers"],
        ["models", "show", "earmark-2"],
        ["library", "scan", ".", "--index", "i.sqlite", "--quiet"],
        ["library", "duplicates", "--index", "i.sqlite"],
        ["serve", "--show-settings"],
    ]

    def outputs() -> list[str]:
        (tmp_path / "i.sqlite").unlink(missing_ok=True)
        env = {**os.environ, "TTY_COMPATIBLE": "1", "COLUMNS": "100"}  # Rich draws tables and colours
        run = partial(subprocess.run, capture_output=True, text=True, cwd=tmp_path, env=env)
        done = [run([python, "-m", "earmark.cli.main", *command]) for command in commands]
        assert [one.returncode for one in done] == [0] * len(commands), [one.stderr for one in done]
        return [one.stdout for one in done]

    def size() -> int:
        return sum(path.stat().st_size for path in site.rglob("*") if path.is_file())

    script = [python, ROOT / "tools" / "slim_install.py"]
    before, size_before = outputs(), size()
    subprocess.run(script, check=True, capture_output=True)
    assert size() == size_before
    # What another package asks for stays.
    other = site / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\nRequires-Dist: Pygments>=2\n")
    subprocess.run([*script, "--apply"], check=True, capture_output=True)
    assert size() < size_before - 35e6
    assert (site / "pygments").is_dir()
    shutil.rmtree(other)
    subprocess.run([*script, "--apply"], check=True, capture_output=True)
    assert not (site / "pygments").exists()
    assert not [*site.glob("pygments-*")]
    assert outputs() == before


def test_no_light_module_imports_the_research_half() -> None:
    """Every module of the light layers, and what `earmark tag` runs."""
    code = (
        "import sys, importlib, pkgutil\n"
        "names = []\n"
        "for name in ('core', 'audio', 'metrics', 'tagging', 'library'):\n"
        "    package = importlib.import_module('earmark.' + name)\n"
        "    names += [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.')]\n"
        "assert len(names) > 50, names\n"
        "for name in [*names, 'earmark.cli.main', 'earmark.cli.tag.run']: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
