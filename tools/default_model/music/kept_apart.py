"""Music that is kept apart, to judge what is shipped, and how it is recognised before it is decoded.

Kept apart are the songs of one composer whose titles are not in macleod.csv, and all music of Magnatune, from which the
unseen songs of Emotify come. When in doubt, a file is left out.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

COMPOSER = "Kevin MacLeod"
COMPOSER_NAMES = ("macleod", "mcleod", "incompetech")
LABEL_NAMES = ("magnatune",)

TRAIN_SHARE = 0.45
"""Of the hashes of the composer's titles; by their number it is just under half."""


def normalize(text: str) -> str:
    """Letters and digits of a title, without accents, case, track number and copy number.

    >>> normalize("07 - Café_del Sol (1)"), normalize("Cafe Del Sol!")
    ('cafedelsol', 'cafedelsol')
    """
    text = unicodedata.normalize("NFKD", text).casefold()
    text = re.sub(r"^\W*\d{1,3}\s*[-._)\s]\s*[-._\s]*(?=\w)", "", text.strip())
    text = re.sub(r"\(\d\)\s*$", "", text.strip())
    text = text.replace("&", " and ").replace("'", "")
    return "".join(character for character in text if character.isalnum())


def title_from_name(path: str, artist: str = "") -> tuple[str, str]:
    """Artist and title as a file is named: "Artist - Album - 03 Title.mp3"; the artist is empty where there is none.

    Args:
        path: of the file.
        artist: where it is known; what remains of the name without it is the title.

    >>> title_from_name("music/Jahzzar - Sele - 07 Clap Your Hands.mp3")
    ('Jahzzar', 'Sele - 07 Clap Your Hands')
    >>> title_from_name("DD Groove - Kevin MacLeod.mp3", "Kevin MacLeod")
    ('Kevin MacLeod', 'DD Groove')
    >>> title_from_name("music/03 - Revolver.mp3")
    ('', 'Revolver')
    """
    stem = PurePosixPath(path).stem.replace("_", " ").strip()
    parts = [part.strip() for part in re.split(r"\s+[-–]\s+", stem) if part.strip()]
    parts = [part for part in parts if not re.fullmatch(r"\d{1,3}\.?", part)] or [stem]
    if artist and len(parts) > 1:
        rest = [part for part in parts if normalize(part) != normalize(artist)]
        return artist, " - ".join(rest or parts)
    if len(parts) > 1:
        return parts[0], " - ".join(parts[1:])
    return "", parts[0]


def hash_share(text: str) -> float:
    """A number in 0..1 that follows from the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def names_composer(texts: Iterable[str]) -> bool:
    """Whether one of the texts (tags, a path, a file of credits) names the composer.

    >>> names_composer(["music/Kevin_MacLeod_-_Foo.mp3"]), names_composer(["MacBeth"])
    (True, False)
    """
    return any(name in _letters(text) for text in texts for name in COMPOSER_NAMES)


def names_label(texts: Iterable[str]) -> bool:
    """Whether one of the texts names the record label whose music is kept apart."""
    return any(name in _letters(text) for text in texts for name in LABEL_NAMES)


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())


@dataclass(frozen=True)
class ComposerTitle:
    """A row of macleod.csv: title, genre, instruments, feel."""

    title: str
    genre: str
    instruments: str
    feel: str

    @property
    def split(self) -> str:
        """Train or heldout, by the first two words of the title, so that versions of a piece stay together."""
        share = hash_share("macleod " + " ".join(self.title.casefold().split()[:2]))
        return "train" if share >= 1 - TRAIN_SHARE else "heldout"


class ComposerTitles:
    """The titles that may be used.

    Args:
        table: macleod.csv: repo, path, title, genre, instruments, feel.
    """

    def __init__(self, table: Path) -> None:
        self._by_file: dict[tuple[str, str], ComposerTitle] = {}
        self._by_title: dict[str, ComposerTitle] = {}
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                title = ComposerTitle(row["title"], row["genre"], row["instruments"], row["feel"])
                self._by_file[row["repo"], row["path"]] = title
                self._by_title[normalize(title.title)] = title

    def has_file(self, location: str, path: str) -> bool:
        """Whether the table names this file itself."""
        return (location, path) in self._by_file

    def find(self, location: str, path: str, tag_title: str) -> ComposerTitle | None:
        """The title of a file by the composer; None where it is kept apart.

        A file counts that the table itself names; of others both the name and the title in its tags must be a title of
        the table.

        Args:
            location: repository or package.
            path: inside it.
            tag_title: from the tags; empty where there is none.
        """
        if (found := self._by_file.get((location, path))) is not None:
            return found
        by_name = self._by_title.get(normalize(title_from_name(path, COMPOSER)[1]))
        by_tag = self._by_title.get(normalize(title_from_name(f"{tag_title.replace('/', ' ')}.x", COMPOSER)[1]))
        if by_name is None or (tag_title and by_tag is not by_name):
            return None
        return by_name
