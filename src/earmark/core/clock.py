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
