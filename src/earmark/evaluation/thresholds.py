"""Where thresholds come from: a number, a model's card, or the best F1 on other clips."""

from __future__ import annotations

import math
from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.evaluation.report import best_thresholds
from earmark.evaluation.tables import read_score_table


def read_thresholds(text: str, vocabulary: Vocabulary) -> tuple[dict[str, float], str]:
    """Thresholds of a vocabulary's classification tags, and where they come from, as text.

    Args:
        text: a number for all tags; a card (.json); or a table with scores and labels, preferably of validation clips,
            on which the highest F1 decides.
        vocabulary: the tags that are measured.

    Raises:
        ConfigError: neither a number nor such a file.
        DataError, ModelError: the file cannot be read, or has no threshold for any of the tags.
    """
    names = [tag.name for tag in vocabulary if tag.kind == "classification"]
    path = Path(text)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if math.isfinite(limit):
        return dict.fromkeys(names, limit), f"{limit:g} for every tag"
    if path.suffix.lower() not in (".json", ".csv", ".tsv", ".parquet"):
        raise ConfigError(
            f"threshold {text!r}: must be a number, a card (.json) or a scores file (.parquet, .csv, .tsv)"
        )
    if path.suffix.lower() == ".json":
        found, words = ModelCard.read(path).thresholds, f"the card {path}"
    else:
        table = read_score_table(path)
        found, words = best_thresholds(table), f"highest F1 on {path}"
        if table.split:
            words += f" ({table.split})"
    known = {name: found[name] for name in names if name in found}
    if not known:
        raise DataError(f"{path}: no threshold for any of these tags: {', '.join(names)}")
    return known, words
