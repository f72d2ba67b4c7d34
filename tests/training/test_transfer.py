"""Training that begins with another run: heads are replaced, trunks frozen or slower."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.training.run import train
from earmark.training.schedule import make_optimiser
from earmark.training.sections import OptimiserSection
from earmark.training.start_sections import TransferSection
from earmark.training.transfer import begin_with, frozen_modules, head_of, rate_shares
from tests.helpers.training_runs import BRISTOL, RATE, recipe, tones

OPTIONS = {"n_samples": 3**5, "sample_rate_hz": RATE, "width": 0.0625}


def model_of(n_tags: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return create_model("samplecnn_basic", n_tags, **OPTIONS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    model = model_of(3, 1)
    training = {"dataset": "other", "protocol": "p"}
    card = make_card(model, name="begun", vocabulary=Vocabulary.of("abc"), training=training)
    save_checkpoint(folder, model, card)
    return folder


def test_other_tags_get_a_fresh_last_layer(checkpoint: Path) -> None:
    source = load_checkpoint(checkpoint)[0].state_dict()
    for names in ("vwxyz", "xyz"):  # of another number, and as many others
        model = model_of(len(names), 2)
        fresh = {name: value.clone() for name, value in model.state_dict().items()}
        card = make_card(model, name="new", vocabulary=Vocabulary.of(names))
        found, begun = begin_with(model, card, checkpoint)
        assert begun.name == "begun"
        assert found.training["begun_with"]["replaced"] == ["head.dense2.weight", "head.dense2.bias"]
        assert found.training["also_learned_from"] == {"other": "p"}
        for name, value in model.state_dict().items():
            assert torch.equal(value, fresh[name] if name.startswith("head.dense2") else source[name]), name


def test_the_same_tags_keep_all(checkpoint: Path) -> None:
    model = model_of(3, 2)
    found, _ = begin_with(model, make_card(model, name="new", vocabulary=Vocabulary.of("abc")), checkpoint)
    assert "replaced" not in found.training["begun_with"]
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in load_checkpoint(checkpoint)[0].state_dict().items())


def test_another_network_is_refused(checkpoint: Path) -> None:
    model = create_model("samplecnn_basic", 3, **{**OPTIONS, "width": 0.125})
    with pytest.raises(ConfigError, match="with other options"):
        begin_with(model, make_card(model, name="new", vocabulary=Vocabulary.of("abc")), checkpoint)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["samplecnn_basic", "crnn", "short_chunk_cnn", "compact_1d"])
def test_rates_fall_from_the_last_layer_to_the_first(name: str) -> None:
    model = create_model(name, 4, **(OPTIONS if name == "samplecnn_basic" else {}))
    shares = rate_shares(model, TransferSection(trunk_rate=0.5, layer_decay=0.8))
    assert shares.keys() == dict(model.named_parameters()).keys()
    head = head_of(model)
    assert {share for key, share in shares.items() if key.startswith(f"{head}.")} == {1.0}
    trunk = [share for key, share in shares.items() if not key.startswith(f"{head}.")]
    assert max(trunk) == pytest.approx(0.4)  # the next layer: .5 x .8
    assert min(trunk) < 0.3
    assert rate_shares(model, TransferSection()) == {}


def test_the_optimiser_has_the_rates_and_decays_the_same_weights() -> None:
    model = model_of(2, 0)
    config = OptimiserSection(name="adamw", learning_rate=0.01, weight_decay=0.1)
    shares = rate_shares(model, TransferSection(layer_decay=0.5))
    groups = make_optimiser(model, config, shares).param_groups
    rate_of = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    decay_of = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    for name, weight in model.named_parameters():
        assert rate_of[id(weight)] == pytest.approx(0.01 * shares[name])
        assert decay_of[id(weight)] == (0.1 if weight.ndim > 1 else 0)
    assert groups[0]["lr"] == 0.01


def test_freezing_leaves_the_last_layer(checkpoint: Path) -> None:
    model = model_of(2, 0)
    frozen = frozen_modules(model, TransferSection(freeze="trunk"))
    learning = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert learning == ["head.dense2.weight", "head.dense2.bias"]
    assert model.head.dense2 not in frozen
    assert any(isinstance(module, torch.nn.BatchNorm1d) for module in frozen)


@pytest.mark.slow
def test_a_run_with_a_frozen_trunk_and_one_with_a_slow_one(checkpoint: Path, tmp_path: Path) -> None:
    table = tones(tmp_path / "tones", 16)
    options = {"name": "samplecnn_basic", "options": OPTIONS}
    short = {"epochs": 2, "sampling": "random", "windows_per_clip": 2}
    runs = {}
    for name, transfer in (("frozen", {"freeze": "trunk"}), ("slow", {"layer_decay": 0.5, "trunk_rate": 0.1})):
        document = {**BRISTOL, "model": options}
        wanted = recipe(document, table, training=short, transfer=transfer)
        runs[name] = train(wanted, tmp_path / name, device="cpu", begin=checkpoint).checkpoint
    before = load_checkpoint(checkpoint)[0].state_dict()
    for name, folder in runs.items():
        after = load_checkpoint(folder)[0].state_dict()
        changed = {
            key for key in before if not key.startswith("head.dense2") and not torch.equal(before[key], after[key])
        }
        assert bool(changed) == (name == "slow"), changed
        card = ModelCard.read(folder / "card.json")
        assert card.training["begun_with"]["name"] == "begun"
        assert card.training["recipe"]["transfer"]
    with pytest.raises(ConfigError, match="needs a checkpoint to begin with"):
        train(recipe({**BRISTOL, "model": options}, table, transfer={"freeze": "trunk"}), tmp_path / "x", device="cpu")


def test_recipes_without_it_are_as_before(tmp_path: Path) -> None:
    document = recipe(BRISTOL, tmp_path).to_document()
    assert not {"transfer", "contrastive"} & document.keys()
    assert "stretch" not in document["augmentation"]
    with pytest.raises(ConfigError, match="must be 1"):
        recipe(BRISTOL, tmp_path, transfer={"freeze": "trunk", "layer_decay": 0.9})
