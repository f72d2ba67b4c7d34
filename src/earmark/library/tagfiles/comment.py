"""Key and energy in the comment, where DJ programs look: "11A - Energy 7", as Mixed In Key writes it, in front of what is there.

The first part is the Camelot code, the second the energy from 1 to 10.
"""

from __future__ import annotations

import math
import re

from earmark.core.musical_key import MusicalKey

_LEVELS = 10
_BETWEEN = " - "
_OURS = re.compile(r"(?:1[0-2]|0?[1-9])[AB](?: - (?:Energy )?(?:10|[1-9]))?(?= - |$)")


def comment_text(key: MusicalKey, energy: float | None) -> str:
    """The text for a key and an energy, 0..1; without one, the key alone.

    >>> comment_text(MusicalKey(6, "minor"), 0.66)
    '11A - Energy 7'
    """
    if energy is None:
        return key.camelot
    return f"{key.camelot}{_BETWEEN}Energy {min(_LEVELS, max(1, math.ceil(round(energy * _LEVELS, 6))))}"


def with_comment(before: tuple[str, ...], text: str, *, replacing: bool) -> tuple[str, ...]:
    """The comment with the text in front. What else is in it stays.

    Args:
        before: the comment; of several the first is changed.
        text: of :func:`comment_text`.
        replacing: whether a key and energy that are there already give way; otherwise they stay.

    >>> with_comment(("great intro",), "11A - Energy 7", replacing=False)
    ('11A - Energy 7 - great intro',)
    >>> with_comment(("8A - Energy 5 - great intro",), "11A - Energy 7", replacing=True)
    ('11A - Energy 7 - great intro',)
    """
    if not before:
        return (text,)
    first, *others = before
    if (there := _OURS.match(first)) is None:
        return (f"{text}{_BETWEEN}{first}", *others)
    return (text + first[there.end() :], *others) if replacing else before
