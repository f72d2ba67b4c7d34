"""A plot of a library's statistics. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

import io
from itertools import groupby
from pathlib import Path

from earmark.core.atomic_files import write_atomic
from earmark.core.clock import total_time
from earmark.core.errors import ConfigError, MissingExtraError
from earmark.library.stats import Stats, duration_name

MAX_TAGS = 60


def draw_stats(stats: Stats, out: str | Path, *, max_tags: int = MAX_TAGS) -> Path:
    """Draw tracks per tag, by category, and the histogram of durations.

    Where there are more tags than ``max_tags``, the most frequent are drawn.

    Returns:
        ``out``, a PNG, written beside and renamed; its folder is made.

    Raises:
        MissingExtraError: Matplotlib is not installed.
        ConfigError: max_tags below 1, or ``out`` cannot be written.
    """
    if max_tags < 1:
        raise ConfigError(f"max_tags {max_tags}: must be at least 1")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing a library", "plot") from error

    kept = sorted(stats.tags, key=lambda count: -count.n_tracks)[:max_tags]
    tags = [count for count in stats.tags if count in kept]
    figure = Figure(figsize=(9, 4.2 + 0.22 * len(tags)), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=[max(2.0, 0.22 * len(tags)), 2.4])
    at = 0.0
    ticks: list[float] = []
    names: list[str] = []
    for number, (category, group) in enumerate(groupby(tags, key=lambda count: count.category)):
        counts = list(group)
        places = [at + i for i in range(len(counts))]
        bars = above.barh(places, [count.n_tracks for count in counts], color=f"C{number}", height=0.75)
        above.bar_label(bars, [f"{count.n_tracks:,}" for count in counts], padding=3, fontsize=8)
        ticks += places
        names += [count.tag for count in counts]
        middle = at + (len(counts) - 1) / 2
        above.text(1.01, middle, category, transform=above.get_yaxis_transform(), va="center", color=f"C{number}")
        at += len(counts) + 0.6  # a gap between categories
    above.set_yticks(ticks, names, fontsize=9)
    above.set_ylim(at - 0.6, -0.8)
    above.margins(x=0.08)
    above.set_xlabel("tracks that reach the tag's threshold")
    drawn = "" if len(tags) == len(stats.tags) else f"; the {len(tags)} most frequent of {len(stats.tags)} tags"
    above.set_title(
        f"{stats.n_tracks:,} tracks, {total_time(stats.total_seconds)}, model {stats.model}{drawn}",
        loc="left",
        fontsize=11,
    )
    bars = below.bar(range(len(stats.durations)), [each.n_tracks for each in stats.durations], width=0.9, color="0.55")
    below.bar_label(bars, [f"{each.n_tracks:,}" for each in stats.durations], padding=2, fontsize=8)
    below.set_xticks(
        range(len(stats.durations)),
        [duration_name(each).replace(" min", "").replace(" and more", "+") for each in stats.durations],
        fontsize=9,
    )
    below.margins(y=0.15)
    below.set_xlabel("duration (minutes)")
    below.set_ylabel("tracks")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, picture.getvalue())
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror or error})") from error
    return out
