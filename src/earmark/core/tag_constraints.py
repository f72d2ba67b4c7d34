"""Constraints between tags: which exclude each other, and which require another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError

_OPPOSITES = (("fast", "slow"), ("loud", "quiet"), ("loud", "soft"), ("major", "minor"))
_NO_VOICES = ("no vocals", "no vocal", "no voice", "no singing", "instrumental")
_VOICES = ("vocals", "vocal", "voice", "singing")
_NEED_A_VOICE = (
    *(f"{who} {what}" for who in ("male", "female") for what in (*_VOICES, "vocalist", "vocalists", "singer")),
    "man singing",
    "woman singing",
)


@dataclass(frozen=True)
class TagConstraints:
    """Which tags of a vocabulary exclude or require each other. They filter tags, and never change scores.

    Attributes:
        exclusive: groups of tag names; of each group only the tag with the highest score is kept.
        requires: tag name -> name of the tag that it requires.
    """

    exclusive: tuple[tuple[str, ...], ...] = ()
    requires: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [
            f"exclusive group {list(group)}: must be two or more tags"
            for group in self.exclusive
            if len(set(group)) < 2
        ]
        for group in self.exclusive:
            problems += [
                f"exclusive group {list(group)}: {name!r} is in it twice"
                for name in sorted(set(group))
                if group.count(name) > 1
            ]
        for tag in self.requires:
            needed, seen = self.requires.get(tag), {tag}
            while needed is not None and needed not in seen:
                seen.add(needed)
                if any(tag in group and needed in group for group in self.exclusive):
                    problems.append(f"{tag!r} needs {needed!r}, and both exclude each other")
                needed = self.requires.get(needed)
            if needed == tag:
                problems.append(f"{tag!r} needs itself, in a circle")
        if problems:
            raise ConfigError(problems)

    def __bool__(self) -> bool:
        return bool(self.exclusive or self.requires)

    def problems(self, names: Sequence[str]) -> list[str]:
        """Problems of these rules with a vocabulary of these names, one line each."""
        mentioned = [name for group in self.exclusive for name in group]
        mentioned += [name for pair in self.requires.items() for name in pair]
        return [f"rules: no tag {name!r}" for name in dict.fromkeys(mentioned) if name not in names]

    def keep(
        self, holding: npt.NDArray[np.bool_], scores: npt.NDArray[Any], names: Sequence[str]
    ) -> npt.NDArray[np.bool_]:
        """Of the tags that reach their thresholds, those that do not contradict each other.

        A group's highest score counts even if it does not reach its own threshold: a tag that is less likely than its
        opposite is dropped. Of equal scores the first in the group wins.

        Args:
            holding: ``(n_tags,)`` which reach their thresholds.
            scores: ``(n_tags,)``.
            names: of the tags.
        """
        kept = holding.copy()
        place = {name: i for i, name in enumerate(names)}
        for group in self.exclusive:
            members = [place[name] for name in group if name in place]
            if members:
                best = max(members, key=lambda i: float(scores[i]))
                kept[[i for i in members if i != best]] = False
        changed = True
        while changed:
            lost = [
                place[tag]
                for tag, needed in self.requires.items()
                if tag in place and kept[place[tag]] and not (needed in place and kept[place[needed]])
            ]
            kept[lost] = False
            changed = bool(lost)
        return kept


def default_constraints(names: Sequence[str]) -> TagConstraints:
    """Rules from the names of tags: opposites, "X" and "no X", kinds of voices that require a voice.

    >>> default_constraints(["vocals", "no vocals", "male vocals", "fast", "slow"])
    TagConstraints(exclusive=(('vocals', 'no vocals'), ('fast', 'slow')), requires={'male vocals': 'vocals'})
    """
    there = set(names)
    groups: list[tuple[str, ...]] = []
    voices = tuple(name for name in names if name in _VOICES)
    silent = tuple(name for name in names if name in _NO_VOICES)
    # Words for a voice do not exclude each other; each excludes every word for none.
    groups += [(voice, none) for voice in voices for none in silent]
    groups += [pair for pair in _OPPOSITES if there.issuperset(pair)]
    groups += [(name, f"no {name}") for name in names if f"no {name}" in there and (name, f"no {name}") not in groups]
    singers = [name for name in names if name in _NEED_A_VOICE]
    if not voices:  # without a word for a voice, a singer at least excludes that there is none
        groups += [(singer, none) for singer in singers for none in silent]
    return TagConstraints(tuple(groups), dict.fromkeys(singers, voices[0]) if voices else {})
