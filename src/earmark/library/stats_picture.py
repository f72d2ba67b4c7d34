"""A plot of a library's statistics. Needs Matplotlib (``earmark[plot]``)."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.core.clock import total_time
from earmark.core.errors import ConfigError, MissingExtraError
from earmark.library.stats import Stats, duration_name, tempo_name
from earmark.tagging.png_files import write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_TAGS = 60


def draw_stats(stats: Stats, out: str | Path, *, max_tags: int = MAX_TAGS) -> Path:
    """Draw tracks per tag, by category, and the histograms of durations, tempi and keys; the latter where they are known.

    Where there are more tags than ``max_tags``, the most frequent are drawn.

    Returns:
        ``out``, a PNG, written beside and renamed; its folder is made.

    Raises:
        MissingExtraError: Matplotlib is not installed.
        ConfigError: max_tags below 1; OutputError where ``out`` cannot be written.
    """
    if max_tags < 1:
        raise ConfigError(f"max_tags {max_tags}: must be at least 1")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing a library", "plot") from error

    kept = sorted(stats.tags, key=lambda count: -count.n_tracks)[:max_tags]
    tags = [count for count in stats.tags if count in kept]
    has_tempo, has_key = (any(each.n_tracks for each in counts) for counts in (stats.tempos, stats.keys))
    n_below = 1 + has_tempo + has_key
    figure = Figure(figsize=(9, 1.6 + 2.6 * n_below + 0.22 * len(tags)), layout="constrained")
    FigureCanvasAgg(figure)
    above, below, *others = figure.subplots(
        1 + n_below, 1, height_ratios=[max(2.0, 0.22 * len(tags)), *[2.4] * n_below]
    )
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
    if has_tempo:
        _draw_tempos(others[0], stats)
    if has_key:
        _draw_keys(others[-1], stats)
    for axes in (above, below, *others):
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (below, *others):
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    out = Path(out)
    write_png(figure, out, dots_per_inch=120)
    return out


def _draw_tempos(axes: Axes, stats: Stats) -> None:
    bars = axes.bar(range(len(stats.tempos)), [each.n_tracks for each in stats.tempos], width=0.9, color="C0")
    axes.bar_label(bars, [f"{each.n_tracks:,}" for each in stats.tempos], padding=2, fontsize=8)
    shorter = {" BPM": "", " and more": "+", "below ": "<"}
    names = [tempo_name(each) for each in stats.tempos]
    for long, short in shorter.items():
        names = [name.replace(long, short) for name in names]
    axes.set_xticks(range(len(stats.tempos)), names, fontsize=8)
    axes.margins(y=0.15)
    none = f"; {stats.n_no_beat:,} tracks without a clear beat" if stats.n_no_beat else ""
    axes.set_xlabel(f"tempo (beats per minute){none}")
    axes.set_ylabel("tracks")


def _draw_keys(axes: Axes, stats: Stats) -> None:
    """Minor and major side by side at each place of the wheel."""
    for beside, ending, label, color in ((-0.21, "A", "minor (A)", "C3"), (0.21, "B", "major (B)", "C1")):
        counts = [each for each in stats.keys if each.camelot.endswith(ending)]
        bars = axes.bar(
            [place + beside for place in range(len(counts))],
            [each.n_tracks for each in counts],
            width=0.4,
            color=color,
            label=label,
        )
        axes.bar_label(bars, [f"{each.n_tracks:,}" for each in counts], padding=2, fontsize=8)
    minor, major = ([each.key for each in stats.keys if each.camelot.endswith(ending)] for ending in "AB")
    names = [f"{place + 1}\n{one} {other}" for place, (one, other) in enumerate(zip(minor, major, strict=True))]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.margins(y=0.15)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    none = f"; {stats.n_no_key:,} tracks without a clear key" if stats.n_no_key else ""
    axes.set_xlabel(f"key, by Camelot number{none}")
    axes.set_ylabel("tracks")
