"""Taggers fetched from a stand-in for a hub: `earmark models pull OWNER/NAME`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.core.card import ModelCard
from earmark.tagging.runtime import DEFAULT_MODEL, find_model
from tests.conftest import ROOT
from tests.helpers.command import earmark_here, records
from tests.helpers.download_server import names
from tests.helpers.hub_server import TOKEN, Hub, running_hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model under another name, as hubs have it."""
    from earmark.export.hub import write_hub_folder

    made = tmp_path_factory.mktemp("hub") / "mine"
    bundled = find_model()
    card = ModelCard.read(bundled.with_suffix(".json")).replace(name="mine")
    write_hub_folder(made, card, bundled.read_bytes())
    return made


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    with running_hub() as running:
        contents = {path.name: path.read_bytes() for path in folder.iterdir()}
        running.branches["someone/mine", "main"] = contents
        running.branches["someone/mine", "v1"] = contents
        yield running


def pull(hub: Hub, models: Path, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"EARMARK_MODELS": str(models), "HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HOME": str(models)}
    return earmark_here("models", "pull", *words, environment={**environment, "no_proxy": "127.0.0.1,localhost"})


def test_it_tags_under_its_name(hub: Hub, tmp_path: Path) -> None:
    done = pull(hub, tmp_path, "someone/mine", "--revision", "v1")
    assert done.returncode == 0, done.stderr
    assert "earmark tag --model mine PATH..." in done.stdout
    assert names(tmp_path) == {"mine.onnx", "mine.json"}
    assert "GET /someone/mine/resolve/v1/config.json" in hub.requests
    song = ROOT / "examples" / "clips" / "03-rock.mp3"
    tagged = earmark_here(
        "tag", "--model", "mine", song, "--format", "jsonl", environment={"EARMARK_MODELS": str(tmp_path)}
    )
    assert records(tagged)[0]["status"] == "ok", tagged.stderr
    again = pull(hub, tmp_path, "someone/mine")
    assert again.returncode == 2
    assert "--again" in again.stderr
    assert pull(hub, tmp_path, "someone/mine", "--again").returncode == 0


def test_another_name(hub: Hub, tmp_path: Path) -> None:
    assert pull(hub, tmp_path, "someone/mine", "--name", "other").returncode == 0
    assert names(tmp_path) == {"other.onnx", "other.json"}
    for name, said in ((DEFAULT_MODEL, "is there already"), ("../x", "cannot be the name")):
        done = pull(hub, tmp_path, "someone/mine", "--name", name, "--again")
        assert done.returncode == 2
        assert said in done.stderr


def test_a_private_model_needs_a_token_which_goes_to_the_hub_alone(hub: Hub, tmp_path: Path) -> None:
    hub.private.add("someone/mine")
    done = pull(hub, tmp_path, "someone/mine")
    assert done.returncode == 1
    assert "404 Not Found; of a private model HF_TOKEN must be set" in done.stderr
    done = pull(hub, tmp_path, "someone/mine", token=TOKEN)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert hub.stored_with == [None]


def test_what_is_not_there_or_another_is_refused(hub: Hub, tmp_path: Path) -> None:
    for words, code, said in (
        (("someone/none",), 1, "404"),
        (("someone/mine", "--revision", "v9"), 1, "404"),
        (("someone/mine/more",), 2, "OWNER/NAME"),
        (("someone/mine", "--hub", "file:///etc"), 2, "must be http"),
    ):
        done = pull(hub, tmp_path, *words)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    branch = dict(hub.branches["someone/mine", "main"])
    hub.branches["someone/mine", "main"] = branch | {"model.onnx": branch["model.onnx"][:-1] + b"x"}
    done = pull(hub, tmp_path, "someone/mine")
    assert done.returncode == 1
    assert "not the published file: expected" in done.stderr
    config = json.loads(branch["config.json"])
    for change, said in (
        ({"earmark_card": None}, "must be"),
        ({"onnx_sha256": "x"}, "is no SHA-256"),
    ):
        hub.branches["someone/mine", "main"] = branch | {"config.json": json.dumps(config | change).encode()}
        assert pull(hub, tmp_path, "someone/mine").returncode == 2, said
    assert names(tmp_path) == set()


def test_a_folder_of_an_earlier_version_has_no_hash(hub: Hub, tmp_path: Path) -> None:
    branch = hub.branches["someone/mine", "main"]
    config = {key: value for key, value in json.loads(branch["config.json"]).items() if not key.startswith("onnx")}
    hub.branches["someone/mine", "main"] = branch | {"config.json": json.dumps(config).encode()}
    assert pull(hub, tmp_path, "someone/mine").returncode == 0
