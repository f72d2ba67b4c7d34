"""The rules on the card of a file that exists already: from `tags.csv` (parents) and `card.json` (rivals)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.tag_constraints import TagConstraints, default_constraints
from earmark.datasets.labelled_set.tag_union import read_parents
from earmark.distillation.calibration import read_card_text
from earmark.export.graph_edit import set_rules

FOLDER = Path(__file__).parent


def card_rules(names: Sequence[str], folder: Path = FOLDER) -> TagConstraints:
    """The rules for these tags, as :func:`earmark.distillation.calibration.calibrate_student` makes them.

    Raises:
        ConfigError, DataError: tables that cannot be read, or that contradict each other.
    """
    text = read_card_text(folder / "card.json")
    return default_constraints(names, read_parents(folder / "tags.csv"), text.rivals, text.rival_margin)


def update_rules(path: Path, folder: Path = FOLDER) -> ModelCard:
    """Put the rules into an ONNX file and the card beside it. Returns that card."""
    names = ModelCard.read(path.with_suffix(".json")).vocabulary.names
    return set_rules(path, path, card_rules(names, folder))
