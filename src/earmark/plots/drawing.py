"""A figure and the numbers behind it, and how both become files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from earmark.core.atomic_files import write_together
from earmark.core.errors import OutputError
from earmark.plots.style import DOTS_PER_INCH, house_style


@dataclass(frozen=True, eq=False)
class Drawing:
    """One figure.

    Attributes:
        name: what its files are called, without ending, e.g. "filter-spectra".
        figure: made with :func:`earmark.plots.style.new_figure`.
        table: the data behind it, one row per item drawn; column names contain the units.
        hints: gid of an artist -> what a page shows when the mouse is over its first marker (or bar, or cell), its second,
            and so on.
    """

    name: str
    figure: Figure
    table: pd.DataFrame
    hints: Mapping[str, Sequence[str]] = field(default_factory=dict)


def save(drawing: Drawing, out: str | Path) -> list[Path]:
    """Write NAME.png, NAME.svg and NAME.csv: all three, or, where that fails, none.

    The same drawing gives the same bytes: the files hold no dates and nothing drawn by chance.

    Args:
        drawing: what to write.
        out: a folder; it is made where there is none.

    Returns:
        The three paths.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    folder = Path(out)
    svg = io.BytesIO()
    with house_style():  # fonts and resolution are looked up only now
        png = png_bytes(drawing.figure)
        drawing.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    csv = drawing.table.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode()
    contents = {
        folder / f"{drawing.name}.png": png,
        folder / f"{drawing.name}.svg": svg.getvalue(),
        folder / f"{drawing.name}.csv": csv,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_together(contents)
    except OSError as error:
        raise OutputError(f"{out}: figures cannot be written there ({error.strerror or error})") from error
    return list(contents)


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG of 256 colours, chosen for it: a third of the size, and no colour off by more than is seen."""
    full = io.BytesIO()
    with house_style():
        figure.savefig(full, format="png", metadata={"Software": None})
    with Image.open(full) as picture:
        reduced = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    reduced.save(small, format="png", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return small.getvalue()
