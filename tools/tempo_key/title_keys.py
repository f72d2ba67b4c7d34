"""Keys that titles of classical pieces tell."""

from __future__ import annotations

import re

from earmark.core.musical_key import MusicalKey

_NOTES = {"do": "C", "re": "D", "ré": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_IN = re.compile(
    r"\bin\s+([A-G]|do|r[eé]|mi|fa|sol|la|si)(?:[\s-]*(flat|sharp|b|#))?(?=\W|$)(?:[\s-]*(major|minor|maggiore|minore))?",
    re.IGNORECASE,
)


def key_in_title(title: str) -> MusicalKey | None:
    """The key that a title tells, also in Italian; major where it tells no mode. None where it tells none.

    >>> [key_in_title(title).name for title in ("Chopin Prelude In C Sharp Minor Opus 28", "Oboe Quartet in F (K370) - Allegro")]
    ['C# minor', 'F major']
    >>> [key_in_title(title).id3 for title in ("Sonata in Bb: Allegro - RV 43", "Sinfonia In Re Minore", "Intermezzo in E flat Major")]
    ['Bb', 'Dm', 'Eb']
    >>> key_in_title("If I were pope")
    """
    match = _IN.search(title)
    if match is None:
        return None
    note, accidental, mode = (part or "" for part in match.groups())
    if not accidental and not mode and (note.lower() in _NOTES or note.islower()):
        return None
    note = _NOTES.get(note.lower(), note.upper())
    sign = {"flat": "b", "sharp": "#"}.get(accidental.lower(), accidental.lower())
    return MusicalKey.parse(f"{note}{sign} {'minor' if mode.lower().startswith('minor') else 'major'}")
