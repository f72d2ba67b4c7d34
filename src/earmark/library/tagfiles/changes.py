"""What would be written into a file: pure, from what it holds, what was heard in it, and what the person wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.library.tagfiles.formats.base import FIELDS, OWN_FIELDS, SHARED_FIELDS, Field, Values
from earmark.library.tagfiles.mapping import TagMapping

Mode = Literal["fill", "merge", "overwrite"]
"""fill: empty fields only. merge: add values that are not there. overwrite: replace what is there."""


@dataclass(frozen=True)
class Policy:
    """What a person wants written.

    Attributes:
        mapping: which tags, and under which words.
        mode: see :data:`Mode`. Fields of our own are always kept in step.
        threshold: least score of a tag; None for each tag's own of the model's card. A tag for which the card has
            none is then never written.
        max_genres, max_moods: values of ours in these fields at most, highest scores first; 0 writes none.
        scores: also write scores and the model's name into fields of our own.
    """

    mapping: TagMapping
    mode: Mode = "fill"
    threshold: float | None = None
    max_genres: int = 2
    max_moods: int = 3
    scores: bool = True

    def __post_init__(self) -> None:
        problems = []
        if self.mode not in get_args(Mode):
            problems.append(f"mode {self.mode!r}: must be one of {', '.join(get_args(Mode))}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            problems.append(f"threshold {self.threshold}: must be a number from 0 to 1")
        for name in ("max_genres", "max_moods"):
            if getattr(self, name) < 0:
                problems.append(f"{name} {getattr(self, name)}: must be 0 or more")
        if problems:
            raise ConfigError(problems)

    def at_most(self, field: Field) -> int:
        """Values of ours in a field that is shared with other programs."""
        return self.max_genres if field == "genre" else self.max_moods


@dataclass(frozen=True)
class Change:
    """One field of a file, before and after."""

    field: Field
    before: Values
    after: Values


@dataclass(frozen=True)
class Kept:
    """A field that stays as it is though other values were heard."""

    field: Field
    values: Values
    heard: Values


@dataclass(frozen=True)
class Plan:
    """What would be done to one file.

    Attributes:
        changes: fields that change, in the order of :data:`earmark.library.tagfiles.fields.FIELDS`.
        kept: fields that have values already; ``--merge`` or ``--overwrite`` would change them.
    """

    changes: tuple[Change, ...] = ()
    kept: tuple[Kept, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)


def wanted_values(card: ModelCard, scores: npt.ArrayLike, policy: Policy) -> dict[Field, Values]:
    """What the scores ``(n_tags,)`` of a file say about each field, highest scores first; empty where nothing holds.

    Under the card's thresholds, its rules hold, too: values never contradict each other.
    """
    values = np.asarray(scores, np.float64)
    names = card.vocabulary.names
    reached = values >= np.array([_least(name, card, policy) for name in names])
    if policy.threshold is None:
        reached = card.rules.keep(reached, values, names)
    holding = [names[i] for i in np.argsort(-values, kind="stable") if reached[i] and policy.mapping.allows(names[i])]
    wanted: dict[Field, Values] = {}
    for field in SHARED_FIELDS:
        words = dict.fromkeys(word for tag in holding for word in policy.mapping.of(field, tag))
        wanted[field] = tuple(words)[: policy.at_most(field)]
    score = dict(zip(names, values, strict=True))
    wanted["scores"] = tuple(f"{tag}={score[tag]:.3f}" for tag in holding) if policy.scores else ()
    wanted["model"] = (f"{card.name} {card.version}",) if wanted["scores"] else ()
    return wanted


def _least(tag: str, card: ModelCard, policy: Policy) -> float:
    return card.thresholds.get(tag, np.inf) if policy.threshold is None else policy.threshold


def plan(current: Mapping[Field, Values], wanted: Mapping[Field, Values], mode: Mode) -> Plan:
    """The changes that a mode allows, from what a file holds to what is wanted in it."""
    changes, kept = [], []
    for field in FIELDS:
        before, want = current.get(field, ()), wanted.get(field, ())
        if not want:
            continue
        new = tuple(value for value in want if value.casefold() not in _said(before))
        if field in OWN_FIELDS or mode == "overwrite" or not before:
            after = want
        elif mode == "merge":
            after = before + new
        else:
            after = before
            if new:
                kept.append(Kept(field, before, want))
        if after != before:
            changes.append(Change(field, before, after))
    return Plan(tuple(changes), tuple(kept))


def _said(values: Values) -> set[str]:
    """What a field says already, also as "a; b" in one value."""
    return {part.strip().casefold() for value in values for part in (value, *value.split(";"))}


def diff_lines(plan: Plan) -> list[str]:
    """A plan for people, one line a field. ``|`` stands between values that are stored apart."""
    lines = [f"{item.field:<7} {_shown(item.before)} -> {_shown(item.after)}" for item in plan.changes]
    lines += [f"{item.field:<7} {_shown(item.values)} stays (heard: {_shown(item.heard)})" for item in plan.kept]
    return lines


def _shown(values: Values) -> str:
    return " | ".join(_printable(value) for value in values) or "(none)"


def _printable(text: str) -> str:
    """What a terminal cannot show, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
