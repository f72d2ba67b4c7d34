"""Summaries of architectures as rows of a table, and as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.core.errors import ConfigError
from earmark.core.markdown import render_markdown
from earmark.models.summary import ArchitectureSummary

COLUMNS = ("name", "paper", "input", "rate", "window", "any length from", "trained", "stored", "MACs/window", "MACs/s")
"""Headings of :func:`cells`."""


def cells(summary: ArchitectureSummary) -> tuple[str, ...]:
    """One row of a printed table, under :data:`COLUMNS`."""
    shortest = f"{summary.min_samples / summary.sample_rate_hz:.2f} s" if summary.variable_length else "-"
    return (
        summary.name,
        summary.paper.short if summary.paper else "-",
        summary.input,
        f"{summary.sample_rate_hz / 1000:g} kHz",
        f"{summary.window_samples:,} ({summary.window_seconds:.2f} s)",
        shortest,
        f"{summary.weights_trained:,}",
        f"{summary.weights_total:,}",
        short_number(summary.macs_window),
        short_number(summary.macs_second),
    )


def legend(summaries: Sequence[ArchitectureSummary]) -> list[str]:
    """The meanings of the columns, one sentence each."""
    n_tags = ", ".join(str(number) for number in sorted({summary.n_tags for summary in summaries}))
    return [
        "input: what the network after the front-end gets for one window; spectrograms as bands x frames, harmonics "
        "as harmonics x bands x frames",
        "window: samples and seconds of the window that it is built for; any length from: the shortest waveform, for "
        "networks of variable length",
        f"trained: weights that are trained, with {n_tags} tags; stored: also frozen weights and running statistics",
        "MACs: multiplications with their additions, of convolutions and matrix products, the front-end's Fourier "
        "transform and mel bands included; per second of audio, with adjacent windows",
    ]


def to_markdown(summaries: Sequence[ArchitectureSummary]) -> str:
    """The page docs/models.md.

    Raises:
        ConfigError: there are no architectures to show.
    """
    if not summaries:
        raise ConfigError("no architectures to show")
    return render_markdown(
        "summary.md.j2",
        Path(__file__).parent,
        columns=COLUMNS,
        rows=[cells(summary) for summary in summaries],
        legend=legend(summaries),
        papers={summary.paper.short: summary.paper for summary in summaries if summary.paper},
    )


def short_number(value: float) -> str:
    """Three digits and a power of a thousand.

    Example:
        >>> short_number(1_728_879_744), short_number(2_537_352), short_number(999)
        ('1.73 G', '2.54 M', '999')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            scaled = value / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {letter}"
    return f"{value:.0f}"
