"""Names beside points of a scatter, where they hide neither points nor each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from earmark.plots.style import BLACK, GREY, plain_text

_RADII_POINTS = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 64.0)
_ANGLES = (40, 0, 180, 140, -40, -140, 90, -90, 22, -22, 158, -158, 67, -67, 113, -113)


def name_points(
    axes: Axes,
    x: Sequence[float] | npt.NDArray[np.float64],
    y: Sequence[float] | npt.NDArray[np.float64],
    names: Sequence[str],
    *,
    colours: Sequence[str] | None = None,
    others: npt.ArrayLike = (),
    size: float = 6.5,
) -> None:
    """Write a name beside each point, with a thin line to it where it is farther away.

    Call it last: it takes the current layout and freezes it.

    Args:
        axes: where the points are.
        x, y: (n,) the points that get names, the most important first.
        names: (n,) what to write.
        colours: (n,) of the names; black where not given.
        others: (m, 2) further points that names should not hide.
        size: of the letters, in points.
    """
    figure = cast(Any, axes.figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # otherwise the next drawing would move what the names were fitted to
    renderer = figure.canvas.get_renderer()
    per_point = figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    named = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)]).reshape(-1, 2)
    points = axes.transData.transform(np.vstack([named, np.asarray(others, dtype=float).reshape(-1, 2)]))
    taken: list[Bbox] = []
    for i, name in enumerate(names):
        text = axes.annotate(
            plain_text(name, 28),
            (named[i, 0], named[i, 1]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=size,
            color=BLACK if colours is None else colours[i],
            ha="left",
            va="bottom",
        )
        box = text.get_window_extent(renderer)
        width, height = box.width, box.height
        best: tuple[float, float, float, float] | None = None
        for radius in _RADII_POINTS:
            for angle in _ANGLES:
                across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                left = points[i, 0] + across * radius * per_point - (1 - across) / 2 * width
                low = points[i, 1] + up * radius * per_point - (1 - up) / 2 * height
                cost = _cost(Bbox.from_bounds(left, low, width, height), points, taken, frame) + 0.3 * radius
                if best is None or cost < best[0]:
                    best = (cost, left, low, radius)
        assert best is not None
        _, left, low, radius = best
        taken.append(Bbox.from_bounds(left, low, width, height))
        offset = ((left - points[i, 0]) / per_point, (low - points[i, 1]) / per_point)
        text.set_position(offset)
        if radius > _RADII_POINTS[1]:
            middle = np.array([left + width / 2, low + height / 2])
            reach = np.clip(points[i], [left, low], [left + width, low + height])
            end = axes.transData.inverted().transform(np.where(np.isfinite(reach), reach, middle))
            axes.plot([named[i, 0], end[0]], [named[i, 1], end[1]], color=GREY, lw=0.4, zorder=1)


def _cost(box: Bbox, points: npt.NDArray[np.float64], taken: Sequence[Bbox], frame: Bbox) -> float:
    """How bad a place is: overlapping names or names outside the axes are worst, then hidden points."""
    outside = max(0.0, frame.x0 - box.x0) + max(0.0, box.x1 - frame.x1)
    outside += max(0.0, frame.y0 - box.y0) + max(0.0, box.y1 - frame.y1)
    over = sum(1 for other in taken if box.padded(1.5).overlaps(other))
    near = box.padded(2.0)
    hidden = int(
        (
            (points[:, 0] > near.x0) & (points[:, 0] < near.x1) & (points[:, 1] > near.y0) & (points[:, 1] < near.y1)
        ).sum()
    )
    return 1000.0 * over + 20.0 * float(outside) + 10.0 * hidden
