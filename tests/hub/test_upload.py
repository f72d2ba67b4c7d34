"""Models sent by the hub's own library to a stand-in, and fetched from there: `earmark models push`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.helpers.command import earmark
from tests.helpers.hub_server import TOKEN, Hub, running_hub
from tests.hub.test_download import folder, pull  # noqa: F401  a fixture

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


def push(hub: Hub, home: Path, *words: str | Path, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """As a process, since the library reads its environment once. Its own store of large files (Xet) has no stand-in."""
    environment = {"HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return earmark("models", "push", *words, environment={**environment, "no_proxy": "127.0.0.1,localhost"})


@pytest.mark.slow
def test_a_folder_is_sent_and_comes_back(hub: Hub, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    sent = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "notes.txt").write_text("mine")
    done = push(hub, tmp_path, folder, "someone/mine", "--private")
    (folder / "notes.txt").unlink()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/someone/mine/commit/{'0' * 40}\n"
    assert done.stderr == ""
    assert hub.branches == {("someone/mine", "main"): sent}
    assert hub.private == {"someone/mine"}
    assert hub.messages == ["mine, written by earmark"]
    assert sum(request.startswith("PUT ") for request in hub.requests) == 1  # the ONNX file
    assert yaml.safe_load(hub.cards[0].split("---\n")[1])["library_name"] == "earmark"
    pulled = pull(hub, tmp_path / "models", "someone/mine", token=TOKEN)
    assert pulled.returncode == 0, pulled.stderr
    assert (tmp_path / "models" / "mine.onnx").read_bytes() == sent["model.onnx"]

    done = push(hub, tmp_path, folder, "someone/mine", "--revision", "v2", "-m", "again")
    assert done.returncode == 0, done.stderr
    assert hub.branches["someone/mine", "v2"] == sent
    assert hub.messages[1] == "again"


@pytest.mark.slow
def test_refusals_are_reported_without_the_token(hub: Hub, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    done = push(hub, tmp_path, folder, "someone/mine", token="")
    assert done.returncode == 2
    assert "set HF_TOKEN" in done.stderr
    assert hub.requests == []
    done = push(hub, tmp_path, folder, "someone/mine", token="hf_wrong")
    assert done.returncode == 1
    assert "someone/mine: cannot be sent: " in done.stderr
    assert "401" in done.stderr
    assert "hf_wrong" not in done.stderr
    hub.refuses = True
    done = push(hub, tmp_path, folder, "someone/mine")
    assert done.returncode == 1
    assert "not allowed to push to someone/mine with [token]" in done.stderr
    assert TOKEN not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_folder_that_is_not_whole_is_not_sent(hub: Hub, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "model.onnx").write_bytes(b"another")
    done = push(hub, tmp_path, other, "someone/mine")
    assert done.returncode == 2
    assert "model.onnx: is not the file of config.json" in done.stderr
    (other / "README.md").unlink()
    assert "has no README.md; make the folder with" in push(hub, tmp_path, other, "someone/mine").stderr
    assert push(hub, tmp_path, folder, "someone").returncode == 2
    assert hub.requests == []
