"""A card with every kind of rule, and scores that need them all: every part of earmark must select the same tags."""

from __future__ import annotations

from earmark.core.card import ModelCard
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary

SCORES = {
    "vocals": 0.375,  # implied by female vocals, and with it likelier than instrumental
    "instrumental": 0.5,
    "female vocals": 0.75,
    "electronic": 0.25,  # implied by techno
    "techno": 0.625,
    "classical": 0.875,  # silences jazz, and swing with it
    "jazz": 0.625,
    "swing": 0.5625,
    "metal": 0.5,  # requires fast
    "fast": 0.125,
    "piano": 0.9375,
}
KEPT = ("piano", "classical", "female vocals", "techno", "vocals", "electronic")
"""The tags that apply, highest first."""

_CATEGORIES = {"vocals": "voice", "instrumental": "voice", "female vocals": "voice", "fast": "tempo"} | {
    "piano": "instrument"
}
CARD = ModelCard(
    "ruled",
    "none",
    InputSpec(16_000, 16_000, 16_000),
    Vocabulary(tuple(Tag(name, category=_CATEGORIES.get(name, "genre")) for name in SCORES)),
    thresholds=dict.fromkeys(SCORES, 0.5),
    rules=TagConstraints(
        (("vocals", "instrumental"),),
        {"metal": "fast"},
        {"female vocals": ("vocals",), "techno": ("electronic",), "swing": ("jazz",)},
        {"classical": ("jazz",)},
    ),
)
