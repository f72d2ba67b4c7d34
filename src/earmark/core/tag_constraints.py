"""Rules between tags: which exclude, imply or require each other, and which a clear winner silences.

:meth:`TagConstraints.keep` applies them. It is used wherever tags are selected by the card's thresholds: ``earmark tag``,
``write``, ``search``, ``stats``, the service, the cluster. The page has the same in ``web/src/scores.ts``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError

RIVAL_MARGIN = 0.1

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TagConstraints:
    """Rules between the tags of a vocabulary. They select tags, and never change scores.

    Attributes:
        exclusive: groups of tag names; of each group only the tag with the highest score is kept.
        requires: tag name -> name of a tag without which it is dropped. ``parents`` says the same in a way that loses
            nothing; this is kept for cards that have it.
        parents: tag name -> more general tags, e.g. ``{"techno": ("electronic",)}``. A tag that is kept brings its parent,
            the one with the highest score where there are several.
        rivals: tag name -> tags that it silences where it clearly wins.
        rival_margin: by how much its score must be above theirs for that, 0 to 1.

    Raises:
        ConfigError: rules that contradict each other, or go in a circle; all problems at once.
    """

    exclusive: tuple[tuple[str, ...], ...] = ()
    requires: dict[str, str] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rivals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rival_margin: float = RIVAL_MARGIN

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
        problems += self._problems_of_links("needs", {tag: (needed,) for tag, needed in self.requires.items()})
        for what, table in (("parents", self.parents), ("rivals", self.rivals)):
            for tag, names in table.items():
                if isinstance(names, str) or not names or len(set(names)) < len(names) or tag in names:
                    problems.append(f"{what} of {tag!r}: must be a list of one or more other tags, is {names!r}")
        if not problems:
            problems += self._problems_of_links("implies", self.parents)
        if not problems:
            above = {tag: self._reachable(tag, self.parents) for tag in self.parents}
            problems += [
                f"{tag!r} and its rival {rival!r}: one implies the other"
                for tag, rivals in self.rivals.items()
                for rival in rivals
                if rival in above.get(tag, ()) or tag in above.get(rival, ())
            ]
        if not 0 <= self.rival_margin <= 1:
            problems.append(f"rival_margin {self.rival_margin}: must be 0 to 1")
        if problems:
            raise ConfigError(problems)

    def __bool__(self) -> bool:
        return bool(self.exclusive or self.requires or self.parents or self.rivals)

    def _problems_of_links(self, verb: str, links: Mapping[str, Sequence[str]]) -> list[str]:
        problems = []
        for tag in links:
            found = self._reachable(tag, links)
            problems += [
                f"{tag!r} {verb} {other!r}, and both exclude each other"
                for other in found
                if other != tag and any(tag in group and other in group for group in self.exclusive)
            ]
            if tag in found:
                problems.append(f"{tag!r} {verb} itself, in a circle")
        return problems

    @staticmethod
    def _reachable(tag: str, links: Mapping[str, Sequence[str]]) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(links.get(tag, ()))
        while waiting:
            if (name := waiting.pop(0)) not in found:
                found[name] = None
                waiting += links.get(name, ())
        return list(found)

    @cached_property
    def _bottom_up(self) -> tuple[str, ...]:
        """Tags with parents, each before its parents: more tags imply these."""
        n_below = Counter(name for tag in self.parents for name in self._reachable(tag, self.parents))
        return tuple(sorted(self.parents, key=lambda tag: n_below[tag]))

    @cached_property
    def _mentioned(self) -> tuple[str, ...]:
        """All tags in these rules, each once."""
        found = [name for group in self.exclusive for name in group]
        found += [name for pair in self.requires.items() for name in pair]
        for table in (self.parents, self.rivals):
            found += [name for tag, others in table.items() for name in (tag, *others)]
        return tuple(dict.fromkeys(found))

    def problems(self, names: Collection[str]) -> list[str]:
        """Problems of these rules with a vocabulary of these names, one line each."""
        return [f"rules: no tag {name!r}" for name in self._mentioned if name not in names]

    def keep(self, reached: Mask, scores: npt.NDArray[Any], names: Sequence[str]) -> Mask:
        """The tags that apply: those that reach their thresholds and what they imply, without contradictions.

        - A tag that is kept brings its parent, and that one its own, whatever their scores are.
        - In an exclusive group the highest score counts, even if it does not reach its own threshold: a tag that is
          less likely than its opposite is dropped. A tag that reaches its threshold also counts for what it implies:
          female vocals of .7 for vocals of .4. Of equal scores the first in the group wins.
        - A tag that reaches its threshold and is not dropped silences its rivals where its score is at least
          ``rival_margin`` above theirs, and above those of tags that imply them and reach their thresholds. The highest
          scores come first; a tag that is silenced silences none.
        - With a tag that is dropped go all that imply it.

        Args:
            reached: ``(n_tags,)`` or ``(n_tags, n_files)``, which reach their thresholds.
            scores: of the same shape.
            names: of the tags.

        Returns:
            Of the same shape: which apply.
        """
        kept = reached.copy()
        place = {name: i for i, name in enumerate(names)}
        used = [name for name in self._mentioned if name in place]
        if used:
            rows = sorted(place[name] for name in used)
            shape = (len(rows), -1)
            selection = _Selection(
                self, reached[rows].reshape(shape), np.asarray(scores)[rows].reshape(shape), [names[i] for i in rows]
            )
            kept[rows] = selection.kept().reshape(kept[rows].shape)
        return kept


class _Selection:
    """:meth:`TagConstraints.keep` for many files: arrays are ``(n_tags, n_files)``."""

    def __init__(self, rules: TagConstraints, reached: Mask, scores: npt.NDArray[Any], names: Sequence[str]) -> None:
        self.rules, self.reached, self.scores = rules, reached, scores
        self.place = {name: i for i, name in enumerate(names)}
        # (tag, parent, files in which it is the likeliest parent, or None for all), tags before their parents
        self.links: list[tuple[int, int, Mask | None]] = []
        for tag in rules._bottom_up:
            if tag in self.place:
                self._link(self.place[tag], self._places(rules.parents[tag]))
        self.barred = np.zeros_like(reached)

    def _places(self, names: Iterable[str]) -> list[int]:
        return [self.place[name] for name in names if name in self.place]

    def _link(self, tag: int, parents: list[int]) -> None:
        if len(parents) == 1:
            self.links.append((tag, parents[0], None))
        elif parents:
            likeliest = np.argmax(self.scores[parents], axis=0)
            self.links += [(tag, parent, likeliest == k) for k, parent in enumerate(parents)]

    def kept(self) -> Mask:
        """Which tags apply."""
        self._bar_losers()
        self._bar_rivals()
        while True:
            kept = self._implied(self.reached & ~self._dropped())
            if not self._bar_unmet(kept):
                return kept

    def _implied(self, said: Mask) -> Mask:
        """These tags and all that they imply."""
        for tag, parent, where in self.links:
            said[parent] |= said[tag] if where is None else said[tag] & where
        return said

    def _dropped(self) -> Mask:
        """Tags that are barred, or imply one that is."""
        dropped = self.barred.copy()
        for tag, parent, where in reversed(self.links):
            dropped[tag] |= dropped[parent] if where is None else dropped[parent] & where
        return dropped

    @cached_property
    def _support(self) -> npt.NDArray[Any]:
        """The highest of a tag's own score and of those that imply it and reach their thresholds."""
        support = self.scores.copy()
        reached = np.where(self.reached, self.scores, -np.inf)
        for tag, parent, where in self.links:
            passed = reached[tag] if where is None else np.where(where, reached[tag], -np.inf)
            np.maximum(reached[parent], passed, out=reached[parent])
            np.maximum(support[parent], passed, out=support[parent])
        return support

    def _bar_losers(self) -> None:
        for group in self.rules.exclusive:
            if members := self._places(group):
                winners = np.argmax(self._support[members], axis=0)
                for k, member in enumerate(members):
                    self.barred[member] |= winners != k

    def _bar_rivals(self) -> None:
        winners = sorted(
            (self.place[tag], self._places(rivals))
            for tag, rivals in self.rules.rivals.items()
            if tag in self.place and self.reached[self.place[tag]].any()
        )
        if not winners:
            return
        tags = [tag for tag, _ in winners]
        least = self._support.astype(np.float64) + self.rules.rival_margin
        # Files differ in the order of the scores: the k-th of each file at the same time.
        order = np.argsort(-self.scores[tags], axis=0, kind="stable")
        for ranks in order:
            free = self.reached & ~self._dropped()
            for k, (tag, rivals) in enumerate(winners):
                wins = free[tag] & (ranks == k)
                self.barred[rivals] |= wins & (self.scores[tag] >= least[rivals])

    def _bar_unmet(self, kept: Mask) -> bool:
        """Bar tags whose required tag is not kept. Was there one?"""
        found = False
        for tag, needed in self.rules.requires.items():
            if tag in self.place:
                there = kept[self.place[needed]] if needed in self.place else np.zeros_like(kept[0])
                unmet = kept[self.place[tag]] & ~there
                self.barred[self.place[tag]] |= unmet
                found |= bool(unmet.any())
        return found


def by_parents(parents: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    """A tree for people: parents -> the tags that have just these.

    >>> by_parents({"metal": ("rock",), "pop rock": ("pop", "rock"), "punk": ("rock",)})
    {('rock',): ['metal', 'punk'], ('pop', 'rock'): ['pop rock']}
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for tag, above in parents.items():
        found.setdefault(above, []).append(tag)
    return found
