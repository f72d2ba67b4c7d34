"""The tokens of a query's text: words, quotes, numbers, times, comparisons."""

from __future__ import annotations

import math
import re
from typing import NoReturn

from earmark.library.query.nodes import COMPARISONS, Comparison, Problem, QueryError

WORD = re.compile(r'[^\s()<>=:"]+')
VALUE = re.compile(r'[^\s()"]+')
SPACE = re.compile(r"\s*")
_COMPARISON = re.compile(r"[<>=]+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(s|sec|m|min|h)")
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-5][0-9](?:\.[0-9]+)?)")
_SECONDS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
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

    def number(self) -> float:
        """A score."""
        start, text = self._value("a number from 0 to 1")
        number = float(text) if _NUMBER.fullmatch(text) else -1.0
        if not 0 <= number <= 1:
            self.fail(f"{text!r} is no score; scores are numbers from 0 to 1", start, self.at)
        return number

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
