"""What the commands of `earmark analyze` share: the options, and writing the files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument
from earmark.cli.options import out_option

if TYPE_CHECKING:
    from earmark.plots import Drawing

Out = Annotated[Path, out_option("Folder for the PNG, SVG and CSV; created if it does not exist.")]
Checkpoint = Annotated[Path, Argument(help="A checkpoint folder: model.safetensors and card.json.")]


def require_figures() -> None:
    """Raises MissingExtraError where the libraries for the figures are not installed."""
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "`earmark analyze`", "matplotlib", "pandas", "pyarrow", "torch", "safetensors")


def write_drawings(drawings: Iterable[Drawing], out: Path) -> None:
    """Write each drawing as it comes; the paths go to stdout, one per line."""
    from earmark.plots import save

    for drawing in drawings:
        for path in save(drawing, out):
            click.echo(path)
