"""Rules between tags that follow from their names, and from a tree of genres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from earmark.core.tag_constraints import RIVAL_MARGIN, TagConstraints

_OPPOSITES = (("fast", "slow"), ("loud", "quiet"), ("loud", "soft"), ("major", "minor"))
_NO_VOICES = ("no vocals", "no vocal", "no voice", "no singing", "instrumental")
_VOICES = ("vocals", "vocal", "voice", "singing")
_KINDS_OF_VOICES = (
    *(f"{who} {what}" for who in ("male", "female") for what in (*_VOICES, "vocalist", "vocalists", "singer")),
    "man singing",
    "woman singing",
    "child vocals",
    "choir",
    "rapping",
)


def default_constraints(
    names: Sequence[str],
    parents: Mapping[str, Sequence[str]] | None = None,
    rivals: Mapping[str, Sequence[str]] | None = None,
    rival_margin: float = RIVAL_MARGIN,
) -> TagConstraints:
    """Rules from the names of tags (opposites, "X" and "no X", kinds of voices that imply a voice) and from tables.

    Args:
        names: the vocabulary.
        parents: tag -> more general tags; of other tags, too: see :func:`parents_within`.
        rivals: tag -> tags that it silences; tags that are not among the names are left out.
        rival_margin: see :class:`earmark.core.tag_constraints.TagConstraints`.

    Examples:
        >>> rules = default_constraints(["vocals", "no vocals", "male vocals", "fast", "slow"])
        >>> rules.exclusive, rules.parents
        ((('vocals', 'no vocals'), ('fast', 'slow')), {'male vocals': ('vocals',)})
        >>> default_constraints(["rock", "pop", "punk"], {"punk": ["rock"]}, {"rock": ["pop", "jazz"]}).rivals
        {'rock': ('pop',)}
    """
    there = set(names)
    groups: list[tuple[str, ...]] = []
    voices = tuple(name for name in names if name in _VOICES)
    silent = tuple(name for name in names if name in _NO_VOICES)
    # Words for a voice do not exclude each other; each excludes every word for none.
    groups += [(voice, none) for voice in voices for none in silent]
    groups += [pair for pair in _OPPOSITES if there.issuperset(pair)]
    groups += [(name, f"no {name}") for name in names if f"no {name}" in there and (name, f"no {name}") not in groups]
    singers = [name for name in names if name in _KINDS_OF_VOICES]
    if not voices:  # without a word for a voice, a singer at least excludes that there is none
        groups += [(singer, none) for singer in singers for none in silent]
    tree = parents_within(parents or {}, names)
    if voices:
        tree = dict.fromkeys(singers, voices[:1]) | tree
    kept = {
        tag: tuple(name for name in others if name in there) for tag, others in (rivals or {}).items() if tag in there
    }
    kept = {tag: others for tag, others in kept.items() if others}
    return TagConstraints(tuple(groups), parents=tree, rivals=kept, rival_margin=rival_margin)


def parents_within(parents: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tree of a part of its tags: instead of a parent that is not among the names, the parents of that one.

    >>> tree = {"heavy metal": ("metal",), "metal": ("rock",), "disco": ("dance",)}
    >>> parents_within(tree, ["rock", "heavy metal", "disco"])
    {'heavy metal': ('rock',)}
    """

    def within(tag: str) -> Iterable[str]:
        for parent in parents.get(tag, ()):
            yield from (parent,) if parent in names else within(parent)

    found = {name: tuple(dict.fromkeys(within(name))) for name in names}
    return {name: above for name, above in found.items() if above}
