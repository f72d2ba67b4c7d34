"""Taggrams: scores over time, drawn as an image. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from earmark.core.clock import clock
from earmark.core.errors import ConfigError, MissingExtraError
from earmark.tagging.png_files import write_png
from earmark.tagging.tag_scores import TagScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_TAGS = 24
_LEAST_TAGS = 8
_LEAST_SECONDS, _LEAST_SHARE = 20.0, 0.1  # whichever is shorter
_NO_THRESHOLD = 0.5
_MOST_COLUMNS = 600  # the axes are about as many pixels wide
_TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def draw_taggram(
    scores: TagScores,
    out: str | Path | None = None,
    *,
    ax: Axes | None = None,
    max_tags: int = MAX_TAGS,
    title: str | None = None,
) -> Figure:
    """Draw one file's taggram: time on x, tags on y by category, colour for the score.

    Tags are drawn that reach their threshold for twenty seconds, or for a tenth of a shorter file; of more than
    ``max_tags`` those that get furthest above it, and where they are fewer than eight, those that come closest. Next to
    each is the file's score, which is lower for a tag that applies only to a part of the file. Of long files each column
    is a mean over time. Degrees (:attr:`earmark.TagScores.degrees`) are not drawn.

    Args:
        scores: of one file.
        out: the PNG to write, atomically; folders are created. None to write nothing.
        ax: axes to draw into, in a figure of your own; None for a new figure. Names of categories and the colour bar are
            to the right of the axes, so a layout that makes space for them is best: ``plt.subplots(layout="constrained")``.
        max_tags: most tags to draw, at least 1.
        title: instead of the file's name.

    Returns:
        The figure, which is not in pyplot's list of open ones if it is new. A notebook shows it as the value of a cell.

    Raises:
        MissingExtraError: Matplotlib is not installed.
        ConfigError: max_tags below 1; OutputError where ``out`` cannot be written.

    Examples:
        >>> import earmark, matplotlib.figure, numpy as np
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 30 * 16_000)
        >>> scores = earmark.load_tagger(step_seconds=2).tag_waveform(noise, 16_000)
        >>> earmark.draw_taggram(scores).axes[0].get_xlabel()
        'time (m:ss)'
        >>> figure = matplotlib.figure.Figure(layout="constrained")
        >>> upper, lower = figure.subplots(2)
        >>> earmark.draw_taggram(scores, ax=upper, max_tags=5) is figure
        True
    """
    if max_tags < 1:
        raise ConfigError(f"max_tags {max_tags}: must be at least 1")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing a taggram", "plot") from error

    rows = _rows(scores, max_tags)
    if ax is None:
        figure = Figure(figsize=(10, 1.5 + 0.26 * len(rows)), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
    else:
        figure = cast("Figure", ax.get_figure(root=True))
    _draw(ax, scores, rows, title)
    if out is not None:
        write_png(figure, Path(out), dots_per_inch=110)
    return figure


def _draw(axes: Axes, scores: TagScores, rows: list[int], title: str | None) -> None:
    from earmark.tagging.fonts import drawable

    edges, values = _columns(scores)
    axes.set_facecolor("0.8")  # parts that were not used
    mesh = axes.pcolormesh(
        edges, np.arange(len(rows) + 1), values[:, rows].T, cmap="magma", vmin=0, vmax=1, rasterized=True
    )
    axes.set_xlim(0, edges[-1])
    names, fonts = drawable([scores.tags[i] for i in rows])
    labels = [f"{name}  {scores.scores[i]:.2f}" for name, i in zip(names, rows, strict=True)]
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels, fontfamily=fonts)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    times = set_time_ticks(axes, float(edges[-1]))
    unused = f"; grey: not used ({clock(scores.heard_seconds)} were)" if scores.sparse else ""
    axes.set_xlabel(times + unused)
    at = 0
    for category, group in groupby(scores.vocabulary.tags[i].category for i in rows):
        n = len(list(group))
        if at:
            axes.axhline(at, color="white", linewidth=2.5)
        axes.annotate(
            category,
            xy=(1, at + n / 2),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            fontweight="bold",
            fontsize=9,
        )
        at += n
    axes.figure.colorbar(mesh, ax=axes, label="score", pad=0.02, aspect=max(8, len(rows)))
    (name,), fonts = drawable([title or (scores.path.name if scores.path else "waveform")])
    # Lines of their own: a name that is read from right to left would go around the rest.
    head = f"{name}\n{clock(scores.duration_seconds)}, model {scores.model}"
    axes.set_title(head, loc="left", fontsize=11, fontfamily=fonts)


def taggram_cells(scores: TagScores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.floating[Any]]]:
    """What is drawn where: each moment of the audio has the scores of the window whose centre is nearest.

    Returns:
        Edges ``(n + 1,)`` in seconds, rising from 0 to the end of the audio, and scores ``(n, n_tags)`` between them: 0 in
        silences that were left out, NaN in parts that were not used.
    """
    starts, end = scores.window_starts_seconds, max(scores.duration_seconds, 1e-3)
    if scores.sparse:
        # Overlapping windows: each ends where the next one starts.
        ends = np.minimum(starts + scores.window_seconds, np.append(starts[1:], end))
        edges = np.concatenate([[0.0], np.stack([starts, ends], axis=1).ravel(), [end]])
        values = np.full((2 * len(starts) + 1, scores.taggram.shape[1]), np.nan)
        values[1::2] = scores.taggram
        return edges, values
    rows = scores.row_edges_seconds()
    edges = np.unique(np.concatenate([rows, scores.left_out_seconds.ravel().clip(0, end)]))
    middles = (edges[1:] + edges[:-1]) / 2
    values = scores.taggram[np.searchsorted(rows, middles) - 1]
    for begin, stop in scores.left_out_seconds:
        values[(begin < middles) & (middles < stop)] = 0
    return edges, values


def set_time_ticks(axes: Axes, duration_seconds: float, most_ticks: int = 10) -> str:
    """Ticks at round numbers of seconds, minutes or hours. Returns what to write below them: the format of the times."""
    least = duration_seconds / most_ticks
    step = next((step for step in _TICK_SECONDS if step >= least), 3600 * np.ceil(least / 3600))
    ticks = np.arange(0, duration_seconds + 1e-9, step)
    axes.set_xticks(ticks, [clock(tick) for tick in ticks])
    return f"time ({'h:mm:ss' if duration_seconds >= 3600 else 'm:ss'})"


def _columns(scores: TagScores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.floating[Any]]]:
    """Cells to draw, as :func:`taggram_cells`; of long audio means over equal parts, as many as the axes are pixels wide."""
    edges, values = taggram_cells(scores)
    if scores.sparse or len(values) <= _MOST_COLUMNS:
        return edges, values
    sums = np.cumsum(values * np.diff(edges)[:, None], axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros((1, sums.shape[1])), sums])
    columns = np.linspace(0, edges[-1], _MOST_COLUMNS + 1)
    at_columns = np.stack([np.interp(columns, edges, tag) for tag in sums.T], axis=1)
    return columns, np.diff(at_columns, axis=0) / np.diff(columns)[:, None]


def _rows(scores: TagScores, max_tags: int) -> list[int]:
    """Positions of the tags to draw: by category, the strongest first within each."""
    n_rows = len(scores.taggram)
    share = min(_LEAST_SHARE, _LEAST_SECONDS / max(scores.duration_seconds, 1e-3))
    kept = np.sort(scores.taggram, axis=0)[n_rows - max(1, round(share * n_rows))]  # for at least so long
    limits = np.array([scores.thresholds.get(name, _NO_THRESHOLD) for name in scores.tags])
    strength = np.where(scores.is_degree, -1.0, kept / np.maximum(limits, 1e-3))
    n_tags = min(max_tags, max(_LEAST_TAGS, int((strength >= 1).sum())), int((~scores.is_degree).sum()))
    best = set(np.argsort(-strength, kind="stable")[:n_tags].tolist())
    order = [i for i in scores.vocabulary.display_order() if i in best]
    rows: list[int] = []
    for _, group in groupby(order, key=lambda i: scores.vocabulary.tags[i].category):
        rows += sorted(group, key=lambda i: -float(kept[i]))
    return rows
