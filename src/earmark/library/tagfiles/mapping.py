"""Map a model's tags to the user's words: which tags are written, into which field, and as what.

Without a file, tags of the categories genre and mood are written under their own names, spelled as people do
(:func:`earmark.core.tag_words.written_name`). A mapping file lists everything that may be written::

    [genre]
    "rock" = "Rock"
    "electronic" = ["Electronic", "Dance"]
    "pop" = false

    [mood]
    "relaxing" = "Calm"
    "slow" = "Calm"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.tag_words import written_name
from earmark.core.vocabulary import CATEGORIES, Vocabulary
from earmark.library.tagfiles.formats.base import SHARED_FIELDS, Field

_LABELS = frozenset({*CATEGORIES, "mood/theme"})  # as MTG-Jamendo has them


@dataclass(frozen=True)
class TagMapping:
    """What may be written.

    Attributes:
        words: field -> tag -> its words, none where it is never written. Fields are genre and mood.
        listed: whether only the tags named here may be written, as with a file; otherwise the field of scores may hold
            others, too.
    """

    words: Mapping[Field, Mapping[str, tuple[str, ...]]]
    listed: bool = False

    def words_for(self, field: Field, tag: str) -> tuple[str, ...]:
        """The words for a tag in a field; none where it is not written there."""
        return self.words.get(field, {}).get(tag, ())

    def allows(self, tag: str) -> bool:
        """Whether a tag may be written at all, if only among the scores."""
        named = [words[tag] for words in self.words.values() if tag in words]
        return any(named) if named else not self.listed


def default_mapping(vocabulary: Vocabulary) -> TagMapping:
    """Tags of the categories genre and mood under their own names, spelled as people do.

    A name that has its wider genre in it ("Electronic---House") is two values, the narrower first.
    """
    return TagMapping(
        {
            field: {tag.name: _written(tag.name) for tag in vocabulary if tag.category == field}
            for field in SHARED_FIELDS
        }
    )


def read_mapping(path: Path, vocabulary: Vocabulary, degrees: Collection[str] = ()) -> TagMapping:
    """Read a mapping from a TOML file.

    Args:
        path: the file.
        vocabulary: tags that it may name.
        degrees: those that are none, :attr:`earmark.ModelCard.degrees`.

    Raises:
        ConfigError: it cannot be read, or has unknown sections or tags, degrees, or words that no field can hold; all
            problems at once.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the mapping cannot be read ({error})") from error
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and lists in lists in lists
        raise ConfigError(f"{path}: not TOML: {error}; `earmark library mapping` prints an example") from error
    problems: list[str] = []
    words: dict[Field, dict[str, tuple[str, ...]]] = {}
    for name in document:
        if name not in SHARED_FIELDS:
            problems.append(f"{path}: [{name}]: sections are {', '.join(f'[{field}]' for field in SHARED_FIELDS)}")
    for field in SHARED_FIELDS:
        section = document.get(field, {})
        if not isinstance(section, dict):
            problems.append(f"{path}: {field}: must be a section, [{field}]")
            continue
        words[field] = {}
        for tag, value in section.items():
            if tag not in vocabulary.names:
                problems.append(f"{path}: [{field}]: {_no_such_tag(tag, vocabulary)}")
            elif tag in degrees and value is not False:
                problems.append(f"{path}: [{field}] {tag!r}: is a degree, which is no genre or mood: leave it out")
            elif (found := _words(value)) is None:
                problems.append(f"{path}: [{field}] {tag!r} = {value!r}: must be a text, a list of texts, or false")
            else:
                problems += [
                    f"{path}: [{field}] {tag!r}: {text!r} {wrong}" for text in found if (wrong := _wrong(text))
                ]
                words[field][tag] = found
    if problems:
        raise ConfigError(problems)
    return TagMapping(words, listed=True)


def mapping_template(card: ModelCard) -> str:
    """A mapping file of all tags of a model, to be edited: the default mapping, and other tags as comments.

    Without degrees, which have fields of their own.
    """
    tags = [tag for tag in card.vocabulary if tag.name not in card.degrees]
    lines = [
        f"# The tags of {card.name} that may be written into files.",
        '# A text, a list of texts (["Electronic", "Dance"]), or false to never write it.',
        "# Tags that are not listed are never written. Any tag may be in either section.",
    ]
    for field in SHARED_FIELDS:
        lines += ["", f"[{field}]"]
        lines += [_line(tag.name, card) for tag in tags if tag.category == field]
    others = [tag.name for tag in tags if tag.category not in SHARED_FIELDS]
    if others:
        lines += ["", "# Neither genre nor mood; move one into a section to have it written."]
        lines += [f"# {_line(name, card)}" for name in others]
    return "\n".join(lines) + "\n"


def _line(name: str, card: ModelCard) -> str:
    quiet = "" if name in card.thresholds else "  # no threshold of its own: written with --threshold only"
    first, *others = map(_quoted, _written(name))
    text = "[" + ", ".join((first, *others)) + "]" if others else first
    return f"{_quoted(name)} = {text}{quiet}"


def _quoted(text: str) -> str:
    """A text as TOML writes it; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _written(tag: str) -> tuple[str, ...]:
    """The values for a tag: its name, and before it "---" a wider one, which is no value where it names a category."""
    *wider, name = tag.split("---")
    names = (name, *(each for each in reversed(wider) if each and each not in _LABELS))
    return tuple(dict.fromkeys(map(written_name, names)))


def _words(value: Any) -> tuple[str, ...] | None:
    if value is False:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(dict.fromkeys(value))
    return None


def _wrong(text: str) -> str:
    """Why no field can hold a text so that it is read back unchanged; empty where one can."""
    if not text or text != text.strip():
        return "must not be empty, or begin or end with white space"
    if not text.isprintable():
        return "must be one line of printable characters"
    if ";" in text:
        return 'must be one value; write several as a list: ["a", "b"]'
    if text.isdecimal() or text in ("RX", "CR") or text.startswith("("):
        return "would be read as the number of a genre in an ID3 tag"
    return ""


def _no_such_tag(tag: str, vocabulary: Vocabulary) -> str:
    try:
        vocabulary.index(tag)
    except ConfigError as error:
        return str(error)
    return ""
