"""Rules between tags: implication, rivals, exclusion, and how they meet."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.tagging.tagger import load_tagger

NAMES = ("vocals", "instrumental", "female", "soprano", "rock", "metal", "jazz", "fusion", "swing", "classical", "fast")
NAMES += ("slow",)
RULES = TagConstraints(
    (("vocals", "instrumental"), ("fast", "slow")),
    parents={
        "female": ("vocals",),
        "soprano": ("female",),
        "metal": ("rock",),
        "fusion": ("jazz", "rock"),
        "swing": ("jazz",),
    },
    rivals={"classical": ("jazz", "rock"), "jazz": ("classical", "metal")},
    rival_margin=0.125,
)
steps = st.integers(0, 16).map(lambda n: n / 16)
vectors = st.lists(steps, min_size=len(NAMES), max_size=len(NAMES))


def kept(
    scores: list[float] | np.ndarray, limits: list[float] | float = 0.5, rules: TagConstraints = RULES
) -> set[str]:
    values = np.array(scores, np.float32)
    found = rules.keep(values >= np.array(limits), values, NAMES)
    return {name for name, holds in zip(NAMES, found, strict=True) if holds}


def said(rules: TagConstraints = RULES, **scores: float) -> set[str]:
    """Tags kept at thresholds of .5; tags that are not named have 0."""
    return kept([scores.get(name, 0.0) for name in NAMES], rules=rules)


def likeliest_parent(tag: str, score: dict[str, float], rules: TagConstraints) -> str | None:
    return max(rules.parents.get(tag, ()), key=lambda name: score[name], default=None)


@pytest.mark.slow
@given(vectors, vectors, st.booleans())
@settings(max_examples=400, deadline=None)
def test_what_is_kept_is_closed_and_without_contradictions(
    scores: list[float], limits: list[float], needs: bool
) -> None:
    rules = RULES
    if needs:  # old and new rules in one card
        rules = TagConstraints(RULES.exclusive, {"metal": "fast"}, RULES.parents, RULES.rivals, RULES.rival_margin)
    found = kept(scores, limits, rules)
    score = dict(zip(NAMES, scores, strict=True))
    reached = {name for name, limit in zip(NAMES, limits, strict=True) if score[name] >= limit}
    for tag in found:
        parent = likeliest_parent(tag, score, rules)
        assert parent is None or parent in found
    for group in rules.exclusive:
        assert len(found & set(group)) <= 1
    assert all(needed in found for tag, needed in rules.requires.items() if tag in found)
    # Nothing comes from nowhere: what does not reach its threshold is implied by something that does.
    for tag in found - reached:
        assert any(likeliest_parent(other, score, rules) == tag for other in found)
    for winner in found & reached & set(rules.rivals):
        for rival in found & set(rules.rivals[winner]):
            below = [score[tag] for tag in reached if rival in lineage(tag, score, rules)]
            assert score[winner] < max([score[rival], *below]) + rules.rival_margin


def lineage(tag: str | None, score: dict[str, float], rules: TagConstraints) -> list[str]:
    line = []
    while tag is not None:
        line.append(tag)
        tag = likeliest_parent(tag, score, rules)
    return line


@pytest.mark.slow
@given(st.lists(vectors, min_size=1, max_size=5), vectors)
@settings(max_examples=200, deadline=None)
def test_many_files_at_once_are_as_each_alone_and_nothing_is_changed(scores: list[list[float]], limits: list) -> None:
    table = np.array(scores, np.float32).T
    reached = table >= np.array(limits)[:, None]
    before = table.copy(), reached.copy()
    found = RULES.keep(reached, table, NAMES)
    assert found.shape == table.shape
    np.testing.assert_array_equal(table, before[0])
    np.testing.assert_array_equal(reached, before[1])
    for column, values in enumerate(scores):
        assert {name for name, holds in zip(NAMES, found[:, column], strict=True) if holds} == kept(values, limits)
    np.testing.assert_array_equal(RULES.keep(reached, table, NAMES), found)
    assert RULES.keep(reached[:, :0], table[:, :0], NAMES).shape == (len(NAMES), 0)


@pytest.mark.slow
@given(vectors, vectors)
@example([0.5] * len(NAMES), [0.5] * len(NAMES))
@settings(max_examples=200, deadline=None)
def test_cards_without_the_new_rules_behave_as_before(scores: list[float], limits: list[float]) -> None:
    old = TagConstraints((*RULES.exclusive, ("rock", "jazz", "swing")), {"soprano": "female", "female": "vocals"})
    score = dict(zip(NAMES, scores, strict=True))
    expected = {name for name, limit in zip(NAMES, limits, strict=True) if score[name] >= limit}
    for group in old.exclusive:
        expected -= set(group) - {max(group, key=lambda name: score[name])}
    for tag in ("female", "soprano"):  # from the top
        if old.requires[tag] not in expected:
            expected.discard(tag)
    assert kept(scores, limits, old) == expected


def test_a_tag_brings_what_it_implies() -> None:
    assert said(female=0.6, vocals=0.3) == {"female", "vocals"}
    assert said(soprano=0.6) == {"soprano", "female", "vocals"}
    assert said(vocals=0.6, female=0.4) == {"vocals"}
    assert said(fusion=0.6, rock=0.3, jazz=0.2) == {"fusion", "rock"}
    assert said(fusion=0.6, rock=0.3, jazz=0.3) == {"fusion", "jazz"}  # of equal ones the first
    assert said(fusion=0.6, rock=0.9, jazz=0.7) == {"fusion", "rock", "jazz"}


def test_a_singer_counts_for_the_voice_against_instrumental() -> None:
    assert said(female=0.7, vocals=0.4, instrumental=0.6) == {"female", "vocals"}
    assert said(female=0.6, vocals=0.4, instrumental=0.7) == {"instrumental"}
    assert said(soprano=0.8, female=0.2, vocals=0.1, instrumental=0.7) == {"soprano", "female", "vocals"}
    # One that does not reach its threshold counts nothing.
    assert said(female=0.45, vocals=0.2, instrumental=0.4) == set()
    assert said(female=0.49, vocals=0.2, instrumental=0.5) == {"instrumental"}


def test_a_clear_winner_silences_its_rivals() -> None:
    assert said(classical=0.75, jazz=0.625) == {"classical"}
    assert said(classical=0.75, jazz=0.6875) == {"classical", "jazz"}  # too close
    assert said(classical=0.5, jazz=0.375) == {"classical"}
    assert said(classical=0.4, jazz=0.1, fast=0.6) == {"fast"}  # a winner must reach its threshold
    assert said(jazz=0.9, classical=0.6) == {"jazz"}
    assert said(jazz=0.9, metal=0.6, rock=0.7) == {"jazz", "rock"}
    # With a rival goes what implies it; but a rival that something strong implies does not give way.
    assert said(classical=0.9, jazz=0.6, swing=0.7) == {"classical"}
    assert said(classical=0.9, jazz=0.6, swing=0.8) == {"classical", "jazz", "swing"}
    # What is silenced silences nothing: jazz would have silenced metal.
    assert said(classical=1.0, jazz=0.8, metal=0.6) == {"classical"}
    assert said(
        TagConstraints(rivals={"classical": ("jazz",), "jazz": ("metal",)}), classical=1.0, jazz=0.8, metal=0.6
    ) == {
        "classical",
        "metal",
    }


def test_rules_for_tags_that_a_model_lacks_are_passed_over() -> None:
    values = np.array([0.9, 0.8], np.float32)
    holding = np.array([True, True])
    assert RULES.keep(holding, values, ("fusion", "slow")).tolist() == [True, True]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"parents": {"a": ["b"], "b": ["c"], "c": ["a"]}}, "implies itself, in a circle"),
        ({"parents": {"a": ["a"]}}, "one or more other tags"),
        ({"parents": {"a": []}}, "one or more other tags"),
        ({"parents": {"a": "b"}}, "one or more other tags"),
        ({"parents": {"a": ["b", "b"]}}, "one or more other tags"),
        ({"parents": {"a": ["b"], "b": ["c"]}, "exclusive": [["a", "c"]]}, "'a' implies 'c', and both exclude"),
        ({"rivals": {"a": ["b"]}, "parents": {"a": ["b"]}}, "'a' and its rival 'b': one implies the other"),
        ({"rivals": {"b": ["a"]}, "parents": {"a": ["b"]}}, "'b' and its rival 'a': one implies the other"),
        ({"rivals": {"a": ["b"]}, "rival_margin": 1.5}, "rival_margin 1.5: must be 0 to 1"),
        ({"parents": {"a": ["nowhere"]}}, "no tag 'nowhere'"),
        ({"rivals": {"a": ["nowhere"]}}, "no tag 'nowhere'"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(rules: dict, message: str) -> None:
    card = ModelCard("trial", "made", InputSpec(8_000, 8_000, 8_000), Vocabulary.of(("a", "b", "c")))
    document = json.loads(card.to_json()) | {"rules": rules}
    with pytest.raises(Exception, match=message) as raised:
        ModelCard.from_json(json.dumps(document))
    assert type(raised.value).__name__ == "ModelError"


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        TagConstraints((("x",),), parents={"a": ()}, rivals={"b": ("b",)}, rival_margin=2)
    for part in ("two or more", "parents of 'a'", "rivals of 'b'", "rival_margin 2"):
        assert part in str(raised.value)


def test_rules_are_written_and_read_back() -> None:
    card = ModelCard("trial", "made", InputSpec(8_000, 8_000, 8_000), Vocabulary.of(NAMES), rules=RULES)
    assert ModelCard.from_json(card.to_json()) == card


def test_the_bundled_card_has_a_tree_and_loses_no_singer() -> None:
    rules = load_tagger().card.rules
    names = load_tagger().card.vocabulary.names
    assert rules.requires == {}
    for tag in ("female vocals", "male vocals"):
        assert rules.parents[tag] == ("vocals",)
    assert rules.parents["metal"] == ("rock",)
    assert "jazz" in rules.rivals["classical"]
    scores = np.zeros(len(names), np.float32)
    scores[[names.index("female vocals"), names.index("vocals")]] = 0.7, 0.3
    found = rules.keep(scores >= 0.5, scores, names)
    assert {names[i] for i in np.flatnonzero(found)} == {"female vocals", "vocals"}
    exclusive = [set(pair) for group in rules.exclusive for pair in combinations(group, 2)]
    assert {"vocals", "instrumental"} in exclusive
