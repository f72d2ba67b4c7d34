"""From a model's tags to a person's words: which tags may be written, into which field, and as what.

Without a file, tags of the categories genre and mood are written under their own names. A file is the whole list of
what may be written::

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import capwords
from typing import Any

from mutagen.id3 import TCON

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.library.tagfiles.formats.base import SHARED_FIELDS, Field

_KNOWN_GENRES: dict[str, str] = {name.casefold(): name for name in TCON.GENRES}


@dataclass(frozen=True)
class TagMapping:
    """What may be written.

    Attributes:
        words: field -> tag -> the words for it, none where it is never written. Fields are genre and mood.
        listed: whether the tags named here are all that may be written, as in a file; without one, other tags may
            still stand among the scores.
    """

    words: Mapping[Field, Mapping[str, tuple[str, ...]]]
    listed: bool = False

    def of(self, field: Field, tag: str) -> tuple[str, ...]:
        """The words for a tag in a field; none where it is not written there."""
        return self.words.get(field, {}).get(tag, ())

    def allows(self, tag: str) -> bool:
        """Whether a tag may be written at all, be it among the scores."""
        said = [words[tag] for words in self.words.values() if tag in words]
        return any(said) if said else not self.listed


def default_mapping(vocabulary: Vocabulary) -> TagMapping:
    """Tags of the categories genre and mood under their own names, spelt as players spell them."""
    return TagMapping(
        {
            field: {tag.name: (_spelt(tag.name),) for tag in vocabulary if tag.category == field}
            for field in SHARED_FIELDS
        }
    )


def read_mapping(path: Path, vocabulary: Vocabulary) -> TagMapping:
    """A mapping from a TOML file.

    Raises:
        ConfigError: it cannot be read, or names sections or tags that are not known, or words that no field can hold;
            all problems at once.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the mapping cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
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


def template(card: ModelCard) -> str:
    """A mapping file of all tags of a model, to be edited: what is written without a file, and the rest as comments."""
    lines = [
        f"# What may be written into files of what {card.name} hears.",
        '# A text, a list of texts (["Electronic", "Dance"]), or false to never write it.',
        "# Tags that are not named are never written. Any tag may stand in either section.",
    ]
    for field in SHARED_FIELDS:
        lines += ["", f"[{field}]"]
        lines += [_line(tag.name, card) for tag in card.vocabulary if tag.category == field]
    others = [tag.name for tag in card.vocabulary if tag.category not in SHARED_FIELDS]
    if others:
        lines += ["", "# Neither genre nor mood; move one into a section to have it written."]
        lines += [f"# {_line(name, card)}" for name in others]
    return "\n".join(lines) + "\n"


def _line(name: str, card: ModelCard) -> str:
    quiet = "" if name in card.thresholds else "  # no threshold of its own: written with --threshold only"
    return f"{_quoted(name)} = {_quoted(_spelt(name))}{quiet}"


def _quoted(text: str) -> str:
    """A text as TOML writes it; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _spelt(tag: str) -> str:
    """ "hip-hop" as ID3's list of genres spells it ("Hip-Hop"), other names with capitals."""
    return _KNOWN_GENRES.get(tag.casefold(), capwords(tag))


def _words(value: Any) -> tuple[str, ...] | None:
    if value is False:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(dict.fromkeys(value))
    return None


def _wrong(text: str) -> str:
    """Why no field can hold a text, or none can hold it so that it is read back."""
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
