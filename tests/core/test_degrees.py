"""Which tags of a vocabulary are degrees."""

from __future__ import annotations

from earmark.core.vocabulary import Tag, Vocabulary
from tests.helpers.degrees import CARD, DEGREES, EMOTIONS


def test_degrees_are_regression_tags_without_a_threshold_beside_tags_with_one() -> None:
    assert CARD.degrees == tuple(DEGREES)
    assert CARD.replace(thresholds={}).degrees == ()
    assert CARD.replace(thresholds={"energy": 0.5}).degrees == ("soft", "valence")
    assert EMOTIONS.degrees == ()
    assert EMOTIONS.replace(thresholds={"joy": 0.5}).degrees == ("power", "calmness")
    assert Vocabulary.of(["rock", "pop"]).degrees({"rock": 0.5}) == ()
    assert Vocabulary((Tag("rock"), Tag("energy", "regression"))).degrees({"another": 0.5}) == ()
