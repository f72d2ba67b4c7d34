"""The house style: sizes, colours and titles that all figures share.

Only Matplotlib's objects, never pyplot, which keeps figures alive in a global list. A function that draws is decorated
with :func:`house_style`, begins with :func:`new_figure`, and leaves the layout to it:

    @house_style()
    def draw(...) -> Drawing:
        figure = new_figure("What it shows", about_model(card), width_inches=HALF_INCHES, height_inches=2.6)
        axes = figure.add_subplot()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
from matplotlib import patheffects, rcsetup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from earmark.core.card import ModelCard

HALF_INCHES = 3.4
"""Width of a figure in one of two columns, or on half a page."""
WIDE_INCHES = 7.0
"""Width of a figure as wide as the text of a page."""
HEADING = "heading"
"""The gid of a figure's title and of the line under it. A page that has a caption of its own leaves them out."""
ON_DARK, ON_PALE = "#FAFAFA", "#1A1A1A"
"""Of text on a coloured area. Unlike BLACK, these stay as they are on a dark page."""
DOTS_PER_INCH = 200
"""Of the PNG."""

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
BLACK, GREY, PALE, GRID = "#000000", "#666666", "#CCCCCC", "#E0E0E0"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK)
"""Okabe & Ito's colours, which people with every kind of colour vision can distinguish; without the yellow, too pale on white."""
SEQUENTIAL = "cividis"
"""Colour map from little to much."""
DIVERGING = "RdBu_r"
"""Colour map from negative (blue) over nothing (white) to positive (red)."""
OUTLINED = (patheffects.Stroke(linewidth=2.6, foreground="black"), patheffects.Normal())
"""Path effects of a white line or text that is seen on dark and on bright ground."""

_TITLE_POINTS, _ABOUT_POINTS = 9.0, 7.0
_LINE = 1.25  # height of a line of text relative to its size
_MARGIN_INCHES = 0.06

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: the same picture everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": rcsetup.cycler(color=PALETTE),
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
    "figure.dpi": 100,
    "savefig.dpi": DOTS_PER_INCH,
    "svg.hashsalt": "earmark",  # ids inside the file depend on the drawing only
    "svg.fonttype": "path",
}


@contextmanager
def house_style(settings: Any = None) -> Iterator[None]:
    """Matplotlib's own defaults and the house's settings, whatever the user's matplotlibrc says; restored afterwards.

    Also a decorator: ``@house_style()``.

    Args:
        settings: a dict of further rcParams, which come last.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        matplotlib.rcParams.update(settings or {})
        yield


def new_figure(title: str, about: str = "", *, width_inches: float = HALF_INCHES, height_inches: float = 2.6) -> Figure:
    """An empty figure with its title and, smaller, the line below it: model, dataset, protocol.

    Both are wrapped to the width, at the top left; constrained layout gives the rest to the axes.

    Args:
        title: what the figure shows, a few words.
        about: e.g. the result of :func:`about_model`.
        width_inches: HALF_INCHES, WIDE_INCHES or another.
        height_inches: of the figure, title included.
    """
    figure = Figure(figsize=(width_inches, height_inches))
    FigureCanvasAgg(figure)
    top_inches = _MARGIN_INCHES
    for text, points, weight, colour in (
        (title, _TITLE_POINTS, "bold", BLACK),
        (about, _ABOUT_POINTS, "normal", GREY),
    ):
        for line in _wrapped(figure, plain_text(text), points, weight, width_inches - 2 * _MARGIN_INCHES):
            figure.text(
                _MARGIN_INCHES / width_inches,
                1 - top_inches / height_inches,
                line,
                fontsize=points,
                fontweight=weight,
                color=colour,
                va="top",
                gid=HEADING,
            )
            top_inches += points * _LINE / 72
    rest = 1 - (top_inches + _MARGIN_INCHES / 2) / height_inches
    figure.set_layout_engine("constrained", rect=(0, 0, 1, rest), w_pad=0.05, h_pad=0.04)
    return figure


def small_axes() -> tuple[Figure, Axes]:
    """A small figure and its axes, without a title, for pages with many: the margins are fixed, so it is drawn quickly."""
    figure = Figure(figsize=(3.2, 2.2))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.16, right=0.97, bottom=0.19, top=0.97)
    return figure, figure.add_subplot()


def about_model(card: ModelCard) -> str:
    """Model, the dataset it was trained on, and the protocol, as far as the card says."""
    dataset, protocol = card.training.get("dataset"), card.training.get("protocol")
    return about(card.name, f"trained on {dataset}" if dataset else "", str(protocol or ""))


def about(model: str, dataset: str = "", *protocol: str) -> str:
    """The line under a title.

    Example:
        >>> about("musicnn", "magnatagatune", "top50", "test")
        'musicnn, magnatagatune (top50, test)'
    """
    named = ", ".join(part for part in (model, dataset) if part)
    split = ", ".join(part for part in protocol if part)
    return f"{named} ({split})" if split else named


def plain_text(text: str, max_characters: int | None = None) -> str:
    """A name as a font can draw it: no maths between dollar signs, no undecodable bytes, cut where too long.

    Example:
        >>> print(plain_text("Money$ for nothing", 11))
        Money\\$ for…
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if max_characters is not None and len(text) > max_characters:
        text = text[: max_characters - 1].rstrip() + "…"
    return text.replace("$", r"\$")


def _wrapped(figure: Figure, text: str, points: float, weight: str, width_inches: float) -> list[str]:
    """The text in lines of at most this width, as far as its words allow."""
    font = FontProperties(size=points, weight=weight)
    renderer = cast(Any, figure.canvas).get_renderer()
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        width, _, _ = renderer.get_text_width_height_descent(longer, font, ismath=False)
        if lines and width / figure.dpi <= width_inches:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
