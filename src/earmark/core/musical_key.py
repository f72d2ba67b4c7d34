"""Musical keys: a tonic and a mode, their names and codes, and which keys mix.

Keys lie on the circle of fifths. DJ programs number it: Camelot codes (8B is C major, 8A is A minor) and Open Key codes
(1d and 1m) differ by where they begin. Keys next to each other there share six of seven notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from earmark.core.errors import ConfigError

Mode = Literal["major", "minor"]

# The spelling with the fewest accidentals; of the two with six each, the one that DJ programs write.
_NAMES: dict[Mode, tuple[str, ...]] = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}
_CODE_MODES: dict[str, tuple[Mode, int]] = {"A": ("minor", 8), "B": ("major", 8), "M": ("minor", 1), "D": ("major", 1)}
_CODE = re.compile(r"0?([1-9]|1[0-2])\s*([ABMD])", re.IGNORECASE)
_NOTE = re.compile(r"([A-Ga-g])[\s-]*(#|b|sharp|flat|)[\s:_-]*(m|M|(?i:min|minor|maj|major)|)")
_FIFTH = 7
"""Semitones of a fifth."""
_RELATIVE = 3
"""Semitones from the tonic of a minor key to that of its relative major."""


@dataclass(frozen=True)
class MusicalKey:
    """A major or minor key.

    Args:
        tonic: pitch class, 0..11; 0 is C, 1 is C# or Db.
        mode: "major" or "minor".

    Raises:
        ConfigError: another tonic or mode.

    Examples:
        >>> key = MusicalKey(6, "minor")
        >>> key.name, key.id3, key.camelot, key.open_key
        ('F# minor', 'F#m', '11A', '4m')
    """

    tonic: int
    mode: Mode

    def __post_init__(self) -> None:
        if self.tonic not in range(12) or self.mode not in get_args(Mode):
            raise ConfigError(f"key {self.tonic} {self.mode}: a tonic from 0 (C) to 11 (B), major or minor, is allowed")

    def __str__(self) -> str:
        return self.name

    @property
    def note(self) -> str:
        """The tonic, spelled as usual in this key: "F#", "Bb"."""
        return _NAMES[self.mode][self.tonic]

    @property
    def name(self) -> str:
        """Note and mode: "F# minor", "Bb major"."""
        return f"{self.note} {self.mode}"

    @property
    def id3(self) -> str:
        """As ID3 has it in TKEY, and INITIALKEY of other formats: "F#m", "Bb"."""
        return self.note + ("m" if self.mode == "minor" else "")

    @property
    def camelot(self) -> str:
        """The Camelot code: "8B" for C major, "8A" for A minor."""
        return f"{(self._fifths + 7) % 12 + 1}{'A' if self.mode == 'minor' else 'B'}"

    @property
    def open_key(self) -> str:
        """The Open Key code: "1d" for C major, "1m" for A minor."""
        return f"{self._fifths + 1}{'m' if self.mode == 'minor' else 'd'}"

    @property
    def _fifths(self) -> int:
        """Fifths from C major to this key or its relative major, 0..11."""
        return (self.tonic + (_RELATIVE if self.mode == "minor" else 0)) * _FIFTH % 12

    def transposed(self, semitones: int) -> MusicalKey:
        """This key, so many semitones higher.

        Args:
            semitones: below 0 for lower.

        Returns:
            The key.

        Examples:
            >>> MusicalKey(9, "minor").transposed(-3).id3
            'F#m'
        """
        return MusicalKey((self.tonic + semitones) % 12, self.mode)

    @property
    def relative(self) -> MusicalKey:
        """The key of the other mode with the same notes.

        Examples:
            >>> MusicalKey(0, "major").relative.name
            'A minor'
        """
        if self.mode == "major":
            return MusicalKey((self.tonic - _RELATIVE) % 12, "minor")
        return MusicalKey((self.tonic + _RELATIVE) % 12, "major")

    def neighbours(self) -> tuple[MusicalKey, ...]:
        """The keys that mix with this one: itself, a fifth up and down, the relative key.

        Examples:
            >>> [key.camelot for key in MusicalKey(9, "minor").neighbours()]
            ['8A', '9A', '7A', '8B']
        """
        return self, self.transposed(_FIFTH), self.transposed(-_FIFTH), self.relative

    def steps_to(self, other: MusicalKey) -> int:
        """Steps on the wheel: fifths, and one for another mode.

        Args:
            other: another key.

        Returns:
            0 for the same key, 1 for the others of :meth:`neighbours`, at most 7.

        Examples:
            >>> MusicalKey.parse("8A").steps_to(MusicalKey.parse("10B"))
            3
        """
        apart = abs(self._fifths - other._fifths)
        return min(apart, 12 - apart) + (self.mode != other.mode)

    @classmethod
    def parse(cls, text: str) -> MusicalKey:
        """A key in any usual notation.

        Args:
            text: a note with # or b (♯, ♭, sharp, flat) and m, min, minor, M, maj, major or nothing for major; a Camelot code
                or an Open Key code. The case matters only between m and M.

        Returns:
            The key.

        Raises:
            ConfigError: something else.

        Examples:
            >>> {MusicalKey.parse(text).id3 for text in ("F#m", "gb minor", "F♯:min", "F-sharp minor", "11A", "4m")}
            {'F#m'}
        """
        plain = text.strip().replace("♯", "#").replace("♭", "b")
        if found := _CODE.fullmatch(plain):
            mode, origin = _CODE_MODES[found[2].upper()]
            major = cls((int(found[1]) - origin) * _FIFTH % 12, "major")
            return major if mode == "major" else major.relative
        if found := _NOTE.fullmatch(_lower_words(plain)):
            letter, accidental, ending = found.groups()
            accidental = {"sharp": "#", "flat": "b"}.get(accidental, accidental)
            tonic = (_LETTERS[letter.upper()] + _ACCIDENTALS[accidental]) % 12
            return cls(tonic, "minor" if ending == "m" or ending.lower().startswith("min") else "major")
        raise ConfigError(
            f"key {text!r}: a note and mode such as F#m, Bb or F# minor, a Camelot code such as 11A "
            "or an Open Key code such as 4m is allowed"
        )


def _lower_words(text: str) -> str:
    """Sharp and flat in lower case, and an upper-case B behind a note as the flat that it is meant for."""
    text = re.sub(r"(?i)sharp|flat", lambda word: word[0].lower(), text)
    return re.sub(r"^([A-Ga-g])B", r"\1b", text)


KEYS = tuple(MusicalKey(tonic, mode) for mode in get_args(Mode) for tonic in range(12))
"""All 24 keys: major ones from C on, then minor ones."""
