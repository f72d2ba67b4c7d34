"""The map as one HTML file that needs no network: places, names and tags of all tracks, and the program that shows them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.json_records import json_text
from earmark.library.map.projection import Floats
from earmark.library.query.search import Tracks

_FOLDER = Path(__file__).parent
_SCRIPTS = ("songs.js", "view.js", "page.js")
_SIZE = 10_000  # view.js has it, too
_MOST_TAGS = 12


def map_page(tracks: Tracks, rows: npt.NDArray[np.int64], places: Floats, relative_to: Path | None = None) -> bytes:
    """The page of some tracks.

    Args:
        tracks: of an index.
        rows: ``(n,)``, which of them are shown.
        places: ``(n, 2)``, see :func:`earmark.library.map.projection.project`.
        relative_to: the folder of the page, so that it names files as seen from there; None for absolute names.

    Returns:
        HTML, UTF-8.

    Raises:
        ConfigError: files cannot be named as seen from there.
    """
    columns = _columns(tracks, rows, places, relative_to)
    script = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    parts = {
        "count": f"{len(rows):,} {'song' if len(rows) == 1 else 'songs'}",
        "library": json_text(columns).replace("<", "\\u003c"),  # so that no name ends the script
        "script": script,
        "style": style,
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'",
    }
    page = (_FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page).encode()


def _hash(content: str) -> str:
    """What a content security policy calls a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _columns(tracks: Tracks, rows: npt.NDArray[np.int64], places: Floats, relative_to: Path | None) -> dict[str, Any]:
    """What the page's script reads; see songs.js."""
    hits = [tracks.hit(int(row)) for row in rows]
    prefix, folder, url = _common_folder([hit.path for hit in hits], relative_to)
    category = {tag.name: tag.category for tag in tracks.model.vocabulary}
    numbers = {tag: i for i, tag in enumerate(sorted({tag for hit in hits for tag, _ in hit.tags}))}
    x, y = np.round((places.T + 1) / 2 * _SIZE).astype(int).tolist()
    return {
        "folder": folder,
        "url": url,
        "separator": os.sep,
        "names": [{"name": tag, "category": category[tag]} for tag in numbers],
        "degrees": {
            name: [round(100 * dict(hit.degrees).get(name, -0.01)) for hit in hits]
            for name in tracks.model.card.degrees
        },
        "x": x,
        "y": y,
        "path": [str(hit.path).removeprefix(prefix) for hit in hits],
        "title": [hit.title for hit in hits],
        "artist": [hit.artist for hit in hits],
        "album": [hit.album for hit in hits],
        "seconds": [None if hit.duration_seconds is None else round(hit.duration_seconds) for hit in hits],
        "bpm": [None if hit.tempo is None else hit.tempo.bpm for hit in hits],
        "key": [None if hit.key is None or hit.key.key is None else hit.key.key.camelot for hit in hits],
        "tags": [[[numbers[tag], round(100 * score)] for tag, score in hit.tags[:_MOST_TAGS]] for hit in hits],
    }


def _common_folder(paths: list[Path], relative_to: Path | None) -> tuple[str, str, str]:
    """The folder that all files are below, with its separator: absolute, as playlists name it, and as a URL."""
    common = os.path.commonpath([path.parent for path in paths])
    prefix = os.path.join(common, "")  # noqa: PTH118  with one separator at its end, also of the root
    if relative_to is None:
        return prefix, prefix, Path(common).as_uri().removesuffix("/") + "/"
    try:
        seen = os.path.relpath(common, relative_to)
    except ValueError as error:  # Windows, another drive
        raise ConfigError(f"{common}: cannot be named as seen from {relative_to}: name files absolutely") from error
    url = quote(os.fsencode(seen.replace(os.sep, "/"))) + "/"
    return prefix, "" if seen == os.curdir else os.path.join(seen, ""), url  # noqa: PTH118
