"""Find the tag that a word of a query means."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from earmark.core.tag_words import TagFinder, loose_key, short_name, tag_words
from earmark.core.vocabulary import CATEGORIES, Vocabulary
from earmark.library.query.nodes import quote_if_needed

_NEAR = 3
_ALIKE, _ALIKE_WORDS = 0.65, 0.75  # of names; of other words, of which there are many more
_MOST_LISTED = 12
"""So many tags of a category, and no more, are listed where a word is like none of them."""


def fold_case(text: str) -> str:
    """A text for comparisons: without upper case, and with accents in one form (NFC)."""
    return unicodedata.normalize("NFC", text).casefold()


class TagNames:
    """Looks up the tags of a vocabulary by what people write: their names in any spelling, and other words for them.

    Attributes:
        most_words: words in the longest name.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.category = {tag.name: tag.category for tag in vocabulary}
        self._by_name: dict[str, list[str]] = {}
        self._by_short_name: dict[str, list[str]] = {}
        for name in vocabulary.names:
            self._by_name.setdefault(_key(name), []).append(name)
            self._by_short_name.setdefault(_key(short_name(name)), []).append(name)
        self._finder = TagFinder(vocabulary.names)
        others = (word for row in tag_words() for word in (row.tag, *row.words))
        self.most_words = max(len(name.split()) for name in (*self._by_name, *others)) + 1  # with "music"

    def find(self, name: str, category: str | None) -> list[str]:
        """Tags that a name can mean, of one category where one is given: usually one, or none."""
        if found := self.find_name(name, category):
            return found
        return self._of_category(self._finder.spelled(name), category) or self.meant(name, category)[:1]

    def meant(self, name: str, category: str | None) -> list[str]:
        """Tags for which a name is another word, the nearest first."""
        return self._of_category(self._finder.meant(name), category)

    def find_name(self, name: str, category: str | None) -> list[str]:
        """Tags that are called so: white space and case alone may differ."""
        exactly = [name] if name in self.category else []
        for names in (exactly, self._by_name.get(_key(name), []), self._by_short_name.get(_key(name), [])):
            if found := self._of_category(names, category):
                return found
        return []

    def _of_category(self, names: Iterable[str], category: str | None) -> list[str]:
        return [each for each in names if category in (None, self.category[each])]

    def is_another_word(self, name: str, tag: str) -> bool:
        """Whether a name that means a tag is another word for it, and no spelling of it."""
        return loose_key(name) not in (loose_key(tag), loose_key(short_name(tag)))

    def describe_failure(self, name: str, category: str | None, joined: str = "") -> str:
        """Why :meth:`find` did not find exactly one tag, and which may be meant.

        Args:
            name: what was written.
            category: what was written before the colon.
            joined: the name with the next word, which may be part of it.
        """
        found = self.find(name, category)
        if found:
            return f"{name!r} may be any of {', '.join(quote_if_needed(each) for each in found)}: write one of them in full"
        elsewhere = self.find(name, None)
        if elsewhere:
            there = ", ".join(f"{self.category[each]}:{quote_if_needed(each)}" for each in elsewhere)
            return f"no tag {name!r} of category {category}; there is {there}"
        allowed = [each for each in self.category if category in (None, self.category[each])]
        near = self._near(joined, allowed, of_words=True) | self._near(name, allowed)
        if near:
            return f"no tag {name!r}; did you mean {', '.join(near.values())}?"
        if not allowed:
            categories = [each for each in CATEGORIES if each in self.category.values()]
            return f"the model has no tags of category {category}; it has {', '.join(categories)}"
        of = f" of category {category}" if category else ""
        if len(allowed) <= _MOST_LISTED:
            return f"no tag {name!r}; tags{of} are: {', '.join(map(quote_if_needed, allowed))}"
        return f"no tag {name!r}{of}, nor one like it; `earmark models show NAME` lists the model's {len(self.category)} tags"

    def _near(self, name: str, allowed: list[str], *, of_words: bool = False) -> dict[str, str]:
        """Tags with names or other words that are spelled alike, and what is to be shown of each; or only those of several words."""
        words = {_key(word): (tag, f"{word} ({tag})") for word, tag in self._finder.words().items() if tag in allowed}
        names = {_key(form): (each, quote_if_needed(each)) for each in allowed for form in (each, short_name(each))}
        near: dict[str, str] = {}
        for known, least in ((names, _ALIKE), (words, _ALIKE_WORDS)):
            for key in difflib.get_close_matches(_key(name), known, n=2 * _NEAR, cutoff=least):
                if " " in key or not of_words:
                    near.setdefault(*known[key])
        return dict(list(near.items())[:_NEAR])


def _key(name: str) -> str:
    return " ".join(fold_case(name).split())
