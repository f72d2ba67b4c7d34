"""Plots written as PNG. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_png(figure: Figure, out: Path, *, dots_per_inch: int) -> None:
    """Write a figure beside its place and rename it; folders are created.

    Raises:
        OutputError: it cannot be written there.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dots_per_inch)
    try:
        for folder in (*reversed(out.parent.parents), out.parent):  # mkdir(parents=True) calls itself for each
            folder.mkdir(exist_ok=True)
        write_atomic(out, picture.getvalue())
    except OSError as error:
        raise OutputError(f"{out}: the picture cannot be written ({error.strerror or error})") from error
