"""The rules on the card of a file that exists already: from `tags.csv` (parents) and `card.json` (rivals)."""

from __future__ import annotations

from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.default_constraints import default_constraints
from earmark.core.errors import ConfigError
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.labelled_set.tag_union import read_parents
from earmark.distillation.card_text import read_card_text
from earmark.export.graph_edit import set_rules

FOLDERS = (Path(__file__).parent, Path(__file__).parent / "earmark_2")
"""Those with the `tags.csv` and `card.json` of a model."""


def tables_of(model: str) -> Path:
    """The folder with the tables of a model.

    Raises:
        ConfigError: no `card.json` has this name.
    """
    names = {read_card_text(folder / "card.json").name: folder for folder in FOLDERS}
    if model not in names:
        raise ConfigError(f"no tables for the model {model!r}; there are those of {', '.join(names)}")
    return names[model]


def card_rules(vocabulary: Vocabulary, folder: Path) -> TagConstraints:
    """The rules for these tags, as :func:`earmark.distillation.calibration.calibrate_student` makes them.

    Raises:
        ConfigError, DataError: tables that cannot be read, or that contradict each other.
    """
    text = read_card_text(folder / "card.json")
    rivals = text.rivals_among(vocabulary.tags)
    return default_constraints(vocabulary.names, read_parents(folder / "tags.csv"), rivals, text.rival_margin)


def update_rules(path: Path, folder: Path | None = None) -> ModelCard:
    """Put the rules into an ONNX file and the card beside it: from these tables, or from those of the model's name. Returns that card."""
    card = ModelCard.read(path.with_suffix(".json"))
    return set_rules(path, path, card_rules(card.vocabulary, folder or tables_of(card.name)))
