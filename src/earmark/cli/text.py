"""Small things said on a terminal."""

from __future__ import annotations

from pathlib import Path


def printable(path: Path | str) -> str:
    """A path for a terminal: what is not UTF-8 or not printable is shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(path))


def counted(n: int, what: str) -> str:
    """How many of something: 1 track, 2,000 tracks."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
