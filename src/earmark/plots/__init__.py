"""Figures: what networks learned and where they fail, with the numbers behind them.

Each figure is a pair of functions: one computes the data (arrays or a DataFrame, tested on cases with a known answer),
one draws it and returns a :class:`Drawing`, which :func:`save` writes as PNG, SVG and CSV. The style is that of
:mod:`earmark.plots.style`.
"""

from earmark.plots.drawing import Drawing, save

__all__ = ["Drawing", "save"]
