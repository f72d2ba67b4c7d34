"""Folders as hubs have them: written, read back, fetched from a stand-in; what is not as it must be is refused."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from earmark.core.card import CARD_KEY, Metric, ModelCard
from earmark.core.errors import ConfigError, DownloadError, ModelError
from earmark.core.vocabulary import Vocabulary
from earmark.export.hub import metadata, write_hub_folder
from earmark.hub.download import pull_hub_model
from earmark.importers.hub import read_hub_folder
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.tagging.runtime import OnnxModel, find_model
from tests.helpers.command import earmark_here

METRICS = (
    Metric("roc_auc", 0.9, "emotify", "artist-disjoint", "test", None, 0.85, 0.95, "artist", 65),
    Metric("roc_auc", 0.8, "emotify", "artist-disjoint", "test", "loud"),
    Metric("pr_auc", None, "emotify", "artist-disjoint", "test", None),
    Metric("roc_auc", 0.7, "mine", "manifest", "validation", None),
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """OWNER/NAME/resolve/REVISION/FILE, as hubs answer it, from the folder OWNER/NAME."""

    def translate_path(self, path: str) -> str:
        owner, name, word, revision, file = path.strip("/").split("/")
        assert word == "resolve"
        found = Path(self.directory) / owner / name / file if revision == "main" else Path("/nowhere")
        return str(found)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = create_model("samplecnn_basic", 3, n_samples=3**5, sample_rate_hz=8000, width=0.0625).eval()
    card = make_card(
        model,
        name="small",
        vocabulary=Vocabulary.of(["loud", "soft", "fast"]),
        metrics=METRICS,
        licence="CC BY-NC-SA 4.0",
        limits=("Small.",),
        citations=("A paper.",),
        description="A small one.",
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, model, card)
    return folder


@pytest.fixture(scope="module")
def hub(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a stand-in that has the model as someone/small, and the model's folder in it."""
    top = tmp_path_factory.mktemp("hub")
    done = earmark_here("export", checkpoint, "--hub", top / "someone" / "small")
    assert done.returncode == 0, done.stderr
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(top)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", top / "someone" / "small"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_the_folder_has_what_hubs_read(hub: tuple[str, Path], checkpoint: Path) -> None:
    folder = hub[1]
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
        "model.safetensors",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "loud", "1": "soft", "2": "fast"}
    assert (folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    _, head, body = (folder / "README.md").read_text().split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["license"] == "cc-by-nc-sa-4.0"
    first, second = found["model-index"][0]["results"]
    assert first["dataset"] == {"type": "emotify", "name": "emotify", "config": "artist-disjoint", "split": "test"}
    assert first["metrics"] == [
        {
            "type": "roc_auc",
            "name": "ROC-AUC",
            "value": 0.9,
            "args": {"interval_95": [0.85, 0.95], "resampled": "artist"},
        }
    ]
    assert second["metrics"][0]["value"] == 0.7
    assert "| roc_auc | emotify | artist-disjoint | test | 0.9000 | 0.8500 to 0.9500 |" in body
    assert "- Small.\n" in body


@pytest.mark.slow
def test_it_comes_back_from_the_hub(hub: tuple[str, Path], checkpoint: Path, tmp_path: Path) -> None:
    address, folder = hub
    out = tmp_path / "mine"
    done = earmark_here("import-weights", "someone/small", "--hub", address, "--out", out)
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "card.json"):
        assert (out / name).read_bytes() == (checkpoint / name).read_bytes()
    windows = np.random.default_rng(0).normal(0, 0.1, (2, 3**5)).astype(np.float32)
    np.testing.assert_allclose(
        OnnxModel(out / "small.onnx")(windows), OnnxModel(folder / "model.onnx")(windows), atol=1e-6
    )
    again = earmark_here("import-weights", folder, "--out", tmp_path / "other")  # the folder itself
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_what_is_not_there_or_another_is_refused(hub: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = hub
    with pytest.raises(DownloadError, match="404"):
        pull_hub_model(address, "someone/other", tmp_path / "a")
    with pytest.raises(DownloadError, match="404"):
        pull_hub_model(address, "someone/small", tmp_path / "a", revision="v2")
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        pull_hub_model(address, "../small", tmp_path / "a")
    with pytest.raises(ConfigError, match="http"):
        pull_hub_model("file:///etc", "someone/small", tmp_path / "a")
    assert not (tmp_path / "a").exists()
    damaged = folder.with_name("damaged")
    damaged.mkdir()
    for name in ("config.json", "model.safetensors"):
        (damaged / name).write_bytes((folder / name).read_bytes())
    content = bytearray((damaged / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (damaged / "model.safetensors").write_bytes(content)
    with pytest.raises(DownloadError, match="not the published file"):
        pull_hub_model(address, "someone/damaged", tmp_path / "a")
    with pytest.raises(ModelError, match="is not the card's"):
        read_hub_folder(damaged)
    (damaged / "config.json").write_text('{"model_type": "other"}')
    with pytest.raises(ModelError, match=CARD_KEY):
        pull_hub_model(address, "someone/damaged", tmp_path / "a")


@pytest.mark.slow
def test_an_onnx_file_alone(tmp_path: Path) -> None:
    done = earmark_here("export", find_model(), "--hub", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["README.md", "config.json", "model.onnx"]
    config = json.loads((tmp_path / "x" / "config.json").read_text())
    assert ModelCard.from_json(json.dumps(config[CARD_KEY])) == ModelCard.read(find_model().with_suffix(".json"))
    assert earmark_here("export", find_model(), "--hub", tmp_path / "x").returncode == 2  # it is there already
    assert earmark_here("export", find_model(), "--out", tmp_path / "y.onnx").returncode == 2
    assert earmark_here("export", tmp_path).returncode == 2


def test_licences_that_hubs_do_not_know_keep_their_name() -> None:
    card = ModelCard.read(find_model().with_suffix(".json"))
    assert metadata(card)["license"] == "cc-by-nc-sa-4.0"
    found = metadata(card.replace(licence="that of Emotify's music"))
    assert (found["license"], found["license_name"]) == ("other", "that-of-emotify-s-music")


def test_existing_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        write_hub_folder(tmp_path, ModelCard.read(find_model().with_suffix(".json")), b"")
    assert (tmp_path / "README.md").read_text() == "mine"
