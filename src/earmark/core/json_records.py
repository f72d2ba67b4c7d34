"""The record of a file: what `earmark tag --format jsonl` prints and the service answers, and its text.

A file that was tagged gives its own (:meth:`earmark.tagging.tagger.TagScores.to_record`); this is the rest.
"""

from __future__ import annotations

import json
import re
from typing import Any


def failed_record(path: str | None, reason: str, model: str) -> dict[str, Any]:
    """The record of a file that could not be tagged: the keys of one that could."""
    return {
        "path": path,
        "status": "error",
        "error": reason,
        "duration_seconds": None,
        "windows": None,
        "heard_seconds": None,
        "model": model,
        "abstained": None,
        "tags": [],
        "warnings": [],
    }


def json_text(value: Any) -> str:
    """JSON on one line, valid UTF-8 in any case: bytes of a name that are not stay escaped as \\udcXX, as Python reads them.

    >>> json_text({"path": "caf\\udcff", "tags": ["é"]})
    '{"path": "caf\\\\udcff", "tags": ["é"]}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
