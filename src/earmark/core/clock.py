"""Times for people."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """h:mm:ss, or m:ss below an hour.

    Example:
        >>> clock(75), clock(3725.4)
        ('1:15', '1:02:05')
    """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def total_time(seconds: float) -> str:
    """How much audio there is in all: hours, or m:ss below one.

    Example:
        >>> total_time(75), total_time(4_000_000)
        ('1:15', '1,111.1 hours')
    """
    return clock(seconds) if round(seconds) < 3600 else f"{seconds / 3600:,.1f} hours"
