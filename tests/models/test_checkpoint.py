"""Weights and card in a folder: what is written, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model
from earmark.models.checkpoint import CARD_NAME, WEIGHTS_NAME, load_checkpoint, make_card, save_checkpoint

TAGS = Vocabulary.of(["loud", "soft", "fast"])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("ensemble_model1", 3, window_seconds=1.5, width=0.05)


@pytest.fixture
def folder(model, tmp_path):
    save_checkpoint(tmp_path / "run", model, make_card(model, name="test", vocabulary=TAGS))
    return tmp_path / "run"


def rewrite(folder, weights, card=None):
    """Put other weights into a checkpoint, with a card that vouches for them."""
    content = save(weights)
    card = (card or ModelCard.read(folder / CARD_NAME)).replace(weights_sha256=hashlib.sha256(content).hexdigest())
    (folder / WEIGHTS_NAME).write_bytes(content)
    (folder / CARD_NAME).write_text(card.to_json(), encoding="utf-8")


def test_what_is_saved_is_loaded(model, folder):
    loaded, card = load_checkpoint(folder)
    assert not loaded.training
    assert loaded.architecture_options == model.architecture_options == card.architecture_options
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert card.frontend == model.frontend.config.to_dict()
    assert card.weights_sha256 == hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()


def test_folder_holds_two_files_and_no_leavings(model, folder):
    save_checkpoint(folder, model, make_card(model, name="again", vocabulary=TAGS))
    assert sorted(path.name for path in folder.iterdir()) == [CARD_NAME, WEIGHTS_NAME]
    assert load_checkpoint(folder)[1].name == "again"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_loading_leaves_the_random_generator_alone(folder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_checkpoint(folder)
    assert torch.equal(torch.rand(3), expected)


def test_a_card_of_another_model_is_refused(model, tmp_path):
    card = make_card(model, name="test", vocabulary=TAGS)
    other = create_model("ensemble_model1", 2, window_seconds=2, width=0.05)
    with pytest.raises(ConfigError) as caught:
        save_checkpoint(tmp_path, other, card)
    assert any("number of tags" in problem for problem in caught.value.problems)
    assert any("window_samples" in problem for problem in caught.value.problems)
    assert list(tmp_path.iterdir()) == []


def test_one_flipped_byte_is_refused(folder):
    path = folder / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        load_checkpoint(folder)


def test_missing_foreign_and_misshapen_weights_are_refused_by_name(folder):
    weights = load_file(folder / WEIGHTS_NAME)
    weights["stranger"] = torch.zeros(1)
    weights["layers.conv1.bias"] = torch.zeros(1)
    del weights["layers.last.bias"]
    rewrite(folder, weights)
    with pytest.raises(ModelError) as caught:
        load_checkpoint(folder)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for name in ("'stranger' are unknown", "'layers.conv1.bias' are (1,)", "'layers.last.bias' are missing"):
        assert any(name in line for line in lines)


def test_weights_that_are_no_safetensors_are_refused(folder):
    content = b"pickle, perhaps"
    card = ModelCard.read(folder / CARD_NAME).replace(weights_sha256=hashlib.sha256(content).hexdigest())
    (folder / WEIGHTS_NAME).write_bytes(content)
    (folder / CARD_NAME).write_text(card.to_json(), encoding="utf-8")
    with pytest.raises(ModelError, match="not safetensors"):
        load_checkpoint(folder)


def test_a_card_of_an_unknown_architecture_is_refused(folder):
    card = ModelCard.read(folder / CARD_NAME).replace(architecture="ensemble_model9")
    rewrite(folder, load_file(folder / WEIGHTS_NAME), card)
    with pytest.raises(ModelError, match="did you mean"):
        load_checkpoint(folder)


@pytest.mark.parametrize("missing", [CARD_NAME, WEIGHTS_NAME])
def test_missing_files_are_reported_by_name(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        load_checkpoint(folder)


def test_missing_folder_is_reported(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("options", [{"level_dbfs": "loud"}, {"level_dbfs": [1]}, {"no_such": 1}, {"frontend": 5}])
def test_a_card_with_damaged_options(tmp_path: Path, options: dict[str, object]) -> None:
    model = create_model("compact_1d", 2)
    vocabulary = Vocabulary.of(["a", "b"])
    save_checkpoint(tmp_path, model, make_card(model, name="a", vocabulary=vocabulary))
    document = json.loads((tmp_path / "card.json").read_text())
    document["architecture_options"] |= options
    (tmp_path / "card.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"card\.json"):
        load_checkpoint(tmp_path)
