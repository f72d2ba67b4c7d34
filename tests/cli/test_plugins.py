"""The example of docs/plugins.md: a model, a dataset and an importer from outside, through the command line."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file

from earmark.core.plugins import PLUGINS_VARIABLE
from earmark.datasets.registry import DATASETS
from earmark.importers import list_importers
from earmark.importers.registry import IMPORTERS
from earmark.models.registry import MODELS
from tests.helpers import command, sounds

RATE = 8000
GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"
BLOCKS = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL))


def earmark(arguments: Sequence[str | Path], cwd: Path, plugins: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command, in this process; what its plugins register is forgotten after it."""
    list_importers()  # those of earmark itself stay
    known = set(sys.modules)
    with ExitStack() as stack:
        for registry in (DATASETS, IMPORTERS, MODELS):
            stack.enter_context(registry.temporary())
        done = command.earmark_here(*arguments, cwd=cwd, environment={PLUGINS_VARIABLE: plugins})
    for name in set(sys.modules) - known:
        if name.startswith("earmark_plugin_"):
            del sys.modules[name]
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the guide, and 20 songs of low or high tones."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in BLOCKS.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "songs").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for i in range(20):
        t = np.arange(int(rng.uniform(0.6, 0.9) * RATE)) / RATE
        sound = 0.3 * np.sin(2 * np.pi * rng.uniform(*((1500, 2500) if i % 2 else (200, 400))) * t)
        soundfile.write(folder / "songs" / f"{i}.wav", sound + 0.01 * rng.standard_normal(len(t)), RATE)
        split = ("train", "train", "validation", "test")[i // 2 % 4]
        rows.append([f"{i}.wav", split, f"artist {i // 2}", "high" if i % 2 else "low steady"])
    with (folder / "songs" / "songs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "split", "artist", "tags"], *rows])
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The checkpoint that the guide's first command makes."""
    done = earmark(
        ["--plugin", "my_plugin.py", "train", "my_recipe.yaml", "--root", "songs", "--out", "run", "--device", "cpu"],
        folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run" / "checkpoint"


def tags(done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return {tag["tag"]: tag["score"] for tag in json.loads(line)["tags"]}


@pytest.mark.slow
def test_a_model_and_a_dataset_from_outside_train_evaluate_export_and_tag(folder: Path, trained: Path) -> None:
    assert json.loads((trained / "card.json").read_text())["architecture"] == "mean_of_bands"
    done = earmark(
        f"--plugin my_plugin.py evaluate {trained} --dataset my_songs --root songs --out results --resamples 10".split(),
        folder,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "report.md").is_file()
    done = earmark(["--plugin", "my_plugin.py", "export", trained, "--out", "bands.onnx"], folder)
    assert done.returncode == 0, done.stderr
    tag = ["tag", "songs/0.wav", "--model", "./bands.onnx", "--format", "jsonl", "--top", "0"]
    assert set(tags(earmark(tag, folder))) == {"high", "low", "steady"}, "no plugin is needed to tag"


@pytest.mark.slow
def test_without_its_plugin_a_model_is_unknown_and_the_error_says_so(folder: Path, trained: Path) -> None:
    done = earmark(["export", trained, "--out", "x.onnx"], folder)
    assert done.returncode == 2
    assert "no model 'mean_of_bands'" in done.stderr
    assert "--plugin" in done.stderr


@pytest.mark.slow
def test_an_importer_from_outside_reads_its_format(folder: Path, trained: Path) -> None:
    weights = load_file(trained / "model.safetensors")
    names = [tag["name"] for tag in json.loads((trained / "card.json").read_text())["vocabulary"]]
    document = {
        "format": "bands",
        "name": "bands-imported",
        "tags": names,
        "weight": weights["dense.weight"].tolist(),
        "bias": weights["dense.bias"].tolist(),
    }
    (folder / "bands.json").write_text(json.dumps(document))
    done = earmark(["import-weights", "bands.json", "--out", "imported"], folder)
    assert done.returncode == 2
    formats = "Keras HDF5, a PyTorch state dict, a frozen TensorFlow graph or a TensorFlow.js model"
    assert f"expected {formats}, found" in done.stderr
    done = earmark(["--plugin", "my_plugin.py", "import-weights", "bands.json", "--out", "imported"], folder)
    assert done.returncode == 0, done.stderr
    tag = ["tag", "songs/1.wav", "--model", "./imported/bands-imported.onnx", "--format", "jsonl", "--top", "0"]
    assert set(tags(earmark(tag, folder))) == set(names)


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which the plugin is installed as a distribution with entry points."""
    (tmp_path / "my_plugin.py").write_text(BLOCKS["my_plugin.py"])
    info = tmp_path / "my_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_plugin\nVersion: 1.0\n")
    toml = re.search(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert toml is not None
    (info / "entry_points.txt").write_text(
        re.sub(r'\[project\.entry-points\."(.*?)"\]', r"[\1]", toml[1]).replace('"', "")
    )
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))}


@pytest.mark.slow
def test_an_installed_distribution_needs_no_option(installed: dict[str, str]) -> None:
    done = command.earmark("data", "show", "my_songs", environment=installed)
    assert done.returncode == 0, done.stderr
    assert "My songs" in done.stdout


@pytest.mark.slow
def test_a_model_of_an_installed_distribution_is_exported(
    installed: dict[str, str], trained: Path, tmp_path: Path
) -> None:
    done = command.earmark("export", trained, "--out", tmp_path / "bands.onnx", environment=installed)
    assert done.returncode == 0, done.stderr


def au_module() -> str:
    """The tag format of docs/contributing.md."""
    guide = (GUIDE.parent / "contributing.md").read_text(encoding="utf-8")
    found = re.search(r'```python title="[^"]*/formats/au\.py"\n(.*?)```', guide, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["file", "distribution"])
def test_a_tag_format_from_outside_is_written(how: str, tmp_path: Path) -> None:
    song = tmp_path / "song.au"
    soundfile.write(song, sounds.music(2, 16_000, seed=1).T, 16_000)
    before = song.read_bytes()
    (tmp_path / "au_tags.py").write_text(au_module(), encoding="utf-8")
    write = ["tag", song, "--threshold", "0.01", "--write", "--apply", "--undo-log", tmp_path / "undo.jsonl"]
    done = command.earmark(*write)
    assert done.returncode == 1
    assert song.read_bytes() == before, "there is no format for it"
    if how == "file":
        done = command.earmark("--plugin", tmp_path / "au_tags.py", *write)
    else:
        info = tmp_path / "au_tags-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: au_tags\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[earmark.tag_formats]\nau = au_tags:AuTags\n")
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        done = command.earmark(*write, environment={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert b"GENRE=" in song.read_bytes()


def test_plugins_of_the_environment_are_loaded(folder: Path) -> None:
    done = earmark(["data", "list"], folder, plugins=str(folder / "my_plugin.py"))
    assert done.returncode == 0, done.stderr
    assert "my_songs" in done.stdout


def test_a_plugin_that_fails_ends_the_command(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "taken.py"
    file.write_text("from earmark.models import register_model\n\ndef crnn(n_tags): ...\nregister_model(crnn)\n")
    for arguments, said in (
        (["--plugin", file], f"plugin {file}:4: model 'crnn' of earmark_plugin_taken_"),
        (["--plugin", tmp_path / "none.py"], "none.py: no such file"),
    ):
        done = earmark([*arguments, "tag", "songs/0.wav"], folder)
        assert done.returncode == 2
        assert done.stderr.startswith("earmark: plugin ")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
