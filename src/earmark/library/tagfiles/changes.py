"""Plan what is written into a file, from its current tags, its scores, and the user's policy. Nothing is read or written."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey
from earmark.core.tag_words import loose_key, written_name
from earmark.library.tagfiles.comment import comment_text, with_comment
from earmark.library.tagfiles.formats.base import (
    DEGREE_FIELDS,
    FIELDS,
    OWN_FIELDS,
    SHARED_FIELDS,
    SINGLE_FIELDS,
    Field,
    Values,
)
from earmark.library.tagfiles.mapping import TagMapping
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

_LEAST_COLUMNS = 7

Mode = Literal["fill", "merge", "overwrite"]
"""fill: only empty fields. merge: add missing values. overwrite: replace existing values."""


KeyNotation = Literal["note", "camelot", "open_key"]
"""note: "F#m", as ID3 has it. camelot: "11A". open_key: "4m". Programs that show the field as it is show that."""


@dataclass(frozen=True)
class WritePolicy:
    """What the user wants written.

    Attributes:
        mapping: which tags are written, and as which words.
        mode: see :data:`Mode`. Fields of our own are always updated.
        threshold: lowest score of a tag, 0 to 1; None for each tag's own from the model's card. A tag for which the card
            has none is then written only where another implies it. Degrees are no tags, and have fields of their own.
        max_genres, max_moods: most values written into these fields, highest scores first; 0 writes none.
        scores: also write scores, degrees, and the model's name into fields of our own.
        tempo, key: write them where they are known.
        key_notation: how the key is written, see :data:`KeyNotation`.
        comment: also write key and energy in front of the comment, see :mod:`earmark.library.tagfiles.comment`.
    """

    mapping: TagMapping
    mode: Mode = "fill"
    threshold: float | None = None
    max_genres: int = 2
    max_moods: int = 3
    scores: bool = True
    tempo: bool = True
    key: bool = True
    key_notation: KeyNotation = "note"
    comment: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.mode not in get_args(Mode):
            problems.append(f"mode {self.mode!r}: must be one of {', '.join(get_args(Mode))}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            problems.append(f"threshold {self.threshold}: must be a number from 0 to 1")
        if self.key_notation not in get_args(KeyNotation):
            problems.append(f"key_notation {self.key_notation!r}: must be one of {', '.join(get_args(KeyNotation))}")
        for name in ("max_genres", "max_moods"):
            if getattr(self, name) < 0:
                problems.append(f"{name} {getattr(self, name)}: must be 0 or more")
        if problems:
            raise ConfigError(problems)

    def max_values(self, field: Field) -> int:
        """Most values that are written into a field that is shared with other programs."""
        return self.max_genres if field == "genre" else self.max_moods


@dataclass(frozen=True)
class Change:
    """One field of a file, before and after."""

    field: Field
    before: Values
    after: Values


@dataclass(frozen=True)
class Kept:
    """A field that keeps its values, though the scores suggest others."""

    field: Field
    values: Values
    suggested: Values


@dataclass(frozen=True)
class Plan:
    """The changes of one file.

    Attributes:
        changes: fields that change, in the order of :data:`earmark.library.tagfiles.fields.FIELDS`.
        kept: fields with existing values, which only ``--merge`` or ``--overwrite`` would change.
    """

    changes: tuple[Change, ...] = ()
    kept: tuple[Kept, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)


def wanted_values(
    card: ModelCard,
    scores: npt.ArrayLike,
    policy: WritePolicy,
    tempo: Tempo | None = None,
    key: KeyEstimate | None = None,
) -> dict[Field, Values]:
    """Values for each field from the scores ``(n_tags,)`` of a file, highest scores first; empty where no tag reaches them.

    With the thresholds of the card, its rules apply, too: values never contradict each other, and what they imply is
    among them: a genre brings the wider one that it belongs to, as a value of its own behind it.
    """
    values = np.asarray(scores, np.float64)
    names = card.vocabulary.names
    reached = values >= np.array([_threshold(name, card, policy) for name in names])
    if policy.threshold is None:
        reached = card.rules.keep(reached, values, names)
    reached[[card.vocabulary.index(name) for name in card.degrees]] = False
    applied = [names[i] for i in np.argsort(-values, kind="stable") if reached[i] and policy.mapping.allows(names[i])]
    wanted: dict[Field, Values] = {}
    for field in SHARED_FIELDS:
        words = dict.fromkeys(
            word for tag in _with_wider(applied, card) for word in policy.mapping.words_for(field, tag)
        )
        wanted[field] = tuple(words)[: policy.max_values(field)]
    score = dict(zip(names, values, strict=True))
    wanted["scores"] = tuple(f"{tag}={score[tag]:.3f}" for tag in applied) if policy.scores else ()
    degrees = {name: score[name] for name in card.degrees} if values.any() else {}
    for degree in DEGREE_FIELDS:
        wanted[degree] = (f"{100 * degrees[degree]:.0f}",) if policy.scores and degree in degrees else ()
    has_own = wanted["scores"] or any(wanted[degree] for degree in DEGREE_FIELDS)
    wanted["model"] = (f"{card.name} {card.version}",) if has_own else ()
    bpm = tempo.bpm if tempo is not None and policy.tempo else None
    wanted["bpm"] = () if bpm is None else (f"{math.floor(bpm + 0.5)}",)
    wanted["tempo"] = () if bpm is None else (f"{bpm:.1f}",)
    known = key.key if key is not None and policy.key else None
    names_of_key = {} if known is None else {"note": known.id3, "camelot": known.camelot, "open_key": known.open_key}
    wanted["key"] = () if known is None else (names_of_key[policy.key_notation],)
    if policy.comment and key is not None and key.key is not None:
        wanted["comment"] = (comment_text(key.key, degrees.get("energy")),)
    return wanted


def _with_wider(applied: Sequence[str], card: ModelCard) -> list[str]:
    """Each tag with those that it implies behind it, the highest of several, at the first place where one comes."""

    def chain(tag: str) -> Iterator[str]:
        yield tag
        wider = card.rules.parents.get(tag, ())
        if (best := next((each for each in applied if each in wider), None)) is not None:
            yield from chain(best)

    return list(dict.fromkeys(each for tag in applied for each in chain(tag)))


def _threshold(tag: str, card: ModelCard, policy: WritePolicy) -> float:
    return card.thresholds.get(tag, np.inf) if policy.threshold is None else policy.threshold


def plan(
    current: Mapping[Field, Values],
    wanted: Mapping[Field, Values],
    mode: Mode,
    ours: Mapping[Field, Collection[str]] | None = None,
) -> Plan:
    """The changes from current to wanted values that a mode allows.

    Args:
        current: what the file holds.
        wanted: what it should hold, see :func:`wanted_values`.
        mode: see :data:`Mode`.
        ours: values that earmark wrote into the file, see :func:`earmark.library.tagfiles.undo.own_values`. Those that
            are wanted in another spelling ("Rnb" is "R&B" today) get it, whatever the mode.
    """
    changes, kept = [], []
    for field in FIELDS:
        before, want = current.get(field, ()), wanted.get(field, ())
        if not want:
            continue
        if field in SINGLE_FIELDS or field == "comment":
            after = _single(field, before, want, mode, (ours or {}).get(field, ()))
            if after == before and not _same(field, before, want):
                kept.append(Kept(field, before, want))
            if after != before:
                changes.append(Change(field, before, after))
            continue
        spelled = {_name_key(value): value for value in want}
        own = (ours or {}).get(field, ())
        respelled = tuple(
            dict.fromkeys(spelled.get(_name_key(value), value) if value in own else value for value in before)
        )
        new = tuple(value for value in want if _name_key(value) not in _present(before))
        if field in OWN_FIELDS or mode == "overwrite" or not before:
            after = want
        elif mode == "merge":
            after = respelled + new
        else:
            after = respelled
            if new:
                kept.append(Kept(field, respelled, want))
        if after != before:
            changes.append(Change(field, before, after))
    return Plan(tuple(changes), tuple(kept))


def _single(field: Field, before: Values, want: Values, mode: Mode, own: Collection[str]) -> Values:
    """The new value of a field that has one: what others wrote stays, unless it is to be overwritten."""
    is_own = set(before) <= {*own}
    if field == "comment":
        return with_comment(before, want[0], replacing=mode == "overwrite" or is_own)
    if _same(field, before, want):
        return before
    return want if mode == "overwrite" or is_own or _is_zero(before) else before


def _same(field: Field, before: Values, want: Values) -> bool:
    """Whether a field says already what is wanted: a BPM of "124.00", a key in another notation."""
    if field == "comment":
        return with_comment(before, want[0], replacing=True) == before
    try:
        if field == "bpm":
            return [math.floor(float(value) + 0.5) for value in before] == [int(value) for value in want]
        return [MusicalKey.parse(value) for value in before] == [MusicalKey.parse(value) for value in want]
    except (ConfigError, ValueError, OverflowError):
        return before == want


def _is_zero(values: Values) -> bool:
    """Whether a BPM is 0, which iTunes writes where it knows none."""
    return all(not value.strip("0. ") for value in values)


def _present(values: Values) -> set[str]:
    """Values that a field has already, also as parts of "a; b", by their keys."""
    return {_name_key(part) for value in values for part in (value, *value.split(";"))}


def _name_key(value: str) -> str:
    """Equal for spellings of one name: R&B, Rnb, r'n'b."""
    return loose_key(written_name(value.strip()))


def diff_lines(plan: Plan) -> list[str]:
    """A plan as text, one line per field. ``|`` separates values."""
    fields = [*(item.field for item in plan.changes), *(item.field for item in plan.kept)]
    wide = max(_LEAST_COLUMNS, *map(len, fields), 0)
    lines = [f"{item.field:<{wide}} {_shown(item.before)} -> {_shown(item.after)}" for item in plan.changes]
    lines += [
        f"{item.field:<{wide}} {_shown(item.values)} stays (suggested: {_shown(item.suggested)})" for item in plan.kept
    ]
    return lines


def _shown(values: Values) -> str:
    return " | ".join(_printable(value) for value in values) or "(none)"


def _printable(text: str) -> str:
    """The text with characters that a terminal cannot show as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
