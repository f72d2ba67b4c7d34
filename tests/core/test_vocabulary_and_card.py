"""Vocabularies and cards: what is refused, and that nothing is lost on the way to JSON and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.core.card import Metric, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag, Vocabulary

CARD = ModelCard(
    name="trial",
    architecture="ensemble_model1",
    input=InputSpec(16_000, 160_000, 80_000, "pad"),
    vocabulary=Vocabulary((Tag("rock", category="genre"), Tag("calmness", "regression", "mood"))),
    architecture_options={"window_seconds": 10.0},
    thresholds={"rock": 0.4},
    training={"dataset": "emotify", "seed": 1},
    metrics=(Metric("roc_auc", 0.9, "emotify", "artist-disjoint", "test", low=0.8, high=0.95, resampled="artist"),),
    limits=("knows four genres only",),
)


def test_card_goes_to_json_and_back() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "install a newer one"),
        ({"colour": "blue"}, "unknown key 'colour'"),
        ({"input": None}, "must be an object"),
        ({"thresholds": {"jazz": 0.5}}, "'jazz': no such tag"),
        ({"thresholds": {"rock": 1.5}}, "must be 0 to 1"),
        ({"vocabulary": []}, "at least one tag"),
        ({"embedding_dims": 0}, "embedding_dims 0: must be at least 1"),
        ({"embedding_dims": "many"}, "x.json"),
        ({"vocabulary": [{"name": "a"}, {"name": "a"}]}, "more than once"),
    ],
)
def test_wrong_cards_are_refused_by_name(change: dict, message: str) -> None:
    document = json.loads(CARD.to_json()) | change
    with pytest.raises(ModelError, match=message):
        ModelCard.from_json(json.dumps(document), where="x.json")


def test_cards_from_before_embeddings_are_read() -> None:
    document = json.loads(CARD.to_json())
    del document["embedding_dims"]
    assert ModelCard.from_json(json.dumps(document)) == CARD
    assert ModelCard.from_json(CARD.replace(embedding_dims=64).to_json()).embedding_dims == 64


@pytest.mark.parametrize("key", ["name", "architecture", "input", "vocabulary"])
def test_missing_keys_are_named(key: str) -> None:
    document = json.loads(CARD.to_json())
    del document[key]
    with pytest.raises(ModelError, match=f"x.json.*'{key}' is missing"):
        ModelCard.from_json(json.dumps(document), where="x.json")


def test_unreadable_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not JSON"):
        ModelCard.from_json("{", where="x.json")
    with pytest.raises(ModelError, match="cannot be read"):
        ModelCard.read(tmp_path / "none.json")


def test_tags_are_checked() -> None:
    with pytest.raises(ConfigError, match="kind 'x' is not one of classification, regression"):
        Tag("rock", "x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="category 'x'"):
        Tag("rock", category="x")
    with pytest.raises(ConfigError, match="white space"):
        Tag(" rock")


def test_unknown_tag_lists_similar_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean rock"):
        CARD.vocabulary.index("rocks")


def test_fingerprint_depends_on_order_and_kind() -> None:
    one = Vocabulary.of(["a", "b"])
    assert one.fingerprint == Vocabulary.of(["a", "b"], category="mood").fingerprint
    assert one.fingerprint != Vocabulary.of(["b", "a"]).fingerprint
    assert one.fingerprint != Vocabulary.of(["a", "b"], "regression").fingerprint
