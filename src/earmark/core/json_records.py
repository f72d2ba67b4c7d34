"""JSON: records of files, as `earmark tag --format jsonl` and the service give them; and reading JSON of any origin.

For tagged files see :meth:`earmark.tagging.tag_scores.TagScores.to_record`; for failed ones see here.
"""

from __future__ import annotations

import json
import re
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. All that can be wrong with a text is a ValueError: also lists that are nested too deeply.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: lists and objects are nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects are nested too deeply") from None


def failed_record(path: str | None, reason: str, model: str) -> dict[str, Any]:
    """The record of a file that could not be tagged, with the same keys."""
    return {
        "path": path,
        "status": "error",
        "error": reason,
        "duration_seconds": None,
        "windows": None,
        "heard_seconds": None,
        "silent_seconds": None,
        "model": model,
        "abstained": None,
        "tags": [],
        "degrees": {},
        "warnings": [],
    }


def json_text(value: Any) -> str:
    """JSON on one line, always valid UTF-8: other bytes in names stay escaped as \\udcXX, as Python reads them.

    >>> json_text({"path": "caf\\udcff", "tags": ["é"]})
    '{"path": "caf\\\\udcff", "tags": ["é"]}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
