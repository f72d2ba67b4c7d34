"""`earmark library duplicates`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from earmark.cli.commands import Option
from earmark.cli.options import DecodingJobs, IndexFile, Quiet, format_option

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from earmark.library.duplicates.find import DuplicateGroup


class GroupFormat(StrEnum):
    """How groups are printed."""

    table = "table"
    jsonl = "jsonl"


class GroupKind(StrEnum):
    """Which groups are looked for."""

    audio = "audio"
    sound = "sound"


def duplicates(
    index: IndexFile = None,
    only: Annotated[
        GroupKind | None,
        Option(help="audio: the same encoded audio, at once. sound: the same recording in another encoding."),
    ] = None,
    output_format: Annotated[
        GroupFormat, format_option("table for people; jsonl, or json, one object per group, for programs.")
    ] = GroupFormat.table,
    jobs: DecodingJobs = None,
    quiet: Quiet = False,
) -> None:
    """Find what the library holds more than once, and say which copy is best. Nothing is deleted.

    First files with the same encoded audio, whatever their names and tags. Then, apart, the same recording in other
    encodings: formats, bit rates, levels, up to three seconds cut off at an end. For these, tracks that sound alike are
    decoded and compared; what that gives is kept beside the index, so that it is done once. Other performances, remasters,
    remixes and edits are no duplicates. The percentage says how much of a track agrees with the best.

    The best is lossless, else has the higher bit rate, is the longer, has more of title, artist, album and genre, or the shorter
    path: the first of these that tells. A lossless file can be made from a lossy one; that is not seen.

    Examples

      earmark library duplicates

      earmark library duplicates --only audio --format jsonl | jq -r '.copies[1:][].path'

    Exit code: 0 done, also when nothing is found, 1 the index cannot be read, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    from earmark.cli.console import exit_on_broken_pipe, stderr_console
    from earmark.cli.library.output import messages
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.cli.progress import count_bar
    from earmark.core.json_records import json_text
    from earmark.library.duplicates.find import find_same_audio, find_same_sound
    from earmark.library.index.track_index import Index
    from earmark.library.query.index_search import common_folder
    from earmark.library.query.search import Tracks

    notes = messages()
    groups: list[DuplicateGroup] = []
    with Index.open(index) as opened, exit_on_interrupt("what was compared is kept; the same command continues"):
        tracks = Tracks.load(opened)
        if only is not GroupKind.sound:
            groups += find_same_audio(opened, tracks, on_note=notes.print)
        if only is not GroupKind.audio:
            with count_bar(stderr_console(), quiet=quiet) as bar:
                task = bar.add_task("comparing", total=None)
                groups += find_same_sound(
                    opened,
                    tracks,
                    jobs=jobs,
                    on_note=notes.print,
                    on_progress=lambda done, total: bar.update(task, completed=done, total=total),
                )
        root = common_folder(opened)
    with exit_on_broken_pipe():
        if output_format is GroupFormat.jsonl:
            for group in groups:
                print(json_text(_record(group)))
        else:
            _print_table(groups, root)
    if output_format is GroupFormat.table and not groups:
        notes.print(f"earmark: no duplicates among {len(tracks)} tracks")


def _record(group: DuplicateGroup) -> dict[str, Any]:
    copies = []
    for copy in group.copies:
        track, encoding = copy.track, copy.encoding
        copies.append(
            {
                "path": str(track.path),
                "agreement": None if track.score is None else round(track.score, 4),
                "codec": encoding.codec,
                "lossless": encoding.is_lossless,
                "bit_rate_bps": encoding.bit_rate_bps,
                "sample_rate_hz": encoding.sample_rate_hz,
                "channels": encoding.n_channels,
                "duration_seconds": None if track.duration_seconds is None else round(track.duration_seconds, 3),
                "size_bytes": copy.size_bytes,
                "title": track.title,
                "artist": track.artist,
                "album": track.album,
                "genre": track.genre,
                "content_key": track.content_key,
            }
        )
    return {"kind": group.kind, "best": copies[0]["path"], "reason": group.reason, "copies": copies}


def _print_table(groups: Sequence[DuplicateGroup], root: Path) -> None:
    """On a terminal groups below headings, with paths as seen from ``root``; elsewhere a row per file, groups by number."""
    from earmark.cli.console import print_row, stdout_console
    from earmark.core.clock import clock

    out = stdout_console()
    kind = None
    for number, group in enumerate(groups, 1):
        if out.is_terminal:
            if group.kind != kind:
                kind = group.kind
                out.print(_heading([one for one in groups if one.kind == kind]))
            out.print()
        for copy in group.copies:
            path, seconds = copy.track.path, copy.track.duration_seconds
            is_best = copy is group.copies[0]
            cells = (
                "best" if is_best else "",
                "" if copy.track.score is None else f"{copy.track.score:.0%}",
                str(copy.encoding),
                "-" if seconds is None else clock(seconds),
                f"{copy.size_bytes / 1e6:.1f} MB",
            )
            reason = group.reason if is_best else ""
            if out.is_terminal:
                _print_line(out, cells, path.relative_to(root) if path.is_relative_to(root) else path, reason)
            else:
                print_row([str(number), group.kind, *cells, str(path), reason])
    if out.is_terminal and groups:
        out.print()


def _heading(groups: Sequence[DuplicateGroup]) -> str:
    from earmark.cli.text import counted

    what = {"audio": "same audio", "sound": "same sound in another encoding"}[groups[0].kind]
    n_spare = sum(len(group.copies) - 1 for group in groups)
    spare = sum(group.spare_bytes for group in groups) / 1e6
    return (
        f"\n[bold]{what}[/bold]: {counted(len(groups), 'group')}, {counted(n_spare, 'file')} to spare, {spare:,.1f} MB"
    )


def _print_line(out: Console, cells: tuple[str, ...], path: Path, reason: str) -> None:
    from rich.markup import escape

    from earmark.cli.text import printable

    best, share, encoding, length, size = cells
    facts = f"{share:>4}  {encoding:<18} {length:>7} {size:>10}"
    note = f"  [dim]({reason})[/dim]" if reason else ""
    out.print(f"[bold green]{best:<4}[/bold green]  {facts}  {escape(printable(path))}{note}")
