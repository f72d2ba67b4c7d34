"""Fonts for names in any script. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_FIRST = "DejaVu Sans"  # comes with Matplotlib
_GOOD = ("Noto Sans", "Noto", "Arial", "Hiragino", "Yu Gothic", "Microsoft", "Malgun", "Segoe UI", "Apple", "Unifont")
_UNFIT = ("Last Resort", "Color")  # boxes; bitmaps
_MISSING = "\ufffd"
_MOST_CHARACTERS = 80


def drawable(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names as Matplotlib can draw them, and the fonts for it: DejaVu Sans, and installed ones for what it lacks.

    Characters that no font has become U+FFFD, as do undecodable bytes and control characters; those without a width of
    their own are left out. Names are cut after 80 characters, and dollar signs do not begin mathematics.

    Example:
        >>> drawable(["a $1 song\\n"])
        (['a \\\\$1 song\ufffd'], ['DejaVu Sans'])
    """
    from matplotlib.font_manager import fontManager

    texts = [
        unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        for name in names
    ]
    texts = [text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..." for text in texts]
    texts = [
        "".join(c if c.isprintable() or unicodedata.category(c) == "Cf" else _MISSING for c in text) for text in texts
    ]
    missing = {c for text in texts for c in text} - _characters(fontManager.findfont(_FIRST))
    fonts = [_FIRST]
    for name, file in _installed() if missing else ():
        if found := missing & _characters(file):
            fonts.append(name)
            missing -= found
        if not missing:
            break
    instead = {ord(c): "" if unicodedata.category(c) in ("Cf", "Mn") else _MISSING for c in missing}
    return [text.translate(instead).replace("$", r"\$") for text in texts], fonts


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Names and files of fonts, plain ones of well-known families first."""
    from matplotlib.font_manager import fontManager

    found: dict[str, str] = {}
    for entry in sorted(
        fontManager.ttflist, key=lambda entry: (str(entry.weight) not in ("400", "normal"), entry.fname)
    ):
        if entry.style == "normal" and not any(word in entry.name for word in _UNFIT):
            found.setdefault(entry.name, entry.fname)
    rank = {name: next((i for i, good in enumerate(_GOOD) if name.startswith(good)), len(_GOOD)) for name in found}
    return tuple(sorted(found.items(), key=lambda item: (rank[item[0]], item[0])))


@cache
def _characters(file: str) -> frozenset[str]:
    """The characters that a font has; none where it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        font = get_font(Path(file))
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
