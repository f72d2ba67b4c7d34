"""Learning classes that exclude each other: loss, selection, card."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import load_dataset
from earmark.evaluation.torch_model import TorchModel
from earmark.training.config import recipe_from
from earmark.training.loss import TagLoss
from earmark.training.run import train
from earmark.training.sections import LossSection
from earmark.training.selection import Validator
from tests.helpers.dataset_folders import sound, table, write_gtzan

TAGS = Vocabulary((Tag("rock"), Tag("live"), Tag("jazz"), Tag("calm", "regression"), Tag("folk")))
CLASSES = ("rock", "jazz", "folk")
RECIPE: dict[str, Any] = {
    "name": "genres",
    "data": {"dataset": "gtzan"},
    "model": {
        "name": "samplecnn_basic",
        "options": {"n_samples": 3**5, "sample_rate_hz": 8000, "width": 0.0625, "dropout": 0.0},
    },
    "training": {"epochs": 1, "batch_size": 20},
    "loss": {"classification": "softmax"},
}


def test_the_loss_is_the_cross_entropy_of_the_classes() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 5, requires_grad=True)
    classes = torch.tensor([0, 2, 1, 1, 0, 2])
    labels = torch.rand(6, 5)
    labels[:, 1] = labels[:, 1].round()
    places = [0, 2, 4]
    labels[:, places] = F.one_hot(classes, 3).float()
    labels[3, places] = math.nan
    labels[0, 1] = math.nan
    loss = TagLoss(TAGS, LossSection(classification="softmax", regression_weight=2.0), exclusive=CLASSES)
    known = [0, 1, 2, 4, 5]
    expected = F.cross_entropy(logits[:, places][known], classes[known])
    expected = expected + F.binary_cross_entropy_with_logits(logits[1:, 1], labels[1:, 1])
    expected = expected + 2 * F.mse_loss(logits[:, 3].sigmoid(), labels[:, 3])
    value = loss(logits, labels)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.n_known(labels).tolist() == [5, 5, 6]
    assert loss(logits, labels, loss.n_known(labels)).item() == pytest.approx(value.item(), rel=1e-6)
    value.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[3, places] == 0).all()


def test_where_all_is_labelled_it_is_the_same_and_mixed_labels_are_shares() -> None:
    vocabulary = Vocabulary.of(CLASSES)
    logits, labels = torch.randn(4, 3), F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
    losses = [
        TagLoss(vocabulary, LossSection(classification="softmax"), complete=known, exclusive=CLASSES)
        for known in (True, False)
    ]
    mixed = 0.3 * labels + 0.7 * labels.flip(0)
    for wanted in (labels, mixed):
        expected = F.cross_entropy(logits, wanted).item()
        assert [loss(logits, wanted).item() for loss in losses] == pytest.approx([expected, expected], rel=1e-6)
    assert losses[1](logits, torch.full((4, 3), math.nan)).item() == 0


def test_selection_is_by_accuracy_over_the_most_frequent_class() -> None:
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    train_labels = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    vocabulary = Vocabulary.of(CLASSES)
    validator = Validator(vocabulary, labels, train_labels, softmax=CLASSES)
    assert validator(labels).selection == pytest.approx(1)
    first = np.tile([0.5, 0.3, 0.2], (4, 1))  # always the most frequent one: accuracy .5
    assert validator(first).selection == pytest.approx(0)
    one_wrong = np.eye(3)[[0, 1, 1, 0]]
    found = validator(one_wrong)
    assert found.selection == pytest.approx((0.75 - 0.5) / 0.5)
    rows = {(row.name, row.tag): row.value for row in found.card_metrics(vocabulary, "d", "p", 4)}
    assert rows["accuracy", None] == 0.75
    assert math.isnan(Validator(vocabulary, labels, train_labels)(labels).accuracy)


def test_a_softmax_needs_classes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loss\.classification softmax: no tags of this dataset exclude each other"):
        TagLoss(TAGS, LossSection(classification="softmax"))
    with pytest.raises(ConfigError, match="use bce"):
        document = {**RECIPE, "data": {"dataset": "manifest", "root": str(_two_tags(tmp_path))}}
        train(recipe_from(document), tmp_path / "run", device="cpu")


def test_classes_are_not_weighed_by_tags() -> None:
    loss = {"classification": "softmax", "regression_weight": "by_tags"}
    with pytest.raises(ConfigError, match=r"loss\.regression_weight by_tags: counts tags"):
        recipe_from({**RECIPE, "loss": loss})


@pytest.mark.slow
def test_the_card_says_that_classes_exclude_each_other(tmp_path: Path) -> None:
    root = write_gtzan(tmp_path / "gtzan", each=1)
    document = {**RECIPE, "data": {"dataset": "gtzan", "root": str(root)}}
    result = train(recipe_from(document), tmp_path / "run", device="cpu")
    model = TorchModel(result.checkpoint)
    card = model.card
    genres = load_dataset("gtzan", root).vocabulary.names
    assert card.softmax == genres
    assert card.rules.exclusive == (genres,)
    assert card.thresholds == dict.fromkeys(genres, 0.0)
    scores = model(np.random.default_rng(0).normal(0, 0.1, (3, card.input.window_samples)).astype(np.float32))
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert next(row for row in card.metrics if row.name == "accuracy").split == "validation"
    document["loss"] = {"classification": "bce"}
    plain = train(recipe_from(document), tmp_path / "plain", device="cpu")
    card = ModelCard.read(plain.checkpoint / "card.json")
    assert (card.softmax, card.rules.exclusive) == ((), ())
    assert "softmax" not in (plain.checkpoint / "card.json").read_text().replace('"softmax_', "")


def _two_tags(folder: Path) -> Path:
    rows = [(f"{i}.wav", split, i % 2, 1) for i, split in enumerate(("train", "train", "validation", "validation"))]
    for name, *_ in rows:
        sound(folder / name)
    return table(folder / "labels.csv", ("path", "split", "rock", "jazz"), rows)
