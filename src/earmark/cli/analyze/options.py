"""What the commands of `earmark analyze` share: the options, and writing the files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option

if TYPE_CHECKING:
    from earmark.plots import Drawing

Out = Annotated[Path, Option("--out", help="Folder for the PNG, SVG and CSV; made where there is none.")]
Checkpoint = Annotated[Path, Argument(help="A checkpoint folder: model.safetensors and card.json.")]


def require_figures() -> None:
    """Raises MissingExtraError where the libraries behind the figures are not installed."""
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "`earmark analyze`", "matplotlib", "pandas", "pyarrow", "torch", "safetensors")


def write_drawings(drawings: Iterable[Drawing], out: Path) -> None:
    """Write each drawing as it comes; the paths go to stdout, a line each."""
    from earmark.plots import save

    for drawing in drawings:
        for path in save(drawing, out):
            click.echo(path)
