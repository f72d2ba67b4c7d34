"""What the commands of `earmark library` share."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        envvar="EARMARK_INDEX",
        help="The library's index.",
        show_default="library.sqlite in your data folder",
    ),
]
"""--index FILE, for a parameter with the default None."""


def json_line(record: dict[str, Any]) -> str:
    """One line of JSON that is valid UTF-8. Bytes of a path that are not stay escaped as \\udcXX."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
