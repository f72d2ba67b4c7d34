"""`earmark library export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from earmark.cli.commands import Option
from earmark.cli.options import Force, IndexFile, out_option


class TableFormat(StrEnum):
    """What is written."""

    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def export(
    index: IndexFile = None,
    out: Annotated[Path | None, out_option("Where to.", metavar="FILE", show_default="stdout")] = None,
    output_format: Annotated[
        TableFormat | None,
        Option("--format", help="What to write.", show_default="by FILE's ending; stdout: csv"),
    ] = None,
    embeddings: Annotated[bool, Option("--embeddings", help="Each file's embedding, too; not in CSV.")] = False,
    force: Force = False,
) -> None:
    """Write all files of the library with all their scores, for other programs.

    A row per file, with its status, error, duration, own title, artist, album and genre, tempo, key, and the current
    model's score of every tag. Parquet needs the train extra.

    Examples

      earmark library export --out library.csv

      earmark library export --format jsonl | jq .path

      earmark library export --embeddings --out library.parquet

    Exit code: 0 done, 1 the index cannot be read or FILE not be written, 2 wrong usage, or FILE exists.
    """
    import sys

    from earmark.cli.console import exit_on_broken_pipe
    from earmark.cli.library.output import messages
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
    from earmark.cli.text import printable
    from earmark.core.errors import ConfigError
    from earmark.library.export import export_tracks, file_to_write, format_of
    from earmark.library.index.track_index import Index

    chosen = output_format.value if output_format is not None else (format_of(out) if out is not None else "csv")
    if chosen == "parquet":
        if out is None:
            raise ConfigError("Parquet is not for stdout: name a file with --out")
        require_extra("train", "`earmark library export --format parquet`", "pyarrow")
    with Index.open(index) as opened:
        if out is None:
            with exit_on_broken_pipe():
                export_tracks(opened, sys.stdout.buffer, chosen, embeddings=embeddings)
            return
        with exit_on_interrupt("nothing was written"), file_to_write(out, force=force) as file:
            n = export_tracks(opened, file, chosen, embeddings=embeddings)
    messages().print(f"earmark: {n} files in {printable(out)}")
