"""`--device` of the commands that tag: refused before any work, with the cure."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest

from earmark.tagging.devices import DEVICES
from tests.helpers import sounds
from tests.helpers.command import earmark, earmark_here, records

pytestmark = pytest.mark.slow

COMMANDS = {
    "tag": ["tag", "song.wav", "--format", "jsonl"],
    "scan": ["library", "scan", ".", "--index", "index.sqlite"],
    "embed": ["embed", "song.wav", "--out", "song.npz"],
    "serve": ["serve", "--port", "0"],
    "cluster": ["cluster", "tag", "tracks.csv", "--out", "tags", "--address", "local"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sounds.write(tmp_path / "song.wav", sounds.music(3, 16_000), 16_000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_device_is_refused(folder: Path, name: str) -> None:
    done = earmark_here(*COMMANDS[name], "--device", "gpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "earmark: device 'gpu': must be one of cpu, cuda, directml, coreml\n"
    assert [path.name for path in folder.iterdir()] == ["song.wav"]


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="CUDA is installed here")
@pytest.mark.parametrize("name", ["tag", "scan", "embed", "serve"])
def test_a_device_that_is_not_installed_is_refused_with_the_cure(folder: Path, name: str) -> None:
    run = earmark if name == "serve" else earmark_here  # the service has a log of its own
    done = run(*COMMANDS[name], "--device", "cuda")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert DEVICES["cuda"].provider in line
    assert line.endswith(f"pip uninstall onnxruntime, then pip install '{DEVICES['cuda'].package}'")
    assert [path.name for path in folder.iterdir()] == ["song.wav"]


def test_the_cpu_by_name_is_the_default(folder: Path) -> None:
    plain, named = (earmark_here(*COMMANDS["tag"], *options) for options in ((), ("--device", "cpu")))
    assert records(plain) == records(named)
    assert plain.stdout == named.stdout
