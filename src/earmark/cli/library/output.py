"""How tracks that were found are printed: a table for people, lines for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from earmark.cli.commands import Option
from earmark.cli.console import exit_on_broken_pipe, print_row, stderr_console, stdout_console
from earmark.cli.options import at_least, format_option

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from earmark.library.query.search import Hit

TABLE_ROWS = 50
_TABLE_TAGS = 4
_LEAST_PATH_COLUMNS = 12


class RowFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    paths = "paths"


FormatOption = Annotated[
    RowFormat,
    format_option("table for people; jsonl, or json, (one object per line), csv and paths for programs."),
]
Print0Option = Annotated[
    bool, Option("--print0", help="Paths with a zero byte after each, for xargs -0; means --format paths.")
]


limit_check = at_least(0)
"""A limit of rows; 0 for all."""


def messages() -> Console:
    """For stderr."""
    return stderr_console(markup=False)


def print_hits(
    hits: Iterable[Hit],
    row_format: RowFormat,
    *,
    print0: bool,
    score_name: str,
    root: Path,
    tags_first: tuple[str, ...] = (),
) -> None:
    """Print tracks to stdout.

    Args:
        hits: in order.
        row_format: see RowFormat.
        print0: paths, with a zero byte after each.
        score_name: what the score of a hit is called: "score" or "likeness".
        root: the table shows paths as seen from this folder.
        tags_first: tags and degrees that the table shows before others; other degrees it leaves out.
    """
    with exit_on_broken_pipe():
        if print0 or row_format is RowFormat.paths:
            end = b"\0" if print0 else b"\n"
            for hit in hits:
                sys.stdout.buffer.write(os.fsencode(hit.path) + end)
            sys.stdout.buffer.flush()
        elif row_format is RowFormat.jsonl:
            from earmark.core.json_records import json_text

            for hit in hits:
                print(json_text(_record(hit, score_name)))
        elif row_format is RowFormat.csv:
            from earmark.core.csv_text import csv_row
            from earmark.tagging.data_frames import KEY_COLUMNS, TEMPO_COLUMNS, key_cells, tempo_cells

            columns = ("path", score_name, "duration_seconds", "title", "artist", "album", "genre")
            print(csv_row([*columns, "tags", "degrees", "n_copies", *TEMPO_COLUMNS, *KEY_COLUMNS]), end="")
            for hit in hits:
                record = _record(hit, score_name)
                tags = "|".join(f"{tag['tag']}:{tag['score']}" for tag in record["tags"])
                degrees = "|".join(f"{name}:{score}" for name, score in record["degrees"].items())
                own = [*(record[column] for column in columns), tags, degrees, len(hit.copies)]
                print(csv_row([*own, *tempo_cells(hit.tempo).values(), *key_cells(hit.key).values()]), end="")
        else:
            _print_table(list(hits), tags_first, root)


def _record(hit: Hit, score_name: str) -> dict[str, Any]:
    return {
        "path": str(hit.path),
        score_name: None if hit.score is None else round(hit.score, 4),
        "duration_seconds": None if hit.duration_seconds is None else round(hit.duration_seconds, 3),
        "title": hit.title,
        "artist": hit.artist,
        "album": hit.album,
        "genre": hit.genre,
        "content_key": hit.content_key,
        "tags": [{"tag": tag, "score": round(score, 4)} for tag, score in hit.tags],
        "degrees": {name: round(score, 4) for name, score in hit.degrees},
        "copies": [str(path) for path in hit.copies],
        "tempo": None if hit.tempo is None else hit.tempo.record(),
        "key": None if hit.key is None else hit.key.record(),
    }


def _print_table(hits: list[Hit], tags_first: tuple[str, ...], root: Path) -> None:
    """Score, length, name, tags, path, copies, tempo, key. On a terminal tempo and key come behind the length, paths are as
    seen from ``root``, and a row is cut to a line.
    """
    from rich.cells import cell_len
    from rich.markup import escape

    from earmark.cli.text import fit, printable

    out = stdout_console()
    rows = [_cells(hit, tags_first, root if out.is_terminal else None) for hit in hits]
    if not rows or not out.is_terminal:
        for row in rows:
            print_row(row)
        return
    rows = [(*row[:2], *row[6:], *row[2:6]) for row in rows]
    columns = [list(map(printable, column)) for column in zip(*rows, strict=True)]
    widths = [max(map(cell_len, column)) for column in columns]
    numbers, name, tags, path = (1, 2), 4, 5, 6

    def columns_left(column: int) -> int:
        return out.width - sum(wide + 2 for i, wide in enumerate(widths) if wide and i != column)

    widest_path = widths[path]
    widths[name], widths[path] = (min(widths[column], out.width // 3) for column in (name, path))
    columns[tags] = [_whole_tags(text, columns_left(tags)) for text in columns[tags]]
    widths[tags] = max(map(cell_len, columns[tags]))
    width = columns_left(path)
    widths[path] = min(widest_path, width) if width >= min(widest_path, _LEAST_PATH_COLUMNS) else 0
    for row in zip(*columns, strict=True):
        cells = []
        for i, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            text = fit(cell, wide, keep_end=i == path)
            space = " " * (wide - cell_len(text))
            cells.append(escape(space + text if i in numbers else text + space))
        cells[path] = f"[dim]{cells[path]}[/dim]"
        out.print("  ".join(cell for cell, wide in zip(cells, widths, strict=True) if wide).rstrip())


def _whole_tags(text: str, columns: int) -> str:
    """As many tags as fit, one at least."""
    while len(text) > columns and "  " in text:
        text = text.rpartition("  ")[0]
    return text


def _cells(hit: Hit, tags_first: tuple[str, ...], root: Path | None) -> tuple[str, ...]:
    from earmark.core.clock import clock

    asked = [f"{name} {100 * value:.0f}" for name, value in hit.degrees if name in tags_first]
    tags = sorted(hit.tags, key=lambda pair: pair[0] not in tags_first)[:_TABLE_TAGS]
    n = len(hit.copies)
    return (
        "" if hit.score is None else f"{hit.score:.2f}",
        "-" if hit.duration_seconds is None else clock(hit.duration_seconds),
        hit.name,
        "  ".join([*asked, *(f"{tag} {value:.2f}" for tag, value in tags)]),
        str(hit.path.relative_to(root) if root is not None and hit.path.is_relative_to(root) else hit.path),
        f"+{n} {'copy' if n == 1 else 'copies'}" if n else "",
        "" if hit.tempo is None or hit.tempo.bpm is None else f"{hit.tempo.bpm:.1f}",
        "" if hit.key is None or hit.key.key is None else hit.key.key.camelot,
    )
