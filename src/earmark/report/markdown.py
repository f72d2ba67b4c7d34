"""Markdown pages from Jinja2 templates, in ``templates/`` or in a folder of the caller's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2

_FOLDER = Path(__file__).parent / "templates"


def render_markdown(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Fill in a template.

    Filters for templates: ``number(places)`` (a dash for NaN), ``percent`` and ``cell`` (text for a table's cell).

    Args:
        template: file name in ``templates/``, or in ``folder``.
        folder: further templates, which may extend those of earmark.
        values: of the template's names; a missing one is an error.
    """
    folders = [_FOLDER] if folder is None else [folder, _FOLDER]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, percent=percent, cell=cell)
    return environment.get_template(template).render(**values)


def number(value: float, places: int = 3) -> str:
    """A number, or a dash for NaN.

    Example:
        >>> number(0.5, 2), number(float("nan"))
        ('0.50', '–')
    """
    return "–" if math.isnan(value) else f"{value:.{places}f}"


def percent(value: float) -> str:
    """A share as a percentage, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.0%}"


def cell(text: str) -> str:
    """Text in a cell of a table, where | would end it."""
    return text.replace("|", "/")
