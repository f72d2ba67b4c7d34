"""Bars of text, and how durations are named."""

from __future__ import annotations

from earmark.library.stats import DurationClass

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: float, most: float, columns: int) -> str:
    """A bar of blocks, ``columns`` wide for the highest value, in steps of an eighth; never empty above zero.

    Example:
        >>> bar(3, 4, 2)
        '█▌'
    """
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, round(min(value / most, 1) * columns * 8))
    whole, rest = divmod(eighths, 8)
    return _EIGHTHS[8] * whole + (_EIGHTHS[rest] if rest else "")


def duration_name(found: DurationClass) -> str:
    """A class of durations for people, e.g. ``"3-4 min"``."""
    start = f"{found.from_seconds / 60:g}"
    return f"{start} min and more" if found.to_seconds is None else f"{start}-{found.to_seconds / 60:g} min"
