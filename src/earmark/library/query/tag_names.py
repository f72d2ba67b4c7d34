"""Which tag does a query's word name?"""

from __future__ import annotations

import difflib
import unicodedata

from earmark.core.vocabulary import CATEGORIES, Vocabulary

_PREFIX = "---"  # MTG-Jamendo names its tags "genre---jazz"


def folded(text: str) -> str:
    """A text as it is compared: upper and lower case alike, and accents however they are put together."""
    return unicodedata.normalize("NFC", text).casefold()


class TagNames:
    """The tags of a vocabulary, found by what people write.

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
        """Tags that are meant, of one category where one is given: usually one, or none."""
        exactly = [name] if name in self.category else []
        for names in (exactly, self._by_name.get(_key(name), []), self._by_short_name.get(_key(name), [])):
            if found := [each for each in names if category in (None, self.category[each])]:
                return found
        return []

    def complaint(self, name: str, category: str | None, joined: str = "") -> str:
        """Why :meth:`find` did not find one tag, and which may be meant.

        Args:
            name: what was written.
            category: what stood before its colon.
            joined: the name with the word that follows it, which may be part of it.
        """
        found = self.find(name, category)
        if found:
            return f"{name!r} may be any of {', '.join(_sayable(each) for each in found)}: write one of them in full"
        elsewhere = self.find(name, None)
        if elsewhere:
            said = ", ".join(f"{self.category[each]}:{_sayable(each)}" for each in elsewhere)
            return f"no tag {name!r} of category {category}; there is {said}"
        allowed = [each for each in self.category if category in (None, self.category[each])]
        near = [each for each in self._near(joined, allowed) if " " in each] + self._near(name, allowed)
        if near:
            return f"no tag {name!r}; did you mean {', '.join(map(_sayable, dict.fromkeys(near)))}?"
        if not allowed:
            there = [each for each in CATEGORIES if each in self.category.values()]
            return f"the model has no tags of category {category}; it has {', '.join(there)}"
        of = f" of category {category}" if category else ""
        return f"no tag {name!r}; tags{of} are: {', '.join(map(_sayable, allowed))}"

    def _near(self, name: str, allowed: list[str]) -> list[str]:
        keys = {_key(each): each for each in allowed}
        keys.update({_key(each.split(_PREFIX, 1)[1]): each for each in allowed if _PREFIX in each})
        return [keys[key] for key in difflib.get_close_matches(_key(name), keys, n=3, cutoff=0.65)]


def _key(name: str) -> str:
    return " ".join(folded(name).split())


def _sayable(name: str) -> str:
    return f'"{name}"' if " " in name else name
