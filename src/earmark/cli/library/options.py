"""What the commands of `earmark library` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
