"""Cards with degrees (regression tags without a threshold, beside tags that have one), and one whose tags are all degrees."""

from __future__ import annotations

import numpy as np

from earmark.core.card import ModelCard
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.tagging.tag_scores import TagScores

SCORES = {"energy": 0.875, "rock": 0.75, "techno": 0.25, "calm": 0.625, "soft": 0.5, "valence": 0.375, "drums": 0.125}
"""Of these, energy and valence are degrees; soft is a regression tag with a threshold, and drums has none, but is none."""
KEPT = ("rock", "calm", "soft", "drums")
"""What holds in Python, where tags without a threshold do: highest first."""
DEGREES = {"energy": 0.875, "valence": 0.375}

_SPEC = InputSpec(16_000, 16_000, 16_000)
CARD = ModelCard(
    "graded",
    "none",
    _SPEC,
    Vocabulary(
        (
            Tag("energy", "regression", "mood"),
            Tag("rock", category="genre"),
            Tag("techno", category="genre"),
            Tag("calm", category="mood"),
            Tag("soft", "regression", "mood"),
            Tag("valence", "regression", "other"),
            Tag("drums", category="instrument"),
        )
    ),
    thresholds={"rock": 0.5, "techno": 0.5, "calm": 0.5, "soft": 0.4},
    rules=TagConstraints(parents={"calm": ("valence",)}),
)
EMOTIONS = ModelCard("emotions", "none", _SPEC, Vocabulary.of(["joy", "power", "calmness"], "regression", "mood"))
"""As a model of Emotify's emotions: nothing but regression tags, and no threshold, so nothing is a degree."""


def made(card: ModelCard, values: list[float], *, silent: bool = False) -> TagScores:
    """Scores of one second, of a card's tags."""
    scores = np.array(values, np.float32)
    return TagScores(
        None, card.name, card.vocabulary, scores, scores[None], np.zeros(1), 1.0, 1.0, dict(card.thresholds),
        rules=card.rules, silent=silent,
    )  # fmt: skip
