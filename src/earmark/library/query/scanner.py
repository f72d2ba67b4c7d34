"""The tokens of a query's text: words, quotes, numbers, times, tempos, keys, comparisons."""

from __future__ import annotations

import math
import re
from typing import NoReturn

from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey
from earmark.library.query.nodes import COMPARISONS, Comparison, Problem, QueryError

WORD = re.compile(r'[^\s()<>=:"]+')
VALUE = re.compile(r'[^\s()"]+')
SPACE = re.compile(r"\s*")
NEAR = re.compile(r"(bpm|key)\s*~\s*", re.IGNORECASE)
KEY_NAME = re.compile(r'[^\s()"]+(?:\s+(?:min|minor|maj|major)\b)?', re.IGNORECASE)
_COMPARISON = re.compile(r"[<>=]+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(s|sec|m|min|h)")
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-5][0-9](?:\.[0-9]+)?)")
_SECONDS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TEMPO = re.compile(r"([0-9]+(?:\.[0-9]*)?)(?:[-\N{EN DASH}]([0-9]+(?:\.[0-9]*)?))?")
_NEAR_SHARE = 0.04
"""How far a tempo may be from the one that it is near to."""
TEMPOS = "such as 124, 123.5 or 120-130"
TIMES = "such as 90s, 5m, 1.5h or 3:30"


class Scanner:
    """Reads tokens one after the other.

    Attributes:
        text: the query.
        at: where the next token begins.
        problems: problems so far that do not keep it from reading on.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.problems: list[Problem] = []

    def comparison(self) -> Comparison | None:
        """The comparison that comes next, after optional white space; None where there is none."""
        before = self.at
        self.skip_space()
        start = self.at
        written = self.match(_COMPARISON)
        for comparison in COMPARISONS:
            if written == comparison:
                return comparison
        if written:
            self.fail(f"{written} is no comparison; there are {', '.join(COMPARISONS)}", start, self.at)
        self.at = before
        return None

    def number(self, *, degree: bool = False) -> float:
        """A score, 0..1; of a degree also written as 0 to 100: what is above 1, or has a % behind it."""
        start, text = self._value("a number from 0 to 100" if degree else "a number from 0 to 1")
        digits = text.removesuffix("%") if degree else text
        number = float(digits) if _NUMBER.fullmatch(digits) else -1.0
        if degree and (number > 1 or digits != text):
            number /= 100
        if not 0 <= number <= 1:
            allowed = "degree; degrees are numbers from 0 to 100" if degree else "score; scores are numbers from 0 to 1"
            self.fail(f"{text!r} is no {allowed}", start, self.at)
        return number

    def bpm(self) -> float:
        """A tempo to compare with."""
        start, text = self._value("a tempo such as 124")
        if not _NUMBER.fullmatch(text):
            self.fail(f"{text!r} is no tempo; a number of beats per minute is one, such as 124", start, self.at)
        return float(text)

    def tempo_range(self, *, near: bool) -> tuple[float, float]:
        """A tempo, or two with a dash between: the least and the most that are meant.

        One tempo alone means what is shown as that number, or with ``near`` what is at most 4 % from it.
        """
        start, text = self._value(f"a tempo {TEMPOS}")
        found = _TEMPO.fullmatch(text)
        if found is None:
            self.fail(f"{text!r} is no tempo; tempos are written {TEMPOS}, in beats per minute", start, self.at)
        low, high = float(found[1]), float(found[2] or found[1])
        if low > high:
            self.fail(f"{text!r}: the lower tempo comes first, as in {found[2]}-{found[1]}", start, self.at)
        if found[2] is not None:
            return low, high
        if near:
            return round(low * (1 - _NEAR_SHARE), 3), round(low * (1 + _NEAR_SHARE), 3)
        return (low, high) if "." in text else (low - 0.5, low + 0.4)  # tempos have one decimal

    def musical_key(self) -> MusicalKey:
        """A key in any notation."""
        start = self.at
        text = self.quoted() if self.text[self.at : self.at + 1] == '"' else self.match(KEY_NAME)
        if not text:
            self.fail("a key is missing here, such as 8A or F#m", start, start + 1)
        try:
            return MusicalKey.parse(text)
        except ConfigError as error:
            self.fail(str(error), start, self.at)

    def seconds(self) -> float:
        """A time, in seconds."""
        start, text = self._value(f"a time {TIMES}")
        if (match := _LENGTH.fullmatch(text.casefold())) is not None:
            seconds = float(match[1]) * _SECONDS[match[2]]
        elif (match := _CLOCK.fullmatch(text)) is not None:
            seconds = float(match[1] or 0) * 3600 + float(match[2]) * 60 + float(match[3])
        else:
            seconds = math.inf
        if math.isinf(seconds):
            unit = "; say its unit" if _NUMBER.fullmatch(text) else ""
            self.fail(f"{text!r} is no time{unit}; times are written {TIMES}", start, self.at)
        return seconds

    def _value(self, wanted: str) -> tuple[int, str]:
        end = self.at
        self.skip_space()
        start = self.at
        text = self.match(VALUE)
        if not text:
            self.fail(f"{wanted} is missing here", end, end + 1)
        return start, text

    def quoted(self) -> str:
        """The text between the quotes that start here."""
        start = self.at
        characters = []
        at = start + 1
        while at < len(self.text) and self.text[at] != '"':
            if self.text[at] == "\\" and self.text[at + 1 : at + 2] in ("\\", '"'):
                at += 1
            characters.append(self.text[at])
            at += 1
        if at >= len(self.text):
            self.fail("this quote is never closed", start, start + 1)
        self.at = at + 1
        if not characters:
            self.fail("there is nothing between these quotes", start, self.at)
        return "".join(characters)

    def keyword(self, keyword: str) -> int | None:
        """Where the keyword begins, if it comes next and no colon follows it."""
        space = SPACE.match(self.text, self.at)
        at = space.end() if space else self.at
        word = WORD.match(self.text, at)
        if word is None or word[0].casefold() != keyword or self.text[word.end() : word.end() + 1] == ":":
            return None
        return at

    def skip_space(self) -> None:
        """Skip white space."""
        self.match(SPACE)

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what the pattern matches here; empty where it does not match."""
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def fail(self, message: str, start: int, end: int) -> NoReturn:
        """Raise QueryError with this problem and those found before."""
        raise QueryError(self.text, [*self.problems, Problem(message, start, end)])
