"""What people write on the card of a distilled model, as a JSON file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from earmark.core.errors import ConfigError
from earmark.core.json_records import parse_json
from earmark.core.tag_constraints import RIVAL_MARGIN
from earmark.core.vocabulary import CATEGORIES, Tag
from earmark.training.config_schema import Listed, Section

LEAST_CORRELATION = 0.6
"""A tag whose rank correlation with the averaged teachers on held-out music is lower than this is left out as noise."""


class CardText(Section):
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

    name: str = Field(min_length=1)
    description: str = ""
    limits: Listed[str] = ()
    citations: Listed[str] = ()
    licence: str | None = None
    version: str = "1"
    also_learned_from: dict[str, str] = Field(default_factory=dict)
    share_factors: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    least_correlation: float = Field(default=LEAST_CORRELATION, ge=-1, le=1)
    leave_out: dict[str, str] = Field(default_factory=dict)
    rivals: dict[str, Listed[str]] = Field(default_factory=dict)
    rival_margin: float = Field(default=RIVAL_MARGIN, ge=0, le=1)

    def contradictions(self) -> Iterator[str]:
        for tag, names in self.rivals.items():
            if odd := [name for name in names if name[:1] == "@" and name[1:] not in CATEGORIES]:
                yield f"rivals.{tag}: {', '.join(odd)}: categories are {', '.join(CATEGORIES)}"

    def rivals_among(self, tags: Sequence[Tag]) -> dict[str, tuple[str, ...]]:
        """The rivals by name, where the student has these tags; degrees are nobody's rivals.

        >>> tags = [Tag("speech"), Tag("jazz", category="genre"), Tag("rock", category="genre")]
        >>> CardText(name="made", rivals={"speech": ("@genre",)}).rivals_among(tags)
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
    return CardText.from_document(document, str(path))
