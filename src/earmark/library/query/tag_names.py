"""Find the tag that a word of a query means."""

from __future__ import annotations

import difflib
import unicodedata

from earmark.core.vocabulary import CATEGORIES, Vocabulary

_PREFIX = "---"  # MTG-Jamendo names its tags "genre---jazz"


def fold_case(text: str) -> str:
    """A text for comparisons: without upper case, and with accents in one form (NFC)."""
    return unicodedata.normalize("NFC", text).casefold()


class TagNames:
    """Looks up the tags of a vocabulary by what people write.

    Attributes:
        most_words: words in the longest name.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.category = {tag.name: tag.category for tag in vocabulary}
        self._by_name: dict[str, list[str]] = {}
        self._by_short_name: dict[str, list[str]] = {}
        for name in vocabulary.names:
            self._by_name.setdefault(_key(name), []).append(name)
            if _PREFIX in name:
                self._by_short_name.setdefault(_key(name.split(_PREFIX, 1)[1]), []).append(name)
        self.most_words = max(len(key.split()) for key in self._by_name)

    def find(self, name: str, category: str | None) -> list[str]:
        """Tags that a name can mean, of one category where one is given: usually one, or none."""
        exactly = [name] if name in self.category else []
        for names in (exactly, self._by_name.get(_key(name), []), self._by_short_name.get(_key(name), [])):
            if found := [each for each in names if category in (None, self.category[each])]:
                return found
        return []

    def describe_failure(self, name: str, category: str | None, joined: str = "") -> str:
        """Why :meth:`find` did not find exactly one tag, and which may be meant.

        Args:
            name: what was written.
            category: what was written before the colon.
            joined: the name with the next word, which may be part of it.
        """
        found = self.find(name, category)
        if found:
            return f"{name!r} may be any of {', '.join(_quote_if_needed(each) for each in found)}: write one of them in full"
        elsewhere = self.find(name, None)
        if elsewhere:
            there = ", ".join(f"{self.category[each]}:{_quote_if_needed(each)}" for each in elsewhere)
            return f"no tag {name!r} of category {category}; there is {there}"
        allowed = [each for each in self.category if category in (None, self.category[each])]
        near = [each for each in self._near(joined, allowed) if " " in each] + self._near(name, allowed)
        if near:
            return f"no tag {name!r}; did you mean {', '.join(map(_quote_if_needed, dict.fromkeys(near)))}?"
        if not allowed:
            categories = [each for each in CATEGORIES if each in self.category.values()]
            return f"the model has no tags of category {category}; it has {', '.join(categories)}"
        of = f" of category {category}" if category else ""
        return f"no tag {name!r}; tags{of} are: {', '.join(map(_quote_if_needed, allowed))}"

    def _near(self, name: str, allowed: list[str]) -> list[str]:
        keys = {_key(each): each for each in allowed}
        keys.update({_key(each.split(_PREFIX, 1)[1]): each for each in allowed if _PREFIX in each})
        return [keys[key] for key in difflib.get_close_matches(_key(name), keys, n=3, cutoff=0.65)]


def _key(name: str) -> str:
    return " ".join(fold_case(name).split())


def _quote_if_needed(name: str) -> str:
    return f'"{name}"' if " " in name else name
