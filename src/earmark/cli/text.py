"""Small things said on a terminal."""

from __future__ import annotations

from pathlib import Path


def printable(path: Path | str) -> str:
    """A path for a terminal: what is not UTF-8 or not printable is shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(path))


def counted(n: int, what: str) -> str:
    """How many of something: 1 track, 2,000 tracks."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def file_size(n_bytes: float) -> str:
    """Bytes in powers of ten.

    >>> file_size(999), file_size(1_234_567)
    ('999 bytes', '1.23 MB')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.2f} {unit}"
    return f"{n_bytes:.0f} bytes"


def fit(text: str, columns: int, *, keep_end: bool = False) -> str:
    """A text cut to so many columns of a terminal, with three dots where it was cut.

    >>> fit("Blue in Green", 8), fit("/music/blue.mp3", 11, keep_end=True)
    ('Blue ...', '...blue.mp3')
    """
    from rich.cells import cell_len

    if cell_len(text) <= columns:
        return text
    while cell_len(text) > max(columns - 3, 0):
        text = text[1:] if keep_end else text[:-1]
    return f"...{text}" if keep_end else f"{text}..."
