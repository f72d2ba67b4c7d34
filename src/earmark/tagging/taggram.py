"""Taggrams: scores over time, drawn as an image. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

import io
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, MissingExtraError
from earmark.tagging.tagger import TagScores

MAX_TAGS = 24


def draw_taggram(scores: TagScores, out: str | Path, *, max_tags: int = MAX_TAGS, title: str | None = None) -> Path:
    """Draw one file's taggram: time on x (mm:ss), tags on y by category, colour for the score.

    Of more tags than ``max_tags``, those with the highest mean over windows are drawn. Next to each is the file's score,
    which is lower for a tag that applies only to a part of the file.

    Args:
        scores: of one file.
        out: the PNG to write, atomically; folders are created.
        max_tags: most tags to draw, at least 1.
        title: instead of the file's name.

    Returns:
        ``out``.

    Raises:
        MissingExtraError: Matplotlib is not installed.
        ConfigError: max_tags below 1, or ``out`` cannot be written.
    """
    if max_tags < 1:
        raise ConfigError(f"max_tags {max_tags}: must be at least 1")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, MaxNLocator
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing a taggram", "plot") from error

    rows = _rows(scores, max_tags)
    names = [scores.tags[i] for i in rows]
    figure = Figure(figsize=(10, 1.3 + 0.26 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    edges, values = _columns(scores)
    axes.set_facecolor("0.8")  # parts that were not used
    mesh = axes.pcolormesh(
        edges, np.arange(len(rows) + 1), values[:, rows].T, cmap="magma", vmin=0, vmax=1, rasterized=True
    )
    axes.set_xlim(0, edges[-1])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{name}  {scores[name]:.2f}" for name in names])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 3, 6, 10], integer=True))
    unused = f"; grey: not used ({_clock(scores.heard_seconds)} were)" if scores.sparse else ""
    axes.set_xlabel(f"time (mm:ss){unused}")
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
    figure.colorbar(mesh, ax=axes, label="score", pad=0.02, aspect=max(8, len(rows)))
    name = title or (scores.path.name if scores.path else "waveform")
    shown = _drawable(name)
    axes.set_title(f"{shown}   ({_clock(scores.duration_seconds)}, model {scores.model})", loc="left", fontsize=11)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    target = Path(out)
    try:
        for folder in (*reversed(target.parent.parents), target.parent):  # mkdir(parents=True) calls itself for each
            folder.mkdir(exist_ok=True)
        write_atomic(target, picture.getvalue())
    except OSError as error:
        raise ConfigError(f"{out}: the picture cannot be written ({error.strerror or error})") from error
    return target


def _columns(scores: TagScores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.floating[Any]]]:
    """Edges ``(n + 1,)`` in seconds and scores ``(n, n_tags)`` of the columns; NaN for parts that were not used."""
    starts, end = scores.window_starts_seconds, max(scores.duration_seconds, 1e-3)
    if not scores.sparse:
        return np.append(starts, end), scores.taggram
    # Overlapping windows: each ends where the next one starts.
    ends = np.minimum(starts + scores.window_seconds, np.append(starts[1:], end))
    edges = np.concatenate([[0.0], np.stack([starts, ends], axis=1).ravel(), [end]])
    values = np.full((2 * len(starts) + 1, scores.taggram.shape[1]), np.nan)
    values[1::2] = scores.taggram
    return edges, values


def _rows(scores: TagScores, max_tags: int) -> list[int]:
    """Positions of the tags to draw: by category, the strongest first within each."""
    seen = scores.taggram.mean(axis=0)
    best = set(np.argsort(-seen, kind="stable")[:max_tags].tolist())
    order = [i for i in scores.vocabulary.display_order() if i in best]
    rows: list[int] = []
    for _, group in groupby(order, key=lambda i: scores.vocabulary.tags[i].category):
        rows += sorted(group, key=lambda i: -float(seen[i]))
    return rows


def _clock(seconds: float) -> str:
    """mm:ss; minutes continue beyond 59."""
    whole = round(seconds)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def _drawable(name: str) -> str:
    """A file name that Matplotlib can draw: without undecodable bytes or math between dollar signs."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return (text if len(text) <= 80 else text[:77] + "...").replace("$", r"\$")
