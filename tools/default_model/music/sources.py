"""The table of sources: what each is, under what terms, and what of it is used.

Fields of an entry of ``sources.yaml``
    name          unique; names the folder of its audio.
    kind          debian or git.
    location      package, or owner/name of the repository.
    licence       of the music.
    licence_at    where that is written.
    use           train or measure-only. Music whose terms are unknown is only measured on.
    group         artist, composer or package: what must not be in two splits. Files without a known artist are grouped by
                  package.
    content       music (the default), speech or noise.
    files         patterns of the paths that are music. Without them all audio counts that is not in a folder of sounds.
    leave_out     patterns of paths that are not used.
    artist        of files that do not name one.
    artist_last   files are named "Title - Artist".
    needs_artist  leave out files that do not name one: kept-apart music could be among them.
    reviewed      why this source may be used although its credits name music that is kept apart.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems

SOURCES = Path(__file__).parent / "sources.yaml"

_ALLOWED = {
    "kind": ("debian", "git"),
    "use": ("train", "measure-only"),
    "group": ("artist", "composer", "package"),
    "content": ("music", "speech", "noise"),
}


@dataclass(frozen=True)
class Source:
    """One package or repository; see the module docstring."""

    name: str
    kind: str
    location: str
    licence: str
    licence_at: str
    use: str = "train"
    group: str = "package"
    content: str = "music"
    files: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    artist: str = ""
    artist_last: bool = False
    needs_artist: bool = False
    reviewed: str = ""

    @property
    def digest(self) -> str:
        """Changes with every field that decides which files are used."""
        names = ("kind", "location", "content", "files", "leave_out", "artist", "artist_last", "needs_artist")
        fields = [getattr(self, name) for name in names]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


def read_sources(path: Path = SOURCES) -> tuple[Source, ...]:
    """Read the table of sources.

    Raises:
        DataError: with all problems.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise DataError(f"{path}: must be a list of sources")
    problems: list[str] = []
    found = [source for number, entry in enumerate(entries, 1) if (source := _source(number, entry, problems))]
    names = [source.name for source in found]
    problems += [
        f"{name}: there is more than one source of this name" for name in {n for n in names if names.count(n) > 1}
    ]
    raise_problems(str(path), problems)
    return tuple(found)


def _source(number: int, entry: Any, problems: list[str]) -> Source | None:
    fields = {field.name: field for field in dataclasses.fields(Source)}
    if not isinstance(entry, dict):
        problems.append(f"entry {number}: must be a mapping")
        return None
    where = str(entry.get("name", f"entry {number}"))
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    wrong = [f"{where}: {name} is missing" for name in required if not entry.get(name)]
    wrong += [f"{where}: unknown field {name!r}; known are {', '.join(fields)}" for name in entry if name not in fields]
    for name, allowed in _ALLOWED.items():
        if name in entry and entry[name] not in allowed:
            wrong.append(f"{where}: {name} {entry[name]!r} must be one of {', '.join(allowed)}")
    problems += wrong
    if wrong:
        return None
    lists = {name: tuple(entry[name]) for name in ("files", "leave_out") if name in entry}
    return Source(**{**entry, **lists})
