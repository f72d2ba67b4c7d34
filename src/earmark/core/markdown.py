"""Markdown pages from Jinja2 templates, which are beside the modules that fill them in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any


def render_markdown(template: str, *folders: Path, **values: Any) -> str:
    """Fill in a template.

    Filters for templates: ``number(places)`` (a dash for NaN), ``percent`` and ``cell`` (text for a table's cell).

    Args:
        template: file name in one of the folders.
        folders: where templates, and those that they extend, are looked for, the first one first.
        values: of the template's names; a missing one is an error.

    Raises:
        jinja2.TemplateError: no such template, or it names a value that is not given.
    """
    import jinja2  # of the research half

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
    r"""Text in a cell of a table: on one line, with | escaped.

    Example:
        >>> print(cell("log |x|"))
        log \|x\|
    """
    return text.replace("|", "\\|").replace("\n", " ")
