"""Logarithmic axes with plain numbers, names that distinguish paths, and a choice of many things to draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(n / 2 for n in range(2, 20)))


def log_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float, *, margin: float = 1.35) -> None:
    """Make an axis logarithmic from ``low`` / ``margin`` to ``high`` * ``margin``, with four to eight plain numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    ends = low / margin, high * margin
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
    axis.set_ticks(log_ticks(*ends))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.4g}" if x < 10_000 else f"{x:,.0f}"))


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, at least four where the range allows, and not many more.

    >>> log_ticks(15, 1100)
    [30.0, 100.0, 300.0, 1000.0]
    >>> log_ticks(30, 60)
    [30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]
    """
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in _STEPS:
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return ticks


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Each path without the parts at either end that it shares with all others; its last part where it is alone.

    >>> distinct_names([Path("a/se/seed-0"), Path("a/basic/seed-0")])
    ['se', 'basic']
    >>> distinct_names([Path("a/se/seed-0")])
    ['seed-0']
    """
    parts = [path.resolve().parts for path in paths]
    shortest = min(len(one) for one in parts)
    front = next((i for i in range(shortest) if len({one[i] for one in parts}) > 1), shortest - 1)
    back = next((i for i in range(shortest - front) if len({one[-1 - i] for one in parts}) > 1), 0)
    return ["/".join(one[front : len(one) - back]) for one in parts]


def even_choice(n: int, most: int) -> npt.NDArray[np.int64]:
    """Up to ``most`` of n indices, evenly from the first to the last.

    Example:
        >>> even_choice(10, 4).tolist(), even_choice(3, 4).tolist()
        ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
