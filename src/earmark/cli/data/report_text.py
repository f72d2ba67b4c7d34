"""A dataset's check report in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from earmark.core.clock import total_time
from earmark.datasets.check import CheckReport


def report_lines(report: CheckReport, *, most: int) -> Iterator[str]:
    """The report, one line each; of every kind of fault the first ``most`` clips."""
    counts = ", ".join(f"{split} {n:,}" for split, n in report.clips.items())
    yield f"{report.dataset} ({report.protocol}): {sum(report.clips.values()):,} clips ({counts})"
    if report.duration_seconds is not None:
        yield f"  {total_time(report.duration_seconds)} of audio"
    if report.exclusions:
        yield f"  {len(report.exclusions)} clips are never used (earmark data show {report.dataset})"
    yield from _fault("missing", [f"{clip}: no file {path}" for clip, path in report.missing.items()], most)
    yield from _fault("unreadable", [f"{clip}: {reason}" for clip, reason in report.unreadable.items()], most)
    short = [f"{clip}: {seconds:g} s" for clip, seconds in report.too_short.items()]
    yield from _fault(f"shorter than {report.min_seconds:g} s" if short else "", short, most)
    yield from _fault("silent", list(report.silent), most)
    yield from _fault("the same audio", [" = ".join(group) for group in report.duplicated], most)
    yield from _tags(report)
    for note in (*report.notes, *report.warnings):
        yield f"  note: {note}"
    note = "" if report.decoded else " (nothing was decoded)"
    yield f"all clips are good{note}" if report.ok else f"some clips are not good{note}"


def _fault(what: str, lines: Sequence[str], most: int) -> Iterator[str]:
    if not lines:
        return
    yield f"  {what}: {len(lines):,}"
    for line in lines[:most]:
        yield f"    {line}"
    if len(lines) > most:
        yield f"    and {len(lines) - most:,} more (--most, --format json)"


def _tags(report: CheckReport) -> Iterator[str]:
    """Clips of each tag in each split, and what is odd about them."""
    if report.untagged:
        yield f"  without any tag: {len(report.untagged):,} clips"
    splits = list(report.clips)
    width = max(len(tag) for tag in report.positives)
    yield f"  {'tag':<{width}} {' '.join(f'{split:>10}' for split in splits)}"
    for tag, counts in report.positives.items():
        yield f"  {tag:<{width}} {' '.join(f'{counts[split]:>10,}' for split in splits)}"
    for split, tags in report.no_positives.items():
        yield f"  no clip of {split} has: {', '.join(tags)}"
