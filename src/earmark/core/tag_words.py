"""What people type and write for tags: synonyms, and how genres are written.

The table is a text file, ``data/tag_words.tsv``: one line per meaning. Queries of a library, the page and the documentation take
the words from it, and what is written into files its spelling. The page's copy is `web/src/tag_words.json`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent / "data" / "tag_words.tsv"
_SMALL = frozenset({"and", "of", "the", "in", "for"})
_MUSIC = "music"
_FIRST_LETTERS = re.compile(r"(?<![^-/+])[^-/+]")


@dataclass(frozen=True)
class TagWords:
    """One meaning.

    Attributes:
        tag: the name that models of ours have for it.
        written: how it is written in files; empty for the tag with capitals, see :func:`written_name`.
        words: other words for it, the nearest first; names that other models have for it among them.
    """

    tag: str
    written: str
    words: tuple[str, ...]


@cache
def tag_words() -> tuple[TagWords, ...]:
    """All meanings, in the order in which they count."""
    found = []
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            tag, written, words = [*line.split("\t"), "", ""][:3]
            found.append(TagWords(tag, written, tuple(words.split(", ")) if words else ()))
    return tuple(found)


def page_words() -> list[list[str]]:
    """The table as the page has it: the tag and its words, one list per meaning."""
    return [[row.tag, *row.words] for row in tag_words()]


def short_name(tag: str) -> str:
    """A tag without its category: MTG-Jamendo calls jazz "genre---jazz"."""
    return tag.split("---")[-1] or tag


def loose_key(text: str) -> str:
    """Equal for spellings of one name: case, spaces and punctuation do not count, "&" is "and".

    Example:
        >>> loose_key("Hip-Hop"), loose_key("drum & bass")
        ('hiphop', 'drumandbass')
    """
    folded = unicodedata.normalize("NFC", text).casefold().replace("&", "and")
    return "".join(filter(str.isalnum, folded)) or folded


class TagFinder:
    """Finds the tags of a model by what people type.

    Args:
        names: the model's tags.

    Example:
        >>> finder = TagFinder(["rock", "hip hop", "rapping", "guitar"])
        >>> finder.spelled("Hip-Hop"), finder.meant("rap"), finder.meant("guitars"), finder.meant("polka")
        (('hip hop',), ('hip hop', 'rapping'), ('guitar',), ())
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_key: dict[str, list[str]] = {}
        for name in names:
            self._by_key.setdefault(loose_key(short_name(name)), []).append(name)

    def spelled(self, word: str) -> tuple[str, ...]:
        """Tags of that name, in any spelling."""
        return tuple(self._by_key.get(loose_key(word), ()))

    def meant(self, word: str) -> tuple[str, ...]:
        """Tags that a word may stand for, the nearest first."""
        forms = _forms(loose_key(word))
        rows = [row for form in forms for row in _rows_by_key().get(form, ())]
        keys = [*forms, *(loose_key(name) for row in rows for name in (row.tag, *row.words))]
        return tuple(dict.fromkeys(name for key in keys for name in self._by_key.get(key, ())))

    def words(self) -> dict[str, str]:
        """The words of the table that are no tags and stand for one, each with that tag.

        Example:
            >>> TagFinder(["guitar", "funk"]).words()
            {'funky': 'funk', 'guitarist': 'guitar'}
        """
        words = dict.fromkeys(word for row in tag_words() for word in (row.tag, *row.words))
        return {word: self.meant(word)[0] for word in words if self.meant(word) and not self.spelled(word)}


def written_name(tag: str) -> str:
    """A tag as people write it into files.

    Example:
        >>> [written_name(tag) for tag in ("rnb", "hip hop", "drum and bass", "genre---newage")]
        ['R&B', 'Hip-Hop', 'Drum and Bass', 'New Age']
    """
    name = short_name(tag)
    key = loose_key(name)
    for row in tag_words():
        if key in (loose_key(row.tag), loose_key(row.written)):
            return row.written or _with_capitals(row.tag)
    return _with_capitals(name)


def _with_capitals(name: str) -> str:
    return " ".join(
        word if place and word in _SMALL else _FIRST_LETTERS.sub(lambda letter: letter[0].upper(), word)
        for place, word in enumerate(name.split())
    )


def _forms(key: str) -> tuple[str, ...]:
    """A key, in the singular and the plural, with and without "music"."""
    bare = key.removesuffix(_MUSIC) or key
    forms = (key, bare, f"{bare}s", bare.removesuffix("s"), f"{bare}{_MUSIC}")
    return tuple(dict.fromkeys(form for form in forms if form))


@cache
def _rows_by_key() -> dict[str, list[TagWords]]:
    """The rows that have a word: those called so first."""
    rows: dict[str, list[TagWords]] = {}
    for row in tag_words():
        rows.setdefault(loose_key(row.tag), []).append(row)
    for row in tag_words():
        for word in row.words:
            rows.setdefault(loose_key(word), []).append(row)
    return rows
