"""The text of a card, as people write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag
from earmark.distillation.card_text import CardText, read_card_text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rivals", ["jazz"]),
        ("leave_out", ["jazz"]),
        ("leave_out", {"jazz": 1}),
        ("least_correlation", "high"),
        ("least_correlation", 1.5),
    ],
)
def test_wrong_texts_of_cards_are_refused(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"name": "made", key: value}))
    with pytest.raises(ConfigError, match=f"{key}.*: must be"):
        read_card_text(path)


def test_rivals_by_category_are_named_by_category(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"name": "made", "rivals": {"speech": ["@genre", "sad"], "rock": ["@genre"]}}))
    tags = [Tag("speech"), Tag("energy", "regression", "mood"), Tag("sad", category="mood")]
    tags += [Tag(name, category="genre") for name in ("jazz", "rock")]
    found = read_card_text(path).rivals_among(tags)
    assert found == {"speech": ("jazz", "rock", "sad"), "rock": ("jazz",)}
    path.write_text(json.dumps({"name": "made", "rivals": {"speech": ["@genres"]}}))
    with pytest.raises(ConfigError, match="@genres: categories are genre"):
        read_card_text(path)


def test_problems_of_a_cards_text_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"limit": [], "limits": "one", "licence": 3}')
    with pytest.raises(ConfigError) as caught:
        read_card_text(tmp_path / "card.json")
    assert len(caught.value.problems) == 4
    assert "limit: unknown key; did you mean limits?" in str(caught.value)
    (tmp_path / "card.json").write_text('{"name": "x", "rivals": {"a": "b"}, "rival_margin": "1"}')
    with pytest.raises(ConfigError) as caught:
        read_card_text(tmp_path / "card.json")
    assert len(caught.value.problems) == 2


def test_the_text_of_a_card_may_have_rivals(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"name": "x", "rivals": {"a": ["b", "c"]}, "rival_margin": 0.2}')
    assert read_card_text(tmp_path / "card.json") == CardText(name="x", rivals={"a": ("b", "c")}, rival_margin=0.2)
