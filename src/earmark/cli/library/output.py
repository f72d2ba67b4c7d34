"""How tracks that were found are printed: a table for people, lines for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from earmark.cli.commands import Option
from earmark.cli.console import exit_on_broken_pipe, stderr_console, stdout_console
from earmark.cli.options import at_least, format_option

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.query.search import Hit

TABLE_ROWS = 50
_TABLE_TAGS = 4
_PATH_COLUMNS = 60


class RowFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    paths = "paths"


FormatOption = Annotated[
    RowFormat,
    format_option("table for people; jsonl, csv and paths (one path per line) for programs."),
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
    hits: Iterable[Hit], row_format: RowFormat, *, print0: bool, score_name: str, tags_first: tuple[str, ...] = ()
) -> None:
    """Print tracks to stdout.

    Args:
        hits: in order.
        row_format: see RowFormat.
        print0: paths, with a zero byte after each.
        score_name: what the score of a hit is called: "score" or "likeness".
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
            from earmark.library.export import csv_line

            print(
                csv_line(
                    ["path", score_name, "duration_seconds", "title", "artist", "album", "genre", "tags", "degrees"]
                ),
                end="",
            )
            for hit in hits:
                record = _record(hit, score_name)
                tags = "|".join(f"{tag['tag']}:{tag['score']}" for tag in record.pop("tags"))
                degrees = "|".join(f"{name}:{score}" for name, score in record.pop("degrees").items())
                del record["content_key"]
                print(csv_line([*record.values(), tags, degrees]), end="")
        else:
            _print_table(list(hits), tags_first)


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
    }


def _print_table(hits: list[Hit], tags_first: tuple[str, ...]) -> None:
    from rich.cells import cell_len
    from rich.markup import escape

    from earmark.cli.text import printable
    from earmark.core.clock import clock

    out = stdout_console()
    longest = max((cell_len(printable(hit.path)) for hit in hits), default=0)
    columns = min(longest, _PATH_COLUMNS) if out.is_terminal else longest
    for hit in hits:
        name = printable(hit.path)
        while cell_len(name) > columns:
            name = "..." + name[4:]
        padding = " " * (columns - cell_len(name))
        score = "    " if hit.score is None else f"{hit.score:.2f}"
        length = "-" if hit.duration_seconds is None else clock(hit.duration_seconds)
        asked = [pair for pair in hit.degrees if pair[0] in tags_first]
        ordered = [*asked, *sorted(hit.tags, key=lambda pair: pair[0] not in tags_first)[:_TABLE_TAGS]]
        tags = "  ".join(f"[bold]{escape(tag)}[/bold] {value:.2f}" for tag, value in ordered)
        out.print(f"{score}  {length:>7}  {escape(name)}{padding}  {tags}")
