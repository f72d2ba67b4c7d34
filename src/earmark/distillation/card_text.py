"""What people write on the card of a distilled model, as a JSON file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError
from earmark.core.json_records import parse_json
from earmark.core.tag_constraints import RIVAL_MARGIN
from earmark.core.vocabulary import CATEGORIES, Tag

LEAST_CORRELATION = 0.6
"""A tag whose rank correlation with the averaged teachers on held-out music is lower than this is left out as noise."""


@dataclass(frozen=True)
class CardText:
    """What people write on a card; the rest is measured.

    Attributes:
        name: of the model.
        description, limits, citations, licence, version: see :class:`earmark.core.card.ModelCard`; without a licence
            that of the checkpoint stays.
        also_learned_from: dataset -> protocol of known labels that the student learned from, so that `earmark evaluate`
            can warn.
        share_factors: category or tag -> for how many times as much music its tags, or it, hold as the teachers' mean
            says, see :mod:`earmark.distillation.calibration_targets`; 1 for those that are not there.
        least_correlation: tags with a lower rank correlation with the averaged teachers on held-out music are left out.
        leave_out: further tags that are left out -> why.
        rivals, rival_margin: which tags a tag silences where it clearly wins, see
            :class:`earmark.core.tag_constraints.TagConstraints`; those that the student does not have are left out. "@genre"
            stands for all tags of that category.
    """

    name: str
    description: str = ""
    limits: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    licence: str | None = None
    version: str = "1"
    also_learned_from: dict[str, str] = dataclasses.field(default_factory=dict)
    share_factors: dict[str, float] = dataclasses.field(default_factory=dict)
    least_correlation: float = LEAST_CORRELATION
    leave_out: dict[str, str] = dataclasses.field(default_factory=dict)
    rivals: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    rival_margin: float = RIVAL_MARGIN

    def rivals_among(self, tags: Sequence[Tag]) -> dict[str, tuple[str, ...]]:
        """The rivals by name, where the student has these tags; degrees are nobody's rivals.

        >>> tags = [Tag("speech"), Tag("jazz", category="genre"), Tag("rock", category="genre")]
        >>> CardText("made", rivals={"speech": ("@genre",)}).rivals_among(tags)
        {'speech': ('jazz', 'rock')}
        """
        found = {}
        for winner, given in self.rivals.items():
            names = {
                tag.name: None
                for rival in given
                for tag in tags
                if (rival == f"@{tag.category}" and tag.kind == "classification") or rival == tag.name
            }
            found[winner] = tuple(name for name in names if name != winner)
        return found


def read_card_text(path: str | Path) -> CardText:
    """Read the text of a card from JSON: the attributes of :class:`CardText`. Raises ConfigError, with all problems."""
    try:
        document = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    keys = [field.name for field in dataclasses.fields(CardText)]
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be an object with {', '.join(keys)}")
    problems = [f"{path}: no key {key!r}; keys are {', '.join(keys)}" for key in document if key not in keys]
    lists, texts = ("limits", "citations"), ("name", "description", "licence", "version")
    problems += [f"{path}: {key} must be text" for key in texts if not isinstance(document.get(key, ""), str)]
    problems += [
        f"{path}: {key} must be a list of texts"
        for key in lists
        if not isinstance(value := document.get(key, []), list) or not all(isinstance(line, str) for line in value)
    ]
    for key, to in (("also_learned_from", "datasets to protocols"), ("leave_out", "tags to reasons")):
        if not isinstance(found := document.get(key, {}), dict) or not all(isinstance(v, str) for v in found.values()):
            problems.append(f"{path}: {key} must map {to}")
    factors = document.get("share_factors", {})
    if not isinstance(factors, dict) or not all(
        isinstance(value, int | float) and value > 0 for value in factors.values()
    ):
        problems.append(
            f"{path}: share_factors must map categories ({', '.join(CATEGORIES)}) or tags to numbers above 0"
        )
    rivals = document.get("rivals", {})
    if not isinstance(rivals, dict) or not all(isinstance(names, list) for names in rivals.values()):
        problems.append(f"{path}: rivals must map tags to lists of tags")
    elif odd := {name for names in rivals.values() for name in names if name[:1] == "@" and name[1:] not in CATEGORIES}:
        problems.append(f"{path}: rivals: {', '.join(sorted(odd))}: categories are {', '.join(CATEGORIES)}")
    if not isinstance(document.get("rival_margin", 0), int | float):
        problems.append(f"{path}: rival_margin must be a number from 0 to 1")
    if not isinstance(least := document.get("least_correlation", 0), int | float) or not -1 <= least <= 1:
        problems.append(f"{path}: least_correlation must be a number from -1 to 1")
    if not document.get("name"):
        problems.append(f"{path}: name is missing")
    if problems:
        raise ConfigError(problems)
    values: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in document.items()}
    values["rivals"] = {tag: tuple(names) for tag, names in rivals.items()}
    return CardText(**values)
